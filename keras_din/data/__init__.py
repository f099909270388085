"""From logs to batches: prepares data sets and creates input pipelines."""

from keras_din.data import spark
from keras_din.data.datasets.amazon import load_amazon
from keras_din.data.datasets.bayes_optimal import bayes_optimal_scores
from keras_din.data.datasets.din_pickle import load_din_pickle
from keras_din.data.datasets.kuairand import load_kuairand
from keras_din.data.datasets.mind import load_mind
from keras_din.data.datasets.movielens import load_movielens
from keras_din.data.datasets.synthetic import synthetic_log, write_synthetic_log
from keras_din.data.encoding.vectors import with_vectors
from keras_din.data.pipeline.batches import dataset
from keras_din.data.prepare.impressions import prepare_impressions
from keras_din.data.prepare.interactions import prepare_interactions
from keras_din.data.prepare.negatives import sample_negatives
from keras_din.data.prepare.prepared_data import PreparedData, append_to_folder
from keras_din.data.prepare.propose import propose_features
from keras_din.data.prepare.rows import prepare_rows
from keras_din.data.prepare.rows_dataset import rows_dataset, rows_to_samples
from keras_din.data.prepare.split import ByTime, ByUser, LastFraction, LeaveOneOut
from keras_din.data.prepare.tuples import prepare_tuples
from keras_din.data.sharded.finish_shards import finish_shards
from keras_din.data.sharded.fit_spec import fit_spec
from keras_din.data.sharded.load_shards import load_shards
from keras_din.data.sharded.prepare_shard import prepare_shard
from keras_din.data.sharded.prepare_shards import prepare_shards
from keras_din.data.store.behavior_log import BehaviorLog
from keras_din.data.store.samples import Samples

__all__ = [
    "BehaviorLog",
    "ByTime",
    "ByUser",
    "LastFraction",
    "LeaveOneOut",
    "PreparedData",
    "Samples",
    "append_to_folder",
    "bayes_optimal_scores",
    "dataset",
    "finish_shards",
    "fit_spec",
    "load_din_pickle",
    "load_kuairand",
    "load_mind",
    "load_movielens",
    "load_amazon",
    "load_shards",
    "prepare_interactions",
    "prepare_impressions",
    "prepare_rows",
    "prepare_shard",
    "prepare_shards",
    "prepare_tuples",
    "propose_features",
    "rows_dataset",
    "rows_to_samples",
    "sample_negatives",
    "spark",
    "synthetic_log",
    "with_vectors",
    "write_synthetic_log",
]
