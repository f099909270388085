"""The predictions of all workers of a cluster, in the order of the dataset."""

from typing import Any

import numpy as np

from keras_din.workers import gather_arrays

__all__ = ["gather_batches"]


def gather_batches(batches: list) -> list:
    """Returns the batches of all workers. All workers must call it together.

    AUC and calibration need all predictions, so these are gathered, and not sums per worker.

    Args:
        batches: Of this worker, which has each `count`-th batch of the dataset from its index on:
            `(predictions, labels, sizes)`. The first two are dicts, name of the output or `None` ->
            `(candidates,)`; `sizes` is `(rows,)`.
    """
    parts = [_split(part) for part in gather_arrays(_join(batches))]
    total = sum(map(len, parts))
    return [parts[i % len(parts)][i // len(parts)] for i in range(total)]


def _join(batches: list) -> dict:
    arrays: dict[str, Any] = {"rows": np.array([len(sizes) for *_, sizes in batches], np.int64)}
    if batches:
        arrays["candidates"] = np.array([sizes.sum() for *_, sizes in batches], np.int64)
        arrays["sizes"] = np.concatenate([sizes for *_, sizes in batches])
        for kind in (0, 1):
            for name in batches[0][kind]:
                key = f"{kind}{'' if name is None else name}"
                arrays[key] = np.concatenate([batch[kind][name] for batch in batches])
    return arrays


def _split(arrays: dict) -> list:
    rows = arrays.pop("rows")
    if not len(rows):
        return []
    sizes = np.split(arrays.pop("sizes"), np.cumsum(rows)[:-1])
    ends = np.cumsum(arrays.pop("candidates"))[:-1]
    batches: list = [({}, {}, each) for each in sizes]
    for key, values in arrays.items():
        for batch, part in zip(batches, np.split(values, ends), strict=True):
            batch[int(key[0])][key[1:] or None] = part
    return batches
