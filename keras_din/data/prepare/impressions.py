"""Prepares logs of impressions with and without clicks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keras_din.data.prepare.encode_impressions import encode_impressions
from keras_din.data.prepare.impression_arguments import ImpressionArguments
from keras_din.data.prepare.prepared_data import PreparedData
from keras_din.data.prepare.read_impressions import read_impressions
from keras_din.data.reading.bad_share import MAX_BAD
from keras_din.features import Feature, Label

__all__ = ["prepare_impressions"]


def prepare_impressions(
    source: Any,
    *,
    user: str,
    time: str | None = None,
    order: str | None = None,
    label: str | Label | Sequence[str | Label] | dict,
    target: Sequence[str | Feature],
    context: Sequence[str | Feature] = (),
    side_features: Sequence[str | Feature] = (),
    of: Sequence[str] | None = None,
    sequences: dict | None = None,
    prior_history: dict | None = None,
    request: str | None = None,
    weight: str | None = None,
    items: Any = None,
    users: Any = None,
    vectors: Mapping[str, Any] | None = None,
    split: Callable | str | None = None,
    max_length: int = 100,
    dim: int | dict[str, int] = 16,
    min_count: int = 1,
    bags: Sequence[str] | dict[str, str] = (),
    numeric: Sequence[str] = (),
    categorical: Sequence[str] = (),
    time_unit: str = "auto",
    time_format: str | None = None,
    allow_empty_parts: bool = False,
    sep: str | None = None,
    header: bool | None = None,
    names: Sequence[str] | None = None,
    label_map: dict | None = None,
    duplicates: str | None = None,
    max_bad: float = MAX_BAD,
    strict: bool = False,
) -> PreparedData:
    """Converts a log of impressions, clicked or not, to a data set.

    The history of an impression consists of the user's clicks strictly before its time, in any
    part, because these are known when the impression is scored. Clicks at exactly the time of the
    impression may be its consequence and do not count.

    Args:
        source: The log with one impression per row, in any order: a `DataFrame` of pandas, Polars
            or another library, an Arrow table, or the path of a CSV, JSON lines, Parquet, Arrow or
            ORC file, compressed or not. A file of JSON lines has one object per line, such as
            `{"user": "ann", "item": {"id": 7}}` with the columns `user` and `item_id`. Or several
            files of one format, which have the same columns: a list of paths, a pattern such as
            `"logs/2026-11-2*.parquet"`, or a folder. They are read in the order of their names;
            `report["files"]` has the `rows` of each and the `lines_before` it, since `Samples.line`
            counts through all. Empty files, and files whose names begin with `_` or `.`, are left
            out, which is printed. A folder named `date=2026-11-20` gives its files the column
            `date`, unless they have it: integers if all of its values are integers, else text,
            which may be a time. Or an iterable of `DataFrame`s or Arrow batches, which are read in
            its order. Or a dict of tables by part, `{"train": ..., "test": ...}`, without `split`:
            they are one log, so histories of the test contain the clicks of the training.
        user: Column of users.
        time: Column of times: dates, ISO 8601 strings or numbers since 1970.
        order: Instead of `time`, for a log without times: a column of whole numbers that order
            the rows. `report` then has `order_from` and `order_to` instead of dates.
        label: Column of 0 and 1, the click. For several labels, a list of columns, or a dict of
            label -> column. A `keras_din.Label` instead of a name also names the output of the
            model, and its loss: with `Label("watch", loss="poisson")` the column has numbers. Of
            several labels, some may be missing in a row: they weigh nothing in the loss, and a row
            whose first label is missing is no behavior. A row without any label is kept aside.
            `report["labels_missing"]` counts the missing labels of each column.
        target: Columns of the candidate, the item first. Strings and integers become a
            `Categorical` with the vocabulary of the training part, lists of them a `Bag`, floats
            a `Numeric`. `report["columns"]` has the detected types and the reasons. `numeric`,
            `categorical` and `bags` override them. A feature such as a `Categorical` instead of a
            name is used unchanged, but fields of numbers that are not given are learned from the
            training part, such as those of `Numeric("price", transform="log1p")` and
            `Bucketized("price", quantiles=10)`, and the vocabulary of a `Bag` without one:
            `Bag("tags", weights="tag_scores")`. `Categorical("last_item", table="item")` shares the
            table of the column `item`; both columns must have values of one type.
            A `Vector` without `of` has a column of lists, arrays or text, see `keras_din.Vector`.
            A `Count` has no column: the rows strictly before each row's time are counted. It may
            also be in `context`.
        context: Columns of the user and the request, same as in `target`.
        side_features: Columns of the log that only behaviors have, same as in `target`. An
            `Elapsed` or `Calendar` object is computed from the times and has no column. A
            `Calendar` may also be in `context` and `target`. A `Match` or `LastMatch` in `target`
            and a `HistorySize` in `context` are computed by the model and have no column either.
        of: Columns of `target` that behaviors have too. Defaults to all columns.
        sequences: Name of a sequence -> column of 0 and 1; the rows with 1 are its behaviors.
            Defaults to `{"hist": label}`, with the first label of 0 and 1.
        prior_history: Name of a sequence -> table of behaviors before the log, with the columns
            of the user, of `of` and `side_features`, and of the time. Behaviors without times
            come before all others, in their order.
        request: Column of requests: impressions that were shown together. They share context and
            history. The time of a request is the earliest of its times.
        weight: Column with the weight of each row in the loss, a number from 0. In evaluations,
            rows of weight 0 are left out, and other weights have no effect.
        items: Table with one row per item, for columns that are not in the log.
        users: Table with one row per user, for columns that are not in the log.
        vectors: The vectors of each `Vector` of the features: name -> a table, a tuple
            `(keys, vectors)` or a dict, see `keras_din.data.with_vectors`. `report["vectors"]`
            counts the items without a vector.
        split: `LastFraction()` (the default), `LeaveOneOut()`, `ByUser()`, `ByTime()` or a
            function, see `keras_din.data.prepare.split`. Or the name of a column of the log with
            `"train"`, `"valid"` or `"test"`; clicks of other rows are only in histories. If there
            are no training rows, all features must be given, for instance those of a
            `PreparedData.spec`.
        max_length: `max_length` of the sequences: the number of the latest behaviors that data
            sets and exported versions keep.
        dim: Width of the embeddings, or column -> width, for columns with a table of their own.
        min_count: How often a value must occur in training to have its own embedding.
        bags: Columns of text with several values: name -> separator, or only names for the
            separator `|`. They become a `Bag`. Columns of lists become a `Bag` without being
            named. The text of a `Bag` that is given instead of a name is split in the same way, and
            so is the text of its weights. A row without one weight from 0 per value is kept aside.
        numeric: Columns of amounts, which become a `Numeric` even if they are whole numbers.
        categorical: Columns of ids or categories, which become a `Categorical` even if they are
            whole numbers as floats, or, in a CSV file, any numbers, as they are written.
        time_unit: Unit of times that are numbers: `"s"`, `"ms"`, `"us"`, `"ns"` or `"auto"`.
            With `"auto"` and without `time_format`, times such as 0 and -1 among recent times are
            placeholders, and their rows are kept aside.
        time_format: Format of times that are neither ISO 8601 nor since 1970, see
            `datetime.strptime`: `"%Y%m%d"` for 20220408.
        allow_empty_parts: Whether a part that `split` names may have no rows.
        sep: The separator of CSV files, here and in the other tables, such as `"::"`. By default a
            tab if the name of the file contains `.tsv`, else a comma.
        header: Whether the log, a CSV file, has a header line. By default it has one unless
            `names` is given.
        names: Names of the columns of the log, a CSV file, in their order.
        label_map: Other values of the labels -> 0 or 1, such as `{-1: 0}` or
            `{"no": 0, "yes": 1}`. The key `None` is a missing label; `report["labels_filled"]`
            counts how many were replaced in each column. For several labels, optionally a dict of
            label -> such a dict, such as `{"purchase": {None: 0}}`; a column of `sequences` that
            is not a label has its own name. Only such a dict applies to labels that are numbers.
        duplicates: Whether to `"keep"` or `"drop"` rows that repeat another in every column named
            here. By default they are kept and counted, as equal impressions. With `request`,
            which distinguishes impressions, they are dropped.
        max_bad: The largest share of rows that may be kept aside for one reason.
        strict: Whether the first bad row is an error.

    Returns:
        A `PreparedData`. Its `report` counts what was read. Its `bad_rows` are the rows that lack
        a user, item, time or label, have a label other than 0 and 1, a label that is not a valid
        number where it is one, or a wrong number of fields,
        each with its line and reason, and its `file` if there are several. They include dropped
        duplicates.

    Raises:
        ValueError: If a column does not exist, no good row is left, too many rows are bad for one
            reason, all training labels are equal, a part that `split` names has no rows, or
            `strict` is set and a row is bad.

    Example:

    ```python
    import pandas as pd

    log = pd.DataFrame(
        {
            "user": np.repeat(["ann", "bob", "cem"], 4),
            "time": np.tile([1, 2, 3, 4], 3) * 3600,
            "item": list("abcdbcadcabd"),
            "click": [1, 0, 1, 0] * 3,
        }
    )
    data = kd.data.prepare_impressions(
        log,
        user="user",
        time="time",
        label="click",
        target=["item"],
        split=kd.data.LeaveOneOut(),
        dim=4,
    )
    ```
    """
    arguments = locals()
    log = read_impressions(arguments.pop("source"), ImpressionArguments(**arguments))
    return encode_impressions(log, log.columns.fit(log.training_values(), dim, min_count))
