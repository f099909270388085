"""Looks up the indices of raw values in a graph, one function per kind of `Values`."""

import pathlib

import tensorflow as tf

from keras_din.features import (
    NUM_RESERVED,
    OOV_INDEX,
    HashBuckets,
    Indices,
    Table,
    Vocabulary,
    per_kind,
)


@per_kind
def lookup_in_graph(values, name: str, scratch: pathlib.Path) -> tf.Module:
    """Returns a module that maps raw values of any shape to int32 indices.

    Args:
        values: The `Values` of an embedding table.
        name: Name of the table.
        scratch: Folder for text files. It must exist until the SavedModel is written.
    """


@lookup_in_graph.register
def _(values: Vocabulary, name: str, scratch: pathlib.Path) -> tf.Module:
    return _Vocabulary(values, name, scratch)


@lookup_in_graph.register
def _(values: HashBuckets, name: str, scratch: pathlib.Path) -> tf.Module:
    return _HashBuckets(values)


@lookup_in_graph.register
def _(values: Indices, name: str, scratch: pathlib.Path) -> tf.Module:
    return _Indices(values)


def vocabulary_file(table: Table) -> str | None:
    """Returns the name of the text file of the known values, one per line, or `None`."""
    if not isinstance(table.values, Vocabulary):
        return None
    _, known = table.values.known
    if any(isinstance(v, str) and ("\n" in v or "\r" in v) for v in known):
        return None
    return f"{table.name}.txt"


class _Vocabulary(tf.Module):
    def __init__(self, values: Vocabulary, name: str, scratch: pathlib.Path):
        super().__init__()
        file = vocabulary_file(Table(name, values=values))
        indices, known = values.known
        self.index_of_line = None
        if file is None:
            initializer = tf.lookup.KeyValueTensorInitializer(
                tf.constant(known), tf.constant(list(indices), tf.int64)
            )
        else:
            if None in values.entries:  # The lines have no gaps, but the indices have.
                index_of_line = tf.constant([*range(NUM_RESERVED), *indices], tf.int32)
                self.index_of_line = tf.Variable(index_of_line, trainable=False)
            with open(scratch / file, "w", encoding="utf-8", newline="\n") as lines:
                lines.writelines(f"{value}\n" for value in known)
            initializer = tf.lookup.TextFileInitializer(
                str(scratch / file),
                tf.as_dtype(values.raw_dtype),
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
                vocab_size=len(known),
                value_index_offset=NUM_RESERVED,
            )
        self.table = tf.lookup.StaticHashTable(initializer, OOV_INDEX)

    def __call__(self, raw):
        index = tf.cast(self.table.lookup(raw), tf.int32)
        return index if self.index_of_line is None else tf.gather(self.index_of_line, index)


class _HashBuckets(tf.Module):
    def __init__(self, values: HashBuckets):
        super().__init__()
        self.values = values

    def __call__(self, raw):
        text = raw if raw.dtype == tf.string else tf.strings.as_string(raw)
        bucket = tf.strings.to_hash_bucket_fast(text, self.values.buckets)
        index = tf.cast(bucket, tf.int32) + NUM_RESERVED
        return tf.where(raw == self.values.missing_value, OOV_INDEX, index)


class _Indices(tf.Module):
    def __init__(self, values: Indices):
        super().__init__()
        self.values = values

    def __call__(self, raw):
        return tf.where((raw >= 0) & (raw < self.values.size), raw, OOV_INDEX)
