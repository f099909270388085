"""Evaluation on a dataset: `predict`, `evaluate`, `feature_importance`, and `Evaluation`."""

from keras_din.evaluation.callback import Evaluation
from keras_din.evaluation.feature_importance import feature_importance
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
    "feature_importance",
    "number",
    "predict",
]
