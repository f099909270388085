"""Reads rows that contain their histories for a spec that is known, from any table."""

import pandas as pd

from keras_din.data.prepare.log_columns import LogColumns, feature_names, log_columns
from keras_din.data.prepare.read_rows import read_rows
from keras_din.data.prepare.row_histories import history_columns, split_cells, to_lists
from keras_din.data.reading.bad_share import MAX_BAD, check_max_bad
from keras_din.data.reading.source import has_lines, is_csv
from keras_din.features import BagWeights, FeatureSpec


def is_text(source) -> bool:
    """Whether a table is read from lines of text, some of which may be bad."""
    return is_csv(source) or has_lines(source)


def read_later_rows(
    source,
    spec: FeatureSpec,
    sequences: dict | None = None,
    separator: str | None = None,
    bags=(),
    max_bad: float = MAX_BAD,
    *,
    ids=(),
    numbers=(),
) -> pd.DataFrame:
    """Reads rows with one column per input of a spec.

    Args:
        source: The result of `as_source`.
        spec: The features.
        sequences: See `rows_to_samples`.
        separator: Separator of histories that are text, or `None`.
        bags: Separators of text with several values, see `check_separators`.
        max_bad: The largest share of lines that may be bad. Their number is printed.
        ids: Names of other columns of ids.
        numbers: Names of other columns of numbers.

    Returns:
        A frame with the other columns and a column per input, indexed by line or row. Histories
        and bags are lists.
    """
    histories = _histories(spec, dict(sequences or {}))
    own = [info.feature for info in spec.raw_inputs.values() if info.sequence is None]
    columns = _columns(spec, own, histories, ids, numbers, bags)
    read = read_rows(
        {"train": source},
        [*feature_names(own), *ids, *numbers],
        [column for _, _, names in histories for column in names.values()],
        None,
        [],
        columns.separators,
        columns.reading,
        {
            "required": [],
            "labels": [],
            "label_map": {},
            "max_bad": check_max_bad(max_bad),
            "strict": False,
        },
    )
    for reason, facts in read.counts["rows_aside"].items():
        print(f"kept aside {facts['rows']:,}: {reason}, first in line {facts['first_line']}")
    frame = read.frame
    for sequence, features, of_histories in histories:
        names = {feature.name: sequence.input_name(feature) for feature in features}
        to_lists(frame, names, of_histories, features, columns.reading, separator)
    for feature in own:
        if feature.axes:
            frame[feature.name] = split_cells(
                frame[feature.name], columns.separators.get(feature.name)
            )
    return frame


def _histories(spec: FeatureSpec, given: dict) -> list:
    """Returns `(sequence, features, columns)` per sequence. `columns` are those of the features."""
    if other := set(given) - {sequence.name for sequence in spec.sequences}:
        raise ValueError(
            "`sequences` must name sequences of the spec: "
            f"{[sequence.name for sequence in spec.sequences]}. Received: {sorted(other)}."
        )
    found = []
    for sequence in spec.sequences:
        features = [info.feature for info in spec.raw_inputs.values() if info.sequence is sequence]
        of_sequence = {sequence.name: given.get(sequence.name, {})}
        columns = history_columns(of_sequence, feature_names(features))
        found.append((sequence, features, columns[sequence.name]))
    return found


def _columns(spec: FeatureSpec, own: list, histories: list, ids, numbers, bags) -> LogColumns:
    """Returns the columns of the features, of which `own` are those outside of histories."""
    context = [info.feature for info in spec.raw_inputs.values() if info.role == "context"]
    of_behaviors = {f.name: f for _, features, _ in histories for f in features}
    side_features = [f for f in of_behaviors.values() if f not in own]
    # A bag has its weights itself.
    others = [f for f in (*context, *side_features) if not isinstance(f, BagWeights)]
    return log_columns(spec.target, others, (), None, ids=ids, numbers=numbers, bags=bags)
