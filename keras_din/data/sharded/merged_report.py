"""The report of a log from the reports of its shards."""

import numpy as np

from keras_din.data.prepare.split import PARTS

_SUMS = (
    "rows_kept",
    "rows_repeated",
    "rows_out_of_order",
    "users",
    "rows_in_no_part",
    "rows_in_histories_only",
    "users_with_one_behavior",
)
_SUMS_BY_NAME = ("labels_missing", "values_missing", "behaviors")
# In logs of behaviors these count items, of which several shards have the same.
_OF_ITEMS = ("values_missing", "bags", "items_table")
_FIRST = ("kind", "time_unit", "half_life", "separators", "negatives", "seed")
_BOUNDS = {"time_from": min, "time_to": max, "order_from": min, "order_to": max}
_TABLES = ("items_table", "users_table")


def merge_reports(reports: list, found: dict, reasons: dict, tables_aside: dict) -> dict:
    """Adds the reports of shards, each with its own users.

    Args:
        reports: The `report` of the prepared data of each shard that has good rows.
        found: Name of a column -> its facts in the whole log, see
            `keras_din.data.reading.column_types`. Empty if the features were given.
        reasons: Name of a feature -> why its type was known before the log was read.
        tables_aside: `"items"` or `"users"` -> the bad rows of the table, which shards do not read.

    Returns:
        The entries of a report that are known of all shards together, without the rows that were
        read and kept aside. Of behaviors it has no counts of items.
    """
    entries = _entries(reports)
    first = reports[0] if reports else {}
    merged: dict = {name: first[name] for name in _FIRST if name in first}
    merged |= {name: sum(entries[name]) for name in _SUMS if name in entries}
    merged |= {name: bound(entries[name]) for name, bound in _BOUNDS.items() if name in entries}
    merged |= {name: _sum(entries[name]) for name in _SUMS_BY_NAME if name in entries}
    if filled := _merged_labels(entries.get("labels_filled", [])):
        merged["labels_filled"] = filled
    for name in [name for name in _TABLES if name in entries]:
        merged[name] = entries[name][0] | {
            "rows_aside": tables_aside.get(name.removesuffix("_table"), 0),
            "rows_not_found": sum(each["rows_not_found"] for each in entries[name]),
        }
    if "bags" in entries:
        merged["bags"] = _merged_bags(entries["bags"])
    merged["columns"] = _columns(reports, found, reasons)
    merged["parts"] = _merged_parts(entries.get("parts", []))
    return merged


def _entries(reports: list) -> dict[str, list]:
    """Returns name -> the entries of the reports that have it."""
    entries: dict[str, list] = {}
    for report in reports:
        for name, entry in report.items():
            if name not in _OF_ITEMS or report.get("kind") != "behaviors":
                entries.setdefault(name, []).append(entry)
    return entries


def _sum(counts: list) -> dict:
    """Adds counts by name."""
    names = dict.fromkeys(name for each in counts for name in each)
    return {name: sum(each.get(name, 0) for each in counts) for name in names}


def _merged_labels(counts: list) -> dict:
    """Adds the rows whose missing label was filled, by label."""
    merged: dict = {}
    for of_shard in counts:
        for label, filled in of_shard.items():
            before = merged.get(label, {"rows": 0})
            merged[label] = filled | {"rows": before["rows"] + filled["rows"]}
    return merged


def _merged_bags(bags: list) -> dict:
    names = dict.fromkeys(name for each in bags for name in each)
    of_name = {name: [each[name] for each in bags if name in each] for name in names}
    return {
        name: _sum(each) | {"longest": max(counts["longest"] for counts in each)}
        for name, each in of_name.items()
    }


def _columns(reports: list, found: dict, reasons: dict) -> dict:
    """The types of columns. Their reasons and missing values are those of the whole log."""
    columns: dict = {}
    for report in reports:
        for name, facts in report["columns"].items():
            columns.setdefault(name, facts)
    for name, facts in columns.items():
        known = {word: found[name].get(word) for word in ("reason", "example") if name in found}
        known = {word: value for word, value in known.items() if value is not None}
        known |= {"reason": reasons[name]} if name in reasons else {}
        if not facts.get("reason", "").startswith("given as"):  # Of a bag, its separator.
            known.pop("reason", None)
        missing = _sum([report["columns"].get(name, {}).get("missing", {}) for report in reports])
        missing = found.get(name, {}).get("missing") or missing
        columns[name] = facts | known | {"missing": missing}
    return columns


def _merged_parts(reports: list) -> dict:
    """Adds the reports of parts, of which a shard may lack some."""
    by_part = {part: [each[part] for each in reports if part in each] for part in PARTS}
    return {part: _merged_part(of_part) for part, of_part in by_part.items() if of_part}


def _merged_part(parts: list) -> dict:
    """Adds the reports of a part, see `keras_din.data.encoding.features.count_parts`."""
    merged = {"rows": sum(each["rows"] for each in parts)}
    if all("clicks" in each for each in parts):
        merged["clicks"] = sum(each["clicks"] for each in parts)
    for name in ("positives", "labels_missing", "rows_with_unseen", "rows_without_history"):
        if any(name in each for each in parts):
            merged[name] = _sum([each.get(name, {}) for each in parts])
    if any("means" in each for each in parts):
        names = dict.fromkeys(name for each in parts for name in each.get("means", {}))
        merged["means"] = {name: _mean(name, parts) for name in names}
    return merged


def _mean(name: str, parts: list) -> float | None:
    """The mean of a label over the rows of several parts; `None` if no row has it."""
    known = [each for each in parts if each["means"].get(name) is not None]
    if not known:
        return None
    rows = [each["rows"] - each.get("labels_missing", {}).get(name, 0) for each in known]
    return float(np.average([each["means"][name] for each in known], weights=rows))
