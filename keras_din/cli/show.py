"""What commands print."""

import math

COLUMNS = {
    "gauc": "GAUC",
    "auc": "AUC",
    "logloss": "logloss",
    "ne": "NE",
    "calibration": "calibration",
    "ece": "ECE",
}


def name_of_line(output: str, outputs) -> str:
    """What a line about an output begins with: nothing where there is one output."""
    return f"{output}: " if len(outputs) > 1 else ""


def metrics_table(rows: dict, outputs=()) -> str:
    """A line a name: its metrics, and what else is known of it, under their names.

    Args:
        rows: Name -> dict of metrics as `keras_din.evaluate` gives it; other keys are kept.
            `None` is NaN, as a version's `keras_din.json` has it.
        outputs: Names of the outputs; of several, each has a line.
    """
    import pandas as pd  # Not for the help of a command.

    from keras_din.outputs import metrics_by_output

    if len(outputs) > 1:
        rows = {
            f"{name} {output}": metrics
            for name, of in rows.items()
            for output, metrics in metrics_by_output(of, outputs).items()
        }
    rows = {
        name: {key: math.nan if value is None else value for key, value in of.items()}
        for name, of in rows.items()
    }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    known = [name for name in COLUMNS if name in frame]
    others = [n for n in frame if n not in (*COLUMNS, "rows", "groups", "groups_left_out")]
    frame = frame[known + others].rename(columns=COLUMNS)
    return frame.to_string(float_format="{:.4f}".format, na_rep="-")


def missing_numbers(dataset) -> str:
    """A line for each input of a data set in which numbers are missing, or an empty string."""
    return "".join(
        f"without a value: {count:,} of {name!r}, the mean stands for them\n"
        for name, count in dataset.values_missing.items()
    )


def report(data) -> str:
    """What was read and kept of a log, as lines."""
    counts = data.report
    lines = [repr(data)]
    if "rows" in counts:
        when = f"in the order {counts.get('order_from')} to {counts.get('order_to')}"
        if "time_from" in counts:
            when = f"from {counts['time_from']} to {counts['time_to']} "
            when += f"(times in {counts['time_unit']!r})"
        of_users = f" of {counts['users']:,} users, {when}" if "users" in counts else ""
        lines.append(f"read {counts['rows']:,} rows, kept {counts['rows_kept']:,}{of_users}")
        if counts.get("time_to", "~") < "1973":
            lines.append(
                "  if these numbers are no times but an order, name it by `order` (--order)"
            )
        for reason, part in counts["rows_aside"].items():
            lines.append(
                f"  kept aside {part['rows']:,}: {reason}, first in line {part['first_line']}"
                + (f": {part['first_value']}" if "first_value" in part else "")
            )
        if counts.get("rows_repeated"):
            lines.append(
                f"  kept: {counts['rows_repeated']:,} rows that repeat another in every column "
                "(`duplicates='drop'`, `--duplicates drop` leaves them out)"
            )
        if counts.get("rows_out_of_order"):
            lines.append(f"  sorted: {counts['rows_out_of_order']:,} rows were out of order")
    if "columns" in counts:
        lines.append("types (--numeric, --categorical, --hash, --bags say otherwise):")
        lines += [f"  {name}: {_type(facts)}" for name, facts in counts["columns"].items()]
    for name in ("items", "users"):
        table = counts.get(f"{name}_table", {})
        if table.get("rows_not_found"):
            lines.append(f"  not in `{name}`: {table['rows_not_found']:,} rows of the log")
        if table.get("rows_aside"):
            lines.append(f"  kept aside of `{name}`: {table['rows_aside']:,} rows")
    for name, rows in counts.get("earlier_of_unknown_users", {}).items():
        if rows:
            lines.append(
                f"  left out of `prior_history` of {name!r}: {rows:,} rows, of unknown users"
            )
    for name, rows in counts.get("earlier_aside", {}).items():
        if rows:
            lines.append(
                f"  left out of `prior_history` of {name!r}: {rows:,} rows, which are "
                "bad or have no item or time"
            )
    for name, missing in counts.get("values_missing", {}).items():
        lines.append(f"  without a value: {missing:,} of {name!r}")
    for name, of_bags in counts.get("bags", {}).items():
        lines.append(
            f"  bags of {name!r}: {of_bags['bags']:,}, {of_bags['empty']:,} of them empty and "
            f"{of_bags['over_max_values']:,} cut to `max_values`; the longest has "
            f"{of_bags['longest']:,}"
        )
    if counts.get("users_with_one_behavior"):
        lines.append(f"  users with one behavior: {counts['users_with_one_behavior']:,}")
    if counts.get("rows_in_no_part"):
        lines.append(f"in no part: {counts['rows_in_no_part']:,} rows")
    if counts.get("rows_in_histories_only"):
        lines.append(f"in no part, in histories only: {counts['rows_in_histories_only']:,} rows")
    for name in counts.get("features_that_tell_the_label", ()):
        lines.append(
            f"warning: feature {name!r} alone predicts the label of nearly every training row"
        )
    if "half_life" in counts:
        lines.append(f"after {counts['half_life']:g} days a row of training counts half")
    for part, of_part in counts.get("parts", {}).items():
        unseen = ", ".join(f"{n} {count:,}" for n, count in of_part["rows_with_unseen"].items())
        lines.append(
            f"{part}: {of_part['rows']:,} rows, {_positives(of_part)}"
            + (f"; values that training never saw: {unseen}" if unseen else "")
        )
    return "\n".join(lines)


def _positives(of_part: dict) -> str:
    if "clicks" in of_part:
        return f"{of_part['clicks']:,} clicks"
    return ", ".join(f"{name} {count:,}" for name, count in of_part["positives"].items())


def _type(facts: dict) -> str:
    """What a column was taken for, why, and what stands in it for a missing value."""
    example = f", such as {facts['example']!r}" if "example" in facts else ""
    line = f"{facts['type']}: {facts.get('reason', '')}{example}"
    if facts["missing"]:
        tokens = ", ".join(f"{token!r} {count:,}" for token, count in facts["missing"].items())
        line += f"; missing: {tokens}"
    return line
