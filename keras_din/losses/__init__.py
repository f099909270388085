"""Losses of models: a mean over the real candidates of a batch, or over their groups."""

from keras_din.losses.binary_crossentropy import BinaryCrossentropy
from keras_din.losses.huber import Huber
from keras_din.losses.jrc import JRC
from keras_din.losses.listwise_softmax import ListwiseSoftmax
from keras_din.losses.mean_squared_error import MeanSquaredError
from keras_din.losses.of_labels import losses_of_labels
from keras_din.losses.pairwise_logistic import PairwiseLogistic
from keras_din.losses.poisson import Poisson
from keras_din.losses.weighted_logistic import WeightedLogistic

__all__ = [
    "JRC",
    "BinaryCrossentropy",
    "Huber",
    "ListwiseSoftmax",
    "MeanSquaredError",
    "PairwiseLogistic",
    "Poisson",
    "WeightedLogistic",
    "losses_of_labels",
]
