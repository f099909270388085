"""Train a model on prepared data until validation no longer improves.

The run's folder contains its arguments, its metrics by step and its weights. An interrupted run
continues from its last evaluation with --resume. With --workers, or the environment variable
TF_CONFIG, several machines compute a part of each batch. The model popularity, the smoothed click
rate per item, is counted instead of trained; it ignores options for epochs and steps.

  keras-din train data runs/din
  keras-din train data runs/base --model base --option pooling=sum --option dropout=0.3
  keras-din train data runs/din --resume
  keras-din train data runs/din --tensorboard
  keras-din train data runs/din --workers 10.0.0.1:4000,10.0.0.2:4000 --index 0
"""

import argparse
import importlib.util
import json
import pathlib

from keras_din.cli.calibrate import METHODS
from keras_din.cli.calibrate import report as calibration_report
from keras_din.cli.phases import phase
from keras_din.cli.show import metrics_table

# The names in `keras_din.MODELS`, which would import Keras.
MODELS = (
    "popularity",
    "lr",
    "base",
    "wide_deep",
    "pnn",
    "deepfm",
    "dcn",
    "din",
    "dien",
    "bst",
    "multi_task",
)
# The names in `keras_din.monitor`, which would import NumPy.
MONITORS = ("gauc_then_logloss", "gauc", "auc", "logloss", "ne", "ece", "rmse", "mae")
# The names in `keras_din.losses.of_labels`, which would import Keras.
LOSSES = ("binary_crossentropy", "pairwise_logistic", "listwise_softmax", "jrc")
# Python spellings of JSON constants.
_PYTHON = {"True": True, "False": False, "None": None}
# The arguments of `keras_din.training.train` that are options of the same name.
_ARGUMENTS = (
    "model",
    "epochs",
    "batch_size",
    "learning_rate",
    "mini_batch_aware_l2",
    "loss",
    "loss_weight",
    "label_weights",
    "positive_weight",
    "ema_momentum",
    "patience",
    "monitor",
    "evaluate_freq",
    "by_request",
    "calibrate",
    "calibrate_by",
    "shards",
    "seed",
)


def add_arguments(parser):
    """Adds the arguments of the command."""
    # Options that are not given are absent: a resumed run has its own, else `train` has defaults.
    parser.argument_default = argparse.SUPPRESS
    parser.add_argument(
        "data",
        help="a folder that keras-din prepare wrote; of --shards, all are read into memory, with "
        "--workers only those of this worker",
    )
    parser.add_argument("run", help="the folder of the run, which must be new")
    parser.add_argument("--model", choices=MODELS, help="(default din)")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an argument of the model's builder, such as hidden_units=[128,64]; repeatable",
    )
    parser.add_argument(
        "--epochs",
        type=int,
        help="the largest number of epochs (default 10; for a resumed run, that of the run)",
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        help="rows per step of all workers together, or requests with --by-request (default 1024)",
    )
    parser.add_argument("--learning-rate", type=float, help="(default 0.001)")
    parser.add_argument(
        "--mini-batch-aware-l2",
        type=float,
        metavar="STRENGTH",
        help="strength of the mini-batch aware L2 regularization; 0 for none (default 0.1)",
    )
    parser.add_argument(
        "--loss",
        choices=LOSSES,
        help="the crossentropy, or its sum with a loss that ranks the rows of a user, or with "
        "--by-request the candidates of a request (default binary_crossentropy)",
    )
    parser.add_argument(
        "--loss-weight",
        type=float,
        metavar="WEIGHT",
        help="weight of the ranking loss in the sum (default 1)",
    )
    parser.add_argument(
        "--label-weights",
        choices=("fixed", "uncertainty"),
        help="fixed for the weights of the labels, or uncertainty to learn them (default fixed)",
    )
    parser.add_argument(
        "--positive-weight",
        type=float,
        metavar="WEIGHT",
        help="weight of a click in the loss, for data with few clicks (default 1)",
    )
    parser.add_argument(
        "--ema-momentum",
        type=float,
        metavar="MOMENTUM",
        help="momentum of the moving average of the weights, which replaces the weights (default "
        "0: no average)",
    )
    parser.add_argument(
        "--patience",
        type=int,
        help="stop after this many epochs without an improvement of validation (default 2)",
    )
    parser.add_argument(
        "--monitor",
        type=_monitor,
        metavar="METRIC",
        help="the criterion of the best evaluation: the highest gauc or auc, the lowest logloss, "
        "ne or ece, or gauc_then_logloss: the lowest logloss among the evaluations whose GAUC is "
        "within its noise of the highest (default gauc_then_logloss; logloss if no user has both "
        "a row with and a row without a click, or the data has a Position). "
        "Of a label that is a number the lowest rmse or mae",
    )
    parser.add_argument(
        "--evaluate-freq",
        type=_steps_or_epoch,
        metavar="STEPS",
        help="steps between evaluations, or epoch (default epoch)",
    )
    parser.add_argument(
        "--by-request", action="store_true", help="a row is a request with all its candidates"
    )
    parser.add_argument(
        "--calibrate",
        choices=METHODS,
        help="calibrate the best model on validation, see keras-din calibrate",
    )
    parser.add_argument(
        "--calibrate-by",
        metavar="FEATURE",
        help="with --calibrate: a feature with a curve per value, such as the tab",
    )
    parser.add_argument(
        "--shards",
        type=_shards,
        metavar="N|NAME=N,...",
        help="number of variables of each table of embeddings, or of each named one, so that a "
        "table can be larger than a device (default 1). These are not the shards of a log that "
        "keras-din prepare --shards writes",
    )
    parser.add_argument(
        "--seed",
        type=int,
        help="seed of initial weights, dropout and the order of rows (default 0)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        default=False,
        help="continue an interrupted run with its own options; options other than --epochs and "
        "--shards must be those of the run",
    )
    parser.add_argument(
        "--workers",
        metavar="HOST:PORT,...",
        help="train on several machines: the address of each worker, the same on all of them; the "
        "first one writes the run, whose folder all must share (default: those of the environment "
        "variable TF_CONFIG)",
    )
    parser.add_argument(
        "--index", type=int, metavar="I", help="with --workers: the number of this one, from 0"
    )
    parser.add_argument(
        "--tensorboard",
        action="store_true",
        default=False,
        help="write the loss and the metrics of each epoch to RUN/tensorboard, for tensorboard "
        "--logdir RUN (pip install 'keras_din[tensorboard]')",
    )
    parser.add_argument(
        "--quiet",
        action="store_true",
        default=False,
        help="no progress and no lines of evaluations",
    )


def run(options) -> dict:
    """Trains the model, and prints and returns the metrics of the best weights."""
    builder_options = dict(map(_option, options.option))  # Before the slow imports.
    from keras_din.distributed import connect, is_chief, scope_of

    strategy = connect(getattr(options, "workers", None), getattr(options, "index", None))
    with scope_of(strategy):
        run = _train(options, builder_options, quiet=options.quiet or not is_chief())
        if is_chief():
            _report(run, options)
    return {"run": options.run, "result": run.result}


def _train(options, builder_options: dict, quiet: bool):
    from keras_din.cli.data_folder import load_data
    from keras_din.cli.training_progress import TrainingProgress
    from keras_din.distributed import is_chief
    from keras_din.training import check_resumed, train
    from keras_din.workers import worker_of

    given = {name: value for name, value in vars(options).items() if name in _ARGUMENTS}
    if builder_options:
        given["options"] = builder_options
    callbacks: list = [_tensorboard(options)] if options.tensorboard and is_chief() else []
    with phase("load the data"):
        data = load_data(options.data, *worker_of())
    if options.resume:  # Only here are options known that were given with their default value.
        check_resumed(options.run, given)
    with phase("train") as show:
        return train(
            data,
            options.run,
            **given,
            data_folder=options.data,
            resume=options.resume,
            callbacks=callbacks if quiet else [*callbacks, TrainingProgress(show)],
            verbose=0 if quiet else 2,
        )


def _tensorboard(options):
    """Returns the callback of `--tensorboard`.

    Raises:
        ImportError: If TensorBoard is not installed.
        ValueError: If the model has no epochs.
    """
    if getattr(options, "model", None) == "popularity":
        raise ValueError(
            "`--tensorboard` requires a model that is trained in epochs. "
            "Received: --model popularity."
        )
    if importlib.util.find_spec("tensorboard") is None:
        raise ImportError(
            "`--tensorboard` needs TensorBoard: python -m pip install 'keras_din[tensorboard]'."
        )
    import keras

    folder = pathlib.Path(options.run) / "tensorboard"
    return keras.callbacks.TensorBoard(folder, write_graph=False)


def _report(run, options) -> None:
    from keras_din.training import run_click_rates

    result, rates = run.result, run_click_rates(run)
    rows = {part: result[part] for part in ("valid", "test") if part in result}
    if "prior_strength" in result:
        print(f"prior strength {result['prior_strength']:g}")
    else:
        print(f"best step {result['best_step']}")
    if rows:
        print(metrics_table(rows, run.spec.outputs))
    if not rates.undoes_nothing:
        print(rates.describe())
    if "calibration" in result:
        print(calibration_report(result["calibration"]))
    print(f"written: {options.run}")


def _option(text: str):
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"`--option` must be NAME=VALUE. Received: {text!r}.")
    if value in _PYTHON:
        return name, _PYTHON[value]
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _shards(text: str) -> int | dict:
    """Parses a number, or `NAME=N,...` as a dict."""
    pairs = [word.rpartition("=") for word in text.split(",")]
    is_one = len(pairs) == 1 and not pairs[0][1]
    if not all(count.isdecimal() and (name or is_one) for name, _, count in pairs):
        raise argparse.ArgumentTypeError(
            f"must be a number, or NAME=N, as in item=4,shop=2. Received: {text!r}."
        )
    return int(text) if is_one else {name: int(count) for name, _, count in pairs}


def _monitor(text: str) -> str:
    """Returns one of `MONITORS`, or one after the name of an output, which `train` checks."""
    if not text.endswith(tuple(f"_{name}" for name in MONITORS)) and text not in MONITORS:
        raise argparse.ArgumentTypeError(
            f"must be one of {', '.join(MONITORS)}, with several outputs `OUTPUT_` before it. "
            f"Received: {text!r}."
        )
    return text


def _steps_or_epoch(text: str):
    return text if text == "epoch" else int(text)
