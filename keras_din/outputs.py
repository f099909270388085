"""Tensors, losses and metrics by the names of a model's outputs."""

import keras
import numpy as np

__all__ = [
    "by_output",
    "like_outputs",
    "loss_of",
    "metrics_by_output",
    "name_of",
    "output_differences",
    "prefixed_metrics",
]


def by_output(values, names) -> dict:
    """Returns a dict, name of the output -> its value, in the order of `names`.

    Args:
        values: A dict by the names of the outputs, or the value of the single output.
        names: Names of the outputs.
    """
    if isinstance(values, dict):
        return {name: values[name] for name in names}
    (name,) = names
    return {name: values}


def like_outputs(by_name: dict, example):
    """The inverse of `by_output`: returns a dict if `example` is a dict, else the single value."""
    if isinstance(example, dict):
        return by_name
    (value,) = by_name.values()
    return value


def loss_of(model: keras.Model, name: str):
    """Returns the compiled loss of an output, or `None`.

    Args:
        model: A Keras model. Its loss is one loss for all outputs, a dict by their names, or a list
            in the order of the sorted names, as Keras flattens a dict of outputs.
        name: Name of the output. It is ignored if the model has a single output.
    """
    loss = getattr(model, "loss", None)
    losses = keras.tree.flatten(loss)
    if not losses:
        return None
    outputs = getattr(model, "output", None)
    names = sorted(outputs) if isinstance(outputs, dict) else []
    if len(names) < 2:
        return losses[0]
    if isinstance(loss, dict):
        return loss.get(name)
    return losses[names.index(name)] if len(losses) == len(names) else losses[0]


def prefixed_metrics(of_outputs: dict) -> dict:
    """Flattens the metrics of several outputs, `{"ctr_auc": ..., "cvr_auc": ...}`.

    Args:
        of_outputs: Name of the output -> dict of metrics. The metrics of a single output get no
            prefix.
    """
    if len(of_outputs) == 1:
        (metrics,) = of_outputs.values()
        return metrics
    return {
        f"{output}_{name}": value
        for output, metrics in of_outputs.items()
        for name, value in metrics.items()
    }


def output_differences(values, expected) -> np.ndarray:
    """Returns the differences between two arrays of outputs, divided by the output where it is > 1.

    An expected number can be large, and float32 has seven digits. Probabilities are at most 1.
    """
    return np.abs(values - expected) / np.maximum(np.abs(expected), 1)


def name_of(what: str, output: str, outputs) -> str:
    """`what` where a model has one output, else `"{what}/{output}"`: a key of a report."""
    return what if len(list(outputs)) == 1 else f"{what}/{output}"


def metrics_by_output(metrics: dict, names) -> dict:
    """The inverse of `prefixed_metrics`: name of the output -> dict of metrics.

    With several outputs, entries that belong to no output are left out, such as `seconds`.
    """
    names = list(names)
    if len(names) == 1:
        return {names[0]: metrics}
    found: dict[str, dict] = {output: {} for output in names}
    for name, value in metrics.items():
        outputs = [output for output in names if name.startswith(f"{output}_")]
        if outputs:  # `buy_now_auc` starts with `buy_` too.
            output = max(outputs, key=len)
            found[output][name.removeprefix(f"{output}_")] = value
    return found
