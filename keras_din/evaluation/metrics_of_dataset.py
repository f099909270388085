"""`evaluate`: the metrics of a model on a dataset."""

from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from keras_din.click_rates import ClickRates, click_rates
from keras_din.count_text import count_text
from keras_din.dataset_facts import groups_of, negative_rate_of, spec_of, worker_of_rows
from keras_din.evaluation.metrics_of_workers import (
    each_has_its_own,
    metrics_of_workers,
    number_metrics_of_workers,
)
from keras_din.evaluation.predictions import collect
from keras_din.evaluation.traces import trace_model
from keras_din.features import DEFAULT_OUTPUT
from keras_din.metrics import Metrics, metrics_and_groups, number_metrics, recalibrate
from keras_din.metrics.arguments import check_groups
from keras_din.outputs import by_output, prefixed_metrics
from keras_din.workers import worker_of

# Metrics of the order of the outputs. They are the only ones that are better if higher.
RANKING = ("gauc", "auc")


def evaluate(
    model: keras.Model, dataset: Any, groups: ArrayLike | bool | None = None, *, raw: bool = False
) -> dict:
    """Computes the metrics of a model on a dataset.

    The metrics are computed from click rates of the log, same as in `keras_din.export`: the
    positive weight and the negative rate of the compiled `BinaryCrossentropy` are undone. For
    training data with downsampled negatives, predictions are converted to the click rate of this
    data, with `dataset.negative_rate`.

    If the spec of the dataset has a `Position`, `gauc` and `auc` are those of the outputs without
    the position, by which an exported version ranks. All other metrics are those of the outputs
    with the position, which the clicks of the log follow. Such a GAUC is too low for a model that
    ranks by `p_click` alone, and higher for one that repeats the order of the log. Compare models
    by their logloss.

    In the scope of a strategy of several workers, all of them call it and get the same metrics: of
    a dataset that is the same on all of them, whose batches they share, or of the rows of all
    workers, if each has data of `load_shards(folder, index, count)`.

    Args:
        model: A model whose outputs are probabilities or numbers, see `predict`.
        dataset: A dataset, see `predict`.
        groups: Integers or strings `(rows,)`, the group of each row, usually the user. Each
            candidate of a row is a sample of the row's group. Defaults to `dataset.groups`.
            Datasets of this library have this attribute, but shuffling and transformations such
            as `take` or `prefetch` lose it. Then `groups` must be given, or `False` to compute
            no GAUC.
        raw: Whether to evaluate the outputs of the model without a conversion.

    Returns:
        The dict of `keras_din.metrics.all_metrics`, as `keras_din.metrics.Metrics`. Without groups
        it has no `gauc`. For a model with several outputs the names have the name of the output as
        prefix: `ctr_gauc`, `cvr_gauc`. For an output that is a number it is the dict of
        `keras_din.metrics.number_metrics`. Rows without the label of an output are left out of its
        metrics.

    Raises:
        ValueError: If the number of groups is not the number of rows, if the dataset has lost its
            groups, or in the cases of `predict`.

    Example:

    ```python
    data = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
    model = kd.build_lr(data.spec)
    model.compile("sgd", kd.losses.BinaryCrossentropy())
    results = kd.evaluate(model, data.dataset("test", 64))
    results["gauc"], results["logloss"]
    ```
    """
    rates = click_rates(model, raw=raw, outputs=outputs_of(dataset))
    return evaluate_at(rates, model, dataset, groups)


def evaluate_at(
    rates: ClickRates, model: keras.Model, dataset: Any, groups: ArrayLike | bool | None = None
) -> dict:
    """Same as `evaluate`, but with given `ClickRates`, for example those of a run."""
    alone = worker_of()[1] == 1 and worker_of_rows(dataset)[1] > 1
    if alone and worker_of(getattr(model, "distribute_strategy", None))[1] > 1:
        raise ValueError(
            "The rows of `dataset` are those of one of several workers: call `evaluate` on each of "
            "them, in the scope of the strategy. Received: a call outside of the scope."
        )
    results = evaluate_outputs(
        trace_model(model, dataset), dataset, groups_or_own(dataset, groups), rates
    )
    metrics = {output: metrics for output, (metrics, _) in results.items()}
    return Metrics(prefixed_metrics(metrics))


def evaluate_outputs(forward, dataset, groups, rates: ClickRates) -> dict:
    """Returns a dict, name of the output -> `(metrics, GroupAUC)`.

    `GroupAUC` is `None` without groups, and for an output that is a number.
    """
    # Data with downsampled negatives has a higher click rate than the log.
    negative_rate = 1.0 if rates.raw else negative_rate_of(dataset)
    predictions, labels, sizes = collect(forward, dataset)
    ranked = _without_position(forward, dataset)
    if groups is not None and groups.shape != sizes.shape:
        raise ValueError(
            "`groups` must have one entry for each row of the dataset. "
            f"Received: groups of shape {groups.shape} and {count_text(len(sizes), 'row')}."
        )
    candidate_groups = None if groups is None else np.repeat(groups, sizes)
    owns = each_has_its_own(dataset)
    of_clicks = metrics_of_workers if owns else metrics_and_groups
    of_numbers = number_metrics_of_workers if owns else number_metrics
    results = {}
    labels = by_output(labels, rates.of_outputs)
    ranked = None if ranked is None else by_output(ranked, rates.of_outputs)
    for output, values in by_output(predictions, rates.of_outputs).items():
        known = ~np.isnan(labels[output])
        y_true, values = labels[output][known], values[known]
        if rates.of_outputs[output].is_number:
            results[output] = of_numbers(y_true, values), None
            continue
        factor = rates.of_outputs[output].factor * negative_rate
        if not rates.raw and factor != 1:
            values = recalibrate(values.astype("float64"), factor)
        of_rows = None if candidate_groups is None else candidate_groups[known]
        results[output] = of_clicks(y_true, values, of_rows)
        if ranked is not None:
            of_ranks, by_group = of_clicks(y_true, ranked[output][known], of_rows)
            of_ranks = {name: of_ranks[name] for name in RANKING if name in of_ranks}
            results[output] = {**results[output][0], **of_ranks}, by_group
    return results


def _without_position(forward, dataset):
    """Returns the predictions without positions, or `None` if the dataset has none."""
    spec = spec_of(dataset)
    if spec is None or spec.position is None:
        return None
    name = spec.position.name
    return collect(lambda x: forward({**x, name: x[name] * 0}), dataset).predictions


def groups_or_own(dataset, groups):
    """Returns the given groups, or those of the dataset; `None` if there are none, or `False`."""
    if groups is False:
        return None
    groups = groups_of(dataset) if groups is None else groups
    if groups is None:
        return None
    groups = np.asarray(groups)
    check_groups(groups)
    return groups


def outputs_of(dataset) -> list:
    """Returns the names of the outputs that a dataset has labels for, in the order of its spec."""
    element, spec = getattr(dataset, "element_spec", None), spec_of(dataset)
    if not isinstance(element, tuple) or len(element) < 2 or not isinstance(element[1], dict):
        if spec is not None and len(spec.outputs) == 1:
            return list(spec.outputs)
        return [DEFAULT_OUTPUT]  # The name of a single output has no effect on the results.
    names = list(element[1])
    return list(spec.outputs) if spec is not None and set(spec.outputs) == set(names) else names
