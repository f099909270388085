"""Optimizers for embedding tables: a step updates only the rows of its batch."""

from keras_din.optimizers.lazy_adam import LazyAdam, LazyAdamW
from keras_din.optimizers.rowwise_adagrad import RowwiseAdagrad

__all__ = ["LazyAdam", "LazyAdamW", "RowwiseAdagrad"]
