"""`train`: trains a model of `keras_din.MODELS` in a folder, from which it can resume."""

import inspect
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import keras

from keras_din.checks import (
    epoch_or_steps,
    fraction,
    json_values,
    local_path,
    not_negative,
    one_of,
    positive_integer,
    positive_number,
)
from keras_din.distributed import lost_workers_reported
from keras_din.evaluation import evaluate
from keras_din.evaluation.weight_averages import number
from keras_din.losses.of_labels import CROSSENTROPY, RANKING
from keras_din.models import MODELS
from keras_din.monitor import split_monitor
from keras_din.training.build_model import build_model, resharded, spec_of_model
from keras_din.training.epochs import fit_epochs
from keras_din.training.label_weights import FIXED, UNCERTAINTY, check_learned_weights
from keras_din.training.monitor_choice import choose_monitor
from keras_din.training.popularity import POPULARITY, count_popularity
from keras_din.training.progress import Progress, load_checkpoint, read_progress
from keras_din.training.ranking import batch_by, check_ranking
from keras_din.training.resume import resume_arguments
from keras_din.training.run import Run
from keras_din.training.run_calibration import calibrate_run, check_calibration, remove_calibration
from keras_din.training.run_evaluation import RunEvaluation
from keras_din.training.run_folder import (
    BEST,
    RESULT,
    RUN,
    check_new,
    save_model,
    write_json,
    write_metrics,
    write_run,
)
from keras_din.training.several_workers import (
    check_same_run,
    fingerprint_of_workers,
    wait_for_file,
)
from keras_din.workers import is_chief, worker_of

if TYPE_CHECKING:
    from keras_din.data import PreparedData

_EPOCHS = 10


@lost_workers_reported()
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
    loss: str = CROSSENTROPY,
    loss_weight: float = 1.0,
    label_weights: str = FIXED,
    positive_weight: float = 1.0,
    ema_momentum: float = 0.0,
    patience: int = 2,
    monitor: str | None = None,
    evaluate_freq: int | str = "epoch",
    by_request: bool = False,
    calibrate: str | None = None,
    calibrate_by: str | None = None,
    shards: int | Mapping[str, int] | None = None,
    seed: int = 0,
    data_folder: str | None = None,
    resume: bool = False,
    callbacks: Sequence = (),
    verbose: int | str = "auto",
) -> Run:
    """Trains a model of `keras_din.MODELS` until validation does not improve.

    The loss is the weighted sum of the losses of the labels, `Label.loss` and `Label.weight`. A
    missing label of a row weighs nothing.

    Training writes these files to the folder: `run.json` (the arguments), `spec.json`,
    `metrics.csv` (one line per evaluation, epochs from 1), `best.keras` (the model with the best
    evaluation), a checkpoint after each epoch and each evaluation, and at the end `result.json`.
    With `calibrate` also the files of `calibrate_run`.
    If the process is killed, `resume=True` continues from the last checkpoint. The weights at the
    end are the same as without the interruption.

    In the scope of a strategy of several workers (see `keras_din.distributed.connect`), all of them
    call `train` with the same arguments. Each step computes the parts of a batch on all workers, so
    the weights are those of one process, up to rounding. The folder must be on a file system that
    all workers share; the first worker writes it. Workers do not calibrate.

    Metrics and exports of a run use click rates of the log: `positive_weight` and the rate of
    `data.downsample_negatives`, which are in `run.json`, are undone.

    The model `"popularity"` is computed by `keras_din.models.fit_popularity`, with the prior
    strength that has the lowest logloss on validation, and without gradient steps: `epochs`,
    `learning_rate`, `mini_batch_aware_l2`, `patience` and `evaluate_freq` have no effect, and
    `positive_weight` and `ema_momentum` raise an error. `resume=True` computes it again.

    Args:
        data: A `PreparedData` with a part `"train"`. Without a part `"valid"` training runs all
            epochs, and the last weights are the best. A part `"test"` is evaluated at the end.
        folder: A new or empty folder, or with `resume` the folder of an earlier call.
        model: A name in `keras_din.MODELS`.
        options: Other arguments of the model's builder.
        epochs: The maximum number of epochs. Defaults to 10, or with `resume` to that of the run.
        batch_size: Number of rows per batch, or of requests.
        learning_rate: Learning rate of `LazyAdam`.
        mini_batch_aware_l2: Strength of the mini-batch aware regularization of `LazyAdam`, with
            the counts of the part `"train"`; 0 for none.
        loss: `"binary_crossentropy"`, or the sum of it and of a loss that ranks,
            `"pairwise_logistic"`, `"listwise_softmax"` or `"jrc"`, see `keras_din.losses`. A
            ranking loss compares the rows of one user, so batches are `batch_by="user"`; with
            `by_request` it compares the candidates of a request. With several labels it applies
            to each label of 0 and 1.
        loss_weight: Weight of the ranking loss in the sum, in which the crossentropy has weight 1.
        label_weights: `"fixed"` for `Label.weight`, or `"uncertainty"` for weights of the labels'
            losses that are learned, see `keras_din.layers.UncertaintyWeights`. They are in the
            model, and in the result as `label_weights`.
        positive_weight: Weight of positives in the loss, see `BinaryCrossentropy`. With several
            labels it applies to each label of 0 and 1. It must be 1 if a label has `given`.
        ema_momentum: Momentum of averages of the weights over steps, which are evaluated and
            kept; 0 for none. An average covers about `1 / (1 - ema_momentum)` steps. Each step
            then reads all rows of a table.
        patience: Number of epochs without a better evaluation after which training stops.
        monitor: The metric that selects the best weights and stops training.
            `"gauc_then_logloss"`: of the evaluations whose GAUC is within the noise of the
            highest GAUC, the one with the lowest logloss is best. The noise is one standard error
            of the difference of the two GAUCs over the same users, and at least .001; see
            `keras_din.monitor.Best`. Or a single metric: `"gauc"`, `"auc"`, `"logloss"`, `"ne"`,
            `"ece"`. With several labels the metric belongs to the first output, unless it has the
            name of an output: `"cvr_gauc"`. Defaults to `"gauc_then_logloss"`. If no user of
            validation has both labels 0 and 1, or the spec has a `Position`, the default is
            `"logloss"`, and a notice is printed. A label that is a number has
            the metrics `"rmse"` (the default, if it is the first label) and `"mae"`: `"watch_mae"`.
            If no evaluation is better than that before training, a notice is printed.
        evaluate_freq: `"epoch"`, or a number of steps.
        by_request: Whether a row is a request with all its candidates.
        calibrate: `"isotonic"`, `"platt"` or `"piecewise_linear"` to calibrate the best model on
            validation, see `calibrate_run`. Its metrics on validation are then optimistic.
        calibrate_by: Name of a feature whose values have curves of their own, see
            `keras_din.calibration.calibrate`.
        shards: Number of variables of each table, or of the tables that a dict names, see
            `FeatureSpec.with_shards`. Defaults to those of `data.spec`.
        seed: Seed of the weights, of the order of rows and of dropout.
        data_folder: The source of the data, for `run.json`.
        resume: Whether to continue the run in `folder` with its own arguments. A larger `epochs`
            and other `shards` are accepted and written to `run.json`; evaluations that were the
            best before keep their shards. Any other given argument must be the same as in the run.
        callbacks: Further instances of `keras.callbacks.Callback`, after the evaluation. `fit` is
            called once per epoch, so training begins and ends once per epoch for them.
        verbose: `"auto"` or 1 for the progress bar of Keras and one line per evaluation, 2 for the
            lines of evaluations alone, 0 for none. Without validation see `keras.Model.fit`.

    Returns:
        A `Run`.

    Raises:
        FileExistsError: If `folder` is not empty and `resume` is not set.
        FileNotFoundError: If `resume` is set and `folder` is not the folder of a run.
        ValueError: If an argument is invalid, if the data differs from the data of the run, or if
            keras_din 0.1 wrote the run.

    Example:

    ```python
    from keras_din.training import train

    data = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
    run = train(data, "runs/lr", model="lr", epochs=1)
    run.result["test"]["gauc"]
    ```
    """
    # Check arguments.
    folder = local_path("folder", folder)
    arguments = {
        "model": one_of("model", model, tuple(MODELS)),
        "options": dict(options or {}),
        "epochs": positive_integer("epochs", _EPOCHS if epochs is None else epochs),
        "batch_size": positive_integer("batch_size", batch_size),
        "learning_rate": positive_number("learning_rate", learning_rate),
        "mini_batch_aware_l2": not_negative("mini_batch_aware_l2", mini_batch_aware_l2),
        "loss": one_of("loss", loss, (CROSSENTROPY, *RANKING)),
        "loss_weight": positive_number("loss_weight", loss_weight),
        "label_weights": one_of("label_weights", label_weights, (FIXED, UNCERTAINTY)),
        "positive_weight": positive_number("positive_weight", positive_weight),
        "ema_momentum": fraction("ema_momentum", ema_momentum),
        "patience": positive_integer("patience", patience),
        "monitor": monitor,
        "evaluate_freq": epoch_or_steps("evaluate_freq", evaluate_freq),
        "by_request": bool(by_request),
        "calibrate": calibrate,
        "calibrate_by": calibrate_by,
        "shards": json_values("shards", dict(shards) if isinstance(shards, Mapping) else shards),
        "seed": positive_integer("seed", seed, minimum=0),
    }
    spec_of_model(data.spec, arguments)  # Raises for invalid `shards`.
    _check_weights(data, loss, loss_weight, positive_weight)
    if label_weights == UNCERTAINTY:
        check_learned_weights(data.spec)
    if monitor is not None:
        split_monitor(monitor, data.spec.outputs, numbers=data.spec.number_outputs)
    _check_options_of_binary_labels(data.spec, arguments)
    check_calibration(data, calibrate, calibrate_by)

    # Resume or begin.
    if not resume:
        check_new(folder)
    found = fingerprint_of_workers(data)  # It reads all rows.
    progress = Progress()
    if resume:
        arguments = resume_arguments(folder, found, arguments, _defaults(), epochs)
        progress = read_progress(folder)
    check_same_run(data, found, arguments, progress)
    check_ranking(data, arguments)
    is_counted = arguments["model"] == POPULARITY
    if "valid" in data.parts and not resume:
        arguments["monitor"] = choose_monitor(
            arguments["monitor"],
            data,
            verbose=is_chief() and not is_counted,
        )

    # Build.
    datasets = {
        part: _dataset(data, part, arguments) for part in ("valid", "test") if part in data.parts
    }
    facts = {}
    if is_counted:
        network, facts["prior_strength"] = count_popularity(data, arguments)
    else:
        rows = _training_rows(data, arguments, progress)
        network = _build_or_load(data, folder, arguments, progress)
    # Only after all checks, so that a call that raises creates no folder and removes nothing.
    _open_folder(data, found, folder, arguments, data_folder, resume, verbose)

    # Fit.
    if is_counted:
        save_model(network, folder / BEST)
    else:
        evaluation = _evaluation(datasets.get("valid"), folder, arguments, progress, verbose)
        fit_epochs(network, rows, evaluation, folder, arguments, progress, callbacks, verbose)
        network = _best_model(folder, evaluation)

    # Evaluate and write.
    result = {"best_step": number(network.optimizer.iterations), **facts}
    if arguments["label_weights"] == UNCERTAINTY:
        result["label_weights"] = network.uncertainty_weights.current
    result |= {part: evaluate(network, dataset) for part, dataset in datasets.items()}
    if is_counted and "valid" in result:
        write_metrics(folder, [{"step": 0, "epoch": None, **result["valid"]}])
    if is_chief():
        write_json(folder / RESULT, result)
    run = Run(folder, network, data.spec, result)
    if arguments["calibrate"] is None:
        return run
    return calibrate_run(run, data, arguments["calibrate"], by=arguments["calibrate_by"])


def _check_weights(data, loss: str, loss_weight: float, positive_weight: float) -> None:
    """Raises a `ValueError` for weights that have no meaning for the labels or the loss."""
    if data.spec.factors and positive_weight != 1:
        raise ValueError(
            "`positive_weight` must be 1 for a spec with `given`: the odds of a product are not "
            "scaled like those of its factors. Use `weight` of `Label` to weight a label. "
            f"Received: positive_weight={positive_weight!r}."
        )
    if data.spec.position is not None and (positive_weight != 1 or data.negative_rate != 1):
        raise ValueError(
            "`positive_weight` and `data.negative_rate` must be 1 for a spec with a Position: the "
            "odds of `p_seen p_click` are not scaled like those of `p_click`. "
            f"Received: positive_weight={positive_weight!r}, negative_rate={data.negative_rate!r} "
            f"and {data.spec.position!r}."
        )
    if loss == CROSSENTROPY and loss_weight != 1:
        raise ValueError(
            "`loss_weight` must be 1 without a ranking loss, whose weight it is: pass `loss` too. "
            f"Received: loss_weight={loss_weight!r}, loss={loss!r}."
        )


def _check_options_of_binary_labels(spec, arguments: dict) -> None:
    """Raises a `ValueError` for options without effect, if all labels are numbers."""
    if len(spec.number_outputs) < len(spec.labels):
        return
    for name, neutral in (("positive_weight", 1), ("loss", CROSSENTROPY)):
        if arguments[name] != neutral:
            raise ValueError(
                f"`{name}` must be {neutral!r} for data whose labels are numbers: it applies to "
                f"labels of 0 and 1. Received: {name}={arguments[name]!r}."
            )


def _defaults() -> dict:
    parameters = inspect.signature(train).parameters
    return {name: each.default for name, each in parameters.items()} | {"options": {}}


def _dataset(data, part: str, arguments: dict, **keywords):
    keywords |= {"seed": arguments["seed"], "by_request": arguments["by_request"]}
    return data.dataset(part, arguments["batch_size"], **keywords)


def _training_rows(data, arguments: dict, progress: Progress):
    """Returns the rows of this worker, whose first iteration is the epoch of `progress`."""
    return _dataset(
        data,
        "train",
        arguments,
        shuffle=True,
        first_epoch=progress.epochs,
        shard=worker_of(),
        batch_by=batch_by(arguments),
    )


def _build_or_load(data, folder, arguments: dict, progress: Progress) -> keras.Model:
    """Returns the model of the checkpoint, or a new one if there is no checkpoint."""
    if progress.checkpoint is None:
        return build_model(data, arguments)
    return resharded(load_checkpoint(folder, progress), data.spec, arguments)


def _open_folder(data, found, folder, arguments: dict, data_folder, resume, verbose) -> None:
    """Creates the folder of a new run, or removes the calibration of the run that resumes."""
    if not resume and is_chief():
        write_run(folder, data, found, arguments, data_folder)
    wait_for_file(folder / RUN)
    removed = remove_calibration(folder) if resume and is_chief() else None
    if removed and not arguments["calibrate"] and verbose:
        print("The calibration of the run was removed: calibrate the run again.", flush=True)


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
        verbose=verbose != 0 and is_chief(),
    )


def _best_model(folder, evaluation: RunEvaluation | None) -> keras.Model:
    """Loads the best model after training, and prints the notice of the evaluation."""
    notice = evaluation.notice_of_best("") if evaluation is not None else None
    if notice and is_chief():
        print(notice, flush=True)
    wait_for_file(folder / BEST)
    return keras.saving.load_model(folder / BEST)
