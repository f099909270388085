"""From logs to batches."""

from keras_din.data.amazon import load_amazon
from keras_din.data.behaviours import prepare_behaviours
from keras_din.data.din_pickle import load_din_pickle
from keras_din.data.globo import load_globo
from keras_din.data.impressions import prepare_impressions
from keras_din.data.kuairand import load_kuairand
from keras_din.data.log import BehaviourLog
from keras_din.data.movielens import load_movielens
from keras_din.data.negatives import sample_negatives
from keras_din.data.pipeline import dataset
from keras_din.data.prepare_rows import prepare_rows
from keras_din.data.prepared import PreparedData
from keras_din.data.raw_amazon import load_raw_amazon
from keras_din.data.reachable import best_scores
from keras_din.data.rows import rows_dataset, rows_to_samples
from keras_din.data.samples import Samples
from keras_din.data.split import ByTime, ByUser, LastFraction, LeaveOneOut
from keras_din.data.synthetic import synthetic_log, write_synthetic_log
from keras_din.data.tuples import prepare_tuples

__all__ = [
    "BehaviourLog",
    "ByTime",
    "ByUser",
    "LastFraction",
    "LeaveOneOut",
    "PreparedData",
    "Samples",
    "best_scores",
    "dataset",
    "load_amazon",
    "load_din_pickle",
    "load_globo",
    "load_kuairand",
    "load_movielens",
    "load_raw_amazon",
    "prepare_behaviours",
    "prepare_impressions",
    "prepare_rows",
    "prepare_tuples",
    "rows_dataset",
    "rows_to_samples",
    "sample_negatives",
    "synthetic_log",
    "write_synthetic_log",
]
