"""What stands between two dense layers: an activation by its name, or a list of steps."""

import keras

from keras_din.layers.batch_normalization import BatchNormalization
from keras_din.layers.dice import Dice

# Names that are layers; all others are functions of Keras.
_LAYERS = {
    "dice": Dice,
    "prelu": keras.layers.PReLU,
    "batch_normalization": BatchNormalization,
}


def checked_activation(activation):
    """`activation`, a name, a function or a tuple of them, or a `ValueError`."""
    several = isinstance(activation, (list, tuple))
    steps = tuple(map(_known, activation if several else [activation]))
    if not steps or None in steps:
        raise ValueError(
            "`activation` must be 'dice', 'prelu', 'batch_normalization', an activation of Keras, "
            f"or a list of these. Received: activation={activation!r}."
        )
    return steps if several else steps[0]


def _known(step):
    """A name as it is, what else Keras knows as a function, and `None` for all other things."""
    if step is None or (isinstance(step, str) and step in _LAYERS):
        return step
    try:
        function = keras.activations.get(step)
    except (TypeError, ValueError):
        return None
    return step if isinstance(step, str) else function


def activation_config(activation):
    """What `checked_activation` gave, as a layer's config holds it."""
    if isinstance(activation, tuple):
        return [activation_config(step) for step in activation]
    return activation if isinstance(activation, str) else keras.activations.serialize(activation)


def activation_layer(activation, dtype):
    """The layer of what `checked_activation` gave. Its input is `(rows, units)`."""
    if isinstance(activation, tuple):
        return Steps(activation, dtype=dtype)
    if isinstance(activation, str) and activation in _LAYERS:
        return _LAYERS[activation](dtype=dtype)
    return keras.layers.Activation(activation, dtype=dtype)


def activate(layer, x, mask, training):
    """Calls the layer of an activation, which where it has statistics must know what is real."""
    if isinstance(layer, (Dice, BatchNormalization, Steps)):
        return layer(x, mask=mask, training=training)
    return layer(x)


class Steps(keras.layers.Layer):
    """The layers of several activations, one after the other."""

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
