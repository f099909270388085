"""Prepares one shard of a log: the rows of its users, with a spec that is known."""

import contextlib
import json
import os
import pathlib
from typing import Any

import numpy as np
import pandas as pd

from keras_din.atomic_write import atomic_folder
from keras_din.data.prepare.day import save_bad_rows
from keras_din.data.prepare.part_of_log import PartOfLog
from keras_din.data.reading.file_lines import FileLines, with_files
from keras_din.data.reading.row_checks import NoGoodRowsError
from keras_din.data.reading.source import to_frame
from keras_din.data.sharded.log_kinds import prepare_log, read_rows
from keras_din.data.sharded.shard_names import shard_path, shards_of_users
from keras_din.data.sharded.shard_plan import ShardPlan, check_options, make_plan
from keras_din.features import FeatureSpec
from keras_din.version import __version__

__all__ = ["prepare_shard"]

SHARD_HEADER = "shard.json"
BAD_ROWS = "bad_rows.csv"


def prepare_shard(
    rows: Any,
    folder: str | os.PathLike,
    index: int,
    shards: int,
    spec: FeatureSpec,
    **options: Any,
) -> pathlib.Path:
    """Prepares the rows of one shard and writes them to `folder/shard-00017-of-00064`.

    An engine that groups the rows of a log by `crc32(user) % shards` calls this function once for
    each group, and then `finish_shards`. The folder is written under a temporary name and renamed
    when it is complete. A second call with the same arguments changes nothing, so an engine may
    repeat it, also at the same time.

    Args:
        rows: All rows of the shard's users: a `DataFrame`, an Arrow table or a file with types,
            such as Parquet. It may have no rows.
        folder: The folder of all shards.
        index: The number of the shard, from 0.
        shards: The number of shards.
        spec: The features, the same for all shards, see `fit_spec`.
        **options: The arguments of `prepare_impressions` that do not describe features: `user`,
            `time` or `order`, `label`, `split`, and optionally `sequences`, `request`, `weight`,
            `time_unit`, `time_format`, `bags`, `label_map`, `duplicates` and `strict`. `split` is
            `ByTime`, `LeaveOneOut` or the name of a column. Times that are numbers require a
            `time_unit`, so that all shards have the same one.

    Returns:
        The path of the shard.

    Raises:
        FileExistsError: If the folder exists and has another content.
        ValueError: If an option is not supported, or a user belongs to another shard.

    Example:

    ```python
    import pandas as pd

    log = pd.DataFrame(
        {"user": ["ann"] * 4, "time": [1, 2, 3, 4], "item": list("abab"), "click": [1, 0, 1, 0]}
    )
    spec = kd.data.fit_spec({"item": {"a": 2, "b": 2}}, target=["item"], dim=4)
    columns = {"user": "user", "time": "time", "label": "click", "time_unit": "s"}
    kd.data.prepare_shard(
        log, "shards", 0, 1, spec, **columns, split=kd.data.ByTime(test_from=4, time_unit="s")
    )
    kd.data.finish_shards("shards")
    ```
    """
    path = shard_path(folder, index, shards)
    check_options(options, with_tables=False)
    plan = make_plan(spec, shards, PartOfLog({}, False), options)
    frame = to_frame(rows)
    frame = frame.rename_axis("line") if frame.index.name != "line" else frame
    _check_unit(frame, plan)
    return write_shard(frame, path, index, plan)


def write_shard(
    rows: pd.DataFrame,
    path: pathlib.Path,
    index: int,
    plan: ShardPlan,
    files: FileLines | None = None,
) -> pathlib.Path:
    """Prepares and writes a shard, see `prepare_shard`.

    Args:
        rows: The rows, indexed by their line.
        path: The folder of the shard.
        index: The number of the shard.
        plan: What all shards have in common.
        files: The lines of the files of the log, if there are several, for the bad rows.
    """
    _check_users(rows, index, plan)
    header = {
        "version": __version__,
        "index": index,
        "shards": plan.shards,
        "hash": plan.hash,
        "rows_hash": _rows_hash(rows),
    }
    if is_written(path, header):
        return path
    data, bad, aside, report = _prepare(rows, plan)
    if data is not None and data.spec.to_json() != plan.spec.to_json():
        raise ValueError(
            "`label` and `sequences` must be those of the spec. Received: the labels "
            f"{[each.name for each in data.spec.labels]} and the sequences "
            f"{[each.name for each in data.spec.sequences]}, and {plan.spec!r}."
        )
    parts = {} if data is None else data.parts
    times = [each.time for each in parts.values()]
    header |= {
        "spec": plan.spec.to_json(),
        "required_parts": plan.required_parts,
        "rows": {name: len(samples) for name, samples in parts.items()},
        "log_rows": len(rows),
        "users": report.get("users", 0),
        "time_from": min((int(each.min()) for each in times), default=None),
        "time_to": max((int(each.max()) for each in times), default=None),
        "aside": aside,
        "report": report,
        "labels": _label_ranges(parts.get("train")),
        "duplicates": plan.arguments.duplicates,
    }
    try:
        with atomic_folder(path, SHARD_HEADER) as partial:
            if data is not None:
                data.save(partial)
            if bad is not None:
                save_bad_rows(with_files(bad, files), partial / BAD_ROWS)
            text = json.dumps(header, indent=1, ensure_ascii=False, allow_nan=False)
            (partial / SHARD_HEADER).write_text(text, encoding="utf-8")
    except OSError:
        if not is_written(path, header):  # Else another process has written it meanwhile.
            raise
    return path


def is_written(path: pathlib.Path, header: dict) -> bool:
    """Whether a shard with the same content exists.

    Raises:
        FileExistsError: If the folder has another content.
    """
    if not path.exists() or not any(path.iterdir()):
        return False
    found: dict = {}
    with contextlib.suppress(OSError, json.JSONDecodeError):
        found = json.loads((path / SHARD_HEADER).read_text(encoding="utf-8"))
    for word, what in (("hash", "another spec or other options"), ("rows_hash", "other rows")):
        if found.get(word) != header[word]:
            what = what if word in found else "no complete shard"
            raise FileExistsError(
                f"The folder of a shard must be new, or have the same shard. Received: {path}, "
                f"which has {what}. Remove it, or write to another folder."
            )
    return True


def _prepare(rows: pd.DataFrame, plan: ShardPlan) -> tuple:
    """Returns `(data, bad rows, counts of bad rows, report)`. Without samples, `data` is `None`.

    The report is empty if the shard has no samples.
    """
    if not len(rows):
        return None, None, {}, {}
    try:
        log = read_rows(rows, plan.arguments, plan.part_of_log)
    except NoGoodRowsError as error:
        return None, error.bad, error.counts, {}
    aside = log.events.report["rows_aside"]
    if not (log.part >= 0).any():
        return None, log.events.bad, aside, {}
    data = prepare_log(log, plan.part_of_log)
    return data, log.events.bad, aside, data.report


def _check_unit(rows: pd.DataFrame, plan: ShardPlan) -> None:
    given = plan.arguments
    if given.order is None and given.time_unit == "auto" and given.time_format is None:
        time = given.time
        if time in rows and pd.api.types.is_numeric_dtype(rows[time].dtype):
            raise ValueError(
                "`time_unit` must be given for a shard whose times are numbers, so that all "
                f"shards have the same one. Received: {time!r} of {rows[time].dtype}."
            )


def _check_users(rows: pd.DataFrame, index: int, plan: ShardPlan) -> None:
    user = plan.arguments.user
    if user not in rows or not len(rows):
        return
    number = shards_of_users(rows[user], plan.shards)
    wrong = number != index
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            "A shard must have the rows of its own users, of which crc32(user) % shards is its "
            f"number. Received: user {rows[user].iloc[row]!r} of shard {number[row]} in shard "
            f"{index} of {plan.shards}."
        )


def _rows_hash(rows: pd.DataFrame) -> str:
    """A checksum of rows and their lines, in any order."""
    plain = {
        name: rows[name].map(str) if rows[name].dtype == object else rows[name]
        for name in sorted(rows.columns)
    }
    hashes = pd.util.hash_pandas_object(pd.DataFrame(plain, index=rows.index))
    return f"{len(rows)}-{int(hashes.to_numpy(np.uint64).sum(dtype=np.uint64)):016x}"


def _label_ranges(samples) -> dict:
    """Name of each label -> its smallest and largest value in training."""
    ranges = {}
    for name, values in ({} if samples is None else samples.labels).items():
        known = values[~np.isnan(values)]
        if len(known):
            ranges[name] = [float(known.min()), float(known.max())]
    return ranges
