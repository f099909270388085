"""Loads MIND, the Microsoft News Dataset: impressions of news with the clicks before them."""

import os
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from keras_din.checks import local_path
from keras_din.count_text import count_text
from keras_din.data.encoding.features import count_parts
from keras_din.data.prepare.log_columns import log_columns
from keras_din.data.prepare.prepared_data import PreparedData, cut_into_parts
from keras_din.data.prepare.split import TEST, TRAIN, LastFraction
from keras_din.data.prepare.split_rows import split_in_any_order
from keras_din.data.reading.bad_rows import Reason, bad_lines, not_utf8
from keras_din.data.reading.bad_share import MAX_BAD, check_bad_share, check_max_bad
from keras_din.data.reading.labels import check_both_classes
from keras_din.data.reading.lines import read_lines
from keras_din.data.reading.row_checks import RowChecks
from keras_din.data.reading.table import Table
from keras_din.data.reading.times import time_range
from keras_din.data.store.behavior_log import BehaviorLog
from keras_din.data.store.samples import Samples
from keras_din.features import DEFAULT_LABEL

__all__ = ["load_mind"]

TIME_FORMAT = "%m/%d/%Y %I:%M:%S %p"
_CANDIDATE = r"^(?P<news>\S+)-(?P<click>[01])$"
_ITEM = ["news_id", "category", "subcategory"]


class _Log(NamedTuple):
    """The impressions of files of behaviors; `(n,)` are impressions, `(rows,)` candidates.

    Attributes:
        user: Raw values `(n,)`.
        time: Microseconds `(n,)`.
        line: Lines of the files `(n,)`.
        history: The history of each as text, `(n,)`.
        shown: How many candidates each has, `(n,)`.
        news: Ids of the candidates, `(rows,)`.
        click: 0 or 1, `(rows,)`.
    """

    user: np.ndarray
    time: np.ndarray
    line: np.ndarray
    history: np.ndarray
    shown: np.ndarray
    news: np.ndarray
    click: np.ndarray


def load_mind(
    train: str | os.PathLike,
    test: str | os.PathLike | None = None,
    *,
    split: Callable | None = None,
    user_id: bool = False,
    max_length: int = 50,
    dim: int | dict[str, int] = 16,
    min_count: int = 1,
    max_bad: float = MAX_BAD,
) -> PreparedData:
    """Loads impressions of news. Each candidate is a sample; its history is that of the file.

    A line of `behaviors.tsv` has a user, a time, the user's clicks before the log, and the
    candidates that were shown: `N55689-1 N35729-0`. Equal histories are stored once.

    Args:
        train: Folder with `behaviors.tsv` and `news.tsv`, such as `MINDsmall_train`.
        test: Folder of the part `"test"`, such as `MINDsmall_dev`. If no candidate in it has a
            label, as in `MINDlarge_test`, all labels are 0, for predictions; this is printed.
        split: How the impressions of `train` are split, see `keras_din.data.prepare.split`. The
            default is `LastFraction()`, and with `test` the last tenth is `"valid"`.
        user_id: Whether the user's id is a context feature.
        max_length: The largest number of behaviors that a model reads.
        dim: Width of the embeddings, or column -> width.
        min_count: How often a value must occur in training to have its own embedding.
        max_bad: The largest share of the lines of a file that may be kept aside for one reason.

    Returns:
        A `PreparedData` with target `news_id`, `category` and `subcategory`, with `user_id=True`
        context `user_id`, and the sequence `hist` of the target features. Its samples have
        `request`, the impression. `bad_rows` has the column `file`. News that are not in
        `news.tsv` have no category; `report["news_not_found"]` counts them.

    Raises:
        ValueError: If a folder lacks a file, too many lines are bad, or all training labels are
            equal.

    Example:

    ```python
    from pathlib import Path

    news = [f"N{n}\\tnews\\tnews{n % 2}\\tTitle\\tText\\turl\\t[]\\t[]\\n" for n in range(5)]
    Path("news.tsv").write_text("".join(news))
    time, history, shown = "11/15/2019 8:55:22 AM", "N1 N2", "N3-0 N4-1"
    lines = [f"{n}\\tU{n}\\t{time}\\t{history}\\t{shown}\\n" for n in range(8)]
    Path("behaviors.tsv").write_text("".join(lines))
    data = kd.data.load_mind(".", split=kd.data.ByUser(valid=0, test=0.25), dim=4)
    ```

    Reference:
        [Wu et al., 2020](https://aclanthology.org/2020.acl-main.331).
    """
    # Read.
    folders = [local_path("folder", each) for each in (train, test) if each is not None]
    for folder in folders:
        lacking = [n for n in ("behaviors.tsv", "news.tsv") if not (folder / n).is_file()]
        if lacking:
            raise ValueError(
                f"A folder of MIND must hold {' and '.join(lacking)}. Received: {folder}."
            )
    max_bad = check_max_bad(max_bad)
    logs, news, bad = [], [], []
    counts: dict[str, dict] = {}
    for folder in folders:
        is_test = folder is not folders[0]
        log, wrong, reasons = _read_log(folder / "behaviors.tsv", max_bad, is_test)
        table = _read_news(folder / "news.tsv", max_bad)
        logs.append(log)
        news.append(table.frame)
        counts |= {f"{reason}, in {folder}": facts for reason, facts in reasons.items()}
        bad.append(wrong.assign(file=str(folder / "behaviors.tsv")))
        bad.append(table.bad.assign(file=str(folder / "news.tsv")))
    sizes = [len(log.user) for log in logs]
    log = _Log(*(np.concatenate(arrays) for arrays in zip(*logs, strict=True)))
    categories = pd.concat(news).groupby(level=0).first()

    # Split.
    user, users = pd.factorize(log.user, sort=True)
    part = np.full(len(user), TEST, np.int8)
    own = slice(0, sizes[0])
    split = LastFraction(test=0.1 if test is None else 0) if split is None else split
    part[own] = split_in_any_order(split, user[own], log.time[own])
    row = np.repeat(np.arange(len(user)), log.shown)
    check_both_classes(log.click[part[row] == TRAIN], "the candidates")

    # Encode.
    number, histories = pd.factorize(log.history)
    offsets, behaviors = _split(histories)
    codes, ids = pd.factorize(np.concatenate([log.news, behaviors]), sort=True)
    shown, clicked = codes[: len(row)], codes[len(row) :]
    of_ids = {"news_id": pd.Series(ids)}
    of_ids |= {name: categories[name].reindex(ids).reset_index(drop=True) for name in _ITEM[1:]}
    columns = log_columns(_ITEM, ["user_id"] if user_id else [], (), None, ids=[])
    in_training = np.zeros(len(histories), bool)
    in_training[number[part == TRAIN]] = True
    seen = [shown[part[row] == TRAIN], clicked[np.repeat(in_training, np.diff(offsets))]]

    def training_values(name):
        if name == "user_id":
            return pd.Series(log.user[part == TRAIN])
        return of_ids[name].iloc[np.concatenate(seen)]

    features = columns.fit(training_values, dim, min_count)
    spec = columns.spec(features, ["hist"], max_length)
    index = {name: features.column(name, values) for name, values in of_ids.items()}
    context = {"user_id": features.column("user_id", log.user)[row]} if user_id else {}

    # Point.
    hist = BehaviorLog(offsets, {name: column[clicked] for name, column in index.items()})
    samples = Samples(
        columns=context | {name: column[shown] for name, column in index.items()},
        history={"hist": (offsets[number][row], offsets[number + 1][row])},
        labels={DEFAULT_LABEL: log.click},
        group=user[row],
        request=row,
        time=log.time[row],
        line=log.line[row],
    )
    parts = cut_into_parts(samples, part[row])
    report = {
        "kind": "impressions with histories",
        "impressions": sum(sizes),
        "rows": len(row),
        "rows_kept": len(row),
        "rows_aside": counts,
        "time_unit": "us",
        **time_range(log.time, "us"),
        "users": len(users),
        "news_not_found": int((~pd.Index(ids).isin(categories.index)).sum()),
        "histories": {"stored": len(histories), "of": sum(sizes)},
        "columns": features.types,
        "behaviors": {"hist": len(hist)},
        "parts": count_parts(parts, spec),
    }
    aside = pd.concat(bad, ignore_index=True)[["line", "reason", "file"]]
    return PreparedData(spec, {"hist": hist}, parts, report, aside, pd.Index(users, name="user_id"))


def _read_log(path: pathlib.Path, max_bad: float, may_lack_labels: bool) -> tuple:
    """Returns `(log, bad, counts)`: the `_Log` of a file, its bad lines, and their counts."""
    frame, bad = _read_fields(path, ["impression", "user", "time", "history", "impressions"], 5)
    checks = RowChecks(frame)
    checks.check_values(["user", "impressions"])
    times, _ = checks.check_times("time", "auto", TIME_FORMAT)
    offsets, tokens = _split(frame["impressions"].to_numpy(object))
    codes, distinct = pd.factorize(tokens)
    found = pd.Series(distinct, dtype=str).str.extract(_CANDIDATE)
    if may_lack_labels and found["click"].isna().all():
        print(f"no candidate in {path} has a label: all labels are 0, for predictions")
        found = pd.DataFrame({"news": distinct, "click": "0"})
    wrong = found["click"].isna().to_numpy(bool)[codes]
    of_row = np.repeat(np.arange(len(frame)), np.diff(offsets))
    is_bad = np.bincount(of_row[wrong], minlength=len(frame)) > 0
    checks.keep_aside(is_bad, "a candidate has no label 0 or 1", "impressions")
    bad, counts = checks.finish(bad)
    checks.check(f"the file {path}", bad, counts, max_bad)
    good, kept = checks.good, checks.good[of_row]
    codes = codes[kept]
    log = _Log(
        frame["user"].to_numpy(object)[good],
        times[good],
        frame.index.to_numpy()[good],
        frame["history"].to_numpy(object)[good],
        np.diff(offsets)[good],
        found["news"].to_numpy(object)[codes],
        (found["click"] == "1").to_numpy(np.float32)[codes],
    )
    return log, bad, counts


def _read_news(path: pathlib.Path, max_bad: float) -> Table:
    """Reads the columns `category` and `subcategory`, indexed by the id of the news."""
    frame, bad = _read_fields(path, _ITEM, None)
    total = len(frame) + len(bad)
    bad["reason"] = [str(reason) for reason in bad["reason"]]
    if len(bad):
        facts = {"rows": len(bad), "first_line": int(bad["line"].iloc[0])}
        check_bad_share(f"the file {path}", {bad["reason"].iloc[0]: facts}, total, max_bad)
    return Table(frame.set_index("news_id").replace("", None), bad)


def _read_fields(path: pathlib.Path, names: list, count: int | None) -> tuple:
    """Reads the first fields of lines that tabs separate. Quotes have no meaning in them.

    Args:
        path: Path of the file.
        names: Names of these fields.
        count: How many fields a line must have; `None` is at least as many as names.

    Returns:
        `(frame, bad)`, same as `read_table`, with text.
    """
    rows, lines, bad = [], [], []
    for number, line in read_lines(path):
        fields = [] if line is None else line.rstrip(b"\r\n").split(b"\t")
        if len(fields) < len(names) or (count is not None and len(fields) != count):
            expected = f"{len(names)} or more" if count is None else count
            text = f"{count_text(len(fields), 'field')}, not {expected}"
            bad.append((number, Reason("wrong number of fields", text)))
            continue
        try:
            rows.append([field.decode() for field in fields[: len(names)]])
            lines.append(number)
        except UnicodeDecodeError:
            bad.append((number, not_utf8(names[-1])))
    index = pd.Index(np.array(lines, np.int64), name="line")
    return pd.DataFrame(rows, index, names, dtype=object), bad_lines(bad)


def _split(texts: np.ndarray) -> tuple:
    """Splits texts at blanks; returns the offsets of each, and all words."""
    words = pc.utf8_split_whitespace(pa.array(texts, pa.large_string()))
    row, words = pc.list_parent_indices(words).to_numpy(), words.flatten()
    kept = pc.not_equal(words, "").to_numpy(zero_copy_only=False)
    sizes = np.bincount(row[kept], minlength=len(texts))
    words = words.filter(pa.array(kept)).to_numpy(zero_copy_only=False).astype(object)
    return np.concatenate([[0], np.cumsum(sizes)]), words
