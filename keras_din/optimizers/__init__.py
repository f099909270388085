"""Optimizers for tables of embeddings: a step's cost is that of the rows of its batch."""

from keras_din.optimizers.lazy_adam import LazyAdam, LazyAdamW
from keras_din.optimizers.rowwise_adagrad import RowwiseAdagrad

__all__ = ["LazyAdam", "LazyAdamW", "RowwiseAdagrad"]
