"""A model as a function that is traced once for all batches and calls."""

import operator
from typing import NamedTuple

import keras
import numpy as np

from keras_din.ctr_model import check_batches
from keras_din.dataset_facts import specs_of
from keras_din.spec_fingerprint import check_fingerprint

# Traces are stored in this attribute of a model, which Keras does not track or save.
TRACES, _MAX_TRACES = "_keras_din_traces", 8


def trace_model(model, dataset):
    """Returns a function from `x` to predictions, with one trace for all batches and calls."""
    if not isinstance(model, keras.Model):
        raise ValueError(
            "`model` must be a Keras model, followed by the dataset. "
            f"Received: a {type(model).__name__}."
        )
    check_dataset(dataset)
    for spec in specs_of(dataset):
        check_fingerprint(model, spec, "`dataset`")
    spec = dataset.element_spec
    if keras.backend.backend() != "tensorflow":
        return lambda x: model.predict_on_batch(keras.tree.map_structure(np.asarray, x))
    # Traces are stored in the model. A global registry would keep the model alive.
    traces, objects = vars(model).setdefault(TRACES, []), _traced_objects(model)
    traces[:] = [trace for trace in traces if trace.is_valid(objects)]
    for trace in traces:
        if trace.spec == spec[0]:
            return trace.function
    import tensorflow as tf

    function = tf.function(lambda x: model(x, training=False), input_signature=[spec[0]])
    traces[:] = [*traces[1 - _MAX_TRACES :], _Trace(spec[0], objects, function)]
    return function


def check_dataset(dataset) -> None:
    """Raises a `ValueError` unless `dataset` is a finite `tf.data.Dataset` with labels."""
    check_batches("dataset", dataset)
    required = "`dataset` must be a tf.data.Dataset of (x, y) or (x, y, sample_weight)"
    if not hasattr(dataset, "element_spec") or not hasattr(dataset, "cardinality"):
        raise ValueError(
            f'{required}, such as `data.dataset("valid")`, not an iterator of it. For other '
            "batches, pass `tf.data.Dataset.from_generator(lambda: batches, "
            f"output_signature=...)`. Received: a {type(dataset).__name__}."
        )
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) not in (2, 3):
        raise ValueError(f"{required}. Received: a dataset of {spec}.")
    if dataset.cardinality() == -1:
        raise ValueError("`dataset` must be finite. Received: a dataset that repeats forever.")


class _Trace(NamedTuple):
    """A traced model.

    Attributes:
        spec: The spec of its inputs.
        objects: The objects that the trace depends on.
        function: The traced function.
    """

    spec: object
    objects: list
    function: object

    def is_valid(self, objects) -> bool:
        """Returns whether the model still has the same objects."""
        return len(objects) == len(self.objects) and all(map(operator.is_, objects, self.objects))


def _traced_objects(model) -> list:
    """Returns the weights of a model and its mean loss, which `compile` replaces."""
    return [*model.weights, *(metric for metric in model.metrics if metric.name == "loss")]
