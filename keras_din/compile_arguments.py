"""The losses, weights and metrics of `compile` by the names of a model's outputs."""

import keras

__all__ = ["compile_arguments"]


def compile_arguments(outputs, loss, loss_weights, metrics, weighted_metrics) -> dict:
    """Returns the four arguments of `compile` in a form that Keras reads without an order.

    Keras assigns a list to the outputs of a dict in alphabetical order. So with several outputs a
    list of losses or weights is an error. A list of metrics belongs to each output.

    Args:
        outputs: Names of the outputs. With a single output nothing changes.
        loss: One loss for all outputs, or a dict by their names.
        loss_weights: A dict by the names of the outputs. Outputs that it lacks have weight 1.
        metrics: A list of metrics for all outputs, or a dict by their names. A metric object that
            belongs to several outputs is copied, because a metric has one state.
        weighted_metrics: Same as `metrics`.

    Raises:
        ValueError: If an argument is a list per output, or has the name of another output.
    """
    arguments = {
        "loss": loss,
        "loss_weights": loss_weights,
        "metrics": metrics,
        "weighted_metrics": weighted_metrics,
    }
    outputs = list(outputs)
    if len(outputs) < 2:
        return arguments
    for name, value in arguments.items():
        _check_names(name, value, outputs, "the model's outputs")
    if isinstance(loss, (list, tuple)):
        raise _must_be_a_dict("loss", "one loss for all outputs, or ", loss, outputs)
    if loss_weights is not None:
        if not isinstance(loss_weights, dict):
            raise _must_be_a_dict("loss_weights", "", loss_weights, outputs)
        losses = loss if isinstance(loss, dict) else dict.fromkeys(outputs, loss)
        _check_names("loss_weights", loss_weights, list(losses), "outputs with a loss")
        arguments["loss"] = losses
        arguments["loss_weights"] = {name: loss_weights.get(name, 1.0) for name in losses}
    seen: set[int] = set()
    for name in ("metrics", "weighted_metrics"):
        arguments[name] = _metrics(name, arguments[name], outputs, seen)
    return arguments


def _check_names(name, value, allowed, what) -> None:
    if isinstance(value, dict) and not set(value) <= set(allowed):
        raise ValueError(
            f"`{name}` must have names of {what}, {allowed}. Received: {name} of {list(value)}."
        )


def _metrics(name, metrics, outputs, seen):
    """Returns the metrics of each output, without a metric object that two outputs share."""
    if isinstance(metrics, (list, tuple)) and metrics:
        if any(metric is None or isinstance(metric, (list, tuple, dict)) for metric in metrics):
            raise _must_be_a_dict(
                name, "one list of metrics for all outputs, or ", metrics, outputs
            )
        metrics = dict.fromkeys(outputs, metrics)
    if not isinstance(metrics, dict):
        return metrics
    return {
        output: [_unshared(metric, seen) for metric in each]
        if isinstance(each, (list, tuple))
        else _unshared(each, seen)
        for output, each in metrics.items()
    }


def _unshared(metric, seen):
    """Returns a metric object, or a copy if another output has it already."""
    if not isinstance(metric, keras.metrics.Metric):
        return metric
    if id(metric) in seen:
        return metric.from_config(metric.get_config())
    seen.add(id(metric))
    return metric


def _must_be_a_dict(name, otherwise, value, outputs) -> ValueError:
    entries = ", ".join(f"{output!r}: ..." for output in outputs)
    return ValueError(
        f"`{name}` of a model with several outputs must be {otherwise}a dict by the names of the "
        f"outputs: Keras assigns a list to them in alphabetical order. Write "
        f"`{name}={{{entries}}}`. Received: {name}={value!r}."
    )
