"""Evaluation on a dataset: `predict`, `evaluate` and the callback `Evaluation`."""

from keras_din.evaluation.callback import Evaluation
from keras_din.evaluation.metrics_of_dataset import evaluate, evaluate_at
from keras_din.evaluation.predictions import Predictions, predict
from keras_din.evaluation.weight_averages import averaged_weights, averages_weights, number

__all__ = [
    "Evaluation",
    "Predictions",
    "averaged_weights",
    "averages_weights",
    "evaluate",
    "evaluate_at",
    "number",
    "predict",
]
