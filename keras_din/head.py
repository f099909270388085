"""From the parts of a model to the click-through rate, and to the model."""

import keras
from keras import ops

from keras_din.checks import layer_sizes
from keras_din.ctr_model import CTRModel
from keras_din.features import DEFAULT_OUTPUT, id_feature
from keras_din.graph import operations_before
from keras_din.layers import MLP, ClickProbability, Embedding


def ctr_head(
    parts,
    target_mask,
    hidden_units=(200, 80),
    activation="dice",
    dropout=0.0,
    bias=None,
    output=DEFAULT_OUTPUT,
):
    """`ctr = sigmoid(MLP([parts]) + bias)`, in float32; 0 for a padding candidate.

    A model of several labels has a head for each, and each head a name of its own.

    Args:
        parts: Float tensors `(batch, dim)`, the same for all candidates of a row, or
            `(batch, candidates, dim)`. At least one has the candidate axis.
        target_mask: Bool tensor `(batch, candidates)`, `True` where a candidate is real.
        hidden_units: Sizes of the hidden layers.
        activation: Activation of the hidden layers.
        dropout: Fraction of hidden units that training drops.
        bias: Float32 tensor `(batch, candidates, 1)`, such as that of `bias_of_item`, or `None`.
        output: Name of the output. The layers of any but the default have it in their names.

    Returns:
        Float32 tensor `(batch, candidates)`.
    """
    hidden_units = layer_sizes("hidden_units", hidden_units)
    prefix = "" if output == DEFAULT_OUTPUT else f"{output}_"
    top = MLP(hidden_units, activation, dropout, name=f"{prefix}top")
    x = top(join(parts), mask=target_mask)
    # `Dense` would make ten operations of a product of more than two axes.
    logit = keras.layers.EinsumDense(
        "bcd,du->bcu", (None, 1), bias_axes="u", dtype="float32", name=f"{prefix}logit"
    )(x)
    return probability(logit if bias is None else logit + bias, target_mask, output)


def label_heads(
    spec,
    parts,
    target_mask,
    hidden_units=(200, 80),
    activation="dice",
    dropout=0.0,
    bias=None,
):
    """A `ctr_head` for each label of a spec, all on the same parts.

    Args:
        spec: A `FeatureSpec`.
        parts: See `ctr_head`, also for the other arguments.
        target_mask: Likewise.
        hidden_units: Likewise.
        activation: Likewise.
        dropout: Likewise.
        bias: Likewise. It belongs to one label.

    Returns:
        The tensor of the only label, or a dict by the names of the outputs.

    Raises:
        ValueError: If there is a bias and the spec has several labels.
    """
    outputs = spec.outputs if bias is None else [only_output(spec)]
    heads = {
        output: ctr_head(parts, target_mask, hidden_units, activation, dropout, bias, output)
        for output in outputs
    }
    return heads if len(heads) > 1 else heads[outputs[0]]


def only_output(spec) -> str:
    """The name of the output of a spec with one label.

    Raises:
        ValueError: If the spec has several labels.
    """
    if len(spec.outputs) > 1:
        raise ValueError(
            "A model with a bias, a linear part or counts must be of a spec with one label. "
            f"Received: labels {[label.name for label in spec.labels]}. Build a spec per label by "
            "`dataclasses.replace(spec, labels=[...])`."
        )
    return spec.outputs[0]


def join(parts):
    """Parts as of `ctr_head` side by side, `(batch, candidates, dim)`."""
    with_candidates = next(part for part in parts if len(part.shape) == 3)
    ones = ops.ones_like(with_candidates[..., :1])
    parts = [part if len(part.shape) == 3 else ops.expand_dims(part, 1) * ones for part in parts]
    return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)


def bias_of_item(spec, values, embeddings_initializer="zeros"):
    """One number an item: float32 `(batch, candidates, 1)`.

    Args:
        spec: A `FeatureSpec`. The first `Categorical` of its target is the item.
        values: The model's inputs by name, none ragged.
        embeddings_initializer: Initializer of the biases.
    """
    item = id_feature(spec.target)
    table = Embedding(
        item.table.values.size, 1, embeddings_initializer, feature=item.table.name, name="item_bias"
    )
    return ops.cast(table(values[item.name]), "float32")


def probability(logits, target_mask, output=DEFAULT_OUTPUT):
    """`sigmoid(logits)` `(batch, candidates, 1)` as `(batch, candidates)`; padding gives 0."""
    logits = ops.where(target_mask, ops.squeeze(logits, -1), -1e9)
    return ClickProbability(dtype="float32", name=output)(logits)


def ctr_model(inputs, ctr, name) -> CTRModel:
    """The `CTRModel` of a graph.

    Inputs have the names that the spec gives them, whatever these are. Keras wants the names of
    all layers and operations to differ: one that has the name of an input, such as `ctr`, or that
    of another one, is given underscores behind it.

    Args:
        inputs: The `keras.Input`s by name.
        ctr: Float tensor `(batch, candidates)`, what `probability` returns; or a dict of such
            tensors, by the names of the outputs.
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
