"""Export a trained model as a new version for TensorFlow Serving.

With --delta, also write a file with only what differs from an earlier version, for servers that
have that version, see keras-din apply-delta. With --format, export an ONNX or LiteRT file instead,
which takes indices.

  keras-din export runs/din exported_models/din
  keras-din export runs/din exported_models/din --keep 3 --tables int8
  keras-din export runs/din exported_models/din --order-by cvr
  keras-din export runs/din exported_models/din --order-by 'click * long_view ** 0.3'
  keras-din export runs/din exported_models/din --snapshots
  keras-din export runs/din exported_models/din --delta
  keras-din export runs/din exported_models/din --delta 1795599111
  keras-din export runs/din din.onnx --format onnx
"""

import os
import pathlib

from keras_din import serving
from keras_din.cli.phases import phase
from keras_din.cli.show import delta_report

_NEWEST = ""  # What `--delta` without a version is.


def add_arguments(parser):
    """Adds the arguments of the command."""
    parser.add_argument("run", help="the folder of a run")
    parser.add_argument(
        "path", help="the folder of the versions, such as exported_models/din, or a file"
    )
    parser.add_argument(
        "--format",
        choices=tuple(serving.FORMATS),
        default="savedmodel",
        help="(default savedmodel)",
    )
    parser.add_argument(
        "--keep", type=int, metavar="N", help="keep the N newest versions (default: all)"
    )
    parser.add_argument(
        "--raw",
        action="store_true",
        help="export the model's raw output; by default `ctr` is the click rate of the log, with "
        "--positive-weight and the downsampling of negatives undone",
    )
    parser.add_argument(
        "--tables",
        choices=("float32", "int8"),
        default="float32",
        help="dtype of the embedding tables; for int8 the loss of GAUC on the run's test part is "
        "measured if its data exists (default float32)",
    )
    parser.add_argument(
        "--order-by",
        metavar="FORMULA",
        help="the output or label by which the signature `rank` orders candidates, or a formula "
        "over them with + - * / ** and parentheses (default: the first label)",
    )
    parser.add_argument(
        "--snapshots",
        action="store_true",
        help="put the counts of items and categories at the end of the run's data into the "
        "version, for features of type Count; by default clients send them",
    )
    parser.add_argument(
        "--delta",
        nargs="?",
        const=_NEWEST,
        metavar="VERSION",
        help="also write the file PATH/NUMBER.delta: what differs from VERSION, the number or the "
        "folder of an earlier version (--delta alone: from the newest)",
    )


def run(options) -> dict:
    """Exports the best model of a run; prints and returns the path of the version or file."""
    portable_format = options.format != "savedmodel"
    of_versions: dict = {"keep": None, "tables": "float32", "order_by": None}
    of_versions |= {"delta": None, "snapshots": False}
    given = [name for name, default in of_versions.items() if getattr(options, name) != default]
    if portable_format and given:
        words = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise ValueError(
            "`--keep`, `--tables`, `--order-by`, `--snapshots` and `--delta` belong to "
            "`--format savedmodel`. "
            f"Received: {words} and --format {options.format}."
        )
    base = None if options.delta is None else _base(options)
    from keras_din.training import load_run, read_arguments, run_click_rates

    with phase("load the run"):
        run = load_run(options.run)
    rates = run_click_rates(run, options.raw)
    # `export` itself prints assumed rates.
    rates_line = "" if rates.is_assumed else f"{rates.describe()}\n"
    if portable_format:
        write = getattr(serving, serving.FORMATS[options.format])
        with phase("export"):
            file = write(run.model, run.spec, options.path, rates=rates)
        print(f"{rates_line}written: {file}")
        return {"file": str(file)}
    arguments = read_arguments(options.run)
    with phase("export, and check it in another process"):
        version = serving.export(
            run.model,
            run.spec,
            options.path,
            metrics=run.result,
            data_fingerprint=arguments["fingerprint"],
            keep=options.keep,
            tables=options.tables,
            test=_test_data(options.run, arguments) if options.tables == "int8" else None,
            rates=rates,
            order_by=options.order_by,
            snapshots=_snapshots(options.run, arguments) if options.snapshots else (),
        )
    print(f"{rates_line}written: {version}")
    content: dict = {"version": str(version)}
    if base is not None:
        from keras_din.serving.version.delta import read_delta

        delta = serving.make_delta(base, version)
        facts = read_delta(delta)
        print(delta_report(delta, facts))
        content["delta"] = {"file": str(delta)} | facts
    return content


def _base(options) -> pathlib.Path:
    """Returns the folder of the version that `--delta` names."""
    from keras_din.checks import local_path
    from keras_din.serving.version.delta import version_folder
    from keras_din.serving.version.folders import versions

    path, given = local_path("path", options.path), options.delta
    present = versions(path)
    if given == _NEWEST and not present:
        raise ValueError(
            "`--delta` requires an earlier version: export the first one without it. "
            f"Received: {path}, without a version."
        )
    name = str(present[-1]) if given == _NEWEST else given
    base = version_folder("--delta", path / name if name.isdecimal() else name)
    newer = sum(number >= int(base.name) for number in present)
    is_beside = base.parent.resolve() == path.resolve()
    if options.keep is not None and is_beside and options.keep <= newer:
        raise ValueError(
            f"`--keep` must be {newer + 1} or more, so that the version of `--delta` stays. "
            f"Received: --keep {options.keep} and --delta {base.name}."
        )
    return base


def _test_data(run, arguments):
    """The test part of a run's data, or `None` if the data or the part does not exist."""
    from keras_din.cli.evaluate import load

    if not arguments["data"] or not os.path.isdir(arguments["data"]):
        return None
    _, data = load(run, arguments["data"])
    return data.dataset("test", 4096) if "test" in data.parts else None


def _snapshots(run, arguments):
    """The snapshots of the counts of a run's data, or an error if there are none."""
    from keras_din.cli.evaluate import load

    if not arguments["data"] or not os.path.isdir(arguments["data"]):
        raise ValueError(
            "`--snapshots` requires the folder of the run's data, whose rows are counted. "
            f"Received: {arguments['data']}."
        )
    _, data = load(run, arguments["data"])
    found = data.count_snapshots()
    if not found:
        raise ValueError(
            "`--snapshots` requires a model with a Count of an item or category. "
            f"Received: {run}, whose model has none."
        )
    return found
