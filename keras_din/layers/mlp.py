"""A stack of dense layers with masked statistics."""

from collections.abc import Callable, Sequence

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
        activation: `"dice"`, `"prelu"`, `"batch_normalization"`, any Keras activation, or a list of
            these, which are applied in order: `["batch_normalization", "relu"]`.
        dropout: Fraction of units that training drops after each layer.

    Call arguments:
        inputs: Float tensor `(..., dim)`.
        mask: Bool tensor `(...)`, `True` where an entry is real. Dice and batch normalization
            compute their statistics over real entries.

    Returns:
        Float tensor `(..., units[-1])`; `inputs` itself if `units` is empty.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    ```python
    layer = kd.layers.MLP([8, 4], activation="relu", dropout=0.1)
    outputs = layer(np.ones((2, 3), "float32"))  # (2, 4)
    ```
    """

    def __init__(
        self,
        units: Sequence[int],
        activation: str | Callable | Sequence[str | Callable] = "dice",
        dropout: float = 0.0,
        **kwargs,
    ):
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
        # Reshapes to one matrix: products of tensors of higher rank make transposed copies.
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
