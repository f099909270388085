"""`sample_request`: requests that an exported version accepts, in the forms of the REST API."""

import json
import os

import numpy as np

from keras_din.checks import positive_integer
from keras_din.features import TIME, Bag, FeatureSpec, id_feature
from keras_din.serving.graph.signatures import SIGNATURES
from keras_din.serving.sample_rows import one_candidate_per_row, sample_rows
from keras_din.serving.version.description import find_version, read_description

# More candidates are drawn than needed, because some of them are padding.
_DRAWN, _VALUES = 20, 2


def sample_request(
    version: str | os.PathLike,
    *,
    rows: int = 2,
    candidates: int = 3,
    time: int = 3,
    seed: int = 0,
) -> dict:
    """Returns valid requests of both signatures of an exported version, as JSON values.

    The values are drawn at random: those of a vocabulary and unknown ones, and numbers around the
    mean. The last row has histories of full width. Earlier rows have shorter ones, with padding
    at the end. Behaviors with times are in the order of their times.

    Args:
        version: The folder of a version, or of versions (the newest).
        rows: Number of rows of `rank`. `serving_default` has one row per candidate.
        candidates: Number of candidates of each row of `rank`.
        time: Width of the histories: number of behaviors and padding.
        seed: Random seed.

    Returns:
        Signature -> `"row"` or `"column"` -> the body of a request to
        `POST /v1/models/NAME:predict` of TensorFlow Serving. The row form lists an object of inputs
        per row (`instances`), the column form has a list per input (`inputs`).

    Raises:
        FileNotFoundError: If there is no version.
        ValueError: If a number is not a positive integer.

    Example:

    ```python
    from keras_din.serving import sample_request

    spec = kd.FeatureSpec(target=[kd.Categorical("item", vocabulary=["a", "b"], dim=2)])
    version = kd.export(kd.build_lr(spec), spec, "exported_models/lr")
    request = sample_request(version, rows=1, candidates=2)
    request["rank"]["column"]  # {"signature_name": "rank", "inputs": {"item": [["b", "a"]]}}
    ```
    """
    rows, candidates = positive_integer("rows", rows), positive_integer("candidates", candidates)
    time = positive_integer("time", time)
    description = read_description(find_version(version))
    spec = FeatureSpec.from_json(json.dumps(description["spec"]))
    # The first of the rows that are drawn has empty histories.
    drawn = sample_rows(spec, rows + 1, 2 * candidates + _DRAWN, time, _VALUES, seed).raw
    raw = _real_candidates(spec, {n: values[1:] for n, values in drawn.items()}, candidates)
    raw = _padding_of_bags_last(spec, _padding_of_histories_last(spec, raw))
    of_signatures = {"rank": raw, "serving_default": one_candidate_per_row(spec, raw)}
    return {name: _forms(name, of_signatures[name]) for name in SIGNATURES}


def _real_candidates(spec: FeatureSpec, raw: dict, candidates: int) -> dict:
    """Returns rows with the first candidates of each row that are not padding."""
    first = id_feature(spec.target)
    is_padding = raw[first.name] == first.padding_value
    chosen = np.argsort(is_padding, axis=1, kind="stable")[:, :candidates]
    each = np.arange(len(chosen))[:, None]
    return {
        name: values[each, chosen] if spec.raw_inputs[name].role == "target" else values
        for name, values in raw.items()
    }


def _padding_of_histories_last(spec: FeatureSpec, raw: dict) -> dict:
    """Moves padding to the end of histories, and sorts the behaviors by their times."""
    raw = dict(raw)
    for sequence in spec.sequences:
        first = id_feature(sequence.of)
        is_padding = raw[sequence.input_name(first)] == first.padding_value
        times = raw.get(f"{sequence.name}_{TIME}")
        order = np.lexsort((is_padding,) if times is None else (times, is_padding), axis=-1)
        each = np.arange(len(order))[:, None]
        for name, info in spec.raw_inputs.items():
            if info.sequence is sequence:
                raw[name] = raw[name][each, order]
                raw[name][is_padding[each, order]] = info.feature.padding_value
    return raw


def _padding_of_bags_last(spec: FeatureSpec, raw: dict) -> dict:
    """Moves padding to the end of bags."""
    raw = dict(raw)
    for name, info in spec.raw_inputs.items():
        if isinstance(info.feature, Bag):
            is_padding = raw[name] == info.feature.padding_value
            order = np.argsort(is_padding, axis=-1, kind="stable")
            for part in info.feature.parts:
                of_part = part.name if info.sequence is None else info.sequence.input_name(part)
                values = np.where(is_padding, part.padding_value, raw[of_part])
                raw[of_part] = np.take_along_axis(values, order, axis=-1)
    return raw


def _forms(signature: str, raw: dict) -> dict:
    """Returns both forms of a request."""
    columns = {name: _json_values(values) for name, values in raw.items()}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return {
        "row": {"signature_name": signature, "instances": rows},
        "column": {"signature_name": signature, "inputs": columns},
    }


def _json_values(values: np.ndarray) -> list:
    """Returns lists of JSON values: 0 for a missing number, since JSON has no NaN."""
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=0, posinf=0, neginf=0)
        # The decimal numbers with the fewest digits: 0.1 and not 0.10000000149.
        values = values.astype(str).astype(np.float64)
    return values.tolist()
