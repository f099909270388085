"""Maps labels to the columns of a table."""

from keras_din.features import FeatureSpec, Label
from keras_din.features.labels import label_tuple


def label_columns(label) -> dict:
    """Returns `Label` -> name of its column, for data whose labels are not in a spec yet.

    Args:
        label: Name of the column of the only label, which is named `click`. Or a list of names
            and `Label` objects with the names of their columns, or a dict of names or `Label`
            objects -> column.

    Raises:
        ValueError: If it is something else, or two labels or two outputs have the same name.
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
    """Returns name of each label of a spec -> name of its column.

    Args:
        label: Name of the column of the only label. Or a list of names of labels that are also
            the names of the columns, or a dict of name of a label -> column.
        spec: The features and labels.

    Raises:
        ValueError: If a label of the spec has no column, or a column has no label.
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
