"""A stack of dense layers that knows which entries are real."""

import keras
from keras import ops

from keras_din.checks import fraction, layer_sizes
from keras_din.layers.activation import (
    activate,
    activation_config,
    activation_layer,
    checked_activation,
)


@keras.saving.register_keras_serializable(package="keras_din")
class MLP(keras.layers.Layer):
    """Dense layers, each with its activation and dropout.

    Args:
        units: Sizes of the layers.
        activation: `"dice"`, `"prelu"`, `"batch_normalization"`, any that Keras knows, or a list of
            these: `["batch_normalization", "relu"]` are two steps, in this order.
        dropout: Fraction of units that training drops after each layer.

    Call arguments:
        inputs: Float tensor `(..., dim)`.
        mask: Bool tensor `(...)`, `True` where an entry is real. Statistics of Dice and batch
            normalization are taken over real entries.

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
