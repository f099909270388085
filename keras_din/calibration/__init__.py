"""Calibration of the probabilities of a model, fitted to rows that it has not learned from."""

from keras_din.calibration.calibrated_model import calibrate
from keras_din.calibration.curves import METHODS

__all__ = ["METHODS", "calibrate"]
