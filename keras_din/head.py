"""The output layers of a model, and the `CTRModel` of a graph."""

import functools

import keras
from keras import ops

from keras_din.checks import layer_sizes
from keras_din.ctr_model import CTRModel
from keras_din.features import DEFAULT_OUTPUT, FeatureSpec, Label, id_feature
from keras_din.graph import operations_before
from keras_din.layers import (
    MLP,
    ClickProbability,
    Embedding,
    NumberOutput,
    PositionBias,
    ProductLogits,
)

__all__ = [
    "bias_of_item",
    "ctr_head",
    "ctr_model",
    "head_logits",
    "join",
    "label_heads",
    "label_output",
    "label_outputs",
    "only_label",
    "probability",
    "representation_of",
]

_CLICK = Label()
_LOGIT_OF_ZERO = -1e9  # Its sigmoid and its exponential are 0.


def ctr_head(
    parts,
    target_mask,
    hidden_units=(200, 80),
    activation="dice",
    dropout=0.0,
    bias=None,
    label=_CLICK,
):
    """Computes `ctr = sigmoid(MLP([parts]) + bias)` in float32, and 0 for padding candidates.

    The output of a label that is a number is in `label_output`. A model with several labels has
    one head per label, see `label_heads`.

    Args:
        parts: List of float tensors: `(batch, dim)` for values that all candidates of a row
            share, or `(batch, candidates, dim)`. At least one has the candidate axis.
        target_mask: Bool tensor `(batch, candidates)`, `True` where a candidate is real.
        hidden_units: Sizes of the hidden layers.
        activation: Activation of the hidden layers.
        dropout: Fraction of hidden units to drop in training.
        bias: Float32 tensor `(batch, candidates, 1)`, for example of `bias_of_item`, or `None`.
        label: The `Label`. Its output is part of the names of the layers, except for `"ctr"`.

    Returns:
        Float32 tensor `(batch, candidates)`.

    Raises:
        ValueError: If the label is given another one.
    """
    if label.given is not None:
        raise ValueError(
            "`label` must have no `given`, whose output would be a product of two: use "
            f"`label_heads` for all labels. Received: {label!r}."
        )
    logits = head_logits(parts, target_mask, hidden_units, activation, dropout, bias, label)
    return label_output(label, logits, target_mask)


def head_logits(parts, target_mask, hidden_units, activation, dropout, bias=None, label=_CLICK):
    """Computes `MLP([parts]) + bias`, float32 `(batch, candidates, 1)`, see `ctr_head`."""
    hidden_units = layer_sizes("hidden_units", hidden_units)
    prefix = "" if label.output == DEFAULT_OUTPUT else f"{label.output}_"
    top = MLP(hidden_units, activation, dropout, name=f"{prefix}top")
    x = top(join(parts), mask=target_mask)
    # `Dense` needs ten operations for a product of more than two axes.
    logit = keras.layers.EinsumDense(
        "bcd,du->bcu", (None, 1), bias_axes="u", dtype="float32", name=f"{prefix}logit"
    )(x)
    return logit if bias is None else logit + bias


def label_heads(
    spec,
    parts,
    target_mask,
    hidden_units=(200, 80),
    activation="dice",
    dropout=0.0,
    bias=None,
    positions=None,
):
    """Computes one `ctr_head` per label of a spec, all with the same parts.

    The output of a label that is given another one is a product, see `label_outputs`.

    Args:
        spec: A `FeatureSpec`.
        parts: See `ctr_head`.
        target_mask: See `ctr_head`.
        hidden_units: See `ctr_head`.
        activation: See `ctr_head`.
        dropout: See `ctr_head`.
        bias: See `ctr_head`. It requires a spec with one label.
        positions: See `label_outputs`.

    Returns:
        The tensor of the single label, or a dict by the names of the outputs.

    Raises:
        ValueError: If there is a bias and the spec has several labels, or in the case of
            `label_outputs`.
    """
    labels = spec.labels if bias is None else [only_label(spec)]
    logits = {
        label.name: head_logits(parts, target_mask, hidden_units, activation, dropout, bias, label)
        for label in labels
    }
    return label_outputs(spec, logits, target_mask, positions)


def label_outputs(spec, logits, target_mask, positions=None):
    """Computes the outputs of all labels of a spec from their logits, see `label_output`.

    The output of a label that is given another one is the product of that label's output and of
    the factor `sigmoid(logits)`, as in ESMM. It is computed from logits, see `ProductLogits`. With
    a `Position` in the spec, the outputs of labels of 0 and 1 without `given` have the factor
    `p_seen(position)`, see `PositionBias`.

    Args:
        spec: A `FeatureSpec`.
        logits: Name of the label -> float tensor `(batch, candidates, 1)`.
        target_mask: Bool tensor `(batch, candidates)`, `True` where a candidate is real.
        positions: Float tensor `(batch, candidates)`, the positions of the result of `embed`, if
            the spec has a `Position`.

    Returns:
        The tensor of the single label, or a dict by the names of the outputs.

    Raises:
        ValueError: If the spec has a `Position` and there are no positions.
    """
    seen = None if spec.position is None else _position_bias(spec, positions)
    labels = {label.name: label for label in spec.labels}
    factors = {label.name: factor for factor, label in spec.factors.items()}
    mask = ops.expand_dims(target_mask, -1)

    @functools.cache
    def total_logits(name):
        given = labels[name].given
        if given is None:
            has_position = seen is not None and labels[name].is_binary
            return seen(logits[name], positions) if has_position else logits[name]
        factor = ops.where(mask, logits[name], _LOGIT_OF_ZERO)  # An export returns it too.
        product = ProductLogits(factors[name], dtype="float32", name=factors[name])
        return product(total_logits(given), factor)

    heads = {
        label.output: label_output(label, total_logits(name), target_mask)
        for name, label in labels.items()
    }
    return heads if len(heads) > 1 else heads[spec.outputs[0]]


def _position_bias(spec, positions) -> PositionBias:
    """Creates the layer that all outputs of a spec share."""
    if positions is None:
        raise ValueError(
            "`positions` must be given for a spec with a Position: pass those of the result of "
            f"`embed`. Received: {spec.position!r} and positions=None."
        )
    return PositionBias(spec.position.size, dtype="float32", name=f"seen_{spec.position.name}")


def label_output(label: Label, logits, target_mask):
    """Computes the output of a label, float32 `(batch, candidates)`; 0 for padding candidates.

    It is `sigmoid(logits)` for a label of 0 and 1. For a label that is a number, it is the
    expected number: `exp(logits)` if its loss is `"weighted_logistic"` or `"poisson"`, and
    `logits` if it is `"huber"` or `"mse"`.

    Args:
        label: The `Label`. Its `output` is the name of the layer.
        logits: Float tensor `(batch, candidates, 1)`.
        target_mask: Bool tensor `(batch, candidates)`, `True` where a candidate is real.
    """
    if label.is_binary:
        return probability(logits, target_mask, label.output)
    link = "log" if label.is_not_negative else "identity"
    padding = _LOGIT_OF_ZERO if link == "log" else 0.0
    logits = ops.where(target_mask, ops.squeeze(logits, -1), padding)
    return NumberOutput(link, dtype="float32", name=label.output)(logits)


def representation_of(model):
    """Returns what a model feeds to the MLPs of its heads.

    Args:
        model: A model of `label_heads`.

    Returns:
        `(parts, target_mask)`: the float tensor `(batch, candidates, dim)` of `join`, and the bool
        tensor `(batch, candidates)`.

    Raises:
        ValueError: If the logit of the model is not computed by an MLP alone.
    """
    # Each output has the same parts. That of a product is further away.
    ways = [_way_to_top(tensor) for tensor in keras.tree.flatten(model.output)]
    found = next((way for way in ways if way is not None), None)
    if found is None:
        raise ValueError(
            "The logit of the model must be computed by an MLP alone, without a bias, a linear "
            f"part or counts. Received: the model {model.name!r}."
        )
    return found


def _way_to_top(tensor):
    """Returns the inputs of the MLP that computes an output, or `None` if there is more."""
    while True:
        operation = tensor._keras_history.operation
        inputs = [t for node in operation._inbound_nodes for t in node.input_tensors]
        numbers = [t for t in inputs if t.dtype != "bool"]
        if len(numbers) != 1:
            return None
        (tensor,) = numbers
        if isinstance(operation, MLP):
            return tensor, next(t for t in inputs if t.dtype == "bool")


def only_label(spec: FeatureSpec) -> Label:
    """Returns the label of a spec with one label.

    Raises:
        ValueError: If the spec has several labels.
    """
    if len(spec.outputs) > 1:
        raise ValueError(
            "A model with a bias, a linear part or counts must have a spec with one label. "
            f"Received: labels {[label.name for label in spec.labels]}. Create one spec per label "
            "with `dataclasses.replace(spec, labels=[...])`, and its data with "
            "`dataclasses.replace(data, spec=...)`; or prepare the log with one `label`."
        )
    return spec.labels[0]


def join(parts):
    """Concatenates the parts of `ctr_head` to `(batch, candidates, dim)`."""
    with_candidates = next(part for part in parts if len(part.shape) == 3)
    ones = ops.ones_like(with_candidates[..., :1])
    parts = [part if len(part.shape) == 3 else ops.expand_dims(part, 1) * ones for part in parts]
    return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)


def bias_of_item(spec, values, embeddings_initializer="zeros"):
    """Looks up one bias per item, float32 `(batch, candidates, 1)`.

    Args:
        spec: A `FeatureSpec`. The first `Categorical` of its target is the item.
        values: The model's inputs by name, as dense tensors.
        embeddings_initializer: Initializer of the biases.
    """
    item = id_feature(spec.target)
    table = Embedding(
        item.table.values.size,
        1,
        embeddings_initializer,
        feature=item.table.name,
        shards=item.table.shards,
        name="item_bias",
    )
    return ops.cast(table(values[item.name]), "float32")


def probability(logits, target_mask, output=DEFAULT_OUTPUT):
    """Computes `sigmoid(logits)` as `(batch, candidates)`, and 0 for padding candidates.

    Args:
        logits: Float tensor `(batch, candidates, 1)`.
        target_mask: See `ctr_head`.
        output: Name of the output.
    """
    logits = ops.where(target_mask, ops.squeeze(logits, -1), _LOGIT_OF_ZERO)
    return ClickProbability(dtype="float32", name=output)(logits)


def ctr_model(inputs, ctr, name) -> CTRModel:
    """Creates the `CTRModel` of a graph.

    Keras requires unique names of all layers and operations. The names of inputs come from the
    spec and do not change. Underscores are appended to the name of a layer or operation that
    repeats another name, for example of an input named `ctr`.

    Args:
        inputs: The `keras.Input`s by name.
        ctr: Float tensor `(batch, candidates)` of `probability`, or a dict of such tensors by the
            names of the outputs.
        name: Name of the model.
    """
    taken = set(inputs)
    operations = [
        operation
        for tensor in (ctr.values() if isinstance(ctr, dict) else [ctr])
        for operation in operations_before(tensor)
    ]
    for operation in dict.fromkeys(operations):
        if isinstance(operation, keras.layers.InputLayer):
            continue
        while operation.name in taken:
            operation.name += "_"
        taken.add(operation.name)
    return CTRModel(inputs, ctr, name=name)
