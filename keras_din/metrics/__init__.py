"""Metrics of click-through-rate models, as pure functions of NumPy arrays."""

from keras_din.metrics.calibration_bins import CalibrationBins, calibration_bins
from keras_din.metrics.calibration_by import (
    CalibrationTable,
    calibration_by_decile,
    calibration_by_value,
    wilson_interval,
)
from keras_din.metrics.click_rate import calibration, expected_calibration_error, recalibrate
from keras_din.metrics.cross_entropy import logloss, normalized_entropy
from keras_din.metrics.errors_over_groups import auc_and_error, logloss_and_error
from keras_din.metrics.grouped_ranking import (
    GroupAUC,
    gauc,
    gauc_difference,
    group_auc,
    mean_and_error,
)
from keras_din.metrics.metrics_dict import Metrics
from keras_din.metrics.numbers import (
    mean_absolute_error,
    number_calibration,
    number_metrics,
    root_mean_squared_error,
)
from keras_din.metrics.ranking import auc, rela_impr
from keras_din.metrics.summary import all_metrics, metrics_and_groups

__all__ = [
    "CalibrationBins",
    "CalibrationTable",
    "GroupAUC",
    "Metrics",
    "all_metrics",
    "auc",
    "auc_and_error",
    "calibration",
    "calibration_bins",
    "calibration_by_decile",
    "calibration_by_value",
    "expected_calibration_error",
    "gauc",
    "gauc_difference",
    "group_auc",
    "logloss",
    "logloss_and_error",
    "mean_absolute_error",
    "mean_and_error",
    "metrics_and_groups",
    "normalized_entropy",
    "number_calibration",
    "number_metrics",
    "recalibrate",
    "rela_impr",
    "root_mean_squared_error",
    "wilson_interval",
]
