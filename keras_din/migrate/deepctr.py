"""`from_deepctr`: a `DIN` of DeepCTR as a model of `keras_din`."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_din.checks import fraction, one_of
from keras_din.embed import embed
from keras_din.features import FeatureSpec
from keras_din.head import ctr_model, label_heads
from keras_din.layers import MLP, AttentionSequencePoolingLayer, Embedding
from keras_din.migrate.deepctr_columns import HISTORY, Columns, read_columns
from keras_din.migrate.deepctr_inputs import DeepCTRInputs
from keras_din.migrate.deepctr_spec import LABELS, build_spec
from keras_din.migrate.deepctr_weights import DINWeights, Stack, read_weights

__all__ = ["DeepCTRModel", "from_deepctr"]

# Activations of Keras 2 that are the same functions in Keras 3. `hard_sigmoid` is not.
_FUNCTIONS = (
    *("relu", "sigmoid", "tanh", "elu", "selu", "gelu", "swish", "silu"),
    *("softplus", "softsign", "exponential", "linear"),
)
_WITH_WEIGHTS = ("dice", "prelu")
_STDDEV = 1e-4  # Of new rows of a table, as in DeepCTR.
# Moving averages go on as exponential averages, as after many steps.
_MANY_STEPS = 1e9
_DICE_EPSILON = 1e-9  # That of DeepCTR, which differs from ours.


class DeepCTRModel(NamedTuple):
    """The result of `from_deepctr`.

    Attributes:
        model: The model with the weights. It is not compiled.
        spec: The `FeatureSpec` of the model, for `keras_din.export` and for data sets.
        convert: The `DeepCTRInputs`, which converts inputs of the DeepCTR model to those of
            `model`.

    Example:

    ```python
    list(kd.migrate.DeepCTRModel._fields)  # ["model", "spec", "convert"]
    ```
    """

    model: keras.Model
    spec: FeatureSpec
    convert: DeepCTRInputs


def from_deepctr(
    feature_columns,
    weights,
    *,
    history_feature_list: Sequence[str],
    dnn_activation: Any = "relu",
    att_activation: Any = "dice",
    att_weight_normalization: bool = False,
    dnn_dropout: float = 0.0,
    task: str = "binary",
    target: Sequence[str] = (),
    vocabularies: Mapping | None = None,
) -> DeepCTRModel:
    """Converts a trained `DIN` of DeepCTR 0.9. The logits are equal, up to rounding in float32.

    DeepCTR is not needed: columns and weights can be files that were written where it is
    installed. The arguments with the names of arguments of DeepCTR's `DIN` must have the values
    that it was built with. They have the same defaults. The sizes of layers and whether there is
    batch normalization come from the weights.

    The result consists of the layers of `build_din`, but with one activation for the attention and
    one for the network. Index `i` of a table of DeepCTR is index `i + 2` here. Index 0 is padding,
    and index 1 is out-of-vocabulary with an embedding of zeros. A table of a column with `use_hash`
    has `hash_buckets`: both libraries have the same hash.

    Args:
        feature_columns: The `dnn_feature_columns`: a list of `SparseFeat`, `VarLenSparseFeat` and
            `DenseFeat`, or of dicts of their fields, or the path of a JSON file with such dicts.
        weights: Dict, name in `model.weights` -> array; a list of such pairs; the model; or the
            path of an .npz file of the dict, or of an .h5 file of `model.save_weights` or
            `model.save` of Keras 2.
        history_feature_list: Names of the columns of the candidate that the history has too.
        dnn_activation: Name of an activation, `"dice"`, or the class `PReLU`.
        att_activation: Same as `dnn_activation`. PReLU of the attention can be converted only if
            its weights are equal at all positions.
        att_weight_normalization: Whether the weights of behaviors are a softmax.
        dnn_dropout: Fraction of hidden units that further training drops.
        task: `"binary"` or `"regression"`, whose label is named `label`.
        target: Names of further columns of the candidate. All columns that are neither here nor in
            the history are context, which has one value for all candidates of a request.
        vocabularies: Dict, name of a table (`embedding_name`) -> list of raw values, whose entry
            `i` is the raw value of index `i` of DeepCTR, or `None` if it has none. Exported
            versions then take raw values. By default raw values are our indices.

    Returns:
        A `DeepCTRModel`: `(model, spec, convert)`. `model(convert(inputs))` has the shape
        `(batch, 1)`, as DeepCTR's output for `inputs`.

    Raises:
        ValueError: If a column, weight or argument has no equal form here, is invalid, or does not
            agree with the others.

    Example:

    ```python
    item = {"name": "item_id", "vocabulary_size": 5, "embedding_dim": 2}
    behavior = item | {"name": "hist_item_id", "embedding_name": "item_id"}
    columns = [item, {"sparsefeat": behavior, "maxlen": 3}]
    unit = "attention_sequence_pooling_layer/local_activation_unit"
    weights = {
        "sparse_seq_emb_hist_item_id/embeddings:0": np.ones((5, 2)),
        f"{unit}/kernel:0": np.ones((4, 1)),
        f"{unit}/bias:0": np.zeros(1),
        f"{unit}/dnn/kernel0:0": np.ones((8, 4)),
        f"{unit}/dnn/bias0:0": np.zeros(4),
        "dnn/kernel0:0": np.ones((4, 3)),
        "dnn/bias0:0": np.zeros(3),
        "dense/kernel:0": np.ones((3, 1)),
        "prediction_layer/global_bias:0": np.zeros(1),
    }
    model, spec, convert = kd.migrate.from_deepctr(
        columns, weights, history_feature_list=["item_id"], att_activation="sigmoid"
    )
    x = convert({"item_id": np.array([4]), "hist_item_id": np.array([[1, 3, 0]])})
    ctr = model(x)  # (1, 1)
    ```

    Reference:
        [DeepCTR](https://github.com/shenweichen/DeepCTR) 0.9.4, `models/sequence/din.py`.
    """
    columns = read_columns(feature_columns, history_feature_list)
    one_of("task", task, tuple(LABELS))
    dropout = fraction("dnn_dropout", dnn_dropout)
    arrays = read_weights(weights)
    _check_shapes(columns, arrays)
    att_activation = _activation("att_activation", att_activation, arrays.attention)
    dnn_activation = _activation("dnn_activation", dnn_activation, arrays.top)
    spec = build_spec(columns, target, task, vocabularies)
    convert = DeepCTRInputs(
        columns,
        history_feature_list=history_feature_list,
        att_weight_normalization=att_weight_normalization,
        target=target,
    )

    x = embed(spec, keras.initializers.RandomNormal(stddev=_STDDEV))
    (history,) = x.behaviors
    attention = AttentionSequencePoolingLayer(
        arrays.attention.units,
        att_activation,
        att_weight_normalization,
        name=f"interest_{history.name}",
    )
    interest = attention(
        history.query, history.keys, keys_mask=history.mask, query_mask=x.target_mask
    )
    output = label_heads(
        spec,
        [*x.context, x.target, interest],
        x.target_mask,
        arrays.top.units,
        ["batch_normalization", dnn_activation] if arrays.top.normalizations else dnn_activation,
        dropout,
    )
    model = ctr_model(x.inputs, output, name="din")
    _set_tables(model, columns, arrays)
    _set_attention(attention, arrays)
    _set_network(model, _rows_of_parts(spec, columns), arrays)
    return DeepCTRModel(model, spec, convert)


def _activation(name: str, activation, stack: Stack) -> str:
    """Returns the name of an activation, which must agree with the weights."""
    given = getattr(activation, "__name__", activation)  # A class of layers.
    found = given.lower() if given in ("Dice", "PReLU") else given
    if found not in (*_FUNCTIONS, *_WITH_WEIGHTS):
        raise ValueError(
            f"`{name}` must be an activation with an equal form here: {_WITH_WEIGHTS} or "
            f"{_FUNCTIONS}. Train the model with one of them. Received: {name}={activation!r}."
        )
    expected = found if found in _WITH_WEIGHTS else None
    if stack.units and expected != stack.activation:
        actual = "an activation without weights" if stack.activation is None else stack.activation
        raise ValueError(
            f"`{name}` must be that of the model, whose weights are those of {actual}. "
            f"Received: {name}={activation!r}."
        )
    return found


def _check_shapes(columns: Columns, arrays: DINWeights) -> None:
    expected = {
        table.layer: (table.column.vocabulary_size, table.column.dim)
        for table in columns.tables.values()
    }
    found = {layer: array.shape for layer, array in arrays.tables.items()}
    if found != expected:
        raise ValueError(
            "`weights` must have the tables of `feature_columns`, with the shapes "
            f"(vocabulary_size, embedding_dim): {expected}. Received: {found}."
        )
    if not arrays.attention.units:
        raise ValueError(
            "`att_hidden_size` must have at least one layer here: the attention of DeepCTR without "
            "one has no equal form. Received: weights without such a layer."
        )
    widths = columns.widths()
    _check_stack("the attention", arrays.attention, arrays.score, 4 * widths[HISTORY])
    _check_stack("the network", arrays.top, arrays.logit, sum(widths.values()))


def _check_stack(owner: str, stack: Stack, last: tuple, width: int) -> None:
    """Checks that the shapes of kernels and biases follow from the width of the input."""
    for kernel, bias in [*zip(stack.kernels, stack.biases, strict=True), last]:
        if kernel.shape[:1] != (width,) or bias.shape != kernel.shape[1:]:
            raise ValueError(
                f"`weights` of {owner} must have a kernel for inputs of width {width}, which "
                "follows from `feature_columns` and `history_feature_list`. "
                f"Received: kernel {kernel.shape} and bias {bias.shape}."
            )
        width = kernel.shape[1]


def _set_tables(model, columns: Columns, arrays: DINWeights) -> None:
    layers = {layer.feature: layer for layer in model.layers if isinstance(layer, Embedding)}
    for name, table in columns.tables.items():
        rows = arrays.tables[table.layer]
        reserved = np.zeros((table.offset, rows.shape[1]))
        layers[name].embeddings.assign(np.concatenate([reserved, rows]))
        layers[name].trainable = table.column.trainable


def _set_attention(layer, arrays: DINWeights) -> None:
    stack = arrays.attention
    layer.kernel.assign(stack.kernels[0])
    layer.bias.assign(stack.biases[0])
    _set_dense(layer.mlp.dense_layers, stack.kernels[1:], stack.biases[1:])
    _set_dense([layer.score], arrays.score[:1], arrays.score[1:])
    if stack.activations:
        activations = [layer.first_activation, *layer.mlp.activations]
        for activation, values in zip(activations, stack.activations, strict=True):
            _set_activation(activation, values)


def _rows_of_parts(spec: FeatureSpec, columns: Columns) -> np.ndarray:
    """Returns the rows of DeepCTR's first kernel in the order of our parts."""
    rows, start = {}, 0
    for name, width in columns.widths().items():
        rows[name] = np.arange(start, start + width)
        start += width
    parts = [*(feature.name for feature in (*spec.context, *spec.target)), HISTORY]
    return np.concatenate([rows[name] for name in parts])


def _set_network(model, rows: np.ndarray, arrays: DINWeights) -> None:
    kernels = [*arrays.top.kernels, arrays.logit[0]]
    kernels[0] = kernels[0][rows]
    (top,) = (layer for layer in model.layers if isinstance(layer, MLP))
    (logit,) = (layer for layer in model.layers if isinstance(layer, keras.layers.EinsumDense))
    _set_dense(top.dense_layers, kernels[:-1], arrays.top.biases)
    _set_dense([logit], kernels[-1:], arrays.logit[1:])
    for i, layer in enumerate(top.activations):
        steps = [layer]
        if arrays.top.normalizations:
            steps = layer.steps
            _set_moments(steps[0], arrays.top.normalizations[i], epsilon=steps[0].epsilon)
        if arrays.top.activations:
            _set_activation(steps[-1], arrays.top.activations[i])


def _set_dense(layers, kernels, biases) -> None:
    for layer, kernel, bias in zip(layers, kernels, biases, strict=True):
        layer.kernel.assign(kernel)
        layer.bias.assign(bias)


def _set_activation(layer, values: dict) -> None:
    """Sets the weights of a `Dice` or a `PReLU`."""
    if "moving_mean" in values:
        _set_moments(layer, values, epsilon=_DICE_EPSILON)
        return
    alpha = values["alpha"]
    if alpha.ndim == 2:  # One row per position of a history.
        if not (alpha == alpha[:1]).all():
            raise ValueError(
                "`att_activation` PReLU must have equal weights at all positions of a history: "
                "weights per position have no equal form. Train the model with "
                'att_activation="dice". '
                f"Received: weights of shape {alpha.shape} that differ."
            )
        alpha = alpha[0]
    layer.alpha.assign(alpha)


def _set_moments(layer, values: dict, epsilon: float) -> None:
    """Sets the weights of a `Dice` or a batch normalization of DeepCTR with its epsilon.

    Only the sum of the variance and epsilon matters, so the variance contains the difference.
    """
    shift = epsilon - layer.epsilon
    values = values | {"moving_variance": values["moving_variance"].astype("float64") + shift}
    for name, value in values.items():
        getattr(layer, name).assign(value)
    layer.steps_seen.assign(_MANY_STEPS)
