"""Which column of a table holds which label."""

from keras_din.features import FeatureSpec, Label
from keras_din.features.labels import label_tuple


def label_columns(label) -> dict:
    """`Label` -> the column that holds it, for a table whose labels become those of a spec.

    Args:
        label: Name of the column of the only label, which is `click` whatever its column is
            named. Or a list of names and `Label` objects, each the name of its column, or a dict
            of these -> column.

    Raises:
        ValueError: When it is something else, or two labels or outputs have one name.
    """
    if isinstance(label, str):
        return {Label(): label}
    if isinstance(label, dict):
        labels = label_tuple("this table", list(label))
        columns = list(label.values())
    else:
        labels = label_tuple("this table", [label] if isinstance(label, Label) else label)
        columns = [each.name for each in labels]
    if not all(isinstance(column, str) for column in columns):
        raise ValueError(
            f"`label` must map labels to the names of their columns. Received: label={label!r}."
        )
    return dict(zip(labels, columns, strict=True))


def columns_of_spec(label, spec: FeatureSpec) -> dict:
    """Name of each label of a spec -> the column that holds it.

    Args:
        label: Name of the column of the only label. Or a list of the names of labels that are
            columns, or a dict, name of a label -> column.
        spec: The features and labels.

    Raises:
        ValueError: When a label of the spec has no column, or a column no label.
    """
    wanted = [each.name for each in spec.labels]
    if isinstance(label, str):
        columns = {wanted[0]: label} if len(wanted) == 1 else {label: label}
    elif isinstance(label, dict):
        columns = dict(label)
    else:
        columns = {name: name for name in label}
    if set(columns) != set(wanted):
        raise ValueError(
            f"`label` must name a column for each label of the spec, {wanted}. "
            f"Received: label={label!r}."
        )
    return {name: columns[name] for name in wanted}
