"""What a delta changes: rows of tables, and values of vocabularies."""

import json
import pathlib

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

from keras_din.features import FeatureSpec, Vocabulary
from keras_din.serving.version.description import read_description
from keras_din.spec_growth import spec_growth


def count_changes(base: pathlib.Path, new: pathlib.Path) -> dict:
    """Returns the counts of what differs between two versions.

    Returns:
        A dict with these entries:

        - `tables`: name of a layer -> `rows` of the new version, `changed` rows of those in both
          versions, and `added` rows. Tables that only one version has are left out.
        - `values`: name of a table with a vocabulary -> `new` and `removed` values. It is empty
          if the specs differ in more than the values.
    """
    return {"tables": _count_rows(base, new), "values": _count_values(base, new)}


def _count_rows(base: pathlib.Path, new: pathlib.Path) -> dict:
    before, after = (_tables(version) for version in (base, new))
    found = {}
    for name in before.keys() & after.keys():
        old, table = (each[name]() for each in (before, after))
        if old.shape[1:] != table.shape[1:] or old.dtype != table.dtype:
            continue
        both = min(len(old), len(table))
        # Bytes are compared, so that NaN equals itself and 0 differs from -0.
        changed = old[:both].view(np.uint8) != table[:both].view(np.uint8)
        found[name.partition("/")[0]] = {
            "rows": len(table),
            "changed": int(changed.any(axis=1).sum()),
            "added": len(table) - both,
        }
    return dict(sorted(found.items()))


def _tables(version: pathlib.Path) -> dict:
    """Returns the name of each matrix in the variables -> a function that reads it."""
    reader = tf.train.load_checkpoint(str(version / "variables" / "variables"))
    graph = trackable_object_graph_pb2.TrackableObjectGraph()
    graph.ParseFromString(reader.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH"))
    shapes = reader.get_variable_to_shape_map()
    return {
        attribute.full_name: lambda key=attribute.checkpoint_key: reader.get_tensor(key)
        for node in graph.nodes
        for attribute in node.attributes
        if len(shapes.get(attribute.checkpoint_key, ())) == 2
    }


def _count_values(base: pathlib.Path, new: pathlib.Path) -> dict:
    before, after = (
        FeatureSpec.from_json(json.dumps(read_description(version)["spec"]))
        for version in (base, new)
    )
    try:
        growth = spec_growth(before, after)
    except ValueError:  # Another model: its values have no counterpart.
        return {}
    found = {}
    for name, table in before.tables.items():
        if isinstance(table.values, Vocabulary):
            known = sum(entry is not None for entry in table.values.entries)
            rows = growth[name]
            removed = known - int(rows.kept.sum())
            found[name] = {"new": int(rows.new.sum()), "removed": removed}
    return found
