"""Maps labels to the columns of a table, and `label_map` to these columns."""

from keras_din.data.reading.labels import LabelRules, is_by_label
from keras_din.features import FeatureSpec, Label
from keras_din.features.labels import label_tuple
from keras_din.features.names import first_duplicate


def label_columns(label) -> dict:
    """Returns `Label` -> name of its column, for data whose labels are not in a spec yet.

    Args:
        label: Name of the column of the only label, which is named `click`. Or a list of names
            and `Label` objects with the names of their columns, or a dict of names or `Label`
            objects -> column.

    Raises:
        ValueError: If it is something else, or two labels have the same name, output or column.
    """
    if isinstance(label, str):
        return {Label(): label}
    if isinstance(label, dict):
        labels = label_tuple("this table", list(label))
        columns = list(label.values())
    else:
        labels = label_tuple("this table", [label] if isinstance(label, Label) else label)
        columns = [each.name for each in labels]
    _check_columns(label, columns)
    return dict(zip(labels, columns, strict=True))


def default_sequences(of_label: dict) -> dict:
    """Returns `{"hist": column}` with the column of the first label of 0 and 1.

    Args:
        of_label: `Label` -> its column.

    Raises:
        ValueError: If all labels are numbers.
    """
    for label, column in of_label.items():
        if label.is_binary:
            return {"hist": column}
    raise ValueError(
        "`sequences` must be given if all labels are numbers: name of a sequence -> column of 0 "
        "and 1, whose rows with 1 are its behaviors (on the command line `--sequences "
        "hist=COLUMN`). "
        f"Received: labels {list(of_label)}."
    )


def check_flags(rules: LabelRules, sequences: dict, events: list) -> None:
    """Raises a `ValueError` if a label that is a number selects behaviors or counted events."""
    for name, column in sequences.items():
        if column in rules.numbers:
            raise ValueError(
                "`sequences` must name columns of 0 and 1. "
                f"Received: {name!r}: {column!r}, a label that is a number."
            )
    for column in events:
        if column in rules.numbers:
            raise ValueError(
                "`event` of a Count must name a column of 0 and 1. "
                f"Received: event={column!r}, a label that is a number."
            )


def columns_of_spec(label, spec: FeatureSpec) -> dict:
    """Returns name of each label of a spec -> name of its column.

    Args:
        label: Name of the column of the only label. Or a list of names and `Label` objects with
            the names of their columns, or a dict of names or `Label` objects -> column.
        spec: The features and labels.

    Raises:
        ValueError: If a label of the spec has no column, another label has one, a `Label` differs
            from that of the spec, or two labels have the same column.
    """
    of_spec = {each.name: each for each in spec.labels}
    if isinstance(label, str):
        columns = {next(iter(of_spec)): label} if len(of_spec) == 1 else {label: label}
    elif isinstance(label, dict):
        columns = dict(label)
    else:
        given = [label] if isinstance(label, Label) else label
        if not isinstance(given, (list, tuple)):
            raise ValueError(
                "`label` must be the name of a column, a list of names and `Label` objects, or a "
                f"dict of these -> column. Received: label={label!r}."
            )
        columns = {each: each.name if isinstance(each, Label) else each for each in given}
    by_name = {
        each.name if isinstance(each, Label) and each in spec.labels else each: column
        for each, column in columns.items()
    }
    if by_name.keys() != of_spec.keys() or len(by_name) != len(columns):
        example = dict.fromkeys(of_spec, "COLUMN")
        raise ValueError(
            f"`label` must name a column for each label of the spec, {list(spec.labels)}, for "
            f"example label={example}. Received: label={label!r}."
        )
    _check_columns(label, list(by_name.values()))
    return {name: by_name[name] for name in of_spec}


def _check_columns(label, columns: list) -> None:
    """Raises a `ValueError` unless the columns of labels are different names."""
    if not all(isinstance(column, str) for column in columns):
        raise ValueError(
            f"`label` must map labels to the names of their columns. Received: label={label!r}."
        )
    duplicate = first_duplicate(columns)
    if duplicate is not None:
        raise ValueError(
            "`label` must name a different column for each label, because two outputs of a model "
            f"would predict the same. Received: {duplicate!r} twice in label={label!r}."
        )


def label_map_by_column(label_map, columns: dict):
    """Replaces the names of labels in a `label_map` by the names of their columns.

    Args:
        label_map: Values -> 0 or 1, which is returned unchanged, or name of a label, or of its
            column -> such a dict.
        columns: Name of each label -> its column.

    Raises:
        ValueError: If it names anything else or a column twice, or only some of its values are
            dicts.
    """
    if not is_by_label(label_map):
        return label_map
    result: dict[str, dict] = {}
    for name, of_label in label_map.items():
        column = columns.get(name, name)
        if column not in columns.values() or not isinstance(of_label, dict):
            raise ValueError(
                "`label_map` must map values to 0 or 1, or each label to such a dict; the labels "
                f"are {list(columns)}. Received: {name!r}: {of_label!r}."
            )
        if column in result:
            raise ValueError(
                f"`label_map` must name each label once. Received: {list(label_map)}, which names "
                f"the column {column!r} twice."
            )
        result[column] = of_label
    return result
