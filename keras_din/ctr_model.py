"""The class of every model of the zoo: a functional Keras model of click-through rates."""

import inspect
import warnings

import keras
from keras import ops

from keras_din import logits
from keras_din.losses import BinaryCrossentropy, KerasBinaryCrossentropy
from keras_din.outputs import loss_of
from keras_din.spec_fingerprint import check_fingerprint, fingerprint, fingerprints_of

_MEANS = ("sum_over_batch_size", "mean")


@keras.saving.register_keras_serializable(package="keras_din")
class CTRModel(keras.Model):
    """A functional model whose losses and metrics are those of its candidates.

    `CTRModel(inputs, ctr)` is `keras.Model(inputs, ctr)` with four differences. A model of several
    labels has a dict of outputs, `CTRModel(inputs, {"ctr": ctr, "cvr": cvr})`, and everything
    below holds for each of them.

    - Every loss and every metric of Keras takes `(batch, candidates)` with weights of that shape:
      each candidate counts as a sample of its own. One of weight 0 is padding. It counts neither
      in the loss, nor in what a mean divides by, nor in `metrics`, which otherwise know no
      weights; `weighted_metrics` use the weights as they are.
    - `binary_crossentropy`, Keras' own and that of `keras_din.losses`, is computed from logits
      on every backend where `ctr` is the output of `keras_din.layers.ClickProbability`.
    - It knows the fingerprint of the spec that it was built from, also when saved, loaded and
      cloned. `keras_din.export`, `evaluate`, `fit` and the commands refuse another spec.
    - What `fit` can't read and a file that could not be loaded are errors that name the remedy.
      So is `class_weight`: `BinaryCrossentropy(positive_weight=...)` is saved with the model, and
      what it does to the odds is undone by `keras_din.evaluate` and `keras_din.export`.

    A model that you composed from `keras_din.embed.embed` carries the fingerprint in any case;
    others are given it by `spec`, which a clone does not keep.

    Args:
        inputs: The `keras.Input`s by name.
        outputs: Float tensor `(batch, candidates)` or `(batch,)`: click-through rates. Or a dict,
            name of the output -> such a tensor.
        name: Name of the model.
        spec: The `FeatureSpec` that the inputs are of, or its fingerprint.

    Raises:
        ValueError: When `outputs` is something else, or `spec` is not the one that the layers
            were built from; each feature that differs is named.
    """

    def __init__(self, inputs, outputs, name=None, *, spec=None, **kwargs):
        if isinstance(outputs, (list, tuple)) and len(outputs) == 1:
            outputs = outputs[0]
        tensors = list(outputs.values()) if isinstance(outputs, dict) else [outputs]
        if not tensors or not all(map(_is_output, tensors)):
            raise ValueError(
                "`outputs` of a CTRModel must be one tensor `(batch, candidates)`, or a dict of "
                f"such tensors by the names of the outputs. Received: outputs={outputs!r}."
            )
        super().__init__(inputs, outputs, name=name, **kwargs)
        self.fingerprint = None
        if spec is not None and not isinstance(spec, str):
            check_fingerprint(self, spec)
            spec = fingerprint(spec)
        if spec not in fingerprints_of(self):
            self.fingerprint = spec

    def compile(self, optimizer="rmsprop", loss=None, *args, **kwargs):
        super().compile(optimizer, KerasBinaryCrossentropy.in_place_of(loss), *args, **kwargs)

    def compile_from_config(self, config):
        # That of Keras does nothing where `compile` is overridden.
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        y, y_pred, sample_weight = by_candidate(y, y_pred, sample_weight)
        if isinstance(sample_weight, dict):
            sample_weight = {
                name: _without_padding(weight, loss_of(self, name))
                for name, weight in sample_weight.items()
            }
        elif sample_weight is not None:
            (loss, *_) = keras.tree.flatten(self.loss) or [None]
            sample_weight = _without_padding(sample_weight, loss)
        return super().compute_loss(x, y, y_pred, sample_weight, training=training)

    def compute_loss_and_updates(self, *args, **kwargs):
        # Of Keras' trainer on JAX: the model is called and its loss is computed in here.
        with logits.carrying():
            return super().compute_loss_and_updates(*args, **kwargs)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        y, y_pred, sample_weight = by_candidate(y, y_pred, sample_weight)
        compiled = self._compile_metrics
        if compiled is None or sample_weight is None:
            return super().compute_metrics(x, y, y_pred, sample_weight)
        if not compiled.built:
            compiled.build(y, y_pred)
        labels, predictions = compiled._flatten_y(y), compiled._flatten_y(y_pred)
        weights = compiled._flatten_y(sample_weight)
        is_real = [ops.cast(ops.not_equal(weight, 0), weight.dtype) for weight in weights]
        plain, weighted = compiled._flat_metrics, compiled._flat_weighted_metrics
        for metrics, of_outputs in ((plain, is_real), (weighted, weights)):
            for metric, *values in zip(metrics, labels, predictions, of_outputs, strict=True):
                if metric is not None:
                    metric.update_state(*values)
        return self.get_metrics_result()

    def fit(self, x=None, y=None, *args, **kwargs):
        given = inspect.signature(super().fit).bind(x, y, *args, **kwargs).arguments
        self._check_data("x", x)
        self._check_data("validation_data", given.get("validation_data"))
        _refuse_class_weight(given.get("class_weight"))
        _check_negative_rate(self.loss, getattr(x, "negative_rate", 1.0))
        return super().fit(x, y, *args, **kwargs)

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        _refuse_class_weight(class_weight)
        return super().train_on_batch(x, y, sample_weight, return_dict=return_dict)

    def evaluate(self, x=None, *args, **kwargs):
        self._check_data("x", x)
        return super().evaluate(x, *args, **kwargs)

    def predict(self, x, *args, **kwargs):
        self._check_data("x", x)
        return super().predict(x, *args, **kwargs)

    def save(self, filepath, *args, **kwargs):
        if str(filepath).endswith((".h5", ".hdf5")):
            _refuse_hdf5(filepath)
        return super().save(filepath, *args, **kwargs)

    def get_config(self):
        config = super().get_config()
        # Keras writes layers without their module for HDF5 files, and for nothing else.
        if any("module" not in layer for layer in config["layers"]):
            _refuse_hdf5("a legacy HDF5 file")
        return config if self.fingerprint is None else {**config, "spec": self.fingerprint}

    def _check_data(self, word, data):
        check_batches(word, data)
        check_fingerprint(self, getattr(data, "spec", None), f"`{word}`")


def _is_output(tensor) -> bool:
    return isinstance(tensor, keras.KerasTensor) and len(tensor.shape) in (1, 2)


def _without_padding(weight, loss):
    """Weights for a loss that divides by the number of rows, so that it divides by the real.

    Not for one that divides by the sum of weights, or by nothing.
    """
    if getattr(loss, "reduction", _MEANS[0]) not in _MEANS:
        return weight
    rows = ops.sum(ops.ones_like(weight))
    real = ops.sum(ops.cast(ops.not_equal(weight, 0), weight.dtype))
    return weight * (rows / ops.maximum(real, 1))


def by_candidate(y, y_pred, sample_weight):
    """Labels, predictions and weights `(batch, candidates)` with a row for each candidate.

    Where a model has a dict of outputs, each of the three is such a dict. A single tensor of
    weights counts for every output.

    Returns:
        `(n, 1)`, `(n, 1)` and `(n,)` or `None`. The logits of the predictions come with them.

    Raises:
        ValueError: When labels and predictions are known to differ in shape, or in the names of
            the outputs.
    """
    if isinstance(y_pred, dict) and y is not None:
        return _outputs_by_candidate(y, y_pred, sample_weight)
    if y is None or keras.tree.is_nested(y_pred) or len(y_pred.shape) > 2:
        return y, y_pred, sample_weight
    if isinstance(y, dict):
        raise ValueError(
            "`y` must be one tensor, since the model has one output. "
            f"Received: labels of the outputs {list(y)}."
        )
    y = _matrix(ops.convert_to_tensor(y))
    predictions = _matrix(y_pred)
    if not _may_be_equal(y.shape, predictions.shape):
        raise ValueError(
            "`y` must have the shape of the model's output, (batch, candidates). "
            f"Received: {tuple(y.shape)} and {tuple(predictions.shape)}."
        )
    if sample_weight is not None:
        weight = _matrix(ops.convert_to_tensor(sample_weight, dtype="float32"))
        weight = weight * ops.ones_like(predictions, dtype="float32")
        sample_weight = ops.reshape(weight, (-1,))
    if len(y_pred.shape) == 2 and y_pred.shape[1] == 1:
        return y, y_pred, sample_weight
    rows = ops.reshape(predictions, (-1, 1))
    found = logits.carried(y_pred)
    if found is not None:
        logits.carry(rows, ops.reshape(found, (-1, 1)))
    return ops.reshape(y, (-1, 1)), rows, sample_weight


def _outputs_by_candidate(y, y_pred: dict, sample_weight) -> tuple:
    """The same of each output of a dict."""
    if not isinstance(y, dict) or set(y) != set(y_pred):
        found = f"labels of the outputs {list(y)}" if isinstance(y, dict) else "one tensor"
        raise ValueError(
            f"`y` must be a dict with the labels of each output, {list(y_pred)}. Received: {found}."
        )
    of_outputs = {}
    for name, predictions in y_pred.items():
        weight = sample_weight[name] if isinstance(sample_weight, dict) else sample_weight
        of_outputs[name] = by_candidate(y[name], predictions, weight)
    y, y_pred, weights = (
        {name: values[i] for name, values in of_outputs.items()} for i in range(3)
    )
    return y, y_pred, None if sample_weight is None else weights


def check_batches(word: str, data) -> None:
    """Raises a `ValueError` that names the remedy for a table, prepared data or a model."""
    if isinstance(data, keras.Model):
        raise ValueError(
            f"`{word}` must be batches of the model's inputs, such as "
            f'`data.dataset("valid")`. Received: the model {data.name!r}.'
        )
    kind = f"{type(data).__module__.split('.')[0]}.{type(data).__name__}"
    if kind in ("pandas.DataFrame", "polars.DataFrame", "polars.LazyFrame", "pyarrow.Table"):
        raise ValueError(
            f"`{word}` must be batches of the model's inputs. Received: a {kind}. For rows with "
            "their histories as lists pass `keras_din.data.rows_dataset(frame, spec, label=...)`; "
            "of a log make data by `keras_din.data.prepare_impressions` or `prepare_interactions`, "
            'and pass `data.dataset("train", shuffle=True)`.'
        )
    if hasattr(data, "parts") and callable(getattr(data, "dataset", None)):
        raise ValueError(
            f"`{word}` must be one part of the data, in batches. Received: a "
            f'{type(data).__name__}. Pass `data.dataset("train", shuffle=True)` to `fit`, and '
            '`data.dataset("valid")` or `data.dataset("test")` to what evaluates.'
        )


def _refuse_class_weight(class_weight) -> None:
    """Nothing remembers weights of classes, so what they did to the odds would not be undone.

    Keras also takes the place of a row's largest label for its class, which is wrong for requests.
    """
    if class_weight is None:
        return
    weight = "..."
    if isinstance(class_weight, dict) and class_weight.get(0, 1):
        weight = f"{class_weight.get(1, 1) / class_weight.get(0, 1):g}"
    raise ValueError(
        "`class_weight` must be None: an export could not tell by how much it raised the odds of "
        "a click. Compile the model with "
        f"`keras_din.losses.BinaryCrossentropy(positive_weight={weight})`, which is saved with it. "
        f"Received: class_weight={class_weight}."
    )


def _check_negative_rate(loss, of_data: float) -> None:
    """Refuses a loss that knows another rate than `data.downsample_negatives` had; warns where none
    can tell.

    A dataset that was transformed has lost its rate, so a loss that knows one is not refused then.
    """
    losses = keras.tree.flatten(loss)
    ours = [loss for loss in losses if isinstance(loss, BinaryCrossentropy)]
    of_loss = ours[0].negative_rate if ours else None
    if of_data == 1 or (of_loss is not None and abs(of_loss - of_data) <= 1e-9):
        return
    message = (
        "The loss must know the rate of the thinned data: compile with `keras_din.losses."
        f"BinaryCrossentropy(negative_rate={of_data:g})`, `negative_rate=data.negative_rate`, "
        "which is saved with the model, so that `keras_din.export` and `keras_din.evaluate` undo "
        f"it. Received: data of negative_rate={of_data:g} and "
    )
    if ours:
        raise ValueError(message + f"a loss of negative_rate={of_loss}.")
    found = ", ".join(str(getattr(loss, "name", loss)) for loss in losses)
    warnings.warn(message + f"the loss {found}.", stacklevel=3)


def warn_without_fingerprint(stacklevel: int) -> None:
    """Warns that nothing can tell whether a spec is that of the model."""
    warnings.warn(
        "The model carries no fingerprint of its spec, so nothing can tell whether this is the "
        "spec that it was trained with. Give it one when you build it, "
        "`keras_din.CTRModel(inputs, ctr, spec=spec)`, or now, "
        "`keras_din.CTRModel(model.input, model.output, spec=spec)`.",
        stacklevel=stacklevel + 1,
    )


def _refuse_hdf5(file) -> None:
    raise ValueError(
        "`filepath` must end in .keras: Keras can write this model to an HDF5 file, and can't load "
        "it from there. (Weights alone may be HDF5: `save_weights` to a name that ends in "
        f".weights.h5.) Received: {file}."
    )


def _matrix(tensor):
    return ops.expand_dims(tensor, -1) if len(tensor.shape) == 1 else tensor


def _may_be_equal(one, other) -> bool:
    pairs = zip(one, other, strict=False)
    return len(one) == len(other) and all(None in pair or pair[0] == pair[1] for pair in pairs)
