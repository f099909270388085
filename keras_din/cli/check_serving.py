"""Compare the predictions of an exported version with those of the run, on rows of a log.

Prints the largest difference between the two predictions, the rows where it is largest, and the
inputs that training and serving encode differently. Exits with 1 if a prediction differs by more
than 1e-5, an input differs, or the version has other feature values than the model, even if no
row shows it. The log is prepared data, or a file of rows that contain their histories, same as in
`keras-din predict`.

  keras-din check-serving exported_models/din data --run runs/din
  keras-din check-serving exported_models/din/1795599111 rows.parquet --run runs/din --rows 500
"""

import os

from keras_din.cli import rows_of_run, tables
from keras_din.cli.json_report import FailedCheckError
from keras_din.cli.phases import phase
from keras_din.cli.show import missing_numbers
from keras_din.count_text import count_text


def add_arguments(parser):
    """Adds the arguments of the command."""
    parser.add_argument("version", help="the folder of a version, or of versions (the newest)")
    parser.add_argument("log", help="prepared data, or a file of rows")
    parser.add_argument("--run", required=True, help="the folder of the run")
    parser.add_argument("--part", default="test", help="the part of prepared data (default test)")
    parser.add_argument(
        "--rows",
        type=int,
        default=10_000,
        metavar="N",
        help="compare at most N rows, drawn at random (default 10000)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the random rows")
    tables.add_csv(parser)
    rows_of_run.add_arguments(parser)
    # The columns of histories, and the separators of bags, are those of the run's data.
    parser.set_defaults(data=None, sequences=[], bags=[], separator=None, max_bad=None)


def run(options) -> dict:
    """Prints and returns the differences, and fails if there are any."""
    from keras_din.serving.checks.export_arguments import served_model
    from keras_din.serving.checks.skew import find_skew
    from keras_din.serving.graph.float32_layers import float32_outputs
    from keras_din.serving.graph.int8_tables import Int8Tables
    from keras_din.serving.version.description import find_version, read_description

    version = find_version(options.version)
    is_prepared = os.path.isdir(options.log)
    words = ("sep", "names", "header", "history_separator")
    if is_prepared and any(getattr(options, word) is not None for word in words):
        raise ValueError(
            "`--sep`, `--names`, `--header` and `--history-separator` require a file of rows. "
            f"Received: the folder {options.log}."
        )
    description = read_description(version)
    with phase("load the run and the rows"):
        if is_prepared:
            run, rows, batches = _prepared(options)
        else:
            run, rows, batches = _rows_of_file(options, _snapshots(description))
    rates, differ = _click_rates(description, run)
    model, _ = served_model(run.model, run.spec, rates)
    int8 = description["tables"]["dtype"] == "int8"
    live = Int8Tables(model).outputs if int8 else float32_outputs(model)
    with phase("compare"):
        skew = find_skew(version, run.spec, live, batches)
    print(f"version  {version}\nlog      {count_text(skew.rows, 'row')} of {options.log}\n")
    print(rates.describe())
    print(report(skew, rows))
    if differ:
        print(f"\n{differ}")
    content = {
        "version": str(version),
        "run": options.run,
        "log": options.log,
        "is_same": not (skew.found or differ),
        "click_rates_differ": differ.splitlines(),
        **_content(skew, rows),
    }
    if not content["is_same"]:
        values = f" It has other values: {'; '.join(skew.values)}." if skew.values else ""
        raise FailedCheckError(
            f"{version} and {options.run} must give the same predictions. "
            f"Received: different ones.{values}",
            content,
        )
    return content


def _content(skew, rows) -> dict:
    """The result for `--json`. `rows` are the numbers of the rows in the log."""
    import dataclasses  # Imported here, so that the help of a command is fast.

    def plain(found: dict) -> dict:
        values = found | {"row": rows[found["row"]]}
        return {n: v.tolist() if hasattr(v, "tolist") else v for n, v in values.items()}

    return {
        "rows": skew.rows,
        "largest_difference": skew.largest,
        "worst": [plain(each._asdict()) for each in skew.worst],
        "inputs": {name: plain(dataclasses.asdict(each)) for name, each in skew.inputs.items()},
        "spec": skew.spec,
        "values": skew.values,
        "explained_by": skew.explained_by,
    }


def _click_rates(description: dict, run) -> tuple:
    """Returns the version's click rates, and a text about those of the run that differ."""
    from keras_din.click_rates import ClickRates
    from keras_din.training import run_click_rates

    version, ours = ClickRates.from_json(description["outputs"]), run_click_rates(run)
    sentences = []
    for name, rate in version.of_outputs.items():
        of_run = ours.of_outputs.get(name)  # Predictions show an output that the run lacks.
        if version.raw or of_run is None or rate.factor == of_run.factor:
            continue
        undone, trained = (
            f"positive_weight={each.positive_weight:g}, negative_rate={each.negative_rate:g}"
            for each in (rate, of_run)
        )
        sentences.append(f"{name}: the version undoes {undone}, the run was trained with {trained}")
    return version, "\n".join(sentences)


def report(skew, rows) -> str:
    """Formats the result as text. `rows` are the numbers of the rows in the log."""
    from keras_din.serving.checks.parity import TOLERANCE

    lines = ["largest difference from the live model: " + _sizes(skew.largest)]
    if skew.found and skew.worst:
        lines.append("\nwhere it is largest")
        lines += [
            f"  row {rows[a.row]}{f', candidate {a.candidate}' if a.candidate else ''}, "
            f"{a.output} of {a.signature}: live {a.live:.6f}, served {a.served:.6f}"
            for a in skew.worst
        ]
    if skew.inputs:
        lines.append("\ninputs that training and serving encode differently")
    for name, found in skew.inputs.items():
        example = (
            f"{count_text(found.served, 'behavior')} served, {found.pipeline} in training"
            if found.raw is None
            else f"{found.raw!r} is {found.served} served, {found.pipeline} in training"
        )
        lines.append(
            f"  {name}: {found.values:,} in {count_text(found.rows, 'row')}; "
            f"in row {rows[found.row]} {example}"
        )
    if skew.spec:
        lines.append("\ndifferences between the spec of the version and that of the run")
        lines += [f"  {sentence}" for sentence in skew.spec]
    if skew.explained_by:
        lines.append("\nlargest difference that remains after one of these is corrected")
        for name, left in sorted(skew.explained_by.items(), key=lambda item: item[1]):
            lines.append(f"  {name}: {left:.3g}{': it explains all' * (left <= TOLERANCE)}")
        if min(skew.explained_by.values()) > TOLERANCE:
            lines.append("  None explains it alone: the weights may be those of another model.")
    if not skew.found:
        lines.append("the version and the live model give the same predictions")
    return "\n".join(lines)


def _sizes(largest: dict) -> str:
    return ", ".join(f"{name} {difference:.3g}" for name, difference in largest.items())


def _prepared(options):
    """Returns the run, the numbers of the drawn rows and their batches. Requests stay whole."""
    import numpy as np

    from keras_din.checks import one_of
    from keras_din.cli.evaluate import load
    from keras_din.data import dataset
    from keras_din.data.pipeline.raw_times import raw_times
    from keras_din.serving.checks.skew import raw_rows

    run, data = load(options.run, options.log)
    samples = data.parts[one_of("part", options.part, tuple(data.parts))]
    by_request = samples.request is not None
    unit = samples.request if by_request else np.arange(len(samples))
    distinct, first = np.unique(unit, return_index=True)
    chosen = distinct[_drawn(len(distinct), options)]
    rows = np.flatnonzero(np.isin(unit, chosen))
    arguments = data.spec, data.behaviors, samples[rows], 1024
    batches = [
        (raw_rows(run.spec, x, times), x)
        for (x, *_), times in zip(
            dataset(*arguments, by_request=by_request).as_numpy_iterator(),
            raw_times(*arguments, by_request=by_request),
            strict=True,
        )
    ]
    return run, np.sort(first[np.isin(distinct, chosen)]), batches


def _snapshots(description: dict) -> list:
    """Returns the names of the counts that a version looks up itself."""
    counts = description.get("counts", {})
    return [name for name, facts in counts.items() if facts["from"] == "snapshot"]


def _rows_of_file(options, snapshots: list):
    """Returns the run, the numbers of the drawn rows and their batches of raw values.

    The file need not have columns of `snapshots`, names of counts that the version looks up: it
    would not read them.
    """
    from keras_din.cli.sent_rows import sent_rows
    from keras_din.data import rows_dataset
    from keras_din.data.reading.source import as_source
    from keras_din.training import load_run

    run = load_run(options.run)
    source = as_source(options.log, options.sep, options.header, options.names)
    of_model = run.spec.without_position()  # A request has no position.
    spec = _without(of_model, snapshots)
    frame = rows_of_run.read_rows_of_run(options, run.folder, spec, source)
    rows = _drawn(len(frame), options)
    frame = frame.iloc[rows].reset_index(drop=True)
    size = 1024
    # `find_skew` replaces the counts by those of the version.
    data = rows_dataset(frame.assign(**dict.fromkeys(snapshots, 0.0)), of_model, batch_size=size)
    print(missing_numbers(data), end="")
    batches = [
        (sent_rows(frame.iloc[start : start + size], spec), x)
        for start, (x, _) in zip(
            range(0, len(frame), size),
            data.as_numpy_iterator(),
            strict=True,
        )
    ]
    return run, rows, batches


def _without(spec, names: list):
    """Returns a spec without some features of context and target."""
    import dataclasses

    kept = {
        word: tuple(f for f in getattr(spec, word) if f.name not in names)
        for word in ("context", "target")
    }
    return dataclasses.replace(spec, **kept)


def _drawn(rows: int, options):
    """Draws the numbers of the rows to compare, in ascending order."""
    import numpy as np

    from keras_din.checks import positive_integer

    most = min(positive_integer("rows", options.rows), rows)
    return np.sort(np.random.default_rng(options.seed).choice(rows, most, replace=False))
