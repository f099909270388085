"""Evaluation on a data set: predictions, metrics, and a callback that computes them in training."""

import contextlib
import copy
import operator
from typing import NamedTuple

import keras
import numpy as np

from keras_din.checks import epoch_or_steps, one_of
from keras_din.click_rates import ClickRates, click_rates
from keras_din.ctr_model import check_batches
from keras_din.dataset_facts import groups_of, negative_rate_of, spec_of
from keras_din.features import DEFAULT_OUTPUT
from keras_din.metrics import metrics_and_groups, recalibrate
from keras_din.metrics.arguments import check_groups
from keras_din.monitor import GAUC_THEN_LOGLOSS, NEED_BOTH, NEED_GROUPS, Best, split_monitor
from keras_din.outputs import by_output, prefixed_metrics
from keras_din.spec_fingerprint import check_fingerprint

_LOGGED = ("gauc", "auc", "logloss", "ne", "calibration", "ece")
# The traces of a model: an attribute of the model, which Keras neither tracks nor saves. A model
# keeps no more than so many, the most recent ones.
_TRACES, _MOST_TRACES = "_keras_din_traces", 8


class Predictions(NamedTuple):
    """The real candidates of a data set, one after the other, in its order.

    Attributes:
        predictions: float32 `(candidates,)`. Of a model with several outputs a dict, name of the
            output -> such an array.
        labels: Likewise.
        sizes: int64 `(rows,)`, the number of real candidates of each row. What is known of a row
            is spread over its candidates by `np.repeat(of_rows, sizes)`.
    """

    predictions: np.ndarray | dict
    labels: np.ndarray | dict
    sizes: np.ndarray


def predict(model: keras.Model, dataset) -> Predictions:
    """The predictions of a model on a data set, beside the labels, without padding.

    Batches may differ in the length of the histories and in the number of candidates. On the
    TensorFlow backend a model is traced once per `element_spec` of `x`, for all calls of `predict`
    and `evaluate` and for `Evaluation`; of more than 8 of them the most recent traces are kept.
    After `compile` it is traced anew, as Keras does.

    Args:
        model: Any Keras model whose output is `(batch, candidates)`, or `(batch,)` where the
            labels are so too, or a dict of such outputs.
        dataset: A finite `tf.data.Dataset` of batches `(x, y)` or `(x, y, sample_weight)`. `y` is
            `(batch, candidates)` or `(batch,)`, or a dict of such labels by the names of the
            outputs. A candidate of weight 0 is padding; all other weights count the same.

    Returns:
        `Predictions`.

    Raises:
        ValueError: When elements or the model's outputs are not of this form, or `dataset` is of
            this library and has another spec than the model was built from.
    """
    return _collect(_forward(model, dataset), dataset)


def evaluate(model: keras.Model, dataset, groups=None, *, raw: bool = False) -> dict:
    """The metrics of a model on a data set.

    They are of click rates of the log, as `keras_din.export` publishes them: what the model's
    compiled `BinaryCrossentropy` knows of a positive weight and of thinned negatives is undone.
    On a training part that was thinned they are of its own click rate, by `dataset.negative_rate`.

    Args:
        model: A model as `predict` takes it, whose outputs are probabilities.
        dataset: A data set as `predict` takes it.
        groups: Integers or strings `(rows,)`, the group (as a rule the user) of each row. A row
            with several candidates counts as that many samples of its group. Defaults to
            `dataset.groups`, which the data sets of this library have unless they are shuffled or
            transformed, as by `take` or `prefetch`: then groups must be given, or `False` for no
            GAUC.
        raw: Whether to evaluate what the model answers, with nothing undone.

    Returns:
        The dict of `keras_din.metrics.all_metrics`; without groups there is no `gauc`. Of a model
        with several outputs each name begins with that of the output: `ctr_gauc`, `cvr_gauc`.

    Raises:
        ValueError: When the groups do not fit the rows, the dataset has lost its groups, or as
            `predict` does.
    """
    rates = click_rates(model, raw=raw, outputs=_outputs(dataset))
    return evaluate_at(rates, model, dataset, groups)


def evaluate_at(rates: ClickRates, model: keras.Model, dataset, groups=None) -> dict:
    """`evaluate` of a model of which more is known than its loss tells, such as by its run."""
    found = _evaluate(_forward(model, dataset), dataset, _groups(dataset, groups), rates)
    return prefixed_metrics({output: metrics for output, (metrics, _) in found.items()})


class Evaluation(keras.callbacks.Callback):
    """Evaluates in training: first, then every so many steps, and after each epoch.

    The metrics are those of `keras_din.evaluate`, of click rates of the log: `logloss` compares
    models, and not how far a positive weight moved them.

    Each evaluation is one line on the screen and one entry of `history`. That after an epoch is
    also written into the epoch's logs, as `val_gauc`, `val_auc`, `val_logloss`, `val_ne`,
    `val_calibration`, `val_ece`. The callbacks that stand after this one see them, so that
    `EarlyStopping(monitor="val_gauc", mode="max")`, `ModelCheckpoint`, `CSVLogger` and
    `TensorBoard` work; so do the history that `fit` returns and the progress bar. Of a model with
    several outputs the names are those of `keras_din.evaluate`: `val_ctr_gauc`, `val_cvr_gauc`.

    It works under `tf.distribute`. `copy.deepcopy` makes a callback of its own on the same dataset
    and groups, as KerasTuner does for each trial: `objective=keras_tuner.Objective("val_gauc",
    "max")`.

    Args:
        dataset: A data set as `keras_din.evaluate` takes it.
        evaluate_freq: `"epoch"`, or a number of optimizer steps. With several steps an execution it
            is the end of the execution that reaches it.
        groups: The group of each row, same as in `keras_din.evaluate`.
        before_training: Whether to evaluate before the first step.
        prefix: What the names in the logs begin with.
        restore_best_weights: Whether the best weights, kept in memory, are the model's at the end.
        monitor: What is best, under the name that is logged, as in Keras' callbacks.
            `"val_gauc_then_logloss"`: of the evaluations whose GAUC is within the noise of the
            highest, the one with the least logloss, so that a GAUC that is more by chance is not
            paid for in logloss. The noise is one standard error of the difference
            of the two GAUCs over the same users, and at least .001; see `keras_din.monitor.Best`.
            Or one metric alone: the highest `"val_gauc"` or `"val_auc"`, or the lowest
            `"val_logloss"`, `"val_ne"` or `"val_ece"`. Of several outputs the first is monitored,
            or the one that is named: `"val_cvr_gauc"`, `"val_cvr_gauc_then_logloss"`. Defaults to
            `"val_gauc_then_logloss"`, and to `"val_logloss"`, with a printed notice, where no
            group has both a click and none. With another `prefix` names begin with it.
        use_ema: Whether the weights that the optimizer averages over steps (`use_ema=True`) are
            evaluated, and kept by `restore_best_weights`, in place of those it trains. Not together
            with `keras.callbacks.SwapEMAWeights(swap_on_epoch=True)`, which does so for every
            callback after each epoch, and not after so many steps.
        verbose: Whether to print a line an evaluation.

    Attributes:
        best: The value of the best evaluation in this training, with `"val_gauc_then_logloss"` its
            GAUC; `None` before there is one.
        best_step: The step of it.
        best_epoch: The epoch of it.
        history: List of dicts with `step`, `epoch` (from 1, `None` before training),
            the metrics, their counts, and `loss`, the mean training loss of the epoch's steps
            since the evaluation before, also where `fit` has `validation_data`. There is no
            `loss` where another callback has reset the metrics of Keras meanwhile.

    Raises:
        ValueError: When `monitor` needs a GAUC and there are no groups, or the dataset has lost
            its groups; when training begins,
            `use_ema` is set and the optimizer averages nothing; at the first evaluation, when
            `monitor` is given and undefined, since the labels that it needs are all alike.
    """

    def __init__(
        self,
        dataset,
        evaluate_freq="epoch",
        *,
        groups=None,
        before_training: bool = True,
        prefix: str = "val_",
        restore_best_weights: bool = False,
        monitor: str | None = None,
        use_ema: bool = False,
        verbose: bool = True,
    ):
        super().__init__()
        check_batches("dataset", dataset)
        self.dataset = dataset
        self.evaluate_freq = epoch_or_steps("evaluate_freq", evaluate_freq)
        self.groups = _groups(dataset, groups)
        self.before_training = before_training
        self.prefix = prefix
        self.restore_best_weights = restore_best_weights
        self._outputs = _outputs(dataset)
        self._is_default = monitor is None
        monitor = prefix + GAUC_THEN_LOGLOSS if self._is_default else monitor
        self._monitored, self._rule = split_monitor(monitor, self._outputs, prefix)
        self.use_ema = one_of("use_ema", use_ema, (True, False))
        self.verbose = verbose
        if self._rule in NEED_GROUPS and self.groups is None:
            raise ValueError(
                f'`monitor="{self.monitor}"` needs groups: pass `groups`, or a dataset with the '
                "attribute `groups` (shuffling and transformations lose it), or "
                f'monitor="{prefix}logloss". Received: groups=None and a dataset without `groups`.'
            )
        self._reset()

    def _reset(self):
        self.history = []
        if self._is_default:
            self._rule = GAUC_THEN_LOGLOSS
        self._best, self._best_weights = Best(self._rule, self._prefixes[self._monitored]), None
        self._epoch, self._seen, self._trained = None, (0.0, 0.0), None

    @property
    def _prefixes(self) -> dict:
        """Name of the output -> what the names of its metrics begin with."""
        several = len(self._outputs) > 1
        return {output: f"{output}_" * several for output in self._outputs}

    @property
    def monitor(self) -> str:
        """The name of what is monitored, as it is logged."""
        return self.prefix + self._prefixes[self._monitored] + self._rule

    @property
    def best(self):
        return self._best.evaluation and self._best.evaluation.value

    @property
    def best_step(self):
        return self._best.evaluation and self._best.evaluation.step

    @property
    def best_epoch(self):
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
            raise ValueError("`use_ema` needs an optimizer with use_ema=True. Received: False.")
        self._last_step = self._step()
        if self.before_training:
            self._evaluate(self._last_step)

    def on_epoch_begin(self, epoch, logs=None):
        # Keras has just reset its mean loss.
        self._epoch, self._seen, self._trained = epoch + 1, (0.0, 0.0), None

    def on_test_begin(self, logs=None):
        # `fit` validates before the epoch ends, and next resets its mean loss to do so.
        self._trained = self.running_loss()

    # Not at the end of a batch: that of the last one is followed by the end of the epoch, and
    # where Keras calls callbacks in the background it would wait for one that is called there.
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
            found = _evaluate(forward, self.dataset, self.groups, rates)
            metrics = prefixed_metrics({output: of for output, (of, _) in found.items()})
            _, by_group = found[self._monitored]
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
        """Takes the logloss where there is no GAUC; refuses a given metric that is undefined."""
        metric = self._best.prefix + self._best.metric
        if self._rule not in NEED_BOTH or not np.isnan(entry[metric]):
            return
        found = f"{entry[self._best.prefix + 'rows']:,} rows, for which {metric} is undefined"
        if self._is_default:
            print(
                "No group of the dataset has both a click and none: training is monitored by "
                f"logloss. The dataset has {found}.",
                flush=True,
            )
            self._rule = "logloss"
            self._best = Best(self._rule, self._prefixes[self._monitored])
            return
        of = "groups of `dataset`" if self._rule in NEED_GROUPS else "a `dataset`"
        raise ValueError(
            f"`monitor={self.monitor!r}` needs {of} with both a click and none: take "
            f"monitor='{self.prefix}logloss', or a larger dataset. Received: {found}."
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
        """The mean loss since the last evaluation, from the running mean that Keras keeps.

        `loss_of_epoch`, at the end of an epoch, is what Keras found before it validated.
        """
        now = self._trained or self.running_loss()
        if now is None or self._epoch is None:
            return {}
        (total, count), first = np.subtract(now, self._seen), self._seen == (0.0, 0.0)
        self._seen = now
        if loss_of_epoch is not None:
            if first:
                return {"loss": float(loss_of_epoch)}
            if not now[1] or not np.isclose(now[0] / now[1], loss_of_epoch, equal_nan=True):
                return {}  # Another callback has evaluated the model by Keras' own means.
        return {"loss": float(total / count)} if count > 0 else {}

    def running_loss(self) -> tuple | None:
        """`(total, count)` of the mean loss that Keras keeps, or `None` where it keeps none."""
        mean = self._mean_loss()
        return None if mean is None else (number(mean.total), number(mean.count))

    def set_running_loss(self, running_loss) -> None:
        """Sets Keras' mean loss, as it was when the epoch was evaluated last."""
        mean, (total, count) = self._mean_loss(), running_loss
        mean.total.assign(total)
        mean.count.assign(count)
        self._seen = (total, count)

    def _mean_loss(self):
        return next((metric for metric in self.model.metrics if metric.name == "loss"), None)


@contextlib.contextmanager
def averaged_weights(model):
    """A block in which a model has the weights that its optimizer averages over steps.

    Before the first step, and where the optimizer averages nothing, it has its own.
    """
    if not averages_weights(model.optimizer) or not number(model.optimizer.iterations):
        yield
        return
    variables = model.trainable_variables
    own = [keras.ops.convert_to_numpy(variable) for variable in variables]
    model.optimizer.finalize_variable_values(variables)
    if keras.backend.backend() == "jax":
        # Now they are the very buffers of the averages, which prediction gives away.
        for variable in variables:
            variable.assign(keras.ops.convert_to_numpy(variable))
    try:
        yield
    finally:
        for variable, value in zip(variables, own, strict=True):
            variable.assign(value)


def number(variable):
    """A variable without axes as a Python number, also where it has a copy per replica."""
    return keras.ops.convert_to_numpy(variable).item()


def averages_weights(optimizer) -> bool:
    """Whether an optimizer averages weights over steps, `use_ema=True`."""
    # An optimizer that scales losses wraps the one that averages.
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
    """The function from `x` to the predictions of `model`, one trace for all batches and calls."""
    if not isinstance(model, keras.Model):
        raise ValueError(
            "`model` must be a Keras model, and the dataset comes after it. "
            f"Received: a {type(model).__name__}."
        )
    check_batches("dataset", dataset)
    check_fingerprint(model, spec_of(dataset), "`dataset`")
    spec = getattr(dataset, "element_spec", None)
    if not isinstance(spec, tuple) or len(spec) not in (2, 3):
        raise ValueError(
            "`dataset` must be a tf.data.Dataset of (x, y) or (x, y, sample_weight). "
            f"Received: {dataset!r}."
        )
    if dataset.cardinality() == -1:
        raise ValueError("`dataset` must be finite. Received: one that repeats for ever.")
    if keras.backend.backend() != "tensorflow":
        return lambda x: model.predict_on_batch(keras.tree.map_structure(np.asarray, x))
    # Not by a registry of models: a trace keeps its model alive, and so would go with neither.
    traces, state = vars(model).setdefault(_TRACES, []), _state(model)
    traces[:] = [trace for trace in traces if trace.is_of(state)]
    for trace in traces:
        if trace.spec == spec[0]:
            return trace.function
    import tensorflow as tf

    function = tf.function(lambda x: model(x, training=False), input_signature=[spec[0]])
    traces[:] = [*traces[1 - _MOST_TRACES :], _Trace(spec[0], state, function)]
    return function


class _Trace(NamedTuple):
    """A traced model: by the spec of its inputs, and what it consisted of."""

    spec: object
    state: list
    function: object

    def is_of(self, state) -> bool:
        """Whether the model still consists of the same, so that its trace still holds."""
        return len(state) == len(self.state) and all(map(operator.is_, state, self.state))


def _state(model) -> list:
    """What the graph of a model reads, and what is new after `compile`: its mean loss."""
    return [*model.weights, *(metric for metric in model.metrics if metric.name == "loss")]


def _outputs(dataset) -> list:
    """Names of the outputs that a data set has labels of, in the order of its spec."""
    element = getattr(dataset, "element_spec", None)
    if not isinstance(element, tuple) or len(element) < 2 or not isinstance(element[1], dict):
        return [DEFAULT_OUTPUT]  # Which no text shows.
    names, spec = list(element[1]), spec_of(dataset)
    return list(spec.outputs) if spec is not None and set(spec.outputs) == set(names) else names


def _collect(forward, dataset) -> Predictions:
    parts = []
    for x, y, *weight in dataset:
        predictions, labels = _matrices("The model's output", forward(x)), _matrices("`y`", y)
        if predictions.keys() != labels.keys():
            raise ValueError(
                "`y` must hold the labels of each output of the model. "
                f"Received: {_names(predictions)} and {_names(labels)}."
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
        of_real = [{n: of[real] for n, of in each.items()} for each in (predictions, labels)]
        parts.append((*of_real, real.sum(axis=1)))
    if not parts:
        raise ValueError("`dataset` must have at least one batch. Received: an empty one.")
    predictions, labels, sizes = zip(*parts, strict=True)
    return Predictions(_joined(predictions), _joined(labels), np.concatenate(sizes))


def _joined(parts):
    """Dicts of arrays, one per batch, as one dict; of the only output its array."""
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return whole.get(None, whole)


def _evaluate(forward, dataset, groups, rates: ClickRates) -> dict:
    """Name of the output -> `(metrics, AUC of each group)`."""
    predictions, labels, sizes = _collect(forward, dataset)
    if groups is not None and groups.shape != sizes.shape:
        raise ValueError(
            "`groups` must have one entry for each row of the dataset. "
            f"Received: groups of shape {groups.shape} and {len(sizes)} rows."
        )
    of_candidates = None if groups is None else np.repeat(groups, sizes)
    found = {}
    labels = by_output(labels, rates.of_outputs)
    for output, values in by_output(predictions, rates.of_outputs).items():
        # Labels of thinned data are those of fewer negatives.
        factor = rates.of_outputs[output].factor * negative_rate_of(dataset)
        if not rates.raw and factor != 1:
            values = recalibrate(values.astype("float64"), factor)
        found[output] = metrics_and_groups(labels[output], values, of_candidates)
    return found


def _matrices(word, values) -> dict:
    """Name of the output -> `_matrix` of it; `None` is the name of the only output."""
    values = values if isinstance(values, dict) else {None: values}
    return {name: _matrix(word, of) for name, of in values.items()}


def _names(by_name) -> str:
    return "one tensor" if None in by_name else f"a dict of {list(by_name)}"


def _matrix(word, values):
    """A tensor `(batch, candidates)` or `(batch,)` as a float32 array `(batch, candidates)`."""
    if isinstance(values, (dict, list, tuple)) or len(values.shape) not in (1, 2):
        raise ValueError(
            f"{word} must be one tensor (batch, candidates) or (batch,). Received: {values}."
        )
    values = np.asarray(values, "float32")
    return values[:, None] if values.ndim == 1 else values
