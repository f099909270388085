"""Loads the shards of one worker as prepared data."""

import dataclasses
import os
from typing import Any

from keras_din.checks import local_path, one_of, positive_integer
from keras_din.count_text import count_text
from keras_din.data.prepare.joined_days import join_days
from keras_din.data.prepare.prepared_data import HEADER as PREPARED_HEADER
from keras_din.data.prepare.prepared_data import PreparedData
from keras_din.data.sharded.finish_shards import HEADER, load_shard, read_header, read_shard_header
from keras_din.data.sharded.shard_names import shard_path
from keras_din.features import FeatureSpec

__all__ = ["load_shards"]


def load_shards(
    folder: str | os.PathLike, index: int = 0, count: int = 1, *, choice: str = "strided"
) -> PreparedData:
    """Loads the shards of one of several workers, which together have all shards.

    Each worker has all rows of its users. The arrays of a single shard are memory-mapped; those of
    several shards are copied into memory. Workers have unequal numbers of rows, but all must make
    the same number of steps: `keras_din.distributed.fit` ends an epoch with the smallest worker.
    `evaluate`, `Evaluation` and `feature_counts` are those of the rows of all workers.

    Args:
        folder: The folder of `finish_shards` or `keras-din prepare --shards`. Or prepared data of
            `PreparedData.save`, which counts as one shard.
        index: The number of the worker, from 0.
        count: The number of workers.
        choice: `"strided"`: worker `i` has the shards `i`, `i + count` and so on. Or
            `"contiguous"`: the first worker has the first shards.

    Returns:
        A `PreparedData`. Its report has the numbers of the `shards`, the `worker` `[index, count]`,
        the `choice`, and as `rows_of_smallest_worker` the name of each part -> the smallest number
        of its rows that one of the workers has.

    Raises:
        FileNotFoundError: If the folder has no header.
        ValueError: If there are more workers than shards, a shard is missing, incomplete or of
            another spec than the header, or all shards of the worker are empty.

    Example:

    ```python
    kd.data.synthetic_log(users=20).save("data")
    data = kd.data.load_shards("data", index=0, count=1)
    steps = data.report["rows_of_smallest_worker"]["train"] // 16  # With batches of 16 rows.
    ```
    """
    folder = local_path("folder", folder)
    count = positive_integer("count", count)
    index = positive_integer("index", index, minimum=0)
    one_of("choice", choice, ("strided", "contiguous"))
    if index >= count:
        raise ValueError(
            f"`index` must be the number of a worker, from 0 to {count - 1}. "
            f"Received: index={index}, count={count}."
        )
    is_one = not (folder / HEADER).is_file() and (folder / PREPARED_HEADER).is_file()
    header: dict[str, Any] = {"shards": 1} if is_one else read_header(folder)
    shards = header["shards"]
    if count > shards:
        remedy = "Prepare more shards, at least 16 per worker, or use fewer workers"
        if is_one:
            remedy = "Pass `shard=(index, count)` to `dataset` instead, which needs no shards"
        raise ValueError(
            f"There must be at least as many shards as workers. Received: {count} workers for "
            f"{count_text(shards, 'shard')} of {folder}. {remedy}."
        )
    if is_one:
        data = PreparedData.load(folder)
        if "worker" in data.report:  # What a worker has saved.
            return data
        rows = {name: len(samples) for name, samples in data.parts.items()}
        return _with_report(data, {"shards": [0], "rows_of_smallest_worker": rows})
    chosen = [_shards_of(worker, count, shards, choice) for worker in range(count)]
    smallest = {
        part: min(sum(rows[i] for i in of_worker) for of_worker in chosen)
        for part, rows in header["rows"].items()
    }
    pieces = []
    for number in chosen[index]:
        path = shard_path(folder, number, shards)
        found = read_shard_header(path)
        if found["hash"] != header["hash"]:
            raise ValueError(
                "A shard must have the spec and options of the header. Received: "
                f"{path} with the hash {found['hash']}, and {folder / HEADER} with "
                f"{header['hash']}. Call `finish_shards` after all shards are prepared again."
            )
        pieces.append(load_shard(path, found))
    facts = {"shards": chosen[index], "rows_of_smallest_worker": smallest}
    facts |= {"worker": [index, count], "choice": choice}
    kept = [piece for piece in pieces if piece is not None]
    if not kept:
        raise ValueError(
            "The shards of a worker must have rows. Received: none in the shards "
            f"{chosen[index]} of {folder}. Use fewer shards or fewer workers."
        )
    if len(kept) == 1:
        # Other users would have no counts.
        data = dataclasses.replace(kept[0], past={}) if shards > 1 else kept[0]
        return _with_report(data, facts)
    behaviors, parts = join_days([(d.behaviors, d.parts, d.user_values) for d in kept])
    spec = FeatureSpec.from_json(header["spec"])
    report = {"kind": "shards", "time_unit": kept[0].report["time_unit"]}
    return _with_report(PreparedData(spec, behaviors, parts, report), facts)


def _shards_of(worker: int, count: int, shards: int, choice: str) -> list:
    """The numbers of the shards of a worker."""
    if choice == "strided":
        return list(range(worker, shards, count))
    return list(range(worker * shards // count, (worker + 1) * shards // count))


def _with_report(data: PreparedData, facts: dict) -> PreparedData:
    data.report.update(facts)
    return data
