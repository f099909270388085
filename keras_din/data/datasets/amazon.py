"""Loads the Amazon reviews of 2014 in their published form: one record per line."""

import array
import ast
import contextlib
import dataclasses
import json
import os
import re
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd

from keras_din.checks import positive_integer
from keras_din.data.datasets.further_features import with_features
from keras_din.data.prepare.interactions import prepare_interactions
from keras_din.data.prepare.prepared_data import PreparedData
from keras_din.data.reading.bad_rows import Reason, bad_lines, not_utf8
from keras_din.data.reading.bad_share import MAX_BAD
from keras_din.data.reading.lines import LONGEST, read_lines
from keras_din.data.reading.table import Table

__all__ = ["load_amazon"]

_FIRST_FIELD = re.compile(rb"""\{['"]asin['"]: ?['"](\w+)['"][,}]""")
_NOT_READABLE = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)


def load_amazon(
    reviews: str | os.PathLike,
    meta: str | os.PathLike,
    *,
    split: Callable | str | None = None,
    k_core: int | None = None,
    max_length: int = 100,
    dim: int | dict[str, int] = 16,
    max_bad: float = MAX_BAD,
    seed: int = 0,
    features: dict | None = None,
) -> PreparedData:
    """Loads reviews as behaviors. By default each user's last is the test, the one before it valid.

    Times are whole days, so reviews of one day keep their order in the file. Negatives are drawn
    uniformly from all reviewed items, and drawn again while they are in the user's list.

    Args:
        reviews: `reviews_*_5.json.gz`, or `reviews_*.json.gz` with all reviews. Each line must be
            strict JSON; `reviewerID`, `asin` and `unixReviewTime` are kept.
        meta: `meta_*.json.gz`. Its lines are JSON or Python literals, which are parsed but never
            executed. Items without reviews are skipped. An item's category is the last name of
            its last path.
        split: `LeaveOneOut()` (the default) or another split of `keras_din.data.prepare.split`.
            The DIN paper uses `LeaveOneOut(valid=0)`.
        k_core: Keep only users and items with at least this many reviews among themselves, as the
            files `_5` do with 5. `None` keeps all.
        max_length: The largest number of behaviors that a model reads.
        dim: Width of the embeddings, or column -> width.
        max_bad: The largest share of the lines of a file that may be kept aside for one reason.
        seed: Seed of the negatives.
        features: Further features, such as `{"side_features": [kd.Elapsed("ago")]}`: a dict of
            `"target"`, `"context"` and `"side_features"`, same as in `prepare_interactions`.

    Returns:
        A `PreparedData` with target `item_id` and `category` and the sequence `hist` of both.
        `bad_rows` has the invalid lines of both files; its column `file` names the file.

    Raises:
        ValueError: If no good line is left, too many lines are bad, or a file is damaged or
            truncated.

    Example:

    ```python
    import json

    with open("reviews.json", "w") as reviews, open("meta.json", "w") as meta:
        for item in "abcdef":
            print(json.dumps({"asin": item, "categories": [["Books", item]]}), file=meta)
        for user, items in {"ann": "abcd", "bob": "bcde"}.items():
            for time, item in enumerate(items):
                review = {"reviewerID": user, "asin": item, "unixReviewTime": 1_400_000_000 + time}
                print(json.dumps(review), file=reviews)
    data = kd.data.load_amazon("reviews.json", "meta.json", dim=4)
    ```

    Reference:
        [He and McAuley, 2016](https://arxiv.org/abs/1602.01585);
        [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), Sec. 6.1, for the protocol.
    """
    log = read_reviews(reviews)
    report = {}
    if k_core is not None:
        k_core = positive_integer("k_core", k_core)
        user, item = (pd.factorize(log.frame[name])[0] for name in ("user_id", "item_id"))
        kept = k_core_rows(user, item, k_core)
        report["rows_outside_core"] = int((~kept).sum())
        log = Table(log.frame[kept], log.bad)
    items = read_categories(meta, set(log.frame["item_id"]))
    if len(log.frame) and not len(items.frame):
        first = "".join(f"; line {line}: {reason}" for line, reason in items.bad[:1].to_numpy())
        raise ValueError(
            f"`meta` must hold items that were reviewed. Received: {os.fspath(meta)}, which has "
            f"none{first}."
        )
    data = prepare_interactions(
        log,
        user="user_id",
        time="ts",
        **with_features(features, target=["item_id", "category"]),
        items=items,
        split=split,
        ties="order",
        max_length=max_length,
        dim=dim,
        time_unit="s",
        max_bad=max_bad,
        seed=seed,
    )
    assert data.bad_rows is not None
    of_meta = items.bad.assign(reason=items.bad["reason"].map(str), file="meta")
    bad = pd.concat([data.bad_rows.assign(file="reviews"), of_meta])
    bad = bad[["line", "reason", "file"]].reset_index(drop=True)
    return dataclasses.replace(data, report={**data.report, **report}, bad_rows=bad)


def read_reviews(path: str | os.PathLike) -> Table:
    """Reads the columns `user_id`, `item_id` and `ts` (seconds) of a file of reviews."""
    users: dict[str, int] = {}  # Each id is stored once.
    items: dict[str, int] = {}
    user_of, item_of, times, lines = (array.array("q") for _ in range(4))
    bad = []
    for number, line in read_lines(path):
        try:
            record = _parse_record(line, "JSON", json.loads)
            user = _required_text("reviewerID", record.get("reviewerID"))
            item = _required_text("asin", record.get("asin"))
            time = record.get("unixReviewTime")
            if type(time) is not int or not 0 <= time < 1e11:
                raise _BadRecordError("'unixReviewTime' is not seconds since 1970")
        except _BadRecordError as error:
            bad.append((number, error.reason))
            continue
        user_of.append(users.setdefault(user, len(users)))
        item_of.append(items.setdefault(item, len(items)))
        times.append(time)
        lines.append(number)
    frame = pd.DataFrame(
        {
            "user_id": np.array(list(users), np.dtype(object))[np.asarray(user_of)],
            "item_id": np.array(list(items), np.dtype(object))[np.asarray(item_of)],
            "ts": np.asarray(times),
        },
        index=pd.Index(np.asarray(lines), name="line"),
    )
    return Table(frame, bad_lines(bad))


def read_categories(path: str | os.PathLike, wanted) -> Table:
    """Reads the columns `item_id` and `category` of a file of items, for the items in `wanted`."""
    category, lines, bad = {}, [], []
    with warnings.catch_warnings():
        # Descriptions with a lone backslash cause these warnings.
        warnings.simplefilter("ignore", SyntaxWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        for number, line in read_lines(path):
            first = _FIRST_FIELD.match(line or b"")
            if first and first[1].decode() not in wanted:
                continue
            try:
                record = _parse_record(line, "JSON or a literal", json.loads, ast.literal_eval)
                item = _required_text("asin", record.get("asin"))
                if item in category:
                    raise _BadRecordError("the item occurs twice")
                if item in wanted:
                    category[item] = _last_name(record)
                    lines.append(number)
            except _BadRecordError as error:
                bad.append((number, error.reason))
    frame = pd.DataFrame(
        {
            "item_id": np.array(list(category), object),
            "category": np.array(list(category.values()), object),
        },
        index=pd.Index(np.array(lines, np.int64), name="line"),
    )
    return Table(frame, bad_lines(bad))


def k_core_rows(user: np.ndarray, item: np.ndarray, k: int) -> np.ndarray:
    """Where a review is in the k-core: its user and its item each have `k` reviews in the core."""
    kept = np.ones(len(user), bool)
    while True:
        enough = kept.copy()
        for number in (user, item):
            enough &= np.bincount(number[kept], minlength=number.max(initial=-1) + 1)[number] >= k
        if (enough == kept).all():
            return kept
        kept = enough


class _BadRecordError(Exception):
    """Raised for a line that is not a valid record. `reason` is a `Reason` or its text."""

    def __init__(self, reason: Reason | str):
        super().__init__(str(reason))
        self.reason = reason if isinstance(reason, Reason) else Reason(reason)


def _parse_record(line, form: str, *parsers) -> dict:
    if line is None:
        raise _BadRecordError(f"longer than {LONGEST:,} bytes")
    text = line.decode("utf-8", "replace")
    for parse in parsers:
        with contextlib.suppress(*_NOT_READABLE):
            record = parse(text)
            if isinstance(record, dict):
                return record
    kind = f"not readable as {form}"
    raise _BadRecordError(Reason(kind, f"{kind}: {text.strip()[:80]}"))


def _required_text(name: str, value) -> str:
    if not isinstance(value, str) or not value:
        raise _BadRecordError(f"{name!r} is missing")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _BadRecordError(not_utf8(name)) from None
    return value


def _last_name(record: dict) -> str:
    try:
        return _required_text("categories", record["categories"][-1][-1])
    except (LookupError, TypeError):
        raise _BadRecordError("'categories' is not a list of paths") from None
