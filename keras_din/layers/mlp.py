"""A stack of dense layers that knows which entries are real."""

import keras
from keras import ops

from keras_din.checks import fraction, layer_sizes
from keras_din.layers.dice import Dice


def activation_layer(activation, dtype):
    """The layer of an activation's name: `"dice"`, `"prelu"`, or any that Keras knows.

    Its input is `(rows, units)`.
    """
    if activation == "dice":
        return Dice(dtype=dtype)
    if activation == "prelu":
        return keras.layers.PReLU(dtype=dtype)
    return keras.layers.Activation(activation, dtype=dtype)


def activate(layer, x, mask, training):
    """Calls the layer of an activation; Dice alone must know what is real."""
    return layer(x, mask=mask, training=training) if isinstance(layer, Dice) else layer(x)


def activation_config(activation):
    """An activation as a layer's config holds it."""
    return activation if isinstance(activation, str) else keras.activations.serialize(activation)


def checked_activation(activation):
    """`activation`, a name or a function, or a `ValueError` for what Keras does not know."""
    if isinstance(activation, str) and activation in ("dice", "prelu"):
        return activation
    try:
        function = keras.activations.get(activation)
    except (TypeError, ValueError):
        function = None
    if activation is None or function is None:
        raise ValueError(
            "`activation` must be 'dice', 'prelu', or an activation of Keras. "
            f"Received: activation={activation!r}."
        )
    return activation if isinstance(activation, str) else function


@keras.saving.register_keras_serializable(package="keras_din")
class MLP(keras.layers.Layer):
    """Dense layers, each with its activation and dropout.

    Args:
        units: Sizes of the layers.
        activation: `"dice"`, `"prelu"` or any that Keras knows.
        dropout: Fraction of units that training drops after each layer.

    Call arguments:
        inputs: Float tensor `(..., dim)`.
        mask: Bool tensor `(...)`, `True` where an entry is real. Statistics of Dice are taken
            over real entries.

    Returns:
        Float tensor `(..., units[-1])`; `inputs` itself where `units` is empty.

    Raises:
        ValueError: When an argument is not as said here.
    """

    def __init__(self, units, activation="dice", dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.units = layer_sizes("units", units)
        self.activation = checked_activation(activation)
        self.dropout = fraction("dropout", dropout)
        self.supports_masking = True

    def build(self, inputs_shape):
        dtype = self.dtype_policy
        self.dense_layers = [keras.layers.Dense(units, dtype=dtype) for units in self.units]
        self.activations = [activation_layer(self.activation, dtype) for _ in self.units]
        self.dropouts = [
            keras.layers.Dropout(self.dropout, dtype=dtype) for _ in self.units if self.dropout
        ]
        shape = (None, inputs_shape[-1])
        for dense, activation in zip(self.dense_layers, self.activations, strict=True):
            dense.build(shape)
            shape = (None, dense.units)
            activation.build(shape)

    def call(self, inputs, mask=None, training=False):
        if not self.units:
            return inputs
        # As one matrix: products of more axes make transposed copies.
        axes = ops.shape(inputs)[:-1]
        x = ops.reshape(inputs, (-1, inputs.shape[-1]))
        mask = None if mask is None else ops.reshape(mask, (-1,))
        for i, dense in enumerate(self.dense_layers):
            x = activate(self.activations[i], dense(x), mask, training)
            if self.dropouts:
                x = self.dropouts[i](x, training=training)
        return ops.reshape(x, (*axes, self.units[-1]))

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, inputs_shape):
        return (*inputs_shape[:-1], self.units[-1]) if self.units else tuple(inputs_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "units": list(self.units),
            "activation": activation_config(self.activation),
            "dropout": self.dropout,
        }
