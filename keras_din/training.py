"""A training run: a folder that holds all that it needs to go on, and what came of it."""

import contextlib
import copy
import csv
import inspect
import json
import os
import pathlib
import zlib
from typing import NamedTuple

import keras
import numpy as np

from keras_din import metrics
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
from keras_din.click_rates import ASSUMED, ClickRates, click_rates
from keras_din.evaluation import Evaluation, averaged_weights, evaluate, number
from keras_din.features import FeatureSpec
from keras_din.losses import BinaryCrossentropy
from keras_din.models import MODELS, fit_popularity
from keras_din.monitor import GAUC_THEN_LOGLOSS, MONITORS, NEED_BOTH, NEED_GROUPS, Best
from keras_din.optimizers import LazyAdam
from keras_din.spec_fingerprint import check_fingerprint
from keras_din.version import __version__

_RUN, _PROGRESS, _RESULT = "run.json", "progress.json", "result.json"
_SPEC, _METRICS, _BEST = "spec.json", "metrics.csv", "best.keras"
_EPOCHS = 10
_COUNTED = "popularity"
_NOTHING_YET = {"epochs": 0, "steps": 0, "rows": [], "best": {}, "checkpoint": None}
# What a run did before there was an argument for it.
_OF_OLD = {"mini_batch_aware_l2": 0.0, "positive_weight": 1.0, "ema_momentum": 0.0, "monitor": None}
# Of the epochs in the rows. A progress that does not have it is of a version that counted from 0.
_FIRST_EPOCH = {"first_epoch": 1}


class Run(NamedTuple):
    """A finished run.

    Attributes:
        folder: The folder of the run.
        model: The model with the best weights.
        spec: The `FeatureSpec`.
        result: Part -> metrics of the best weights, and `best_step`; of `"popularity"` also
            `prior_strength`.
    """

    folder: pathlib.Path
    model: keras.Model
    spec: FeatureSpec
    result: dict


def train(
    data,
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

    The folder is written as the training goes: `run.json` (the arguments), `spec.json`,
    `metrics.csv` (a line per evaluation, epochs from 1), `best.keras` (the best on validation so
    far), a checkpoint after each epoch and each evaluation, and at the end `result.json`. All
    metrics, and what is exported, are of click rates of the log: `positive_weight` and the rate of
    `data.downsample_negatives`, which `run.json` holds, are undone. When it is killed,
    `resume=True` goes on from the last checkpoint and ends where uninterrupted training would have.

    The model `"popularity"` is counted by `keras_din.models.fit_popularity`, with the prior
    strength that has the least logloss on validation, and takes no gradient steps: `epochs`,
    `learning_rate`, `mini_batch_aware_l2`, `patience` and `evaluate_freq` change nothing,
    `positive_weight` and `ema_momentum` are refused. `resume=True` counts again.

    Args:
        data: A `PreparedData` with a part `"train"`. Without `"valid"` all epochs are run and
            the last weights are the best; `"test"` is looked at once, at the end.
        folder: A folder that does not exist, or with `resume` that of an earlier call.
        model: A name in `keras_din.MODELS`. `"popularity"` is counted, see above.
        options: Further arguments of its builder.
        epochs: The most epochs. Defaults to 10, and with `resume` to what the run was told.
        batch_size: Rows of a batch, or requests.
        learning_rate: Learning rate of `LazyAdam`.
        mini_batch_aware_l2: Its strength of mini-batch aware regularization, with the occurrences
            of the part `"train"`; 0 for none.
        positive_weight: How much more the loss of a click counts, as of `BinaryCrossentropy`.
        ema_momentum: Momentum of the average of the weights over steps, which then is what is
            evaluated and kept; 0 for none. An average remembers about `1 / (1 - ema_momentum)`
            steps. It reads all of a table.
        patience: Epochs without a better evaluation after which training stops.
        monitor: What is better, for the weights that are kept and for `patience`.
            `"gauc_then_logloss"`: of the evaluations whose GAUC is within the noise of the
            highest, the one with the least logloss is best. The noise is one standard error of
            the difference of the two GAUCs over the same users, and at least .001; see
            `keras_din.monitor.Best`. Or one metric alone: `"gauc"`, `"auc"`, `"logloss"`, `"ne"`,
            `"ece"`. Defaults to `"gauc_then_logloss"`, and to `"logloss"`, which is printed then,
            where no user of validation has both a click and none.
        evaluate_freq: `"epoch"`, or a number of steps.
        by_request: Whether a row is a request with all its candidates.
        seed: Seed of the weights, the order of the rows and dropout.
        data_folder: Where the data came from, to be remembered.
        resume: Whether to go on with what `folder` holds. Its arguments are taken, and of this
            call only `epochs`, where that is more: the run is told so for good. Another argument
            that is not the default must be that of the run.
        verbose: As of `fit`.

    Returns:
        A `Run`.

    Raises:
        FileExistsError: When `folder` is there already and `resume` is not set.
        FileNotFoundError: When `resume` is set and `folder` is no run.
        ValueError: When an argument is not as said here, or the data is not that of the run.
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
        "monitor": None if monitor is None else one_of("monitor", monitor, MONITORS),
        "evaluate_freq": epoch_or_steps("evaluate_freq", evaluate_freq),
        "by_request": bool(by_request),
        "seed": positive_integer("seed", seed, minimum=0),
    }
    if resume:
        arguments = _resumed_arguments(folder, data, arguments, epochs)
        progress = _read_progress(folder)
    else:
        _check_new(folder)
        progress = _NOTHING_YET | _FIRST_EPOCH
        if "valid" in data.parts:
            arguments["monitor"] = _monitor(data.parts["valid"], arguments)
    if arguments["model"] == _COUNTED:
        return _count(data, folder, arguments, data_folder, resume)
    datasets = {"train": _rest(data, arguments, progress)}
    for part in ("valid", "test"):
        if part in data.parts:
            datasets[part] = _dataset(data, part, arguments)
    begun = progress["checkpoint"] is not None
    network = _checkpoint(folder, progress, data) if begun else _build(data, arguments)
    if not resume:  # Only now: what is refused leaves no folder.
        _start(folder, data, arguments, data_folder)
    if progress["steps"]:
        this_epoch = arguments | {"epochs": progress["epochs"] + 1}
        _fit(network, datasets, folder, this_epoch, progress, verbose)
        if arguments["ema_momentum"]:  # At its end Keras puts the averages in for good.
            network = _checkpoint(folder, progress, data)
        datasets["train"] = _rest(data, arguments, progress)
    _fit(network, datasets, folder, arguments, progress, verbose)
    if (folder / _BEST).exists():
        network = keras.saving.load_model(folder / _BEST)
    result = {"best_step": number(network.optimizer.iterations)}
    for part in ("valid", "test"):
        if part in datasets:
            result[part] = evaluate(network, datasets[part])
    _write(folder / _RESULT, json.dumps(result, indent=1))
    return Run(folder, network, data.spec, result)


def _count(data, folder, arguments, data_folder, resume) -> Run:
    """The run of a model that is counted: no steps, one line of metrics."""
    for word, plain in (("positive_weight", 1), ("ema_momentum", 0)):
        if arguments[word] != plain:
            raise ValueError(
                f"`{word}` must be {plain} for model={_COUNTED!r}, which is counted and takes no "
                f"gradient steps. Received: {word}={arguments[word]!r}."
            )
    network = _builder(arguments)(data.spec, **arguments["options"])
    parts = {
        part: (
            samples.columns,
            samples.label,
            *([] if samples.weight is None else [samples.weight]),
        )
        for part, samples in data.parts.items()
    }
    train = parts[one_of("part", "train", tuple(parts))]
    strength = fit_popularity(network, train, parts.get("valid"))
    _compile_counted(network, data.negative_rate)
    if not resume:  # Only now: what is refused leaves no folder.
        _start(folder, data, arguments, data_folder)
    _save(network, folder / _BEST)
    result = {"best_step": 0, "prior_strength": strength}
    for part in ("valid", "test"):
        if part in data.parts:
            result[part] = evaluate(network, _dataset(data, part, arguments))
    if "valid" in result:
        _write_metrics(folder, [{"step": 0, "epoch": None, **result["valid"]}])
    _write(folder / _RESULT, json.dumps(result, indent=1))
    return Run(folder, network, data.spec, result)


def _compile_counted(network, negative_rate: float | None) -> None:
    """Has a counted model remember, also when saved, what is to be undone of its odds."""
    network.compile("sgd", BinaryCrossentropy(negative_rate=negative_rate))  # It takes no step.


def load_run(folder: str | os.PathLike) -> Run:
    """The run in a folder: the best model so far, and the result, empty while it is training.

    Raises:
        FileNotFoundError: When there is no run, or no model in it yet.
        ValueError: When the folder's spec is not the one that its model was built from.
    """
    folder = local_path("folder", folder)
    if not (folder / _RUN).is_file():
        raise FileNotFoundError(f"`folder` must be that of a training run. Received: {folder}.")
    if not (folder / _BEST).is_file():
        raise FileNotFoundError(
            f"The run must have finished an evaluation. Received: {folder}, without {_BEST}."
        )
    spec = FeatureSpec.from_json((folder / _SPEC).read_text(encoding="utf-8"))
    model = keras.saving.load_model(folder / _BEST)
    check_fingerprint(model, spec, f"{folder / _SPEC}")
    run = Run(folder, model, spec, _read(folder / _RESULT, {}))
    if not model.compiled:  # One that an older version counted.
        (rate,) = run_click_rates(run).of_outputs.values()
        known = rate.known_from["negative_rate"] != ASSUMED
        _compile_counted(model, rate.negative_rate if known else None)
    return run


def read_arguments(folder: str | os.PathLike) -> dict:
    """What `run.json` of a run says."""
    file = local_path("folder", folder) / _RUN
    if not file.is_file():
        raise FileNotFoundError(f"`folder` must be that of a training run. Received: {folder}.")
    return _read(file, {})


def run_click_rates(run: Run, raw: bool = False) -> ClickRates:
    """What a run knows of its `positive_weight` and of the rate of `data.downsample_negatives`.

    A run of an older version did not write down the rate: then it is that of its data, and where
    the data is no longer there it is assumed to be 1.
    """
    from keras_din.data.prepare.prepared_data import HEADER

    content = read_arguments(run.folder)
    negative_rate = content.get("negative_rate")
    if negative_rate is None and content["data"]:
        header = _read(pathlib.Path(content["data"]) / HEADER, None)
        negative_rate = header and header["report"].get("negative_rate", 1.0)
    weight = content["arguments"].get("positive_weight", 1.0)
    return click_rates(
        run.model, weight, negative_rate, raw, known_from="the run", outputs=run.spec.outputs
    )


def _fit(network, datasets, folder, arguments, progress, verbose) -> None:
    done, epochs = progress["epochs"], arguments["epochs"]
    if "valid" in datasets:
        best = _best_so_far(folder, arguments["monitor"], progress)
        evaluation = _EvaluationThatGoesOn(
            datasets["valid"],
            arguments["evaluate_freq"],
            before_training=not progress["checkpoint"],
            monitor=arguments["monitor"],
            use_ema=arguments["ema_momentum"] > 0,
            verbose=verbose != 0,
            best=best,
        )
        stopping = _Patience(evaluation, arguments["patience"])
        callbacks = [evaluation, _Recorder(folder, progress, evaluation), stopping]
        if stopping.is_over(done):  # Training that had stopped stays so.
            return
    else:
        callbacks = [_Recorder(folder, progress, None)]
    if done >= epochs:
        return
    network.fit(
        datasets["train"],
        epochs=epochs,
        initial_epoch=done,
        callbacks=callbacks,
        shuffle=False,
        verbose=verbose,
    )


class _EvaluationThatGoesOn(Evaluation):
    """An evaluation that knows the best one before this process."""

    def __init__(self, *arguments, best: Best, **keywords):
        self._best_before = best
        super().__init__(*arguments, **keywords)

    def _reset(self):
        super()._reset()
        self._best = copy.copy(self._best_before)


class _Patience(keras.callbacks.Callback):
    """Stops training so many epochs after that of the best evaluation.

    The first epoch always counts as better than no training.
    """

    def __init__(self, evaluation, patience):
        super().__init__()
        self.evaluation = evaluation
        self.patience = patience

    def is_over(self, epochs: int) -> bool:
        return epochs - (self.evaluation.best_epoch or 1) >= self.patience

    def on_epoch_end(self, epoch, logs=None):
        if self.is_over(epoch + 1):
            self.model.stop_training = True


def _read_progress(folder) -> dict:
    progress = _read(folder / _PROGRESS, _FIRST_EPOCH)
    if "first_epoch" not in progress:
        for row in progress["rows"]:
            if row["epoch"] is not None:
                row["epoch"] += 1
    return _NOTHING_YET | progress | _FIRST_EPOCH


def _best_so_far(folder, monitor, progress) -> Best:
    best = Best(monitor)
    if progress["best"]:
        arrays = {}
        if monitor == GAUC_THEN_LOGLOSS:
            with np.load(_arrays_beside(folder / progress["checkpoint"])) as file:
                arrays = dict(file)
        best.restore(progress["best"], arrays)
    else:  # Nothing yet, or a run of a version that kept the best by one metric.
        for row in progress["rows"]:
            best.update(row)
    return best


def _arrays_beside(checkpoint: pathlib.Path) -> pathlib.Path:
    return checkpoint.with_suffix(".npz")


class _Recorder(keras.callbacks.Callback):
    """Writes what a run must remember; stands behind the evaluation, on the same weights."""

    def __init__(self, folder, progress, evaluation):
        super().__init__()
        self.folder = folder
        self.progress = progress
        self.evaluation = evaluation
        self.past = list(progress["rows"])
        self.done_before = progress["steps"]  # Of the first epoch of this training.
        self.written = 0

    def on_train_begin(self, logs=None):
        self._record()

    def on_train_batch_begin(self, batch, logs=None):
        if self._record() and batch:
            steps = self.done_before + batch
            self._move_on(f"epoch-{self.progress['epochs']:04d}-step-{steps:06d}", steps=steps)

    def on_epoch_end(self, epoch, logs=None):
        self._record()
        if self.evaluation is None:
            self._save_best()
        self._move_on(f"epoch-{epoch + 1:04d}", epochs=epoch + 1, steps=0)
        self.done_before = 0

    def _move_on(self, name, **done):
        """Writes a checkpoint, from which a run that is killed from here on goes on."""
        name = f"{name}.keras"
        _save(self.model, self.folder / name)
        best, arrays = self.evaluation.state_of_best() if self.evaluation else ({}, {})
        if arrays:
            with replacing(_arrays_beside(self.folder / name)) as path:
                np.savez(path, **arrays)
        self.progress |= done | {
            "rows": self.rows,
            "best": best,
            "checkpoint": name,
            "random": [
                keras.ops.convert_to_numpy(state).tolist() for state in _random_states(self.model)
            ],
        }
        # The one moment at which the run moves on: before it, the checkpoint before counts.
        _write(self.folder / _PROGRESS, json.dumps(self.progress))
        for old in self.folder.glob("epoch-*"):
            if old.suffix in (".keras", ".npz") and old.stem != pathlib.Path(name).stem:
                old.unlink()

    @property
    def rows(self) -> list:
        return self.past + (self.evaluation.history if self.evaluation else [])

    def _record(self) -> bool:
        """Writes down a new evaluation, and tells whether there was one."""
        if self.evaluation is None or len(self.evaluation.history) == self.written:
            return False
        self.written = len(self.evaluation.history)
        rows = self.rows
        if len(rows) == 1 or rows[-1]["step"] == self.evaluation.best_step:
            self._save_best()
        _write_metrics(self.folder, rows)
        return True

    def _save_best(self):
        with averaged_weights(self.model):
            _save(self.model, self.folder / _BEST)


def _builder(arguments):
    builder = MODELS[arguments["model"]]
    allowed = [name for name in inspect.signature(builder).parameters if name != "spec"]
    for name in arguments["options"]:
        one_of("options", name, tuple(allowed))
    return builder


def _build(data, arguments) -> keras.Model:
    builder = _builder(arguments)
    keras.utils.set_random_seed(arguments["seed"])
    network = builder(data.spec, **arguments["options"])
    keywords = _regularization(network, data, arguments)
    if arguments["ema_momentum"]:
        keywords |= {"use_ema": True, "ema_momentum": arguments["ema_momentum"]}
    optimizer = LazyAdam(arguments["learning_rate"], **keywords)
    optimizer.build(network.trainable_variables)  # To be saved before the first step too.
    loss = BinaryCrossentropy(arguments["positive_weight"], negative_rate=data.negative_rate)
    network.compile(optimizer, loss)
    return network


def _regularization(network, data, arguments) -> dict:
    strength = arguments["mini_batch_aware_l2"]
    if not strength:
        return {}
    tables = {getattr(variable, "feature", None) for variable in network.trainable_variables}
    counts = {name: n for name, n in data.feature_counts("train").items() if name in tables}
    return {"mini_batch_aware_l2": strength, "feature_counts": counts}


def _checkpoint(folder, progress, data) -> keras.Model:
    network = keras.saving.load_model(folder / progress["checkpoint"])
    if network.loss.negative_rate is None:  # Of a version whose loss did not know it.
        network.loss.negative_rate = data.negative_rate
    for variable, state in zip(_random_states(network), progress["random"], strict=True):
        variable.assign(state)
    return network


def _check_new(folder) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        hint = " Go on with it by resume=True." if (folder / _RUN).exists() else ""
        raise FileExistsError(f"`folder` must be new or empty. Received: {folder}.{hint}")


def _start(folder, data, arguments, data_folder) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _SPEC).write_text(data.spec.to_json(), encoding="utf-8")
    content = {
        "arguments": arguments,
        "data": data_folder,
        "fingerprint": fingerprint(data),
        "negative_rate": data.negative_rate,
        "versions": {"keras_din": __version__, "keras": keras.__version__},
    }
    _write(folder / _RUN, json.dumps(content, indent=1))


def _resumed_arguments(folder, data, arguments: dict, epochs: int | None) -> dict:
    """The arguments of the run in `folder`, to which those of this call must not be contrary.

    Which of these were given is not known here: those that are not the defaults.
    """
    content = read_arguments(folder)
    if content["fingerprint"] != fingerprint(data):
        raise ValueError(
            f"A run must go on with its own data, that of {content['data']}. "
            f"Received: other data for {folder}."
        )
    defaults = {name: of.default for name, of in inspect.signature(train).parameters.items()}
    defaults["options"] = {}
    given = {name: value for name, value in arguments.items() if value != defaults[name]}
    kept = check_resumed(folder, data, given)
    if epochs is not None and epochs > kept["epochs"]:
        kept = kept | {"epochs": epochs}
        _write(folder / _RUN, json.dumps(content | {"arguments": kept}, indent=1))
    return kept


def check_resumed(folder, data, given: dict) -> dict:
    """The arguments of a run that goes on, or a `ValueError` that names one that is given anew.

    Args:
        folder: The folder of the run.
        data: Its data.
        given: Arguments of `train` that were given. `epochs` may differ.
    """
    kept = _OF_OLD | read_arguments(folder)["arguments"]
    if "valid" in data.parts and kept["monitor"] is None:
        kept["monitor"] = _monitor_of_old(data.parts["valid"])
    for word, value in given.items():
        if word != "epochs" and json_values(word, value) != kept[word]:
            raise ValueError(
                f"`{word}` must be that of the run when it goes on, {kept[word]!r}: leave it out, "
                f"or train anew in another folder. Received: {word}={value!r} for {folder}."
            )
    return kept


def _random_states(model) -> list:
    """The states of dropout's random numbers, which Keras does not save with the model."""
    return [v for v in model.variables if v.path.endswith("seed_generator_state")]


def fingerprint(data) -> str:
    """Tells whether two data sets are the same: their specs, and their rows but for bags."""
    code = zlib.crc32(data.spec.to_json().encode())
    for part, samples in sorted(data.parts.items()):
        code = zlib.crc32(part.encode(), code)
        for name, array in sorted(samples.arrays().items()):
            # Where a row stood in the log is not what it says.
            if isinstance(array, np.ndarray) and name != "line":
                code = zlib.crc32(name.encode(), code)
                code = zlib.crc32(np.ascontiguousarray(array), code)
    return f"{code:08x}"


def _rest(data, arguments, progress):
    """The rows that are still to be trained on, epoch by epoch."""
    rest = _dataset(data, "train", arguments, shuffle=True, first_epoch=progress["epochs"])
    return rest.skip(progress["steps"]) if progress["steps"] else rest


def _dataset(data, part, arguments, **keywords):
    keywords |= {"seed": arguments["seed"], "by_request": arguments["by_request"]}
    return data.dataset(part, arguments["batch_size"], **keywords)


def _monitor(samples, arguments) -> str:
    """What validation is monitored by: what was asked for, or what there is a metric for."""
    monitor, clicks = arguments["monitor"], int(samples.label.sum())
    found = f"{clicks:,} clicks in {len(samples):,} rows"
    has_gauc = _has_gauc(samples)
    if monitor is None and not has_gauc:
        if arguments["model"] != _COUNTED:  # Of which only one model is looked at.
            print(
                "No user of the part 'valid' has both a click and none: training is monitored by "
                f"logloss. The part has {found}.",
                flush=True,
            )
        return "logloss"
    if monitor in NEED_BOTH and clicks in (0, len(samples)):
        raise ValueError(
            f"`monitor={monitor!r}` needs both clicks and rows without one in the part 'valid': "
            f"take 'logloss', or make a larger part. Received: {found}."
        )
    if monitor in NEED_GROUPS and not has_gauc:
        raise ValueError(
            f"`monitor={monitor!r}` needs users of the part 'valid' with both a click and none: "
            "take 'logloss' or 'auc'. Received: no such user."
        )
    return monitor or GAUC_THEN_LOGLOSS


def _monitor_of_old(samples) -> str:
    """The monitor of a run of a version that knew no other."""
    return "gauc" if _has_gauc(samples) else "auc"


def _has_gauc(samples) -> bool:
    constant = np.zeros(len(samples), np.float32)
    return bool(np.isfinite(metrics.gauc(samples.label, constant, samples.group)))


@contextlib.contextmanager
def replacing(file: pathlib.Path):
    """Gives a path beside a file, which replaces the file when the block succeeds."""
    partial = file.with_name(f".partial-{file.name}")
    try:
        yield partial
        os.replace(partial, file)
    finally:
        partial.unlink(missing_ok=True)


def _write_metrics(folder: pathlib.Path, rows: list) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with replacing(folder / _METRICS) as path, open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def _save(model, file: pathlib.Path) -> None:
    with replacing(file) as path:
        model.save(path)


def _write(file: pathlib.Path, text: str) -> None:
    with replacing(file) as path:
        path.write_text(text, encoding="utf-8")


def _read(file: pathlib.Path, default):
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else default
