"""`Evaluation`: the callback that evaluates during training."""

import contextlib
import copy
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from keras_din.checks import epoch_or_steps, one_of
from keras_din.click_rates import click_rates
from keras_din.count_text import count_text
from keras_din.dataset_facts import spec_of
from keras_din.evaluation.metrics_of_dataset import evaluate_outputs, groups_or_own, outputs_of
from keras_din.evaluation.traces import check_dataset, trace_model
from keras_din.evaluation.weight_averages import averaged_weights, averages_weights, number
from keras_din.monitor import NEED_BOTH, NEED_GROUPS, Best, has_position_bias, split_monitor
from keras_din.outputs import prefixed_metrics

_LOGGED = ("gauc", "auc", "logloss", "ne", "calibration", "ece", "rmse", "mae")
_PRINTED = ("gauc", "auc", "logloss", "rmse", "mae")


class Evaluation(keras.callbacks.Callback):
    """Callback that evaluates a model before training, every few steps, and after each epoch.

    The metrics are those of `keras_din.evaluate`. They are computed from click rates of the log,
    so that `logloss` does not depend on the positive weight of the loss.

    Each evaluation prints one line and adds one entry to `history`. The evaluation after an epoch
    also adds `val_gauc`, `val_auc`, `val_logloss`, `val_ne`, `val_calibration` and `val_ece` to the
    logs of the epoch. They appear in the history that `fit` returns, in the progress bar, and in
    all later callbacks of the list, such as `EarlyStopping(monitor="val_gauc", mode="max")`,
    `ModelCheckpoint`, `CSVLogger` and `TensorBoard`. With several outputs the names are
    `val_ctr_gauc`, `val_cvr_gauc` and so on. An output that is a number has `val_watch_rmse`,
    `val_watch_mae` and `val_watch_calibration`.

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
            are kept in memory. If they are those before training, a notice is printed.
        monitor: The metric that selects the best evaluation, by its name in the logs.
            `"val_gauc_then_logloss"`: of the evaluations whose GAUC is within the noise of the
            highest GAUC, the one with the lowest logloss is best. The noise is one standard error
            of the difference of the two GAUCs over the same users, and at least .001; see
            `keras_din.monitor.Best`. Or a single metric: the highest `"val_gauc"` or `"val_auc"`,
            or the lowest `"val_logloss"`, `"val_ne"` or `"val_ece"`. With several outputs the
            metric belongs to the first output, unless it has the name of an output:
            `"val_cvr_gauc"`, `"val_cvr_gauc_then_logloss"`. Defaults to
            `"val_gauc_then_logloss"`. If no group has both labels 0 and 1, the default is
            `"val_logloss"`, and a notice is printed. With a `Position` in the spec, whose GAUC is
            that of a log in some order, the default is `"val_logloss"` too. An output that is a
            number has the lowest `"val_watch_rmse"` (the default, if it is the first) or
            `"val_watch_mae"`. If most numbers are 0, predictions near 0 have the lowest MAE, so
            use the RMSE. Another `prefix` replaces `val_`.
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
        check_dataset(dataset)
        self.dataset = dataset
        self.evaluate_freq = epoch_or_steps("evaluate_freq", evaluate_freq)
        self.groups = groups_or_own(dataset, groups)
        self.before_training = before_training
        self.prefix = prefix
        self.restore_best_weights = restore_best_weights
        self._outputs = outputs_of(dataset)
        spec = spec_of(dataset)
        if monitor is None and has_position_bias(spec):
            monitor = f"{prefix}logloss"
        self._is_default = monitor is None
        numbers = None if spec is None else spec.number_outputs
        self._monitored, self._rule = split_monitor(monitor, self._outputs, prefix, numbers)
        self._default_rule = self._rule if self._is_default else None
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
        if self._default_rule is not None:
            self._rule = self._default_rule
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
            if self.verbose and (notice := self.notice_of_best()):
                print(notice, flush=True)

    def notice_of_best(self, prefix: str | None = None) -> str:
        """Returns a notice if the best evaluation was that before training, or an empty string.

        Args:
            prefix: Prefix of the names of metrics, by default that of the callback.
        """
        best = self._best.evaluation
        if best is None or best.epoch is not None or len(self.history) < 2:
            return ""
        prefix = (self.prefix if prefix is None else prefix) + self._prefixes[self._monitored]
        why = "Train longer, or with another learning rate."
        if self._rule == "mae":
            why = (
                "If most labels are 0, or another single number, predictions near it have the "
                "lowest MAE, and training for the expected number raises it: monitor "
                f"'{prefix}rmse'."
            )
        return (
            f"No evaluation during training has a better '{prefix}{self._rule}' than "
            f"{best.value:.4g} before it, so the weights before training were chosen. {why}"
        )

    def _evaluate(self, step, loss_of_epoch=None):
        with averaged_weights(self.model) if self.use_ema else contextlib.nullcontext():
            forward = trace_model(self.model, self.dataset)
            rates = click_rates(self.model, outputs=self._outputs)
            results = evaluate_outputs(forward, self.dataset, self.groups, rates)
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
        if metric not in entry:
            raise ValueError(
                f"`monitor` must be a metric of the output {self._monitored!r}. "
                f"Received: monitor={self.monitor!r} and the metrics {list(entry)}."
            )
        if not entry[self._best.prefix + "rows"]:
            raise ValueError(
                f"`dataset` must have labels of the monitored output {self._monitored!r}. "
                "Received: a dataset in which all of them are missing."
            )
        if self._rule not in NEED_BOTH or not np.isnan(entry[metric]):
            return
        rows = count_text(entry[f"{self._best.prefix}rows"], "row")
        found = f"{rows}, for which {metric} is undefined"
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
        metrics = [p + name for p in self._prefixes.values() for name in _PRINTED]
        names = [name for name in ("loss", *metrics) if name in entry]
        # GAUC and AUC are undefined without rows of both labels; NaN as a loss is an error.
        texts = {name: f"{entry[name]:.4f}" for name in names}
        texts |= {n: "-" for n in names if n.endswith("auc") and np.isnan(entry[n])}
        line = [f"step {entry['step']}", *(f"{name} {text}" for name, text in texts.items())]
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
