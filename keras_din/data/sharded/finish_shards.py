"""Checks that all shards of a log are complete and belong together, and writes their header."""

import json
import os
import pathlib

import numpy as np

from keras_din.atomic_write import atomic_file
from keras_din.checks import json_values, local_path
from keras_din.count_text import count_text
from keras_din.data.prepare.leaks import warn_of_leaks
from keras_din.data.prepare.prepared_data import SHARDS_HEADER, PreparedData
from keras_din.data.prepare.split import PARTS
from keras_din.data.reading.bad_share import MAX_BAD, check_bad_share, check_max_bad
from keras_din.data.reading.file_lines import FileLines
from keras_din.data.sharded.merged_report import merge_reports
from keras_din.data.sharded.prepare_shard import SHARD_HEADER
from keras_din.data.sharded.shard_names import find_shards, shard_path, shards_of_users
from keras_din.data.store.arrays import without_checks_of_values
from keras_din.features import FeatureSpec

__all__ = ["finish_shards"]

HEADER = SHARDS_HEADER
_FORMAT = 1
_DUPLICATE = "the row is a duplicate"


def finish_shards(
    folder: str | os.PathLike, *, max_bad: float = MAX_BAD, allow_empty_parts: bool = False
) -> dict:
    """Checks all shards of a folder and writes `sharded.json`, which `load_shards` reads.

    Args:
        folder: The folder, in which `prepare_shard` has written all shards.
        max_bad: The largest share of all rows that may be kept aside for one reason.
        allow_empty_parts: Whether a part that the split names may have no rows.

    Returns:
        The header: `spec`, the `hash` that all shards have, `shards`, `rows` (name of a part -> the
        rows of each shard), `users` of each shard, `time_from` and `time_to`, microseconds, and
        `report`, the counts of all shards together in the form of `PreparedData.report`.

    Raises:
        FileNotFoundError: If a shard is missing.
        ValueError: If shards have different specs or options, one is incomplete, a user is in the
            wrong shard, too many rows are bad, a part has no rows, or all training labels are
            equal.

    Example:

    ```python
    import pandas as pd

    log = pd.DataFrame(
        {
            "user": ["ann"] * 4,
            "time": pd.date_range("2026-01-01", periods=4),
            "item": ["tea", "pot"] * 2,
            "click": [1, 0, 0, 1],
        }
    )
    spec = kd.data.fit_spec({"item": {"tea": 2, "pot": 2}}, target=["item"], dim=4)
    split = kd.data.ByTime(test_from="2026-01-04")
    columns = {"user": "user", "time": "time", "label": "click"}
    kd.data.prepare_shard(log, "shards", 0, 1, spec, **columns, split=split)
    header = kd.data.finish_shards("shards")
    header["rows"]  # {"train": [3], "test": [1]}
    ```
    """
    return write_header(local_path("folder", folder), max_bad, allow_empty_parts)


def write_header(
    folder: pathlib.Path,
    max_bad: float,
    allow_empty_parts: bool,
    bad: dict | None = None,
    files: FileLines | None = None,
    found: dict | None = None,
    reasons: dict | None = None,
    tables_aside: dict | None = None,
) -> dict:
    """Same as `finish_shards`.

    `bad` are the counts of bad rows that are in no shard. `files` are the lines of the files of the
    log, if there are several. See `merge_reports` for the others.
    """
    headers = [read_shard_header(path) for path in shard_paths(folder)]
    _check_hashes(folder, headers)
    for header in headers:
        _check_shard(shard_path(folder, header["index"], header["shards"]), header)
    rows = {
        part: [header["rows"].get(part, 0) for header in headers]
        for part in PARTS
        if any(part in header["rows"] for header in headers)
    }
    of_log = found or {}, reasons or {}, tables_aside or {}
    max_bad = check_max_bad(max_bad)
    aside = _check_rows(headers, rows, max_bad, allow_empty_parts, bad or {}, files)
    of_time = {word: [h[word] for h in headers if h[word] is not None] for word in _BOUNDS}
    header = {
        "format": _FORMAT,
        "version": headers[0]["version"],
        "hash": headers[0]["hash"],
        "shards": len(headers),
        "rows": rows,
        "users": [each["users"] for each in headers],
        "log_rows": [each["log_rows"] for each in headers],
        "rows_aside": aside,
        "report": _report(folder, headers, aside, bad or {}, files, of_log),
        **{word: _BOUNDS[word](times) for word, times in of_time.items()},
        "spec": headers[0]["spec"],
    }
    with atomic_file(folder / HEADER) as file:
        file.write_text(
            json.dumps(header, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8"
        )
    return header


_BOUNDS = {"time_from": min, "time_to": max}


def _report(folder, headers, aside, bad, files, of_log: tuple) -> dict:
    """The counts of all shards together."""
    reports = [header["report"] for header in headers if header["report"]]
    rows = sum(header["log_rows"] for header in headers) + sum(
        each["rows"] for each in bad.values()
    )
    of_files = {} if files is None else {"files": files.report()}
    merged = merge_reports(reports, *of_log)
    report = {"rows": rows, **merged, "rows_aside": aside, **of_files}
    # A shard is like a smaller log: what predicts the label of all its rows does so in the others.
    largest = max(headers, key=lambda header: header["rows"].get("train", 0))
    data = load_shard(shard_path(folder, largest["index"], largest["shards"]), largest)
    if merged.get("kind") == "impressions" and data is not None:
        leaks = warn_of_leaks(data.parts, data.spec, stacklevel=5)
        report["features_that_tell_the_label"] = leaks
    return json_values("report", report, nulls=True)


def read_header(folder: pathlib.Path) -> dict:
    """Reads the header of all shards.

    Raises:
        FileNotFoundError: If the folder has none.
        ValueError: If it is cut off, or has a format of a newer version.
    """
    file = folder / HEADER
    if not file.is_file():
        raise FileNotFoundError(
            f"`folder` must have a {HEADER}, which `finish_shards` writes when all shards are "
            f"complete. Received: {folder} without it."
        )
    try:
        header = json.loads(file.read_text(encoding="utf-8"))
        found = header["format"], header["version"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{HEADER} must be complete. Received: {file}, which is not. Call `finish_shards`, "
            "which writes it anew."
        ) from error
    if found[0] != _FORMAT:
        raise ValueError(
            f"The shards must have the format {_FORMAT}. Received: {folder} of format {found[0]}, "
            f"written by keras_din {found[1]}. Read them with this version, or prepare them again."
        )
    return header


def shard_paths(folder: pathlib.Path) -> list:
    """Returns the folders of all shards in their order, or raises an error."""
    found = find_shards(folder)
    if not found:
        raise FileNotFoundError(
            "`folder` must have shards, such as shard-00000-of-00064. "
            f"Received: {folder} without any."
        )
    counts = sorted({shards for _, shards in found.values()})
    if len(counts) > 1:
        raise ValueError(
            f"All shards of a folder must be of one number of shards. Received: {folder} with "
            f"shards of {' and of '.join(map(str, counts))}. Remove those of the other number."
        )
    there = {index for index, _ in found.values()}
    if missing := [index for index in range(counts[0]) if index not in there]:
        names = [shard_path(folder, index, counts[0]).name for index in missing[:4]]
        raise FileNotFoundError(
            f"All {counts[0]} shards must be prepared. Received: {folder} without "
            f"{len(missing)} of them: {', '.join(names)}{', ...' if len(missing) > 4 else ''}. "
            "Prepare them with `prepare_shard`; the others stay."
        )
    return list(found)


def read_shard_header(path: pathlib.Path) -> dict:
    """Reads the header of a shard, or raises a `ValueError` if it is not complete."""
    try:
        header = json.loads((path / SHARD_HEADER).read_text(encoding="utf-8"))
        place = header["index"], header["shards"]
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise _incomplete(path, f"no complete {SHARD_HEADER}") from error
    if shard_path(path.parent, *place).name != path.name:
        raise ValueError(
            "The folder of a shard must have the name of the shard. "
            f"Received: {path}, which has shard {place[0]} of {place[1]}."
        )
    return header


def load_shard(path: pathlib.Path, header: dict) -> PreparedData | None:
    """Loads a shard with memory-mapped arrays; `None` if it has no samples.

    Raises:
        ValueError: If files are missing or cut off.
    """
    if not header["rows"]:
        return None
    try:
        with without_checks_of_values():
            data = PreparedData.load(path)
    except (ValueError, OSError, KeyError) as error:
        raise _incomplete(path, str(error)) from error
    rows = {name: len(samples) for name, samples in data.parts.items()}
    if rows != header["rows"]:
        raise _incomplete(path, f"rows {rows} in place of {header['rows']}")
    return data


def _incomplete(path: pathlib.Path, found: str) -> ValueError:
    return ValueError(
        f"A shard must be complete. Received: {path} with {found}. Remove it and prepare it again."
    )


def _check_hashes(folder: pathlib.Path, headers: list) -> None:
    first = headers[0]
    for header in headers:
        if header["hash"] == first["hash"]:
            continue
        what = "spec" if header["spec"] != first["spec"] else "options or version"
        one, other = (shard_path(folder, h["index"], h["shards"]).name for h in (first, header))
        raise ValueError(
            f"All shards must be prepared with the same spec and options. Received: {one} and "
            f"{other} with another {what}. Remove those of the other one and prepare them again."
        )


def _check_shard(path: pathlib.Path, header: dict) -> None:
    """Raises a `ValueError` if files are incomplete, or a user belongs to another shard."""
    data = load_shard(path, header)
    if data is None:
        return
    if data.spec.to_json() != FeatureSpec.from_json(header["spec"]).to_json():
        raise ValueError(
            f"A shard must have the spec of its header. Received: {path} with another spec."
        )
    users = data.user_values
    assert users is not None, "`save` wrote them"
    number = shards_of_users(users, header["shards"])
    wrong = number != header["index"]
    if wrong.any():
        user = int(wrong.argmax())
        raise ValueError(
            "Each user must be in one shard, crc32(user) % shards. Received: user "
            f"{users[user]!r} of shard {number[user]} in {path}."
        )


def _check_rows(
    headers: list,
    rows: dict,
    max_bad: float,
    allow_empty_parts: bool,
    bad: dict,
    files: FileLines | None,
) -> dict:
    """Makes the checks of a whole log. Returns the counts of bad rows."""
    aside = _add_counts([bad, *(header["aside"] for header in headers)])
    if files is not None:
        for found in aside.values():
            place = files.place(found["first_line"])
            found |= {f"first_{word}": value for word, value in place.items()}
    limited = aside
    if headers[0]["duplicates"] == "drop":
        limited = {reason: each for reason, each in aside.items() if _DUPLICATE not in reason}
    total = sum(h["log_rows"] for h in headers) + sum(each["rows"] for each in bad.values())
    check_bad_share("the log", limited, total, max_bad)
    if not rows:
        raise ValueError(
            f"The shards must have rows. Received: {count_text(total, 'row')}, none in a part."
        )
    required = [part for part in headers[0]["required_parts"] if part not in rows]
    if required and ("train" in required or not allow_empty_parts):
        raise ValueError(
            "Each part that `split` names must have rows, unless `allow_empty_parts` (on the "
            f"command line `--allow-empty-parts`). Received: none for {required}."
        )
    _check_labels(headers)
    return aside


def _add_counts(counts: list[dict]) -> dict[str, dict]:
    """Returns reason -> the rows of all counts, with the facts of the first line of all."""
    total: dict[str, dict] = {}
    for of_shard in counts:
        for reason, found in of_shard.items():
            both = [found, total[reason]] if reason in total else [found]
            first = min(both, key=lambda each: each["first_line"])
            total[reason] = first | {"rows": sum(each["rows"] for each in both)}
    return total


def _check_labels(headers: list) -> None:
    """Raises a `ValueError` if a label is the same in all rows of training."""
    for name in dict.fromkeys(name for header in headers for name in header["labels"]):
        ranges = np.array([h["labels"][name] for h in headers if name in h["labels"]])
        if ranges.min() == ranges.max():
            raise ValueError(
                "The training part must have rows with different labels. "
                f"Received: {name!r} is {ranges.min():g} in all rows."
            )
