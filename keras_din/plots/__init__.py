"""Plots of attention, learning curves, calibration, and metrics by part of the rows or by feature.

They require matplotlib: `python -m pip install 'keras_din[plots]'`. Each function draws into `ax`
or into a new figure, and returns the Axes.
"""

from keras_din.plots.bars_of_row import attention
from keras_din.plots.calibration_bins import calibration
from keras_din.plots.feature_bars import feature_importance
from keras_din.plots.heat_map import attention_map
from keras_din.plots.learning import learning_curve
from keras_din.plots.metrics_by_day import days
from keras_din.plots.parts_of_rows import (
    gauc_by,
    gauc_by_day,
    gauc_by_history_length,
    gauc_by_item_age,
)
from keras_din.plots.weights_of_model import attention_weights

__all__ = [
    "attention",
    "attention_map",
    "attention_weights",
    "calibration",
    "days",
    "feature_importance",
    "gauc_by",
    "gauc_by_day",
    "gauc_by_history_length",
    "gauc_by_item_age",
    "learning_curve",
]
