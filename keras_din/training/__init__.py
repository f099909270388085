"""Training runs in a folder, from which training can resume with the same result."""

from keras_din.training.data_fingerprint import fingerprint
from keras_din.training.resume import check_resumed
from keras_din.training.run import Run, load_run, read_arguments, read_days, run_click_rates
from keras_din.training.run_calibration import calibrate_run, remove_calibration
from keras_din.training.train import train
from keras_din.training.update import update

__all__ = [
    "Run",
    "calibrate_run",
    "check_resumed",
    "fingerprint",
    "load_run",
    "read_arguments",
    "read_days",
    "remove_calibration",
    "run_click_rates",
    "train",
    "update",
]
