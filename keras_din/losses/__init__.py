"""Losses of models: a mean over the real candidates of a batch."""

from keras_din.losses.binary_crossentropy import BinaryCrossentropy
from keras_din.losses.huber import Huber
from keras_din.losses.mean_squared_error import MeanSquaredError
from keras_din.losses.of_labels import losses_of_labels
from keras_din.losses.poisson import Poisson
from keras_din.losses.weighted_logistic import WeightedLogistic

__all__ = [
    "BinaryCrossentropy",
    "Huber",
    "MeanSquaredError",
    "Poisson",
    "WeightedLogistic",
    "losses_of_labels",
]
