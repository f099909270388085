"""Whole tables in a graph in place of the shards that a model is trained with."""

import contextlib
import functools
import pathlib

import keras
import tensorflow as tf

from keras_din.layers import Embedding
from keras_din.trace_context import trace_context, tracing


@contextlib.contextmanager
def joined_tables(model: keras.Model):
    """A context in which the calling thread traces the model with each table as one variable.

    A version is then that of a model without shards, with the same names: servers and deltas need
    not know them. The variables are copies of the current tables in the memory of this machine, not
    of an accelerator. Tables of one shard, and those with another lookup already, do not change.

    Args:
        model: A functional model.

    Raises:
        ValueError: If the joined tables do not fit into the free memory of this machine.
    """
    lookups = dict(trace_context().lookups)
    layers = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, Embedding) and layer.shards > 1 and layer not in lookups
    ]
    if not layers:
        yield
        return
    _check_memory(layers)
    for layer in layers:
        lookups[layer] = functools.partial(_gather, _joined(layer))
    with tracing(lookups=lookups):
        yield


def _gather(table, rows):
    if trace_context().form == "portable":
        return tf.gather(tf.convert_to_tensor(table), rows)
    return tf.gather(table, rows)


def _joined(layer: Embedding) -> tf.Variable:
    """Returns the table of a layer as one variable. At most one shard is copied in between."""
    shape, dtype = (layer.vocabulary_size, layer.dim), layer.variable_dtype
    with tf.init_scope(), tf.device("CPU:0"):
        table = tf.Variable(
            tf.zeros(shape, dtype), trainable=False, name=f"{layer.name}/embeddings"
        )
        for shard, variable in enumerate(layer.embedding_shards):
            rows = tf.range(shard, layer.vocabulary_size, layer.shards)
            table.scatter_update(tf.IndexedSlices(tf.convert_to_tensor(variable), rows))
    return table


def _check_memory(layers: list[Embedding]) -> None:
    """Raises a `ValueError` if the joined tables do not fit into the free memory."""
    sizes = [
        layer.vocabulary_size * layer.dim * tf.as_dtype(layer.variable_dtype).size
        for layer in layers
    ]
    free = free_memory()
    if free is not None and sum(sizes) > free:
        largest = max(zip(sizes, layers, strict=True), key=lambda pair: pair[0])
        raise ValueError(
            "The tables of an exported version must fit into the free memory of the machine that "
            'writes it, each as one variable. Export with `tables="int8"`, which needs a quarter, '
            "on a machine with more memory, or train tables with a smaller `dim`. Received: "
            f"{sum(sizes) / 2**30:,.1f} GiB of tables with shards, the largest in the layer "
            f"{largest[1].name!r}, and {free / 2**30:,.1f} GiB of free memory."
        )


def free_memory() -> int | None:
    """Returns the bytes of memory that this machine can still give, or `None` if it is unknown."""
    file = pathlib.Path("/proc/meminfo")  # Linux.
    if not file.is_file():
        return None
    lines = (line.split() for line in file.read_text(encoding="ascii").splitlines())
    return next((int(words[1]) * 1024 for words in lines if words[0] == "MemAvailable:"), None)
