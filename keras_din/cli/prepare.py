"""Convert a log file to a prepared data set: behavior logs, samples and spec.

With --label, the log contains impressions with and without clicks. Without --label, it contains
behaviors, and negatives are drawn as in the DIN paper.

  keras-din prepare impressions.csv data --user user_id --time ts --label click \\
      --target video_id,author_id --context tab
  keras-din prepare reviews.parquet data --user user_id --time ts --target item_id,category \\
      --items items.parquet
  keras-din prepare impressions.csv data --user user_id --time ts --label click,buy \\
      --target video_id --sequences clicked=click --sequences bought=buy
  keras-din prepare 'logs/2026-11-2*.parquet' data --user user_id --time ts --label click \\
      --target video_id

With --rows, each row contains its own history as a list or as text, or there are no histories. Such
rows need neither users nor times.

  keras-din prepare rows.csv data --rows --label click --target item_id --history-separator ^
  keras-din prepare train.csv data --rows --no-history --label click --target site_id,banner \\
      --test-file test.csv

Several files, also a folder such as `logs`, are one log: they have the same columns, and their
order does not matter. Files in folders such as `logs/date=2026-11-20` have a column `date`.

Precomputed vectors of items are one more feature of the candidate and of behaviors.

  keras-din prepare log.csv data --user user_id --time ts --label click --target video_id \\
      --vectors title=titles.parquet

The detected type of each column is printed with the reason. Whole numbers count as ids; name
amounts with --numeric price. --categorical, --hash device=100000 and --bags set other types.

With --features auto, features that can be computed from the log are proposed, printed with the
reasons, used, and written to features.json in the folder of the data. Edit this file and pass it
back with --spec. The log is read twice.

  keras-din prepare log.csv data --user user_id --time ts --label click --target video_id \\
      --features auto --time-zone Europe/Berlin
  keras-din prepare log.csv data --user user_id --time ts --label click --target video_id \\
      --spec data/features.json --overwrite

With --shards 64, the log is read in pieces and written as 64 folders, each with its own users, in
memory that does not grow with the log. The other commands read all shards into memory, and each of
several workers of keras-din train its own.

  keras-din prepare 'logs/*.parquet' data --user user_id --time ts --label click \\
      --target video_id --shards 64

With --engine duckdb (extra keras_din[duckdb]), the rows are in one DuckDB file, and counts are
added within --memory-limit.

  keras-din prepare 'logs/*.parquet' data --user user_id --time ts --label click \\
      --target video_id --shards 1024 --engine duckdb --memory-limit 500MB
"""

import argparse
import os

from keras_din.cli import tables, types
from keras_din.cli.phases import phase
from keras_din.cli.show import report, report_lines
from keras_din.count_text import count_text

# The options that apply only with, or only without, --label, and their defaults.
_WITH_LABEL: dict = {"request": None, "label_map": {}, "label_map_of": [], "label_option": []}
_WITH_LABEL |= {"sequences": [], "prior_history": [], "weight": None}
_WITHOUT_LABEL: dict = {"negatives": 1, "negatives_by": "uniform", "ties": "exclude"}
_WITHOUT_LABEL |= {"sequence": "hist"}
# The options that apply only with, or only without, --rows, and their defaults.
_WITH_ROWS: dict = {"history_separator": None, "no_history": False}
_WITHOUT_ROWS: dict = {"request": None, "prior_history": [], "items": None, "users": None}
_WITHOUT_ROWS |= {"duplicates": None, "negatives": 1, "negatives_by": "uniform", "ties": "exclude"}


def add_arguments(parser):
    """Adds the arguments of the command."""
    parser.add_argument(
        "log",
        nargs="+",
        help="CSV, JSON lines, Parquet, Arrow or ORC files, compressed or not, or a folder or a "
        "quoted pattern of such files",
    )
    parser.add_argument("data", help="the folder to write")
    tables.add_csv(parser)
    columns = parser.add_argument_group("columns of the log")
    columns.add_argument("--user", help="the user; optional with --rows")
    columns.add_argument("--time", help="the time: dates, ISO 8601 or numbers since 1970")
    columns.add_argument(
        "--order", help="instead of --time: whole numbers that give the order of the rows"
    )
    columns.add_argument(
        "--label",
        type=_label,
        metavar="COLUMN",
        help="the click: 0 or 1; A,B or NAME=A,NAME=B for several labels. For labels that are "
        "numbers, see --label-option",
    )
    tables.add_label_options(columns)
    tables.add_labels(columns)
    columns.add_argument(
        "--target",
        required=True,
        type=tables.names,
        metavar="A,B",
        help="features of the candidate and of behaviors, the item first",
    )
    columns.add_argument(
        "--context",
        type=tables.names,
        default=(),
        metavar="A,B",
        help="features of user and request",
    )
    columns.add_argument(
        "--side-features",
        type=tables.names,
        default=(),
        metavar="A,B",
        help="features of behaviors only",
    )
    columns.add_argument("--request", help="the request of an impression (with --label)")
    columns.add_argument("--weight", help="the weight of each row in the loss (with --label)")
    types.add_arguments(parser)
    histories = parser.add_argument_group("histories")
    histories.add_argument(
        "--of",
        type=tables.names,
        metavar="A,B",
        help="the features of --target that behaviors have too (default all)",
    )
    histories.add_argument(
        "--sequences",
        type=tables.sequence_and_value,
        action="append",
        default=[],
        metavar="SEQUENCE=COLUMN",
        help="with --label: a sequence and the column of 0 and 1 that selects its behaviors; "
        "repeatable (default: hist, by the first label). With --rows: a history such as hist_item "
        "and its column, if that has another name",
    )
    histories.add_argument(
        "--rows",
        action="store_true",
        help="each row contains its histories, in columns such as hist_item, or has none",
    )
    histories.add_argument(
        "--history-separator",
        metavar="TEXT",
        help="with --rows: the separator of histories that are text, as in a^b^c",
    )
    histories.add_argument(
        "--no-history", action="store_true", help="with --rows: rows without histories"
    )
    histories.add_argument(
        "--prior-history",
        type=tables.sequence_and_value,
        action="append",
        default=[],
        metavar="SEQUENCE=FILE",
        help="with --label: a table of behaviors from before the log; repeatable",
    )
    histories.add_argument(
        "--sequence",
        default="hist",
        metavar="NAME",
        help="without --label: the name of the sequence; with --rows: A,B for several (default "
        "hist)",
    )
    histories.add_argument(
        "--max-length", type=int, default=100, help="longest history (default 100)"
    )
    others = parser.add_argument_group("tables with features that are not in the log")
    others.add_argument("--items", metavar="FILE", help="one row per item")
    others.add_argument("--users", metavar="FILE", help="one row per user")
    split = parser.add_argument_group("split")
    split.add_argument(
        "--split",
        default=None,
        metavar="HOW",
        help="leave-one-out (default without --label), last-fraction (default with --label), "
        "by-user, by-time, or the name of a column that holds train, valid, test",
    )
    for part, words in (("valid", "validation"), ("test", "the test")):
        split.add_argument(
            f"--{part}-size",
            type=_number,
            metavar="SIZE",
            help=f"size of {words}: rows per user with leave-one-out (default 1), a fraction with "
            "last-fraction and by-user (default 0.1)",
        )
    split.add_argument("--valid-from", metavar="TIME", help="with by-time: start of validation")
    split.add_argument("--test-from", metavar="TIME", help="with by-time: start of the test")
    split.add_argument("--end", metavar="TIME", help="with by-time: leave out rows from here on")
    for part in ("valid", "test"):
        split.add_argument(
            f"--{part}-file",
            metavar="FILE",
            help=f"the rows of part {part!r}, instead of --split; a file, a folder or a pattern",
        )
    split.add_argument("--allow-empty-parts", action="store_true", help="accept parts without rows")
    drawn = parser.add_argument_group("negatives (without --label)")
    drawn.add_argument(
        "--negatives",
        type=_count_or_column,
        default=1,
        metavar="N|COLUMN",
        help="number per positive, or the column of the log with one negative (default 1)",
    )
    drawn.add_argument(
        "--negatives-by",
        choices=("uniform", "popularity"),
        default="uniform",
        help="draw all items equally often, or popular items more often (default uniform)",
    )
    drawn.add_argument(
        "--ties",
        choices=("exclude", "order"),
        default="exclude",
        help="behaviors at the time of the sample: exclude them from its history, or order them "
        "as in the log (default exclude)",
    )
    drawn.add_argument(
        "--seed", type=int, default=0, help="seed of negatives and of the split by-user"
    )
    tables.add_times(parser)
    parser.add_argument(
        "--dim",
        type=_dim,
        default=16,
        metavar="DIM|NAME=DIM,...",
        help="width of the embeddings, or that of each named feature (default 16)",
    )
    parser.add_argument(
        "--min-count",
        type=int,
        default=1,
        help="how often a value must occur in training to have its own embedding (default 1)",
    )
    parser.add_argument(
        "--half-life",
        type=float,
        metavar="DAYS",
        help="days after which the weight of a training row is half (default: equal weights)",
    )
    parser.add_argument(
        "--duplicates",
        choices=("keep", "drop"),
        help="rows that repeat another in all named columns (default keep, with --request drop)",
    )
    parser.add_argument(
        "--max-bad",
        type=float,
        default=0.01,
        metavar="SHARE",
        help="the largest share of rows that may be kept aside for one reason (default 0.01)",
    )
    parser.add_argument(
        "--shards",
        type=int,
        metavar="N",
        help="write N folders, each with its own users, in bounded memory",
    )
    parser.add_argument(
        "--engine",
        choices=("pandas", "duckdb"),
        help="with --shards: what groups the rows on disk (default pandas)",
    )
    parser.add_argument(
        "--memory-limit",
        metavar="SIZE",
        help="with --engine duckdb: the most memory that DuckDB uses (default 1GB)",
    )
    parser.add_argument("--strict", action="store_true", help="fail at the first bad row")
    parser.add_argument("--overwrite", action="store_true", help="replace existing prepared data")


def run(options) -> dict:
    """Prepares and saves the data, and prints and returns a report."""
    from keras_din.checks import positive_number
    from keras_din.data.prepare.feature_file import FEATURES
    from keras_din.data.prepare.propose import propose_features

    if options.half_life is not None:  # Before the log is read.
        positive_number("--half-life", options.half_life)
    _check_kind(options)
    if os.path.isfile(options.data):
        raise ValueError(
            f"The last of the paths must be the folder to write. Received: the file {options.data}."
        )
    entries = types.read_spec(options)
    if options.shards is not None:
        return _write_shards(options, entries)
    given = {"--engine": options.engine, "--memory-limit": options.memory_limit}
    if wrong := [f"{word} {value}" for word, value in given.items() if value is not None]:
        raise ValueError(
            "`--engine` and `--memory-limit` must be given with `--shards`. "
            f"Received: {' '.join(wrong)}, no --shards."
        )
    with phase("read and prepare the log"):
        data = _prepare(options, entries)
    if options.features == "auto":
        proposal = propose_features(data, time_zone=options.time_zone, items=options.items)
        entries = proposal.entries
        print(proposal)
        if entries:
            with phase("prepare it with these features"):
                data = _prepare(options, entries)
    if options.half_life is not None:
        data = data.weight_by_recency(options.half_life)
    saved = entries if types.can_be_saved(entries) else None
    with phase("save"):
        data.save(options.data, overwrite=options.overwrite, entries=saved)
    print(data.spec)
    print(report(data))
    if data.bad_rows is not None and len(data.bad_rows):
        print(f"the rows kept aside: {options.data}/bad_rows.csv")
    if saved:
        file = os.path.join(options.data, FEATURES)
        print(f"types and features to edit and pass to --spec: {file}")
    print(f"written: {options.data}")
    return {"data": options.data, "report": data.report}


def _write_shards(options, entries: dict) -> dict:
    """Prepares the log in shards, and prints and returns their rows."""
    from keras_din.data import prepare_shards
    from keras_din.data.prepare.feature_file import FEATURES
    from keras_din.features import FeatureSpec

    given = {
        "--rows": "Rows that contain their history need no shards",
        "--half-life": "With `--label`, `--weight` names a column with the weight of each row",
        "--features auto": "Run it on a part of the log without `--shards`, and pass the "
        f"{FEATURES} that it writes with `--spec`",
    }
    values = options.rows, options.half_life is not None, options.features == "auto"
    if wrong := [word for word, value in zip(given, values, strict=True) if value]:
        raise ValueError(
            f"`--shards` must be given without `{wrong[0]}`. {given[wrong[0]]}. "
            f"Received: {', '.join(wrong)}."
        )
    arguments = _impression_arguments if options.label else _interaction_arguments
    with phase("read the log and write the shards"):
        header = prepare_shards(
            _tables_by_part(options, tables.one_or_many(options.log)),
            options.data,
            options.shards,
            kind="impressions" if options.label else "interactions",
            overwrite=options.overwrite,
            engine=options.engine or "pandas",
            memory_limit=options.memory_limit,
            **arguments(options, entries),
        )
    print(FeatureSpec.from_json(header["spec"]))
    print("\n".join(report_lines(header["report"])))
    for part, rows in header["rows"].items():
        print(f"{part} per shard: {min(rows):,} to {count_text(max(rows), 'row')}")
    if header["rows_aside"]:
        print(f"the rows kept aside: bad_rows.csv in {options.data} and in its shards")
    print(f"written: {options.data}, {count_text(options.shards, 'shard')}")
    return {"data": options.data, "report": header["report"]}


def _shared_arguments(options, entries: dict) -> dict:
    """The arguments that all functions that prepare data have."""
    return {
        "time": options.time,
        "order": options.order,
        **types.features_and_types(options, entries),
        "of": options.of,
        "split": _split(options),
        "allow_empty_parts": options.allow_empty_parts,
        "sep": options.sep,
        "header": options.header,
        "names": options.names,
        "time_unit": options.time_unit,
        "time_format": options.time_format,
        "max_length": options.max_length,
        "dim": options.dim,
        "min_count": options.min_count,
        "max_bad": options.max_bad,
        "strict": options.strict,
    }


def _log_arguments(options) -> dict:
    """The arguments of functions that prepare logs with users."""
    return {
        "user": options.user,
        "items": options.items,
        "users": options.users,
        "duplicates": options.duplicates,
    }


def _impression_arguments(options, entries: dict) -> dict:
    """The arguments of `prepare_impressions`."""
    return {
        "label": tables.label_objects(options, types.labels_of_spec(options)),
        "weight": options.weight,
        "request": options.request,
        "sequences": dict(options.sequences) or None,
        "prior_history": dict(options.prior_history),
        "label_map": tables.label_map(options),
        **_log_arguments(options),
        **_shared_arguments(options, entries),
    }


def _interaction_arguments(options, entries: dict) -> dict:
    """The arguments of `prepare_interactions`."""
    return {
        "negatives": options.negatives,
        "negatives_by": options.negatives_by,
        "ties": options.ties,
        "sequence": options.sequence,
        "seed": options.seed,
        **_log_arguments(options),
        **_shared_arguments(options, entries),
    }


def _prepare(options, entries: dict):
    """Prepares the log with the types and features of `entries`."""
    from keras_din.data import prepare_impressions, prepare_interactions, prepare_rows

    log = _tables_by_part(options, tables.one_or_many(options.log))
    if options.rows:
        return prepare_rows(
            log,
            label=tables.label_objects(options, types.labels_of_spec(options)),
            weight=options.weight,
            group=options.user,
            sequences=_sequences_of_rows(options),
            separator=options.history_separator,
            label_map=tables.label_map(options),
            **_shared_arguments(options, entries),
        )
    if options.label:
        return prepare_impressions(log, **_impression_arguments(options, entries))
    return prepare_interactions(log, **_interaction_arguments(options, entries))


def _label(text: str):
    """Parses a column, a list of columns, or a dict, name of the label -> column."""
    words = tables.names(text)
    if any("=" in word for word in words):
        pairs = [word.partition("=") for word in words]
        return {name: column or name for name, _, column in pairs}
    return words[0] if len(words) == 1 else words


def _check_kind(options) -> None:
    """Raises a `ValueError` if an option does not apply to this kind of log."""
    _check_rows(options)
    others = _WITHOUT_LABEL if options.label else _WITH_LABEL
    for name, default in others.items():
        if options.rows and name == "sequence":
            continue
        value = getattr(options, name)
        if value == default:
            continue
        word = f"--{name.replace('_', '-')}"
        required = (
            "a log of behaviors; it does not apply with `--label`"
            if options.label
            else "impressions; name their `--label` too"
        )
        raise ValueError(f"`{word}` requires {required}. Received: {word} {value}.")


def _check_rows(options) -> None:
    """Raises a `ValueError` if an option does not apply to rows, or to other logs."""
    for name, default in (_WITHOUT_ROWS if options.rows else _WITH_ROWS).items():
        if (value := getattr(options, name)) != default:
            word = f"--{name.replace('_', '-')}"
            what = "must not be given with" if options.rows else "requires"
            raise ValueError(f"`{word}` {what} `--rows`. Received: {word} {value}.")
    if options.rows and not options.label:
        raise ValueError("`--rows` requires `--label`. Received: no --label.")
    if not options.rows and options.user is None:
        raise ValueError(
            "`--user` must name the column of users, unless each row contains its history, or none "
            "has one (`--rows`). Received: no --user."
        )


def _tables_by_part(options, log):
    """The log, or the log of each part if there is a file for each."""
    files = {"valid": options.valid_file, "test": options.test_file}
    files = {part: file for part, file in files.items() if file is not None}
    return {"train": log} | files if files else log


def _sequences_of_rows(options) -> dict:
    """Returns name of each sequence -> name of a feature -> the column of its histories."""
    found: dict[str, dict] = {name: {} for name in tables.names(options.sequence)}
    if options.no_history:
        found = {}
    for name, column in options.sequences:
        sequence = next((each for each in found if name.startswith(f"{each}_")), None)
        if sequence is None:
            raise ValueError(
                "With `--rows`, `--sequences` must name a history, SEQUENCE_FEATURE=COLUMN, of the "
                f"sequences of `--sequence`: {list(found)}. Received: {name}={column}."
            )
        found[sequence][name.removeprefix(f"{sequence}_")] = column
    return found


def _split(options):
    from keras_din.data import ByTime, ByUser, LastFraction, LeaveOneOut

    if options.valid_file or options.test_file:
        chosen = {"split": options.split, "valid_size": options.valid_size}
        chosen |= {"test_size": options.test_size, "valid_from": options.valid_from}
        chosen |= {"test_from": options.test_from, "end": options.end}
        if any(value is not None for value in chosen.values()):
            raise ValueError(
                "`--valid-file` and `--test-file` must be given without the options of `--split`. "
                f"Received: {_listed(chosen)}."
            )
        return None
    split = options.split or ("last-fraction" if options.label else "leave-one-out")
    moments = {
        "valid_from": options.valid_from,
        "test_from": options.test_from,
        "end": options.end,
    }
    sizes = {"valid": options.valid_size, "test": options.test_size}
    sizes = {part: size for part, size in sizes.items() if size is not None}
    if split != "by-time" and any(moments.values()):
        raise ValueError(
            "`--valid-from`, `--test-from` and `--end` require `--split by-time`. "
            f"Received: split={split!r}, {_listed(moments)}."
        )
    if split == "by-time" and not options.test_from:
        found = _listed(moments) or "no moment"
        raise ValueError(f"`--split by-time` requires `--test-from`. Received: {found}.")
    of_sizes = {"leave-one-out": LeaveOneOut, "last-fraction": LastFraction, "by-user": ByUser}
    if sizes and split not in of_sizes:
        raise ValueError(
            f"`--valid-size` and `--test-size` require `--split` to be one of {list(of_sizes)}. "
            f"Received: split={split!r}, {_listed(sizes)}."
        )
    if split == "by-time":
        unit = "order" if options.order else options.time_unit
        times = {word: _moment(text) for word, text in moments.items()}
        return ByTime(**times, time_unit=unit, time_format=options.time_format)
    if split == "by-user":
        sizes["seed"] = options.seed
    return of_sizes[split](**sizes) if split in of_sizes else split


def _listed(values: dict) -> str:
    return ", ".join(f"{word}={value!r}" for word, value in values.items() if value is not None)


def _number(text: str) -> int | float:
    return int(text) if text.isdecimal() else float(text)


def _count_or_column(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text


def _dim(text: str) -> int | dict:
    """Parses a width, or `NAME=DIM,...` as a dict."""
    pairs = [word.rpartition("=") for word in tables.names(text)]
    if not pairs or not all(dim.isdecimal() for _, _, dim in pairs):
        raise argparse.ArgumentTypeError(
            f"must be a width, or NAME=DIM, as in item=32,shop=8. Received: {text!r}."
        )
    if len(pairs) == 1 and not pairs[0][0]:
        return int(pairs[0][2])
    return {name: int(dim) for name, _, dim in pairs}


def _moment(text):
    """Parses a number; any other text stays, as an ISO 8601 string."""
    try:
        return int(text)
    except (TypeError, ValueError):
        return text
