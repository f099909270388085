"""Append a further log, such as that of the next day, to prepared data.

The log has the columns, units and types of the log that was prepared. New values are added to the
vocabularies; all other values keep their indices. Files whose rows were all read before are left
out; of a file that has grown, the new rows are read. An interrupted append leaves the data as it
was. Behaviors of a log without labels become positives, with negatives drawn from all items so far.

  keras-din append data logs/2026-11-27.parquet
  keras-din append data logs/2026-11-28.csv --items items.parquet --max-age 90
"""

from keras_din.cli import tables, types
from keras_din.cli.phases import phase
from keras_din.cli.show import day_report
from keras_din.count_text import count_text


def add_arguments(parser):
    """Adds the arguments of the command."""
    parser.add_argument("data", help="prepared data")
    parser.add_argument(
        "log",
        nargs="+",
        help="the log, in the form of the log that was prepared: files, a folder or "
        "a quoted pattern",
    )
    parser.add_argument("--items", metavar="FILE", help="one row per item")
    parser.add_argument("--users", metavar="FILE", help="one row per user")
    parser.add_argument(
        "--vectors",
        type=types.name_and_file,
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="precomputed vectors of new items; repeatable (default: the mean vector)",
    )
    parser.add_argument(
        "--late",
        choices=("insert", "refuse"),
        default="insert",
        help="rows that are earlier than the last time of the data: insert them where they belong, "
        "or refuse the log (default insert)",
    )
    parser.add_argument(
        "--max-age",
        type=float,
        metavar="DAYS",
        help="remove values that were not seen for so many days (default: none)",
    )
    parser.add_argument(
        "--max-values",
        type=int,
        metavar="N",
        help="the largest number of values per vocabulary (default: no limit)",
    )
    parser.add_argument(
        "--evict",
        choices=("least_recent", "least_frequent"),
        default="least_recent",
        help="with --max-values: the values that are removed first (default least_recent)",
    )
    parser.add_argument(
        "--max-bad",
        type=float,
        metavar="SHARE",
        help="the largest share of rows that may be kept aside for one reason (default: that of "
        "prepare)",
    )
    parser.add_argument(
        "--wait", action="store_true", help="wait for another append to the same data to end"
    )


def run(options) -> dict:
    """Appends the log, and prints and returns what was read."""
    from keras_din.checks import local_path
    from keras_din.data import append_to_folder
    from keras_din.data.prepare.days_folder import count_days

    before = count_days(local_path("data", options.data))
    with phase("append the log"):
        data = append_to_folder(
            options.data,
            tables.one_or_many(options.log),
            wait=options.wait,
            items=options.items,
            users=options.users,
            vectors=dict(options.vectors),
            late=options.late,
            max_age=options.max_age,
            max_values=options.max_values,
            evict=options.evict,
            max_bad=options.max_bad,
        )
    if len(data.days) > before:
        print(day_report(data.days[-1]))
        print(f"written: {options.data}, {count_text(len(data.days), 'appended day')}")
    new = [{"day": day.number} | day.report for day in data.days[before:]]
    return {"data": options.data, "appended_days": len(data.days), "new_days": new}
