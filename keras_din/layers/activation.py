"""Activations between dense layers: a name, a function, or a list of these."""

import keras

from keras_din.layers.batch_normalization import BatchNormalization
from keras_din.layers.dice import Dice

# Activations that are layers. All other names are Keras functions.
_LAYERS = {
    "dice": Dice,
    "prelu": keras.layers.PReLU,
    "batch_normalization": BatchNormalization,
}


def checked_activation(activation):
    """Checks an activation.

    Args:
        activation: A name, a function, or a list of names and functions.

    Returns:
        The name, the function, or a tuple of these.

    Raises:
        ValueError: If a name is unknown or the list is empty.
    """
    is_list = isinstance(activation, (list, tuple))
    steps = tuple(map(_checked_step, activation if is_list else [activation]))
    if not steps or None in steps:
        raise ValueError(
            "`activation` must be 'dice', 'prelu', 'batch_normalization', an activation of Keras, "
            f"or a list of these. Received: activation={activation!r}."
        )
    return steps if is_list else steps[0]


def _checked_step(step):
    """Returns a known name, the function of another Keras activation, or `None` if unknown."""
    if step is None or (isinstance(step, str) and step in _LAYERS):
        return step
    try:
        function = keras.activations.get(step)
    except (TypeError, ValueError):
        return None
    return step if isinstance(step, str) else function


def activation_config(activation):
    """Serializes the result of `checked_activation` for the config of a layer."""
    if isinstance(activation, tuple):
        return [activation_config(step) for step in activation]
    return activation if isinstance(activation, str) else keras.activations.serialize(activation)


def activation_layer(activation, dtype):
    """Creates the layer for a result of `checked_activation`. Its input is `(rows, units)`."""
    if isinstance(activation, tuple):
        return ActivationSequence(activation, dtype=dtype)
    if isinstance(activation, str) and activation in _LAYERS:
        return _LAYERS[activation](dtype=dtype)
    return keras.layers.Activation(activation, dtype=dtype)


def activate(layer, x, mask, training):
    """Calls the layer of an activation, with the mask if it computes statistics."""
    if isinstance(layer, (Dice, BatchNormalization, ActivationSequence)):
        return layer(x, mask=mask, training=training)
    return layer(x)


class ActivationSequence(keras.layers.Layer):
    """Applies several activations, one after another."""

    def __init__(self, activations, **kwargs):
        super().__init__(**kwargs)
        self.steps = [activation_layer(step, self.dtype_policy) for step in activations]
        self.supports_masking = True

    def build(self, inputs_shape):
        for step in self.steps:
            step.build(inputs_shape)

    def call(self, inputs, mask=None, training=False):
        x = inputs
        for step in self.steps:
            x = activate(step, x, mask, training)
        return x
