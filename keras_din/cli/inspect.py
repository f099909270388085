"""Show an exported version: its inputs and outputs, sizes, metrics and origin.

keras-din inspect exported_models/din
keras-din inspect exported_models/din/1795599111 --json
"""

import datetime
import json

from keras_din.cli.show import format_bytes, metrics_of_day, metrics_table
from keras_din.count_text import count_text

_AXES = {"context": ("batch",), "behavior": ("batch", "time")}


def add_arguments(parser):
    """Adds the arguments of the command."""
    parser.add_argument("version", help="the folder of a version, or of versions (the newest)")


def run(options) -> dict:
    """Prints a summary of the version, and returns keras_din.json and the sizes."""
    from keras_din.serving.version.description import find_version, read_description
    from keras_din.serving.version.folders import DESCRIPTION_FILE

    version = find_version(options.version)
    description = read_description(version)
    sizes = file_sizes(version)
    if not options.json:
        print(screen(version, description, sizes))
    return json.loads((version / DESCRIPTION_FILE).read_text(encoding="utf-8")) | {"bytes": sizes}


def file_sizes(version) -> dict:
    """Entry of the version's folder -> its total size in bytes, the largest first."""
    sizes = {
        entry.name: sum(f.stat().st_size for f in (entry, *entry.rglob("*")) if f.is_file())
        for entry in version.iterdir()
    }
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def screen(version, description: dict, sizes: dict) -> str:
    """Formats the whole summary as text, one section per topic."""
    made_with = ", ".join(f"{name} {number}" for name, number in description["versions"].items())
    parts = ", ".join(f"{name} {format_bytes(size)}" for name, size in sizes.items())
    facts = [
        ("version", str(version)),
        ("model", f"{description['model']}, {description['parameters']:,} parameters"),
        ("written", f"{description['created']} with {made_with}"),
        ("trained on", f"data of fingerprint {description['data_fingerprint'] or 'unknown'}"),
        ("size", f"{format_bytes(sum(sizes.values()))}: {parts}"),
        ("warm-up", count_text(len(description["warmup"]["requests"]), "request")),
        *((name, _output(facts)) for name, facts in description["outputs"].items()),
        *((name, facts["is"]) for name, facts in description.get("factors", {}).items()),
    ]
    if "position" in description:
        facts.append(("position", description["position"]["is"]))
    if len(description["outputs"]) > 1:
        facts.append(("order", f"of the signature rank: by {description['order_by']}"))
    sections = [
        _aligned(facts),
        _aligned(_inputs(description)),
        _aligned(_features(description)),
        _metrics(description["metrics"], list(description["outputs"])),
        "largest difference from the live model: " + _listed(description["largest_difference"]),
        _tables(description["tables"]),
        _half_precision(description.get("half_precision")),
    ]
    return "\n\n".join(section for section in sections if section)


def _output(facts: dict) -> str:
    """The meaning of an output, what was undone for it, and the source of that information."""
    if facts.get("is_number") or (facts["raw"] and not facts.get("calibration")):
        return facts["is"]
    values = [f"{name} {facts[name]:g} ({source})" for name, source in facts["known_from"].items()]
    if (calibration := facts.get("calibration")) is None:
        return f"{facts['is']}: {', '.join(values)}"
    by = f" by {calibration['by']}" if calibration["by"] else ""
    report = calibration["report"] or {}
    found = [f"{name}: {_listed(report[name])}" for name in ("before", "after") if name in report]
    return "; ".join([f"{facts['is']}, calibrated ({calibration['method']}{by})", *found])


def _inputs(description: dict) -> list:
    """One row per input and output: its dtype, its shape in each signature, its padding."""
    signatures = description["signatures"]
    roles = _roles(description["spec"])
    # The inputs of times, from which features are computed.
    roles.setdefault("time", "context")
    for sequence in description["spec"]["sequences"]:
        roles.setdefault(f"{sequence['name']}_time", "behavior")
    rows = [("input", "dtype", *signatures, "padding")]
    for side, label in (("inputs", None), ("outputs", "output")):
        found = {
            name: tensor for each in signatures.values() for name, tensor in each[side].items()
        }
        if label:
            rows.append((label,))
        for name in [*(n for n in roles if n in found), *(n for n in found if n not in roles)]:
            shapes = [
                _shape(each[side].get(name), _axes(roles.get(name), signature))
                for signature, each in signatures.items()
            ]
            padding = description["padding"]
            value = repr(padding[name]) if side == "inputs" and name in padding else ""
            rows.append((name, found[name]["dtype"], *shapes, value))
    return rows


def _roles(spec: dict) -> dict:
    """Input name -> its role, in the order of the spec."""
    weights = {each["name"]: [each["weights"]] for each in spec["features"] if "weights" in each}

    def inputs(features) -> list:
        return [name for feature in features for name in (feature, *weights.get(feature, ()))]

    roles = dict.fromkeys(inputs(spec["context"]), "context")
    roles |= dict.fromkeys(inputs(spec["target"]), "target")
    for sequence in spec["sequences"]:
        for name in inputs([*sequence["of"], *sequence["side_features"]]):
            roles[f"{sequence['name']}_{name}"] = "behavior"
    return roles


def _axes(role: str | None, signature: str) -> tuple:
    """The axes of an input with a role, or of an output. A bag has one more axis."""
    of_candidates = ("batch",) if signature == "serving_default" else ("batch", "candidates")
    return of_candidates if role is None else _AXES.get(role, of_candidates)


def _shape(tensor: dict | None, axes: tuple) -> str:
    """The shape as text, with the name of each axis, or its size if that is fixed."""
    if tensor is None:
        return "-"
    letters = (*axes, *["values"] * 3)
    words = [
        letter if size < 0 else str(size)
        for letter, size in zip(letters, tensor["shape"], strict=False)
    ]
    return f"({', '.join(words)}{',' if len(words) == 1 else ''})"


def _features(description: dict) -> list:
    """One row per feature: its values, its table, and the roles that use it."""
    spec = description["spec"]
    places: dict[str, list] = {}
    for word in ("context", "target"):
        for name in spec[word]:
            places.setdefault(name, []).append(word)
    for sequence in spec["sequences"]:
        for name in (*sequence["of"], *sequence["side_features"]):
            place = f"{sequence['name']} (at most {sequence['max_length']})"
            places.setdefault(name, []).append(place)
    rows = [("feature", "values", "rows", "dim", "used in")]
    tables = {table["name"]: table for table in spec.get("tables", ())}
    for feature in spec["features"]:
        name = feature["name"]
        # Version 0.1 wrote the values of a table into its feature.
        entry = tables.get(feature.get("table"), {}) | feature
        size = description["vocabulary_sizes"].get(name)
        rows.append(
            (
                name,
                _values(entry) + (f", weights {entry['weights']}" if "weights" in entry else ""),
                "" if size is None else f"{size:,}",
                str(entry.get("dim", "")),
                ", ".join(places[name]),
            )
        )
    return rows


def _values(entry: dict) -> str:
    if entry["type"] == "Elapsed":
        low, high = entry["boundaries"][0], entry["boundaries"][-1]
        return f"seconds since, {len(entry['boundaries']) + 1} buckets from {low} to {high}"
    if entry["type"] == "Calendar":
        return f"{entry['part']} in the time zone {entry['time_zone']}"
    if entry["type"] == "Bucketized":
        return f"a number in {len(entry['boundaries']) + 1} buckets"
    if entry["type"] in ("Count", "SnapshotCount"):
        return _count(entry)
    if entry["type"] == "Numeric":
        transform = f", {entry['transform']}" if "transform" in entry else ""
        moments = f"mean {entry.get('mean', 0):g}, std {entry.get('std', 1):g}"
        return f"a number{transform}, {moments}"
    if entry["type"] == "Match":
        return f"{entry['measure']} of the candidate's {entry['of']} in {entry['in_']}"
    if entry["type"] == "LastMatch":
        return f"{entry['elapsed']} of the last equal {entry['of']} in {entry['in_']}"
    if entry["type"] == "HistorySize":
        counted = f"distinct {entry['of']}" if entry["of"] else "behaviors"
        return f"log(1 + number of {counted} in {entry['in_']})"
    if entry["type"] == "Vector":
        width = f", projected to {entry['project_to']}" if entry["project_to"] else ""
        of = f"{entry['storage']} vectors of {entry['of']}" if entry["of"] else "a vector"
        return f"{of}, size {entry['size']}{width}"
    if "vocabulary" in entry:
        vocabulary = entry["vocabulary"]
        dtype = entry.get("dtype") or ("string" if isinstance(vocabulary[0], str) else "int64")
        return f"{dtype} of a vocabulary"
    if "hash_buckets" in entry:
        return f"{entry['dtype']} in hash buckets"
    return "int32 indices"


def _count(entry: dict) -> str:
    words = f"{entry['kind']} of {' and '.join(entry['of'])}, event {entry['event']}"
    if "window" in entry:
        words += f", {entry['window']:,} seconds"
    if "key" not in entry:
        return f"{words}, sent by the client"
    taken_at = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=entry["taken_at"])
    return f"{words}, a snapshot of {taken_at:%Y-%m-%d %H:%M:%S}"


def _metrics(metrics: dict, outputs: list) -> str:
    """The metrics of each part, or of one part, then all other entries."""
    # What was calibrated is in the description of the outputs.
    apart = ("calibration", "days", "label_weights")
    parts = {name: values for name, values in metrics.items() if isinstance(values, dict)}
    parts = {name: values for name, values in parts.items() if name not in apart}
    parts |= {f"day {day['day']}": metrics_of_day(day) for day in metrics.get("days", ())}
    others = {n: value for n, value in metrics.items() if n not in parts and n not in apart}
    lines = [metrics_table(parts, outputs)] if parts else []
    if "label_weights" in metrics:
        lines.append(f"weights of the labels: {_listed(metrics['label_weights'])}")
    if others:
        lines.append(f"metrics: {_listed(others)}")
    return "\n".join(lines) or "metrics: none were given"


def _listed(values: dict) -> str:
    def text(value):
        return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else value

    return ", ".join(f"{name} {text(value)}" for name, value in values.items())


def _tables(tables: dict) -> str:
    """The loss of int8 tables; empty for float32 tables."""
    if tables["dtype"] == "float32":
        return ""
    losses = {name: value for name, value in tables.items() if name != "dtype"}
    return f"{tables['dtype']} tables, compared with float32: {_listed(losses)}"


def _half_precision(half: dict | None) -> str:
    if half is None:  # A float32 model, or an older version.
        return ""
    largest = _listed({"largest_difference": half["largest_difference"]})
    dtypes = " and ".join(half["dtypes"])
    return f"served in float32, compared with the live model in {dtypes}: {largest}"


def _aligned(rows: list) -> str:
    """Formats rows of words as aligned columns."""
    count = max(len(row) for row in rows)
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(count)]
    lines = (
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=False))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)
