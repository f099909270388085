"""Text that commands print: tables of metrics and reports of prepared data."""

import math
import shutil
import sys

from keras_din.count_text import count_text

COLUMNS = {
    "gauc": "GAUC",
    "auc": "AUC",
    "logloss": "logloss",
    "ne": "NE",
    "calibration": "calibration",
    "ece": "ECE",
    "rmse": "RMSE",
    "mae": "MAE",
}
_FACTS_OF_DAY = (
    "day",
    "time_from",
    "time_to",
    "unknown",
    "sizes",
    "values",
    "seconds",
    "label_weights",
)


def output_prefix(output: str, outputs) -> str:
    """The prefix of a line about an output; empty if there is only one output."""
    return f"{output}: " if len(outputs) > 1 else ""


def metrics_of_day(day: dict) -> dict:
    """Returns the metrics of an entry of `days` in the result of a run, without other facts."""
    return {name: value for name, value in day.items() if name not in _FACTS_OF_DAY}


def metrics_table(rows: dict, outputs=()) -> str:
    """Formats metrics as a table with one line per name.

    Args:
        rows: Name -> dict of metrics, see `keras_din.evaluate`. Other keys are kept. `None`, which
            stands for NaN in a version's `keras_din.json`, is allowed.
        outputs: Names of the outputs. If there are several, each has a line.
    """
    import pandas as pd  # Imported here, so that the help of a command is fast.

    from keras_din.outputs import metrics_by_output

    if len(outputs) > 1:
        rows = {
            f"{name} {output}": metrics
            for name, values in rows.items()
            for output, metrics in metrics_by_output(values, outputs).items()
        }
    rows = {
        name: {key: math.nan if value is None else value for key, value in metrics.items()}
        for name, metrics in rows.items()
    }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    known = [name for name in COLUMNS if name in frame]
    others = [n for n in frame if n not in (*COLUMNS, "rows", "groups", "groups_left_out")]
    frame = frame[known + others].rename(columns=COLUMNS)
    return frame.to_string(float_format="{:.4f}".format, na_rep="-")


def text_table(rows: list, left: int = 1, width: int | None = None) -> str:
    """Formats rows of texts as a table, without pandas.

    Args:
        rows: One list of texts per line, all of the same length.
        left: Number of the first columns that are aligned at the left. The others are numbers.
        width: The largest width. Columns beyond it are in a further table below, which repeats the
            first column. Defaults to that of the terminal, or none if stdout is not a terminal.
    """
    if width is None and sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
    columns = []
    for i, texts in enumerate(zip(*rows, strict=True)):
        size = max(map(len, texts))
        columns.append([text.ljust(size) if i < left else text.rjust(size) for text in texts])
    tables = [[columns[0]]]
    for column in columns[1:]:
        used = sum(len(each[0]) + 2 for each in tables[-1]) + len(column[0])
        if width is not None and used > width and len(tables[-1]) > 1:
            tables.append([columns[0]])
        tables[-1].append(column)
    return "\n\n".join(
        "\n".join("  ".join(cells).rstrip() for cells in zip(*table, strict=True))
        for table in tables
    )


def calibration_table(frame, most: int = 30) -> str:
    """Formats a frame with the columns of a `CalibrationTable`.

    Args:
        frame: The frame. A missing value of the field is unknown.
        most: The largest number of lines, those of the values with the most rows.
    """
    import pandas as pd

    kept = frame.index.isin(frame["rows"].nlargest(most).index)
    left = frame[~kept]
    frame = frame[kept].assign(
        values=frame["values"].map(lambda v: "(unknown)" if v is None else v)
    )
    lines = [
        {
            "value": row.values,
            "rows": f"{row.rows:,}",
            "predicted": f"{row.predicted_rate:.4f}",
            "click rate": f"{row.click_rate:.4f} ({row.click_rate_low:.4f}-"
            f"{row.click_rate_high:.4f})",
            "calibration": f"{row.calibration:.3f} ({row.calibration_low:.3f}-"
            f"{row.calibration_high:.3f})",
            "ECE": f"{row.ece:.4f}",
        }
        for row in frame.itertuples(index=False)
    ]
    text = pd.DataFrame(lines).to_string(index=False)
    if len(left):
        text += f"\nleft out: {count_text(len(left), 'value')} with "
        text += count_text(left["rows"].sum(), "row")
    return text


def missing_numbers(dataset) -> str:
    """One line per input of a data set with missing numbers; empty if there are none."""
    inputs = dataset.spec.inputs
    return "".join(
        f"without a value: {count:,} of {name!r}, replaced by "
        f"{'zeros' if inputs[name].feature.axes else 'the mean'}\n"
        for name, count in dataset.values_missing.items()
    )


def report(data) -> str:
    """Formats the report of prepared data: what was read and kept of a log."""
    lines = [repr(data), *report_lines(data.report)]
    if (separator := data.report.get("histories", {}).get("separator")) is not None:
        lines += _histories_of_text(data, separator)
    return "\n".join(lines)


def report_lines(counts: dict) -> list:
    """The lines of the report of prepared data, also of shards."""
    lines = []
    if "rows" in counts:
        of_users = (
            f" of {count_text(counts['users'], 'user')}, {_times(counts)}"
            if "users" in counts
            else ""
        )
        lines.append(
            f"read {count_text(counts['rows'], 'row')}, kept {counts['rows_kept']:,}{of_users}"
        )
        lines += _files(counts)
        if counts.get("time_to", "~") < "1973":
            lines.append(
                "  if these numbers are an order instead of times, name it in `order` (--order)"
            )
        lines += rows_aside(counts)
        for name, filled in counts.get("labels_filled", {}).items():
            lines.append(
                f"  missing values of {name!r} that count as {filled['label']}: {filled['rows']:,}"
            )
        lines += _labels_missing(counts)
        if counts.get("rows_repeated"):
            lines.append(
                f"  kept: {count_text(counts['rows_repeated'], 'row')}, each equal to another in "
                "every column (to leave them out: `duplicates='drop'`, `--duplicates drop`)"
            )
        if counts.get("rows_out_of_order"):
            lines.append(f"  sorted: {count_text(counts['rows_out_of_order'], 'row')} out of order")
    if "columns" in counts:
        lines.append("types (change them with --numeric, --categorical, --hash, --bags):")
        lines += [f"  {name}: {_type(facts)}" for name, facts in counts["columns"].items()]
    lines += _tables(counts)
    for name, rows in counts.get("earlier_of_unknown_users", {}).items():
        if rows:
            lines.append(
                f"  left out of `prior_history` of {name!r}: "
                f"{count_text(rows, 'row')} of unknown users"
            )
    for name, rows in counts.get("earlier_aside", {}).items():
        if rows:
            lines.append(
                f"  kept aside of `prior_history` of {name!r}: {count_text(rows, 'row')}, "
                "bad or without an item or time"
            )
    for name, missing in counts.get("values_missing", {}).items():
        lines.append(f"  without a value: {missing:,} of {name!r}")
    lines += _bags(counts)
    if counts.get("users_with_one_behavior"):
        lines.append(f"  users with one behavior: {counts['users_with_one_behavior']:,}")
    if counts.get("rows_in_no_part"):
        lines.append(f"in no part: {count_text(counts['rows_in_no_part'], 'row')}")
    if counts.get("rows_in_histories_only"):
        lines.append(
            f"in no part, in histories only: {count_text(counts['rows_in_histories_only'], 'row')}"
        )
    for name in counts.get("features_that_tell_the_label", ()):
        lines.append(
            f"warning: feature {name!r} alone predicts the label of nearly every training row"
        )
    if "half_life" in counts:
        lines.append(f"after {counts['half_life']:g} days the weight of a training row is half")
    lines += _parts(counts)
    lines += _parts_without_clicks(counts)
    return lines


def day_report(day) -> str:
    """Formats the report of an appended day."""
    counts = day.report
    lines = [
        f"day {day.number}: read {count_text(counts['rows'], 'row')}, kept {counts['rows_kept']:,} "
        f"of {count_text(counts['users'], 'user')}, {_times(counts)}"
    ]
    lines += _files(counts)
    lines += rows_aside(counts)
    lines += _labels_missing(counts)
    lines += _tables(counts)
    if counts["rows_late"]:
        lines.append(
            f"  earlier than the last time before: {count_text(counts['rows_late'], 'row')}"
        )
    for name, of_table in counts["vocabularies"].items():
        lines.append(
            f"  values of {name!r}: {of_table['admitted']:,} new, {of_table['evicted']:,} removed, "
            f"{of_table['waiting']:,} seen too rarely"
        )
    for name, missing in counts["values_missing"].items():
        lines.append(f"  without a value: {missing:,} of {name!r}")
    lines += _bags(counts)
    lines += [f"  behaviors of {name!r}: {n:,}" for name, n in counts["behaviors"].items()]
    if counts["kind"] == "behaviors":
        lines.append(
            f"  first behaviors of users, in histories only: {counts['rows_in_histories_only']:,}"
        )
        lines.append(f"  items from which negatives are drawn: {counts['items']:,}")
    lines += _parts(counts)
    return "\n".join(lines)


def _files(counts: dict) -> list:
    files = counts.get("files")
    if not files:
        return []
    first, last = files[0]["file"], files[-1]["file"]
    lines = [f"  of {count_text(len(files), 'file')}, read in this order: {first} to {last}"]
    for name, reason in counts.get("columns_of_folders", {}).items():
        lines.append(f"  from the names of folders: {name!r}, {reason}")
    return lines


def rows_aside(counts: dict) -> list:
    """One line per reason for which rows are kept aside."""
    return [
        f"  kept aside {part['rows']:,}: {reason}, first in line {part['first_line']}"
        + (f" of {part['first_file']}" if "first_file" in part else "")
        + (f": {part['first_value']}" if "first_value" in part else "")
        for reason, part in counts["rows_aside"].items()
    ]


def _labels_missing(counts: dict) -> list:
    return [
        f"  missing labels of {name!r}: {rows:,}, which weigh nothing (to count them as 0: "
        f"`--label-map-of {name}:=0`)"
        for name, rows in counts.get("labels_missing", {}).items()
    ]


def _parts(counts: dict) -> list:
    lines = []
    for part, of_part in counts.get("parts", {}).items():
        unseen = ", ".join(f"{n} {count:,}" for n, count in of_part["rows_with_unseen"].items())
        lines.append(
            f"{part}: {count_text(of_part['rows'], 'row')}, {_positives(of_part)}"
            + (f"; rows with a missing or unknown value: {unseen}" if unseen else "")
        )
    return lines


def _parts_without_clicks(counts: dict) -> list:
    """A line for each part whose GAUC and AUC cannot be computed."""
    return [
        f"notice: {part} has no clicks: GAUC and AUC cannot be computed; try another --split or "
        f"--{part}-size"
        for part, of_part in counts.get("parts", {}).items()
        if part != "train" and of_part.get("clicks") == 0
    ]


def _positives(of_part: dict) -> str:
    if "clicks" in of_part:
        return count_text(of_part["clicks"], "click")
    texts = {name: f"{name} {count:,}" for name, count in of_part.get("positives", {}).items()}
    for name, mean in of_part.get("means", {}).items():
        texts[name] = f"mean {name} {'-' if mean is None else f'{mean:g}'}"
    missing = of_part.get("labels_missing", {})
    return ", ".join(
        text + (f" ({missing[name]:,} missing)" if name in missing else "")
        for name, text in texts.items()
    )


def _type(facts: dict) -> str:
    """The type of a column, the reason, and its tokens for missing values."""
    example = f", such as {facts['example']!r}" if "example" in facts else ""
    line = f"{facts['type']}: {facts.get('reason', '')}{example}"
    if facts["missing"]:
        tokens = ", ".join(f"{token!r} {count:,}" for token, count in facts["missing"].items())
        line += f"; missing: {tokens}"
    return f"{line}; {facts['notice']}" if "notice" in facts else line


def delta_report(delta, facts: dict) -> str:
    """Formats what a delta changes, and the size that it saves.

    Args:
        delta: The file.
        facts: The result of `read_delta`.
    """
    sizes = [facts["bytes"], facts["bytes_of_version"]]
    lines = [
        f"delta {delta} from version {facts['base']} to version {facts['version']}: "
        f"{format_bytes(sizes[0])}, {sizes[0] / sizes[1]:.1%} of the {format_bytes(sizes[1])} of "
        "the full version"
    ]
    for name, count in facts["tables"].items():
        lines.append(
            f"  rows of {name!r}: {count['changed']:,} changed, {count['added']:,} added, of "
            f"{count['rows']:,}"
        )
    for name, count in facts["values"].items():
        lines.append(f"  values of {name!r}: {count['new']:,} new, {count['removed']:,} removed")
    return "\n".join(lines)


def format_bytes(size: float) -> str:
    """Formats a size with its unit."""
    if size < 1000:
        return f"{size:.0f} bytes"
    for unit in ("kB", "MB"):
        size /= 1000
        if size < 1000:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} GB"


def _times(counts: dict) -> str:
    if "time_from" not in counts:
        return f"in the order {counts.get('order_from')} to {counts.get('order_to')}"
    times = f"from {counts['time_from']} to {counts['time_to']}"
    return f"{times} (times in {counts['time_unit']!r})"


def _bags(counts: dict) -> list:
    return [
        f"  bags of {name!r}: {of_bags['bags']:,}, {of_bags['empty']:,} of them empty and "
        f"{of_bags['over_max_values']:,} cut to `max_values`; the longest has "
        f"{of_bags['longest']:,}"
        for name, of_bags in counts.get("bags", {}).items()
    ]


def _tables(counts: dict) -> list:
    lines = []
    for name in ("items", "users"):
        table = counts.get(f"{name}_table", {})
        if table.get("rows_not_found"):
            lines.append(
                f"  not in `{name}`: {count_text(table['rows_not_found'], 'row')} of the log"
            )
        if table.get("rows_aside"):
            lines.append(f"  kept aside of `{name}`: {count_text(table['rows_aside'], 'row')}")
    return lines


def _histories_of_text(data, separator: str) -> list:
    """The longest history of each sequence: 1 if the separator is wrong."""
    lines = []
    for sequence in data.spec.sequences:
        name = sequence.name
        ranges = [part.history[name] for part in data.parts.values()]
        longest = max(int((end - start).max(initial=0)) for start, end in ranges)
        lines.append(
            f"  histories of {name!r}: text separated by {separator!r}; the longest has {longest:,}"
        )
    return lines
