"""The class of all models of this library: a functional Keras model of click-through rates."""

import collections.abc
import contextlib
import functools
import inspect
import os
import re
import types
import warnings
from collections.abc import Callable
from typing import TypeVar, cast

import keras
from keras import ops

from keras_din import logits
from keras_din.checks import one_of
from keras_din.compile_arguments import compile_arguments
from keras_din.dataset_facts import negative_rate_of, specs_of
from keras_din.graph import operations_before
from keras_din.layers import Embedding, NumberOutput, ProductLogits, UncertaintyWeights
from keras_din.losses import BinaryCrossentropy, MeanSquaredError, Poisson
from keras_din.losses.grouping import check_groups, grouping, without_groups
from keras_din.losses.keras_binary_crossentropy import KerasBinaryCrossentropy
from keras_din.losses.ranking_loss import RankingLoss
from keras_din.model_summary import print_parts
from keras_din.old_saved_models import refuse_unknown_layers
from keras_din.optimizers.row_sparse import RowSparse
from keras_din.outputs import loss_of
from keras_din.replicas import number_of_replicas, sum_over_replicas
from keras_din.spec_fingerprint import check_fingerprint, fingerprint, fingerprints_of

_Init = TypeVar("_Init", bound=Callable)
_SQUARED = (MeanSquaredError, keras.losses.MeanSquaredError)
_CROSSENTROPIES = (
    BinaryCrossentropy,
    keras.losses.BinaryCrossentropy,
    keras.losses.BinaryFocalCrossentropy,
)
_MAY_BE_NEGATIVE = (Poisson, keras.losses.Poisson)  # Lowest if the outputs are the labels.
_MEANS = ("sum_over_batch_size", "mean")


def _any_arguments(init: _Init) -> _Init:
    """Wraps `__init__`, because Keras 3.12 saves only models whose `__init__` is wrapped like this.

    `inspect.signature` still shows the arguments.
    """

    @functools.wraps(init)
    def wrapper(self, *args, **kwargs):
        init(self, *args, **kwargs)

    return cast(_Init, wrapper)


@keras.saving.register_keras_serializable(package="keras_din")
class CTRModel(keras.Model):
    """A functional model whose losses and metrics treat each candidate as a sample.

    `CTRModel(inputs, ctr)` is `keras.Model(inputs, ctr)` with seven differences. With several
    labels a model has a dict of outputs, `CTRModel(inputs, {"ctr": ctr, "cvr": cvr})`, and the
    following holds for each output.

    - Each Keras loss and metric accepts `(batch, candidates)` with weights of that shape, where
      each candidate is a sample. A candidate of weight 0 is padding. It is not part of the loss,
      of the divisor of a mean, or of `metrics`, which otherwise ignore weights. `weighted_metrics`
      use the weights unchanged.
    - The binary crossentropy of Keras and of `keras_din.losses` is computed from logits on every
      backend if `ctr` is the output of `keras_din.layers.ClickProbability`.
    - Losses that rank, such as `keras_din.losses.PairwiseLogistic`, read the group of each row from
      the entry `"_group"` of the inputs, which the layers do not read. Batches without groups are
      an error, unless rows are requests with several candidates.
    - The model has the fingerprint of its spec, also after saving, loading and cloning.
      `keras_din.export`, `evaluate`, `fit` and the commands refuse another spec.
    - Inputs that `fit` cannot read, file formats that cannot be loaded, and files of keras_din 0.1
      raise errors that name the remedy. So does `class_weight`. Use
      `BinaryCrossentropy(positive_weight=...)` instead, which is saved with the model.
      `keras_din.evaluate` and `keras_din.export` undo its effect on the odds.
    - `compile` builds the losses and metrics, so it raises their errors. With several outputs it
      takes one loss or a dict of losses by the names of the outputs; a dict of `loss_weights`,
      where an output without an entry has weight 1; and one list of metrics for all outputs or a
      dict of lists. A list per output is an error, because Keras assigns it to the outputs in
      alphabetical order. So is a crossentropy of an output that is a number. After an error in
      `fit` or `evaluate`, the next call works without another `compile`.
    - `summary` prints one row per feature with a table and per layer, by role. `by_layer=True`
      prints the table of all layers and operations.

    A model built with `keras_din.embed.embed` always has the fingerprint. Pass `spec` for other
    models; a clone does not keep it.

    Args:
        inputs: The `keras.Input`s by name.
        outputs: Float tensor `(batch, candidates)` or `(batch,)`: click-through rates. Or a dict:
            name of the output -> such a tensor.
        name: Name of the model.
        spec: The `FeatureSpec` of the inputs, or its fingerprint.
        label_weights: `"fixed"`, or `"uncertainty"` for weights of the losses of several outputs
            that `fit` learns, see `keras_din.layers.UncertaintyWeights`. They are saved with the
            model, and `model.uncertainty_weights.current` returns them. For a model of this
            library: `CTRModel(model.input, model.output, model.name, label_weights="uncertainty")`.

    Raises:
        ValueError: If `outputs` is not such a tensor, `label_weights` is invalid, or the layers
            were built from another spec. The error names the features that differ.

    Example:

    ```python
    price = keras.Input((None,), name="price")  # (batch, candidates)
    logits = keras.layers.Dense(1)(keras.ops.expand_dims(price, -1))
    ctr = kd.layers.ClickProbability()(keras.ops.squeeze(logits, -1))
    model = kd.CTRModel({"price": price}, ctr)
    model.compile("adam", kd.losses.BinaryCrossentropy())
    ```
    """

    _has_groups = False  # Whether `fit` has seen that candidates form groups.

    @_any_arguments
    def __init__(self, inputs, outputs, name=None, *, spec=None, label_weights="fixed", **kwargs):
        if isinstance(outputs, (list, tuple)) and len(outputs) == 1:
            outputs = outputs[0]
        tensors = list(outputs.values()) if isinstance(outputs, dict) else [outputs]
        if not tensors or not all(map(_is_output, tensors)):
            raise ValueError(
                "`outputs` of a CTRModel must be one tensor `(batch, candidates)`, or a dict of "
                f"such tensors by the names of the outputs. Received: outputs={outputs!r}."
            )
        one_of("label_weights", label_weights, ("fixed", "uncertainty"))
        if label_weights == "uncertainty" and len(tensors) < 2:
            raise ValueError(
                '`label_weights` must be "fixed" for a model with one output. '
                f"Received: label_weights={label_weights!r}."
            )
        super().__init__(inputs, outputs, name=name, **kwargs)
        is_learned = label_weights == "uncertainty"
        self.uncertainty_weights = UncertaintyWeights(outputs) if is_learned else None
        self.fingerprint = None
        if spec is not None and not isinstance(spec, str):
            check_fingerprint(self, spec)
            spec = fingerprint(spec)
        if spec not in fingerprints_of(self):
            self.fingerprint = spec

    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        *args,
        **kwargs,
    ):
        outputs = self.output if isinstance(self.output, dict) else ()
        if self.uncertainty_weights is not None:
            _check_loss_of_each_output(outputs, loss, loss_weights)
        arguments = compile_arguments(outputs, loss, loss_weights, metrics, weighted_metrics)
        arguments["loss"] = KerasBinaryCrossentropy.in_place_of(arguments["loss"])
        _check_losses_of_numbers(self.output, arguments["loss"])
        _check_losses_of_products(self.output, arguments["loss"])
        super().compile(optimizer, *arguments.values(), *args, **kwargs)
        strategy = getattr(self, "distribute_strategy", None)  # Only on TensorFlow.
        if strategy is not None and strategy.num_replicas_in_sync > 1:
            _check_shards_on_replicas(self, self.optimizer)
        self._build_losses_and_metrics()
        if any(not loss.supports_jit for loss in self._ranking_losses()):
            self.jit_compile = False

    def _ranking_losses(self) -> list:
        losses = keras.tree.flatten(getattr(self, "loss", None))
        return [loss for loss in losses if isinstance(loss, RankingLoss)]

    def _check_groups(self, x, y=None) -> bool:
        """Returns whether the candidates of batches form groups, as far as shapes show it.

        Raises:
            ValueError: If a loss needs groups and the batches have none.
        """
        losses = self._ranking_losses()
        return bool(losses) and check_groups(losses[0].name, x, y)

    def call(self, inputs, training=None, mask=None, **kwargs):
        inputs, mask = without_groups(inputs), without_groups(mask)
        return super().call(inputs, training=training, mask=mask, **kwargs)

    def _build_losses_and_metrics(self):
        """Builds the compiled losses and metrics, so that `compile` raises their errors.

        Keras builds them from the first batch. An error in that batch leaves them half-built.
        """
        rows = keras.tree.map_structure(lambda _: keras.KerasTensor((None, 1)), self.output)
        with self._variables_scope():
            for compiled in (self._compile_loss, self._compile_metrics):
                if compiled is not None and not compiled.built:
                    compiled.build(rows, rows)

    def _build_optimizer(self):
        """Builds the optimizer before the first step, which may fail after it was built."""
        if self.compiled and self.optimizer is not None and not self.optimizer.built:
            with self._variables_scope():
                self.optimizer.build(self.trainable_variables)

    def _variables_scope(self):
        strategy = getattr(self, "distribute_strategy", None)  # Only on TensorFlow.
        return contextlib.nullcontext() if strategy is None else strategy.scope()

    def compile_from_config(self, config):
        # Keras' own method does nothing if `compile` is overridden.
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        if y is None and self._compile_loss is not None:
            raise ValueError(
                "`y` must be given: the loss compares it with the output. Pass `x` and `y`, "
                "or a dataset of (x, y). Received: no labels."
            )
        if not self._has_groups:  # For batches whose shapes `fit` does not know.
            self._check_groups(x, y)
        groups = grouping(x, y_pred)
        y, y_pred, sample_weight = one_row_per_candidate(y, y_pred, sample_weight)
        if sample_weight is None and number_of_replicas() > 1:
            # Replicas may have unequal numbers of rows.
            sample_weight = keras.tree.map_structure(
                lambda each: ops.ones(ops.shape(each)[:1]), y_pred
            )
        if isinstance(sample_weight, dict):
            sample_weight = {
                name: _scale_for_padding(weight, loss_of(self, name))
                for name, weight in sample_weight.items()
            }
        elif sample_weight is not None:
            (loss, *_) = keras.tree.flatten(self.loss) or [None]
            sample_weight = _scale_for_padding(sample_weight, loss)
        with groups:
            if self.uncertainty_weights is not None:
                return self._uncertain_loss(y, y_pred, sample_weight)
            return super().compute_loss(x, y, y_pred, sample_weight, training=training)

    def _uncertain_loss(self, y, y_pred, sample_weight):
        """Computes the sum of the losses of all outputs with learned weights."""
        self._compile_loss(y, y_pred, sample_weight)  # Updates the metric of each loss.
        weights = dict.fromkeys(y_pred) if sample_weight is None else sample_weight
        losses, squared, present = {}, [], {}
        for (output,), loss, *_ in self._compile_loss._flat_losses:
            labels, weight = ops.cast(y[output], "float32"), weights[output]
            losses[output] = loss(labels, y_pred[output], weight)
            if isinstance(loss, _MAY_BE_NEGATIVE):
                losses[output] = losses[output] - loss(labels, labels, weight)
            if isinstance(loss, _SQUARED):
                squared.append(output)
            if weight is not None:
                is_present = ops.cast(ops.any(ops.not_equal(weight, 0)), "float32")
                present[output] = sum_over_replicas(is_present) > 0
        total = self.uncertainty_weights(losses, squared=squared, present=present)
        return sum(map(self._aggregate_additional_loss, self.losses), total)

    def compute_loss_and_updates(self, *args, **kwargs):
        # Keras' trainer for JAX calls the model and computes its loss in this method.
        with logits.logits_scope():
            return super().compute_loss_and_updates(*args, **kwargs)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        y, y_pred, sample_weight = one_row_per_candidate(y, y_pred, sample_weight)
        compiled = self._compile_metrics
        if compiled is None or sample_weight is None:
            return super().compute_metrics(x, y, y_pred, sample_weight)
        if not compiled.built:
            compiled.build(y, y_pred)
        labels, predictions = compiled._flatten_y(y), compiled._flatten_y(y_pred)
        weights = compiled._flatten_y(sample_weight)
        is_real = [ops.cast(ops.not_equal(weight, 0), weight.dtype) for weight in weights]
        unweighted, weighted = compiled._flat_metrics, compiled._flat_weighted_metrics
        for metrics, metric_weights in ((unweighted, is_real), (weighted, weights)):
            if not any(metrics):  # Then Keras 3.12 has one `None` for all outputs.
                continue
            for metric, *values in zip(metrics, labels, predictions, metric_weights, strict=True):
                if metric is not None:
                    metric.update_state(*values)
        return self.get_metrics_result()

    def fit(self, x=None, y=None, *args, **kwargs):
        arguments = inspect.signature(super().fit).bind(x, y, *args, **kwargs).arguments
        self._check_data("x", x)
        validation_data = arguments.get("validation_data")
        self._check_data("validation_data", validation_data)
        if isinstance(validation_data, (list, tuple)):
            self._check_groups(*validation_data[:2])
        elif validation_data is not None:
            self._check_groups(validation_data)
        self._has_groups = self._check_groups(x, y)
        _refuse_class_weight(arguments.get("class_weight"))
        check_negative_rate(self.loss, negative_rate_of(x))
        with self._functions_dropped_after_an_error():
            self._build_optimizer()
            return super().fit(x, y, *args, **kwargs)

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        _refuse_class_weight(class_weight)
        self._has_groups = self._check_groups(x, y)
        with self._functions_dropped_after_an_error():
            self._build_optimizer()
            return super().train_on_batch(x, y, sample_weight, return_dict=return_dict)

    def evaluate(self, x=None, y=None, *args, **kwargs):
        self._check_data("x", x)
        self._has_groups = self._check_groups(x, y)
        with self._functions_dropped_after_an_error():
            return super().evaluate(x, y, *args, **kwargs)

    def test_on_batch(self, x, y=None, *args, **kwargs):
        self._has_groups = self._check_groups(x, y)
        with self._functions_dropped_after_an_error():
            return super().test_on_batch(x, y, *args, **kwargs)

    def predict(self, x, *args, **kwargs):
        self._check_data("x", x)
        with self._functions_dropped_after_an_error():
            return super().predict(x, *args, **kwargs)

    def predict_on_batch(self, x):
        with self._functions_dropped_after_an_error():
            return super().predict_on_batch(x)

    def _maybe_symbolic_build(self, *args, **kwargs):
        """Builds what is not built yet, from a batch.

        Under a `tf.distribute` strategy, Keras reads a batch in any case. So a dataset that
        shuffles would be one epoch ahead.
        """
        compiled = (self._compile_loss, self._compile_metrics)
        if not self.built or any(each is not None and not each.built for each in compiled):
            super()._maybe_symbolic_build(*args, **kwargs)

    def _purge_model_variables(self, **kwargs):
        """Keeps the weights on JAX. Keras drops them before a step, and loses them if it fails.

        The step donates their buffers, so they need no more memory.
        """

    @contextlib.contextmanager
    def _functions_dropped_after_an_error(self):
        """Lets the next call trace new functions if this one fails.

        TensorFlow keeps what it has traced of a function that failed, such as the rank of wrong
        labels, and allows new variables in the first trace only.
        """
        try:
            yield
        except Exception:
            self.train_function = self.test_function = self.predict_function = None
            raise

    def summary(
        self,
        line_length=None,
        positions=None,
        print_fn=None,
        expand_nested=False,
        show_trainable=False,
        layer_range=None,
        *,
        by_layer=None,
    ):
        """Prints the features by role and the layers with weights, one row each.

        Arguments that concern layers, `positions`, `expand_nested` and `layer_range`, print Keras'
        own table of all layers and operations instead.

        Args:
            line_length: Width of the table. Defaults to that of the terminal, at most 108.
            positions: See `keras.Model.summary`.
            print_fn: See `keras.Model.summary`.
            expand_nested: See `keras.Model.summary`.
            show_trainable: Whether there is a column that says which weights are trained.
            layer_range: See `keras.Model.summary`.
            by_layer: Whether to print the table of all layers and operations. Defaults to `False`,
                unless another argument requires it.
        """
        given = {
            "positions": positions is not None,
            "expand_nested": expand_nested,
            "layer_range": layer_range is not None,
        }
        of_layers = [name for name, is_given in given.items() if is_given]
        by_layer = one_of(
            "by_layer", bool(of_layers) if by_layer is None else by_layer, (True, False)
        )
        if by_layer:
            super().summary(
                line_length, positions, print_fn, expand_nested, show_trainable, layer_range
            )
            return
        if of_layers:
            raise ValueError(
                f"`by_layer` must be True with {of_layers}, which concern the table of layers. "
                "Received: by_layer=False."
            )
        texts = []
        first = re.escape(self.layers[0].name)
        super().summary(print_fn=texts.append, layer_range=(first, first))
        below = "\n".join(texts).partition("\n Total params")
        totals = "".join(below[1:]).strip("\n").splitlines()
        print_parts(self, totals, line_length, print_fn, show_trainable)

    def save(self, filepath, *args, **kwargs):
        if str(filepath).endswith((".h5", ".hdf5")):
            _refuse_hdf5(filepath)
        return super().save(filepath, *args, **kwargs)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        refuse_unknown_layers(config, custom_objects)
        return super().from_config(config, custom_objects)

    def get_config(self):
        config = super().get_config()
        # Keras writes layers without their module only for HDF5 files.
        if any("module" not in layer for layer in config["layers"]):
            _refuse_hdf5("a legacy HDF5 file")
        if self.uncertainty_weights is not None:
            config["label_weights"] = "uncertainty"
        return config if self.fingerprint is None else {**config, "spec": self.fingerprint}

    def _check_data(self, name, data):
        check_batches(name, data)
        _refuse_iterators(name, data)
        for spec in specs_of(data):
            check_fingerprint(self, spec, f"`{name}`")


def _check_loss_of_each_output(outputs, loss, loss_weights) -> None:
    """Raises a `ValueError` unless each output has a loss and no fixed weight."""
    if loss_weights is not None:
        raise ValueError(
            '`loss_weights` must not be given with `label_weights="uncertainty"`, which learns '
            f"them. Received: loss_weights={loss_weights!r}."
        )
    if loss is None or (isinstance(loss, dict) and set(loss) != set(outputs)):
        raise ValueError(
            f'`loss` of a model with `label_weights="uncertainty"` must be a loss for each of the '
            f"outputs {list(outputs)}. Received: loss={loss!r}."
        )


def _check_shards_on_replicas(model, optimizer) -> None:
    """Raises a `ValueError` if shards of tables on several replicas have an optimizer of Keras."""
    layers = [each for each in model._flatten_layers() if isinstance(each, Embedding)]
    names = [each.name for each in layers if each.shards > 1 and each.trainable]
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if names and not isinstance(optimizer, RowSparse):
        raise ValueError(
            "Tables with `shards` on several replicas must have an optimizer of "
            "`keras_din.optimizers`, such as LazyAdam: with others, TensorFlow crashes at a batch "
            "without a row of some shard. Or join the tables, `keras_din.with_shards(model, 1)`. "
            f"Received: {type(optimizer).__name__} for {', '.join(names)}."
        )


def _check_losses_of_numbers(output, loss) -> None:
    """Raises a `ValueError` if the loss of an output that is a number is a crossentropy."""
    for tensor, losses in _outputs_with_losses(output, loss):
        layer = tensor._keras_history.operation
        if not isinstance(layer, NumberOutput):
            continue
        for each in losses:
            if isinstance(each, _CROSSENTROPIES):
                raise ValueError(
                    "The loss of an output that is a number must be a loss of numbers, such as "
                    "`keras_din.losses.Poisson()`. For all outputs with the losses of their "
                    "labels pass `loss=keras_din.losses.losses_of_labels(spec.labels)`. Received: "
                    f"the loss {each.name!r} for the output {layer.name!r}."
                )


def _check_losses_of_products(output, loss) -> None:
    """Raises a `ValueError` if the loss of a product, or of an output in it, scales the odds."""
    found = [(set(operations_before(t)), t, each) for t, each in _outputs_with_losses(output, loss)]
    products = {
        op for ops_before, *_ in found for op in ops_before if isinstance(op, ProductLogits)
    }
    # The operations that compute the logits of the outputs that others are given.
    factors = {op._inbound_nodes[0].input_tensors[0]._keras_history.operation for op in products}
    for before, tensor, losses in found:
        if not before & (products | factors):
            continue
        name = tensor._keras_history.operation.name
        for each in losses:
            if not isinstance(each, BinaryCrossentropy):
                continue
            if each.positive_weight != 1 or each.negative_rate not in (None, 1):
                raise ValueError(
                    "Labels with `given`, and the labels that they name, must be trained with "
                    "`positive_weight=1` on all negatives: the odds of a product are not scaled "
                    "like those of its factors. Use `weight` of `Label` to weight a label. "
                    f"Received: positive_weight={each.positive_weight!r} and negative_rate="
                    f"{each.negative_rate!r} for the output {name!r}."
                )


def _outputs_with_losses(output, loss):
    """Yields the tensor of each output with a list of its losses."""
    outputs = output if isinstance(output, dict) else {None: output}
    for name, tensor in outputs.items():
        of_output = loss.get(name) if isinstance(loss, dict) and len(outputs) > 1 else loss
        yield tensor, keras.tree.flatten(of_output)


def _is_output(tensor) -> bool:
    return isinstance(tensor, keras.KerasTensor) and len(tensor.shape) in (1, 2)


def _scale_for_padding(weight, loss):
    """Scales weights so that a mean over all rows becomes a mean over real rows.

    Weights are unchanged for a loss that divides by the sum of weights, or does not divide.
    """
    if getattr(loss, "reduction", _MEANS[0]) not in _MEANS:
        return weight
    rows = ops.sum(ops.ones_like(weight))
    real_rows = ops.sum(ops.cast(ops.not_equal(weight, 0), weight.dtype))
    # Of all replicas: Keras divides the mean of each replica by their number.
    real_rows = ops.maximum(sum_over_replicas(real_rows), 1) / number_of_replicas()
    return weight * (rows / real_rows)


def one_row_per_candidate(y, y_pred, sample_weight):
    """Reshapes labels, predictions and weights `(batch, candidates)` to one row per candidate.

    If a model has a dict of outputs, each of the three is such a dict. A single tensor of weights
    is used for all outputs.

    Returns:
        `(n, 1)`, `(n, 1)` and `(n,)` or `None`. The predictions keep their logits.

    Raises:
        ValueError: If labels and predictions differ in shape or in the names of the outputs.
    """
    if isinstance(y_pred, dict) and y is not None:
        return _outputs_one_row_per_candidate(y, y_pred, sample_weight)
    if y is None or keras.tree.is_nested(y_pred) or len(y_pred.shape) > 2:
        return y, y_pred, sample_weight
    if isinstance(y, dict):
        raise ValueError(
            "`y` must be one tensor, because the model has one output. "
            f"Received: labels of the outputs {list(y)}."
        )
    predictions = _matrix(y_pred)
    y = ops.convert_to_tensor(y)
    # A reshape to the predictions checks the number of labels when the step runs.
    y = ops.reshape(y, ops.shape(predictions)) if _has_unknown_rank(y) else _matrix(y)
    if not _may_be_equal(y.shape, predictions.shape):
        raise ValueError(
            "`y` must have the shape of the model's output, (batch, candidates). "
            f"Received: {tuple(y.shape)} and {tuple(predictions.shape)}."
        )
    if sample_weight is not None:
        weight = ops.convert_to_tensor(sample_weight, dtype="float32")
        if _has_unknown_rank(weight):
            weight = ops.reshape(weight, (ops.shape(predictions)[0], -1))
        weight = _matrix(weight)
        weight = weight * ops.ones_like(predictions, dtype="float32")
        sample_weight = ops.reshape(weight, (-1,))
    y = ops.reshape(y, (-1, 1))  # A loss would broadcast `(batch, candidates)` to `(batch, 1)`.
    if len(y_pred.shape) == 2 and y_pred.shape[1] == 1:
        return y, y_pred, sample_weight
    rows = ops.reshape(predictions, (-1, 1))
    attached = logits.logits_of(y_pred)
    if attached is not None:
        logits.attach_logits(rows, ops.reshape(attached, (-1, 1)))
    return y, rows, sample_weight


def _outputs_one_row_per_candidate(y, y_pred: dict, sample_weight) -> tuple:
    """Applies `one_row_per_candidate` to each output of a dict."""
    if not isinstance(y, dict) or set(y) != set(y_pred):
        found = f"labels of the outputs {list(y)}" if isinstance(y, dict) else "one tensor"
        raise ValueError(
            f"`y` must be a dict with the labels of each output, {list(y_pred)}. Received: {found}."
        )
    by_output = {}
    for name, predictions in y_pred.items():
        weight = sample_weight[name] if isinstance(sample_weight, dict) else sample_weight
        by_output[name] = one_row_per_candidate(y[name], predictions, weight)
    y, y_pred, weights = ({name: values[i] for name, values in by_output.items()} for i in range(3))
    return y, y_pred, None if sample_weight is None else weights


def check_batches(name: str, data) -> None:
    """Refuses what is no batches by a `ValueError` that names the remedy.

    These are tables, prepared data, models, names of parts or files, and dicts of lists.
    """
    if isinstance(data, (str, os.PathLike)):
        raise ValueError(
            f'`{name}` must be batches of the model\'s inputs, such as `data.dataset("valid")` of '
            "the data that `keras_din.data.prepare_impressions` makes from a log. "
            f"Received: {data!r}."
        )
    if isinstance(data, dict):
        for key, values in data.items():
            if isinstance(values, (list, tuple)):
                raise ValueError(
                    f"`{name}` must have arrays or tensors: pass `numpy.array(...)`, with "
                    "histories padded by 0 to one length. For rows with their histories as "
                    "lists, pass `keras_din.data.rows_dataset(rows, spec)`. "
                    f"Received: a {type(values).__name__} for {key!r}."
                )
    if isinstance(data, keras.Model):
        raise ValueError(
            f"`{name}` must be batches of the model's inputs, such as "
            f'`data.dataset("valid")`. Received: the model {data.name!r}.'
        )
    kind = f"{type(data).__module__.split('.')[0]}.{type(data).__name__}"
    if kind in ("pandas.DataFrame", "polars.DataFrame", "polars.LazyFrame", "pyarrow.Table"):
        raise ValueError(
            f"`{name}` must be batches of the model's inputs. Received: a {kind}. For rows with "
            "their histories as lists, pass `keras_din.data.rows_dataset(frame, spec, label=...)`. "
            "For a log, prepare data with `keras_din.data.prepare_impressions` or "
            "`prepare_interactions`, "
            'and pass `data.dataset("train", shuffle=True)`.'
        )
    if hasattr(data, "parts") and callable(getattr(data, "dataset", None)):
        raise ValueError(
            f"`{name}` must be one part of the data, in batches. Received: a "
            f'{type(data).__name__}. Pass `data.dataset("train", shuffle=True)` to `fit`, and '
            '`data.dataset("valid")` or `data.dataset("test")` for evaluation.'
        )


def _refuse_iterators(name: str, data) -> None:
    """Refuses iterators and lists of batches, which Keras does not read."""
    is_generator = isinstance(data, types.GeneratorType)
    if isinstance(data, collections.abc.Iterator) and not is_generator:
        raise ValueError(
            f"`{name}` must be a dataset, which can be read several times. Pass the dataset, not "
            f"an iterator of it. Received: an iterator, {type(data).__name__}."
        )
    is_list = isinstance(data, (list, tuple)) and len(data) > 0
    if is_list and all(isinstance(batch, tuple) for batch in data):
        raise ValueError(
            f"`{name}` must be a dataset or arrays. For a list of batches, pass "
            "`tf.data.Dataset.from_generator(lambda: batches, output_signature=...)`. "
            f"Received: a {type(data).__name__} of {len(data)} batches."
        )


def _refuse_class_weight(class_weight) -> None:
    """Refuses `class_weight`: it is not saved, so its effect on the odds could not be undone.

    Keras also takes the index of a row's largest label as its class, which is wrong for requests.
    """
    if class_weight is None:
        return
    weight = "..."
    if isinstance(class_weight, dict) and class_weight.get(0, 1):
        weight = f"{class_weight.get(1, 1) / class_weight.get(0, 1):g}"
    raise ValueError(
        "`class_weight` must be None: it is not saved, so an export could not undo its effect on "
        "the odds of a click. Compile the model with "
        f"`keras_din.losses.BinaryCrossentropy(positive_weight={weight})`, which is saved with it. "
        f"Received: class_weight={class_weight}."
    )


def check_negative_rate(loss, data_rate: float) -> None:
    """Refuses a loss whose `negative_rate` differs from the data's; warns if it has none.

    Data of rate 1 may have lost negatives by other means, so a loss with a rate is accepted then.
    """
    losses = keras.tree.flatten(loss)
    ours = [loss for loss in losses if isinstance(loss, BinaryCrossentropy)]
    loss_rate = ours[0].negative_rate if ours else None
    if data_rate == 1 or (loss_rate is not None and abs(loss_rate - data_rate) <= 1e-9):
        return
    message = (
        "The loss must have the rate of the downsampled data: compile with `keras_din.losses."
        f"BinaryCrossentropy(negative_rate={data_rate:g})`, `negative_rate=data.negative_rate`. "
        "It is saved with the model, so that `keras_din.export` and `keras_din.evaluate` undo its "
        f"effect. Received: data of negative_rate={data_rate:g} and "
    )
    if ours:
        raise ValueError(message + f"a loss of negative_rate={loss_rate}.")
    found = ", ".join(str(getattr(loss, "name", loss)) for loss in losses)
    warnings.warn(message + f"the loss {found}.", stacklevel=3)


def warn_without_fingerprint(stacklevel: int) -> None:
    """Warns that a model has no fingerprint, so its spec cannot be checked."""
    warnings.warn(
        "The model has no fingerprint of its spec, so it cannot be checked whether it was trained "
        "with this spec. Pass the spec when you build the model, "
        "`keras_din.CTRModel(inputs, ctr, spec=spec)`, or now, "
        "`keras_din.CTRModel(model.input, model.output, spec=spec)`.",
        stacklevel=stacklevel + 1,
    )


def _refuse_hdf5(file) -> None:
    raise ValueError(
        "`filepath` must end in .keras: Keras can write this model to an HDF5 file, but cannot "
        "load it from there. (Weights alone may be HDF5: use `save_weights` with a name that ends "
        f"in .weights.h5.) Received: {file}."
    )


def _has_unknown_rank(tensor) -> bool:
    """Whether TensorFlow has traced a tensor for several ranks, such as `(n,)` and `(n, 1)`."""
    return getattr(tensor.shape, "rank", 0) is None


def _matrix(tensor):
    return ops.expand_dims(tensor, -1) if len(tensor.shape) == 1 else tensor


def _may_be_equal(one, other) -> bool:
    pairs = zip(one, other, strict=False)
    return len(one) == len(other) and all(None in pair or pair[0] == pair[1] for pair in pairs)
