"""Trains a model of the zoo in a folder from which training resumes."""

import inspect
import os
from typing import TYPE_CHECKING

import keras

from keras_din.checks import (
    epoch_or_steps,
    fraction,
    local_path,
    not_negative,
    one_of,
    positive_integer,
    positive_number,
)
from keras_din.evaluation import evaluate, number
from keras_din.models import MODELS
from keras_din.monitor import split_monitor
from keras_din.training.build_model import build_model
from keras_din.training.epochs import fit_epochs
from keras_din.training.monitor_choice import choose_monitor
from keras_din.training.popularity import POPULARITY, count_popularity
from keras_din.training.progress import Progress, load_checkpoint, read_progress
from keras_din.training.resume import resume_arguments
from keras_din.training.run import Run
from keras_din.training.run_evaluation import RunEvaluation
from keras_din.training.run_folder import (
    BEST,
    RESULT,
    check_new,
    save_model,
    write_json,
    write_metrics,
    write_run,
)

if TYPE_CHECKING:
    from keras_din.data import PreparedData

_EPOCHS = 10


def train(
    data: "PreparedData",
    folder: str | os.PathLike,
    *,
    model: str = "din",
    options: dict | None = None,
    epochs: int | None = None,
    batch_size: int = 1024,
    learning_rate: float = 1e-3,
    mini_batch_aware_l2: float = 0.1,
    positive_weight: float = 1.0,
    ema_momentum: float = 0.0,
    patience: int = 2,
    monitor: str | None = None,
    evaluate_freq: int | str = "epoch",
    by_request: bool = False,
    seed: int = 0,
    data_folder: str | None = None,
    resume: bool = False,
    verbose: int | str = "auto",
) -> Run:
    """Trains a model of the zoo until validation no longer gets better.

    The folder is written during training: `run.json` (the arguments), `spec.json`, `metrics.csv`
    (one line per evaluation, epochs from 1), `best.keras` (the best on validation so far), a
    checkpoint after each epoch and each evaluation, and at the end `result.json`. All metrics, and
    what is exported, are of click rates of the log: `positive_weight` and the rate of
    `data.downsample_negatives`, which `run.json` holds, are undone. When the process is killed,
    `resume=True` continues from the last checkpoint and ends with the same weights as
    uninterrupted training.

    The model `"popularity"` is counted by `keras_din.models.fit_popularity`, with the prior
    strength that has the least logloss on validation, and takes no gradient steps: `epochs`,
    `learning_rate`, `mini_batch_aware_l2`, `patience` and `evaluate_freq` have no effect,
    `positive_weight` and `ema_momentum` are refused. `resume=True` counts again.

    Args:
        data: A `PreparedData` with a part `"train"`. Without `"valid"` all epochs are run and
            the last weights are the best; `"test"` is evaluated once, at the end.
        folder: A folder that does not exist, or with `resume` that of an earlier call.
        model: A name in `keras_din.MODELS`. `"popularity"` is counted, see above.
        options: Further arguments of its builder.
        epochs: The largest number of epochs. Defaults to 10, and with `resume` to that of the run.
        batch_size: Rows of a batch, or requests.
        learning_rate: Learning rate of `LazyAdam`.
        mini_batch_aware_l2: Strength of its mini-batch aware regularization, with the counts of
            the part `"train"`; 0 for none. It must be 0 under a `tf.distribute` strategy of
            several replicas.
        positive_weight: Weight of the loss of a click, see `BinaryCrossentropy`; of several
            labels, that of the positives of each.
        ema_momentum: Momentum of the average of the weights over steps, which is then evaluated
            and kept; 0 for none. An average spans about `1 / (1 - ema_momentum)` steps. It
            reads all of a table.
        patience: Epochs without a better evaluation after which training stops.
        monitor: The metric that decides which weights are kept and when training stops.
            `"gauc_then_logloss"`: of the evaluations whose GAUC is within the noise of the
            highest, the one with the least logloss is best. The noise is one standard error of
            the difference of the two GAUCs over the same users, and at least .001; see
            `keras_din.monitor.Best`. Or one metric alone: `"gauc"`, `"auc"`, `"logloss"`, `"ne"`,
            `"ece"`. Defaults to `"gauc_then_logloss"`, and to `"logloss"`, which is printed then,
            where no user of validation has both a click and none. Of several labels the first is
            monitored, or the one whose output stands in front: `"cvr_gauc"`.
        evaluate_freq: `"epoch"`, or a number of steps.
        by_request: Whether a row is a request with all its candidates.
        seed: Seed of the weights, the order of the rows and dropout.
        data_folder: Where the data came from, for `run.json`.
        resume: Whether to continue the run in `folder`. Its arguments are taken. Of this call's
            arguments only `epochs` has an effect, where it is larger: `run.json` is updated then.
            Another argument that is not the default must be that of the run.
        verbose: Same as in `keras.Model.fit`.

    Returns:
        A `Run`.

    Raises:
        FileExistsError: When `folder` is there already and `resume` is not set.
        FileNotFoundError: When `resume` is set and `folder` is no run.
        ValueError: When an argument is invalid, the data is not that of the run, or keras_din 0.1
            wrote the run.
    """
    folder = local_path("folder", folder)
    arguments = {
        "model": one_of("model", model, tuple(MODELS)),
        "options": dict(options or {}),
        "epochs": positive_integer("epochs", _EPOCHS if epochs is None else epochs),
        "batch_size": positive_integer("batch_size", batch_size),
        "learning_rate": positive_number("learning_rate", learning_rate),
        "mini_batch_aware_l2": not_negative("mini_batch_aware_l2", mini_batch_aware_l2),
        "positive_weight": positive_number("positive_weight", positive_weight),
        "ema_momentum": fraction("ema_momentum", ema_momentum),
        "patience": positive_integer("patience", patience),
        "monitor": monitor,
        "evaluate_freq": epoch_or_steps("evaluate_freq", evaluate_freq),
        "by_request": bool(by_request),
        "seed": positive_integer("seed", seed, minimum=0),
    }
    if monitor is not None:
        split_monitor(monitor, data.spec.outputs)
    if resume:
        arguments = resume_arguments(folder, data, arguments, _defaults(), epochs)
        progress = read_progress(folder)
    else:
        check_new(folder)
        progress = Progress()
    counted = arguments["model"] == POPULARITY
    if "valid" in data.parts and not resume:
        arguments["monitor"] = choose_monitor(
            arguments["monitor"], data.spec, data.parts["valid"], verbose=not counted
        )
    datasets = {
        part: _dataset(data, part, arguments) for part in ("valid", "test") if part in data.parts
    }
    result = {}
    if counted:
        network, result["prior_strength"] = count_popularity(data, arguments)
    else:
        rows = _dataset(data, "train", arguments, shuffle=True, first_epoch=progress.epochs)
        begun = progress.checkpoint is not None
        network = load_checkpoint(folder, progress) if begun else build_model(data, arguments)
    if not resume:  # Not before: a call that is refused leaves no folder.
        write_run(folder, data, arguments, data_folder)
    if counted:
        save_model(network, folder / BEST)
    else:
        evaluation = _evaluation(datasets.get("valid"), folder, arguments, progress, verbose)
        fit_epochs(network, rows, evaluation, folder, arguments, progress, verbose)
        network = keras.saving.load_model(folder / BEST)
    result = {"best_step": number(network.optimizer.iterations)} | result
    result |= {part: evaluate(network, dataset) for part, dataset in datasets.items()}
    if counted and "valid" in result:
        write_metrics(folder, [{"step": 0, "epoch": None, **result["valid"]}])
    write_json(folder / RESULT, result)
    return Run(folder, network, data.spec, result)


def _defaults() -> dict:
    parameters = inspect.signature(train).parameters
    return {name: of.default for name, of in parameters.items()} | {"options": {}}


def _evaluation(valid, folder, arguments, progress, verbose) -> RunEvaluation | None:
    if valid is None:
        return None
    return RunEvaluation(
        valid,
        folder,
        progress,
        monitor=f"val_{arguments['monitor']}",
        evaluate_freq=arguments["evaluate_freq"],
        use_ema=arguments["ema_momentum"] > 0,
        verbose=verbose != 0,
    )


def _dataset(data, part, arguments, **keywords):
    keywords |= {"seed": arguments["seed"], "by_request": arguments["by_request"]}
    return data.dataset(part, arguments["batch_size"], **keywords)
