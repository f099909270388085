"""Evaluation on a dataset: `predict`, `evaluate`, `feature_importance`, and `Evaluation`."""

from keras_din.evaluation.callback import Evaluation
from keras_din.evaluation.metrics_of_dataset import evaluate
from keras_din.evaluation.permutation_importance import feature_importance
from keras_din.evaluation.predictions import Predictions, predict

__all__ = ["Evaluation", "Predictions", "evaluate", "feature_importance", "predict"]
