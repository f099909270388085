"""Evaluation on a dataset: `predict`, `evaluate` and the callback `Evaluation`."""

import contextlib
import copy
import operator
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import ArrayLike

from keras_din.checks import epoch_or_steps, one_of
from keras_din.click_rates import ClickRates, click_rates
from keras_din.ctr_model import check_batches
from keras_din.dataset_facts import groups_of, negative_rate_of, spec_of, specs_of
from keras_din.features import DEFAULT_OUTPUT
from keras_din.metrics import metrics_and_groups, recalibrate
from keras_din.metrics.arguments import check_groups
from keras_din.monitor import GAUC_THEN_LOGLOSS, NEED_BOTH, NEED_GROUPS, Best, split_monitor
from keras_din.outputs import by_output, prefixed_metrics
from keras_din.spec_fingerprint import check_fingerprint

__all__ = [
    "Evaluation",
    "Predictions",
    "averaged_weights",
    "averages_weights",
    "evaluate",
    "evaluate_at",
    "number",
    "predict",
]

_LOGGED = ("gauc", "auc", "logloss", "ne", "calibration", "ece")
# Traces are stored in this attribute of a model, which Keras does not track or save.
_TRACES, _MAX_TRACES = "_keras_din_traces", 8


class Predictions(NamedTuple):
    """Predictions and labels of the real candidates of a dataset, in its order.

    Attributes:
        predictions: float32 `(candidates,)`. For a model with several outputs a dict, name of the
            output -> array.
        labels: The labels, in the same form as `predictions`.
        sizes: int64 `(rows,)`, the number of real candidates per row. `np.repeat(values, sizes)`
            repeats one value per row for its candidates.
    """

    predictions: np.ndarray | dict
    labels: np.ndarray | dict
    sizes: np.ndarray


def predict(model: keras.Model, dataset: Any) -> Predictions:
    """Predicts a dataset, and returns predictions and labels without padding.

    Batches may have histories of different lengths and different numbers of candidates. On the
    TensorFlow backend a model is traced once per `element_spec` of `x`, for all calls of `predict`,
    `evaluate` and `Evaluation`. The last 8 traces are kept. `compile` deletes them.

    Args:
        model: Any Keras model whose output is `(batch, candidates)`, or `(batch,)` if the labels
            have this shape too, or a dict of such outputs.
        dataset: A finite `tf.data.Dataset` of batches `(x, y)` or `(x, y, sample_weight)`. `y` is
            `(batch, candidates)` or `(batch,)`, or a dict of such labels by the names of the
            outputs. A candidate with weight 0 is padding. Other weights have no effect.

    Returns:
        `Predictions`.

    Raises:
        ValueError: If the elements or the model's outputs have another form, or if the spec of
            `dataset` differs from the spec of the model.
    """
    return _collect(_forward(model, dataset), dataset)


def evaluate(
    model: keras.Model, dataset: Any, groups: ArrayLike | bool | None = None, *, raw: bool = False
) -> dict:
    """Computes the metrics of a model on a dataset.

    The metrics are computed from click rates of the log, same as in `keras_din.export`: the
    positive weight and the negative rate of the compiled `BinaryCrossentropy` are undone. For
    training data with downsampled negatives, predictions are converted to the click rate of this
    data, with `dataset.negative_rate`.

    Args:
        model: A model whose outputs are probabilities, see `predict`.
        dataset: A dataset, see `predict`.
        groups: Integers or strings `(rows,)`, the group of each row, usually the user. Each
            candidate of a row is a sample of the row's group. Defaults to `dataset.groups`.
            Datasets of this library have this attribute, but shuffling and transformations such
            as `take` or `prefetch` lose it. Then `groups` must be given, or `False` to compute
            no GAUC.
        raw: Whether to evaluate the outputs of the model without a conversion.

    Returns:
        The dict of `keras_din.metrics.all_metrics`. Without groups it has no `gauc`. For a model
        with several outputs the names have the name of the output as prefix: `ctr_gauc`,
        `cvr_gauc`.

    Raises:
        ValueError: If the number of groups is not the number of rows, if the dataset has lost its
            groups, or in the cases of `predict`.

    Example:

    ```python
    data = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
    model = kd.build_lr(data.spec)
    model.compile("sgd", kd.losses.BinaryCrossentropy())
    results = kd.evaluate(model, data.dataset("test", 64))
    results["gauc"], results["logloss"]
    ```
    """
    rates = click_rates(model, raw=raw, outputs=_outputs(dataset))
    return evaluate_at(rates, model, dataset, groups)


def evaluate_at(
    rates: ClickRates, model: keras.Model, dataset: Any, groups: ArrayLike | bool | None = None
) -> dict:
    """Same as `evaluate`, but with given `ClickRates`, for example those of a run."""
    results = _evaluate(_forward(model, dataset), dataset, _groups(dataset, groups), rates)
    return prefixed_metrics({output: metrics for output, (metrics, _) in results.items()})


class Evaluation(keras.callbacks.Callback):
    """Callback that evaluates a model before training, every few steps, and after each epoch.

    The metrics are those of `keras_din.evaluate`. They are computed from click rates of the log,
    so that `logloss` does not depend on the positive weight of the loss.

    Each evaluation prints one line and adds one entry to `history`. The evaluation after an epoch
    also adds `val_gauc`, `val_auc`, `val_logloss`, `val_ne`, `val_calibration` and `val_ece` to the
    logs of the epoch. They appear in the history that `fit` returns, in the progress bar, and in
    all later callbacks of the list, such as `EarlyStopping(monitor="val_gauc", mode="max")`,
    `ModelCheckpoint`, `CSVLogger` and `TensorBoard`. With several outputs the names are
    `val_ctr_gauc`, `val_cvr_gauc` and so on.

    The callback works under `tf.distribute`. `copy.deepcopy` creates an independent callback with
    the same dataset and groups. KerasTuner does this for each trial, with
    `objective=keras_tuner.Objective("val_gauc", "max")`.

    Args:
        dataset: A dataset, see `keras_din.evaluate`.
        evaluate_freq: `"epoch"`, or a number of optimizer steps. With `steps_per_execution` the
            evaluation follows the execution that reaches this number.
        groups: The group of each row, see `keras_din.evaluate`.
        before_training: Whether to evaluate before the first step.
        prefix: Prefix of the names in the logs.
        restore_best_weights: Whether the model has the best weights at the end of training. They
            are kept in memory.
        monitor: The metric that selects the best evaluation, by its name in the logs.
            `"val_gauc_then_logloss"`: of the evaluations whose GAUC is within the noise of the
            highest GAUC, the one with the lowest logloss is best. The noise is one standard error
            of the difference of the two GAUCs over the same users, and at least .001; see
            `keras_din.monitor.Best`. Or a single metric: the highest `"val_gauc"` or `"val_auc"`,
            or the lowest `"val_logloss"`, `"val_ne"` or `"val_ece"`. With several outputs the
            metric belongs to the first output, unless it has the name of an output:
            `"val_cvr_gauc"`, `"val_cvr_gauc_then_logloss"`. Defaults to
            `"val_gauc_then_logloss"`. If no group has both labels 0 and 1, the default is
            `"val_logloss"`, and a notice is printed. Another `prefix` replaces `val_`.
        use_ema: Whether to evaluate and keep the weights that the optimizer averages over steps
            (`use_ema=True`), instead of the trained weights. Do not combine it with
            `keras.callbacks.SwapEMAWeights(swap_on_epoch=True)`, which swaps weights for all
            callbacks, but only after an epoch.
        verbose: Whether to print one line per evaluation.

    Attributes:
        best: The monitored metric of the best evaluation of this training, or `None` before the
            first evaluation. With `"val_gauc_then_logloss"` it is the GAUC.
        best_step: The step of the best evaluation.
        best_epoch: The epoch of the best evaluation.
        history: List of dicts with `step`, `epoch` (from 1, `None` before training), the metrics,
            their counts, and `loss`. `loss` is the mean training loss of the epoch since the
            previous evaluation. It is missing if another callback has reset the metrics of Keras.

    Raises:
        ValueError: If `monitor` requires a GAUC and there are no groups, or the dataset has lost
            its groups. When training starts: if `use_ema` is set and the optimizer does not average
            weights. At the first evaluation: if a given `monitor` is undefined because all labels
            are equal.

    Example:

    ```python
    data = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
    model = kd.build_lr(data.spec)
    model.compile("sgd", kd.losses.BinaryCrossentropy())
    evaluation = kd.Evaluation(data.dataset("valid", 64), restore_best_weights=True)
    history = model.fit(data.dataset("train", 64), callbacks=[evaluation], shuffle=False)
    history.history["val_gauc"], evaluation.best
    ```
    """

    def __init__(
        self,
        dataset: Any,
        evaluate_freq: int | str = "epoch",
        *,
        groups: ArrayLike | bool | None = None,
        before_training: bool = True,
        prefix: str = "val_",
        restore_best_weights: bool = False,
        monitor: str | None = None,
        use_ema: bool = False,
        verbose: bool = True,
    ) -> None:
        super().__init__()
        _check_dataset(dataset)
        self.dataset = dataset
        self.evaluate_freq = epoch_or_steps("evaluate_freq", evaluate_freq)
        self.groups = _groups(dataset, groups)
        self.before_training = before_training
        self.prefix = prefix
        self.restore_best_weights = restore_best_weights
        self._outputs = _outputs(dataset)
        self._is_default = monitor is None
        monitor = prefix + GAUC_THEN_LOGLOSS if monitor is None else monitor
        self._monitored, self._rule = split_monitor(monitor, self._outputs, prefix)
        self.use_ema = one_of("use_ema", use_ema, (True, False))
        self.verbose = verbose
        if self._rule in NEED_GROUPS and self.groups is None:
            raise ValueError(
                f'`monitor="{self.monitor}"` must be used with groups: pass `groups`, or a dataset '
                "with the attribute `groups` (shuffling and transformations lose it), or "
                f'monitor="{self._logloss}". Received: groups=None and a dataset without `groups`.'
            )
        self._reset()

    def _reset(self):
        self.history = []
        if self._is_default:
            self._rule = GAUC_THEN_LOGLOSS
        self._best, self._best_weights = Best(self._rule, self._prefixes[self._monitored]), None
        self._epoch, self._previous_loss, self._loss_before_validation = None, (0.0, 0.0), None

    @property
    def _prefixes(self) -> dict:
        """Name of the output -> prefix of the names of its metrics."""
        several = len(self._outputs) > 1
        return {output: f"{output}_" * several for output in self._outputs}

    @property
    def monitor(self) -> str:
        """The name of the monitored metric in the logs."""
        return self.prefix + self._prefixes[self._monitored] + self._rule

    @property
    def _logloss(self) -> str:
        """The name of the logloss of the monitored output in the logs."""
        return f"{self.prefix}{self._prefixes[self._monitored]}logloss"

    @property
    def best(self) -> float | None:
        return self._best.evaluation and self._best.evaluation.value

    @property
    def best_step(self) -> int | None:
        return self._best.evaluation and self._best.evaluation.step

    @property
    def best_epoch(self) -> int | None:
        return self._best.evaluation and self._best.evaluation.epoch

    def __deepcopy__(self, memo):
        result = copy.copy(self)
        memo[id(self)] = result
        shared = ("_model", "dataset", "groups")  # A dataset cannot be copied.
        own = {name: value for name, value in vars(self).items() if name not in shared}
        vars(result).update(copy.deepcopy(own, memo))
        return result

    def on_train_begin(self, logs=None):
        self._reset()
        if self.use_ema and not averages_weights(self.model.optimizer):
            raise ValueError(
                "`use_ema` must be used with an optimizer that has use_ema=True. Received: False."
            )
        self._last_step = self._step()
        if self.before_training:
            self._evaluate(self._last_step)

    def on_epoch_begin(self, epoch, logs=None):
        # Keras has just reset its mean loss.
        self._epoch, self._previous_loss = epoch + 1, (0.0, 0.0)
        self._loss_before_validation = None

    def on_test_begin(self, logs=None):
        # `fit` validates before the end of an epoch, and resets its mean loss next.
        self._loss_before_validation = self.running_loss()

    # The evaluation is not in `on_train_batch_end`: after the last batch `on_epoch_end` evaluates.
    # Also, Keras may call `on_train_batch_end` in a background thread, where it would block.
    def on_train_batch_begin(self, batch, logs=None):
        if self.evaluate_freq == "epoch":
            return
        step = self._step()
        if step // self.evaluate_freq > self._last_step // self.evaluate_freq:
            self._evaluate(step)

    def on_epoch_end(self, epoch, logs=None):
        self._evaluate(self._step(), (logs or {}).get("loss"))
        if logs is not None:
            entry = self.history[-1]
            names = [prefix + name for prefix in self._prefixes.values() for name in _LOGGED]
            logs.update({self.prefix + name: entry[name] for name in names if name in entry})

    def on_train_end(self, logs=None):
        if self._best_weights is not None:
            self.model.set_weights(self._best_weights)
            self._best_weights = None

    def _evaluate(self, step, loss_of_epoch=None):
        with averaged_weights(self.model) if self.use_ema else contextlib.nullcontext():
            forward = _forward(self.model, self.dataset)
            rates = click_rates(self.model, outputs=self._outputs)
            results = _evaluate(forward, self.dataset, self.groups, rates)
            metrics = prefixed_metrics({output: each for output, (each, _) in results.items()})
            _, by_group = results[self._monitored]
            entry = {"step": step, "epoch": self._epoch, **self._loss(loss_of_epoch), **metrics}
            if not self.history:
                self._check_monitor(entry)
            if self._best.update(entry, by_group) and self.restore_best_weights:
                self._best_weights = self.model.get_weights()
        self._last_step = step
        self.history.append(entry)
        if self.verbose:
            self._print(entry)

    def _check_monitor(self, entry):
        """Changes the default to the logloss, or raises, if the monitored metric is undefined."""
        metric = self._best.prefix + self._best.metric
        if self._rule not in NEED_BOTH or not np.isnan(entry[metric]):
            return
        found = f"{entry[self._best.prefix + 'rows']:,} rows, for which {metric} is undefined"
        if self._is_default:
            print(
                "No group of the dataset has both labels 0 and 1, so training monitors the "
                f"logloss. The dataset has {found}.",
                flush=True,
            )
            self._rule = "logloss"
            self._best = Best(self._rule, self._prefixes[self._monitored])
            return
        required = "groups of `dataset`" if self._rule in NEED_GROUPS else "a `dataset`"
        raise ValueError(
            f"`monitor={self.monitor!r}` must be used with {required} with both labels 0 and 1: "
            f"pass monitor='{self._logloss}', or a larger dataset. Received: {found}."
        )

    def _print(self, entry):
        metrics = [p + name for p in self._prefixes.values() for name in ("gauc", "auc", "logloss")]
        names = [name for name in ("loss", *metrics) if name in entry]
        line = [f"step {entry['step']}", *(f"{name} {entry[name]:.4f}" for name in names)]
        in_bar = self._epoch is not None and self.params.get("verbose") in ("auto", 1)
        print("\n" * in_bar + "  ".join(line), flush=True)

    def _step(self):
        return number(self.model.optimizer.iterations)

    def _loss(self, loss_of_epoch):
        """Returns the mean loss since the previous evaluation, from the running mean of Keras.

        `loss_of_epoch` is given at the end of an epoch: the mean loss before validation.
        """
        now = self._loss_before_validation or self.running_loss()
        if now is None or self._epoch is None:
            return {}
        total, count = np.subtract(now, self._previous_loss)
        first = self._previous_loss == (0.0, 0.0)
        self._previous_loss = now
        if loss_of_epoch is not None:
            if first:
                return {"loss": float(loss_of_epoch)}
            if not now[1] or not np.isclose(now[0] / now[1], loss_of_epoch, equal_nan=True):
                return {}  # Another callback has called `model.evaluate`, which resets the mean.
        return {"loss": float(total / count)} if count > 0 else {}

    def running_loss(self) -> tuple | None:
        """Returns `(total, count)` of the running mean loss of Keras, or `None`."""
        mean = self._mean_loss()
        return None if mean is None else (number(mean.total), number(mean.count))

    def set_running_loss(self, running_loss) -> None:
        """Sets the running mean loss of Keras to the value at the previous evaluation."""
        mean, (total, count) = self._mean_loss(), running_loss
        mean.total.assign(total)
        mean.count.assign(count)
        self._previous_loss = (total, count)

    def _mean_loss(self):
        return next((metric for metric in self.model.metrics if metric.name == "loss"), None)


@contextlib.contextmanager
def averaged_weights(model):
    """Context manager in which a model has the averaged weights of its optimizer.

    If the optimizer does not average weights, or before the first step, the weights do not change.
    """
    if not averages_weights(model.optimizer) or not number(model.optimizer.iterations):
        yield
        return
    variables = model.trainable_variables
    own = [keras.ops.convert_to_numpy(variable) for variable in variables]
    model.optimizer.finalize_variable_values(variables)
    if keras.backend.backend() == "jax":
        # The weights share the buffers of the averages, which prediction donates. So copy them.
        for variable in variables:
            variable.assign(keras.ops.convert_to_numpy(variable))
    try:
        yield
    finally:
        for variable, value in zip(variables, own, strict=True):
            variable.assign(value)


def number(variable):
    """Returns a scalar variable as a Python number, also under `tf.distribute`."""
    return keras.ops.convert_to_numpy(variable).item()


def averages_weights(optimizer) -> bool:
    """Returns whether an optimizer averages weights over steps, `use_ema=True`."""
    # A `LossScaleOptimizer` contains the optimizer that averages.
    return getattr(optimizer, "inner_optimizer", optimizer).use_ema


def _groups(dataset, groups):
    if groups is False:
        return None
    groups = groups_of(dataset) if groups is None else groups
    if groups is None:
        return None
    groups = np.asarray(groups)
    check_groups(groups)
    return groups


def _forward(model, dataset):
    """Returns a function from `x` to predictions, with one trace for all batches and calls."""
    if not isinstance(model, keras.Model):
        raise ValueError(
            "`model` must be a Keras model, followed by the dataset. "
            f"Received: a {type(model).__name__}."
        )
    _check_dataset(dataset)
    for spec in specs_of(dataset):
        check_fingerprint(model, spec, "`dataset`")
    spec = dataset.element_spec
    if keras.backend.backend() != "tensorflow":
        return lambda x: model.predict_on_batch(keras.tree.map_structure(np.asarray, x))
    # Traces are stored in the model. A global registry would keep the model alive.
    traces, objects = vars(model).setdefault(_TRACES, []), _traced_objects(model)
    traces[:] = [trace for trace in traces if trace.is_valid(objects)]
    for trace in traces:
        if trace.spec == spec[0]:
            return trace.function
    import tensorflow as tf

    function = tf.function(lambda x: model(x, training=False), input_signature=[spec[0]])
    traces[:] = [*traces[1 - _MAX_TRACES :], _Trace(spec[0], objects, function)]
    return function


def _check_dataset(dataset) -> None:
    """Raises a `ValueError` unless `dataset` is a finite `tf.data.Dataset` with labels."""
    check_batches("dataset", dataset)
    required = "`dataset` must be a tf.data.Dataset of (x, y) or (x, y, sample_weight)"
    if not hasattr(dataset, "element_spec") or not hasattr(dataset, "cardinality"):
        raise ValueError(
            f'{required}, such as `data.dataset("valid")`, not an iterator of it. For other '
            "batches, pass `tf.data.Dataset.from_generator(lambda: batches, "
            f"output_signature=...)`. Received: a {type(dataset).__name__}."
        )
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) not in (2, 3):
        raise ValueError(f"{required}. Received: a dataset of {spec}.")
    if dataset.cardinality() == -1:
        raise ValueError("`dataset` must be finite. Received: a dataset that repeats forever.")


class _Trace(NamedTuple):
    """A traced model.

    Attributes:
        spec: The spec of its inputs.
        objects: The objects that the trace depends on.
        function: The traced function.
    """

    spec: object
    objects: list
    function: object

    def is_valid(self, objects) -> bool:
        """Returns whether the model still has the same objects."""
        return len(objects) == len(self.objects) and all(map(operator.is_, objects, self.objects))


def _traced_objects(model) -> list:
    """Returns the weights of a model and its mean loss, which `compile` replaces."""
    return [*model.weights, *(metric for metric in model.metrics if metric.name == "loss")]


def _outputs(dataset) -> list:
    """Returns the names of the outputs that a dataset has labels for, in the order of its spec."""
    element = getattr(dataset, "element_spec", None)
    if not isinstance(element, tuple) or len(element) < 2 or not isinstance(element[1], dict):
        return [DEFAULT_OUTPUT]  # The name of a single output has no effect on the results.
    names, spec = list(element[1]), spec_of(dataset)
    return list(spec.outputs) if spec is not None and set(spec.outputs) == set(names) else names


def _collect(forward, dataset) -> Predictions:
    """Returns the predictions and labels of all batches without padding."""
    batches = []
    for x, y, *weight in dataset:
        predictions, labels = _matrices("The model's output", forward(x)), _matrices("`y`", y)
        if predictions.keys() != labels.keys():
            raise ValueError(
                "`y` must contain the labels of each output of the model. "
                f"Received: {_describe(predictions)} and {_describe(labels)}."
            )
        for name, matrix in predictions.items():
            if matrix.shape != labels[name].shape:
                raise ValueError(
                    "The model's output and `y` must have the same shape. "
                    f"Received: {matrix.shape} and {labels[name].shape}."
                )
        real = np.ones(next(iter(labels.values())).shape, bool)
        if weight:
            real &= _matrix("`sample_weight`", weight[0]) != 0
        predictions = {name: matrix[real] for name, matrix in predictions.items()}
        labels = {name: matrix[real] for name, matrix in labels.items()}
        batches.append((predictions, labels, real.sum(axis=1)))
    if not batches:
        raise ValueError("`dataset` must have at least one batch. Received: an empty dataset.")
    of_models, of_dataset, sizes = zip(*batches, strict=True)
    return Predictions(_concatenate(of_models), _concatenate(of_dataset), np.concatenate(sizes))


def _concatenate(batches):
    """Concatenates dicts of arrays, one per batch. Returns the array of a single output."""
    arrays = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    return arrays.get(None, arrays)


def _evaluate(forward, dataset, groups, rates: ClickRates) -> dict:
    """Returns a dict, name of the output -> `(metrics, GroupAUC)`."""
    # Data with downsampled negatives has a higher click rate than the log.
    negative_rate = 1.0 if rates.raw else negative_rate_of(dataset)
    predictions, labels, sizes = _collect(forward, dataset)
    if groups is not None and groups.shape != sizes.shape:
        raise ValueError(
            "`groups` must have one entry for each row of the dataset. "
            f"Received: groups of shape {groups.shape} and {len(sizes)} rows."
        )
    candidate_groups = None if groups is None else np.repeat(groups, sizes)
    results = {}
    labels = by_output(labels, rates.of_outputs)
    for output, values in by_output(predictions, rates.of_outputs).items():
        factor = rates.of_outputs[output].factor * negative_rate
        if not rates.raw and factor != 1:
            values = recalibrate(values.astype("float64"), factor)
        results[output] = metrics_and_groups(labels[output], values, candidate_groups)
    return results


def _matrices(owner, values) -> dict:
    """Returns a dict, name of the output -> `_matrix`. The name of a single output is `None`."""
    values = values if isinstance(values, dict) else {None: values}
    return {name: _matrix(owner, value) for name, value in values.items()}


def _describe(by_name) -> str:
    return "one tensor" if None in by_name else f"a dict of {list(by_name)}"


def _matrix(owner, values):
    """Converts a tensor `(batch, candidates)` or `(batch,)` to float32 `(batch, candidates)`."""
    if isinstance(values, (dict, list, tuple)) or len(values.shape) not in (1, 2):
        raise ValueError(
            f"{owner} must be one tensor (batch, candidates) or (batch,). Received: {values}."
        )
    values = np.asarray(values, "float32")
    return values[:, None] if values.ndim == 1 else values
