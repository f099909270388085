"""The base data and its appended days as one data set."""

import numpy as np
import pandas as pd

from keras_din.data.store.bags import Bags, concat_bags
from keras_din.data.store.behavior_log import BehaviorLog
from keras_din.data.store.order import ranges
from keras_din.data.store.samples import Samples
from keras_din.features import FeatureSpec


def join_days(pieces: list) -> tuple:
    """Joins rows that point to different behavior logs.

    Args:
        pieces: `(behaviors, parts, users)` each: sequence name -> `BehaviorLog`, name of the part
            -> `Samples`, and the raw values of the users by number.

    Returns:
        `(behaviors, parts)`: one `BehaviorLog` per sequence, in which a user of several pieces
        has several histories, and the `Samples` of each part. The group of a row is the number of
        its user among all users.
    """
    logs, users = [each[0] for each in pieces], [each[2] for each in pieces]
    raw = pd.concat([pd.Series(np.asarray(each, object)) for each in users])
    numbers, _ = pd.factorize(raw, sort=True)
    codes = np.split(numbers, np.cumsum([len(each) for each in users])[:-1])
    behaviors, start = {}, {}
    for name in logs[0]:
        of_name = [each[name] for each in logs]
        start[name] = np.cumsum([0, *map(len, of_name)])
        behaviors[name] = BehaviorLog(
            np.concatenate(
                [[0], *(log.offsets[1:] + s for log, s in zip(of_name, start[name], strict=False))]
            ),
            {
                column: concat_bags([log.columns[column] for log in of_name])
                for column in of_name[0].columns
            },
            np.concatenate([log.time for log in of_name]),
        )
    parts: dict = {}
    requests = 0
    for i, (_, of_piece, _) in enumerate(pieces):
        for part, samples in of_piece.items():
            parts.setdefault(part, []).append(
                _moved(samples, codes[i], {n: s[i] for n, s in start.items()}, requests)
            )
            if samples.request is not None:
                requests += int(samples.request.max(initial=-1)) + 1
    return behaviors, {part: _concatenated(samples) for part, samples in parts.items()}


def take_rows(spec: FeatureSpec, behaviors: dict, samples: Samples, rows: np.ndarray) -> tuple:
    """Takes rows with only the behaviors that a model reads of them, so a few rows are small.

    Args:
        spec: The features.
        behaviors: Sequence name -> `BehaviorLog`.
        samples: The rows.
        rows: Numbers of the rows to take.

    Returns:
        `(behaviors, samples)`. Each row has a user of its own in the logs, or each request, whose
        rows have the same history.
    """
    samples, logs, arrays = samples[rows], {}, {}
    owner, first = np.arange(len(rows)), np.arange(len(rows))
    if samples.request is not None:
        _, first, owner = np.unique(samples.request, return_index=True, return_inverse=True)
    for sequence in spec.sequences:
        log = behaviors[sequence.name]
        start, end = (each[first] for each in samples.history[sequence.name])
        size = np.minimum(end - start, sequence.max_length)
        place = ranges(end - size, size)
        offsets = np.concatenate([[0], np.cumsum(size)])
        columns = {name: column[place] for name, column in log.columns.items()}
        time = None if log.time is None else log.time[place]
        logs[sequence.name] = BehaviorLog(offsets, columns, time)
        arrays[f"history/{sequence.name}/start"] = offsets[:-1][owner]
        arrays[f"history/{sequence.name}/end"] = offsets[1:][owner]
    return logs, Samples.from_arrays(samples.arrays() | arrays)


def _moved(samples: Samples, users: np.ndarray, start: dict, requests: int) -> dict:
    """The arrays of samples whose behaviors start at another event. No two requests are equal."""
    arrays = samples.arrays()
    for name, event in start.items():
        for end in ("start", "end"):
            arrays[f"history/{name}/{end}"] = arrays[f"history/{name}/{end}"] + event
    arrays["group"] = users[samples.group]
    if samples.request is not None:
        arrays["request"] = samples.request + requests
    return arrays


def _concatenated(samples: list) -> Samples:
    """Joins arrays of samples. Rows without a weight have the weight 1.

    Another field that one of them lacks is left out.
    """
    if any("weight" in each for each in samples):
        ones = [np.ones(len(each["group"]), np.float32) for each in samples]
        samples = [{"weight": one} | each for one, each in zip(ones, samples, strict=True)]
    names = [name for name in samples[0] if all(name in each for each in samples)]
    return Samples.from_arrays(
        {
            name: concat_bags([each[name] for each in samples])
            if isinstance(samples[0][name], Bags)
            else np.concatenate([each[name] for each in samples])
            for name in names
        }
    )
