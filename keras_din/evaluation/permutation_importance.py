"""`feature_importance`: how much a metric gets worse when a feature is permuted."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from keras_din.checks import one_of, positive_integer
from keras_din.click_rates import click_rates
from keras_din.dataset_facts import spec_of
from keras_din.evaluation.metrics_of_dataset import (
    RANKING,
    evaluate_outputs,
    groups_or_own,
    outputs_of,
)
from keras_din.evaluation.stored_batches import StoredBatches
from keras_din.evaluation.traces import trace_model
from keras_din.metrics import mean_and_error
from keras_din.monitor import GAUC_THEN_LOGLOSS, MONITORS, NUMBER_MONITORS

__all__ = ["feature_importance"]

_METRICS = tuple(name for name in MONITORS if name != GAUC_THEN_LOGLOSS)


def feature_importance(
    model: keras.Model,
    dataset: Any,
    metric: str | None = None,
    *,
    features: Sequence[str | tuple[str, ...]] | None = None,
    output: str | None = None,
    repeats: int = 5,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> pd.DataFrame:
    """Computes the permutation importance of each feature: how much a metric depends on it.

    The values of a feature are permuted between all rows of the dataset, and the model is
    evaluated again. The importance is the metric before minus the metric after, or, for a metric
    that is better if it is lower, after minus before. A model that ignores a feature has the same
    outputs, so its importance is exactly 0.

    - A feature of the context is permuted between rows, one of the target between the candidates
      of all rows.
    - A sequence is one feature: each row gets the whole history of another row, with all of its
      columns and the times elapsed. The same item in the target is permuted separately.
    - The weights of a `Bag` move with their values.
    - Features without an input (`Match`, `LastMatch`, `HistorySize`, and a `Vector` with `of`) are
      computed by the model, so they follow the features that they are computed from. They have no
      importance of their own.
    - A `Position` has importance 0 for `"gauc"` and `"auc"`, see `keras_din.evaluate`.

    If two features have the same information, such as the item and its category, the model can use
    the other one, and each may seem unimportant. Permute them together: `features=["user",
    ("item_id", "cate_id")]`. Permuted rows may be combinations that no log has, for which a model
    was not trained. The importance describes the model, and not the effect of training without the
    feature.

    The model predicts the dataset `1 + features * repeats` times. All inputs of the dataset are
    kept in memory, histories with the width of the longest one. The dataset does not change.

    Args:
        model: A model, see `keras_din.evaluate`.
        dataset: A dataset that is not shuffled, such as `data.dataset("valid")`. It must have its
            `FeatureSpec`: for a dataset of other origin, set `dataset.spec`.
        metric: `"gauc"`, `"auc"`, `"logloss"`, `"ne"` or `"ece"`. For an output that is a number
            `"rmse"` or `"mae"`. Defaults to the first of these.
        features: The names of features and sequences, in any order. A tuple of names is permuted
            as one feature. Defaults to all of the spec with inputs.
        output: The name of an output, for a model with several. Defaults to the first.
        repeats: Number of permutations of each feature.
        seed: Seed of the permutations. All features have the same ones, so a result does not
            depend on the other `features`.
        groups: See `keras_din.evaluate`. They are read for `"gauc"` only.

    Returns:
        A `DataFrame` with one row per feature, the most important first, and the columns

        - `feature`: The name. Names that are permuted together are joined with `" + "`.
        - `importance`: The mean over the repeats.
        - `standard_error`: The standard error of this mean, `s / sqrt(repeats)`, where `s` is the
          standard deviation of the repeats with `repeats - 1` as divisor. NaN for one repeat.
        - `standard_error_of_users`: For `"gauc"`, the standard error over the groups, see
          `keras_din.metrics.gauc_difference`, of each group's mean over the repeats. Otherwise NaN.

        Its `attrs` have the `metric`, the `output`, and the `baseline`, which is the metric before.

    Raises:
        ValueError: If there is no such metric, output or feature, the dataset has fewer than two
            rows, no spec or no groups, if the metric is undefined, for example because all labels
            are equal, or in the cases of `keras_din.evaluate`.

    Example:

    ```python
    data = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
    model = kd.build_lr(data.spec)
    model.compile("sgd", kd.losses.BinaryCrossentropy())
    table = kd.feature_importance(model, data.dataset("test", 64), "logloss", repeats=2)
    table.attrs["baseline"]  # The logloss of the model.
    kd.plots.feature_importance(table)
    ```

    Reference:
        [Breiman, 2001](https://doi.org/10.1023/A:1010933404324), Section 10; as in
        `sklearn.inspection.permutation_importance`.
    """
    repeats, seed = positive_integer("repeats", repeats), positive_integer("seed", seed, minimum=0)
    forward = trace_model(model, dataset)
    spec = spec_of(dataset)
    if spec is None:
        raise ValueError(
            "`dataset` must have the attribute `spec`, which names its features. Pass "
            '`data.dataset("valid")`, or set `dataset.spec`. '
            f"Received: a {type(dataset).__name__} without it."
        )
    outputs = outputs_of(dataset)
    output = outputs[0] if output is None else one_of("output", output, tuple(outputs))
    rates = click_rates(model, outputs=outputs)
    allowed = NUMBER_MONITORS if rates.of_outputs[output].is_number else _METRICS
    metric = allowed[0] if metric is None else one_of("metric", metric, allowed)
    inputs = _inputs_by_feature(spec, features)
    used = groups_or_own(dataset, groups) if metric == "gauc" else None
    if metric == "gauc" and used is None:
        raise ValueError(
            "`groups` must be given for the metric 'gauc': the group of each row, usually the "
            f"user. Or choose one of {', '.join(map(repr, allowed[1:]))}. Received: no groups."
        )
    batches = StoredBatches(dataset, spec)
    if len(batches) < 2:
        raise ValueError(
            "`dataset` must have at least 2 rows, between which values are permuted. "
            f"Received: {len(batches)}."
        )

    def evaluated(of_batches):
        metrics, by_group = evaluate_outputs(forward, of_batches, used, rates)[output]
        return metrics[metric], by_group

    baseline, base_groups = evaluated(batches)
    if np.isnan(baseline):
        raise ValueError(
            f"`metric={metric!r}` must be defined for the rows of `dataset`: it requires rows with "
            "the label and both of its values, for 'gauc' of one user. Received: NaN."
        )
    sign = 1 if metric in RANKING else -1
    rows = []
    for feature, names in inputs.items():
        drops: list[float] = []
        of_groups: list[np.ndarray] = []
        for repeat in range(repeats):
            value, by_group = evaluated(batches.permuted(names, [seed, repeat]))
            drops.append(sign * (baseline - value))
            if used is not None:
                of_groups.append(base_groups.auc - by_group.auc)
        error = np.std(drops, ddof=1) / np.sqrt(repeats) if repeats > 1 else np.nan
        of_users = np.nan
        if used is not None:
            of_users = mean_and_error(np.mean(of_groups, axis=0), base_groups.impressions)[1]
        rows.append((feature, np.mean(drops), error, of_users))
    columns = ["feature", "importance", "standard_error", "standard_error_of_users"]
    table = pd.DataFrame(rows, columns=columns)
    table = table.sort_values("importance", ascending=False, kind="stable", ignore_index=True)
    table.attrs = {"metric": metric, "output": output, "baseline": float(baseline)}
    return table


def _inputs_by_feature(spec, features) -> dict[str, list]:
    """Returns the name of each feature that is permuted -> the names of its inputs."""
    known = _inputs_of_spec(spec)
    if features is None:
        return known
    if not isinstance(features, (list, tuple)) or not features:
        raise ValueError(
            "`features` must be a list of names, or of tuples of names. "
            f"Received: features={features!r}."
        )
    found = {}
    for entry in features:
        names = tuple(entry) if isinstance(entry, (tuple, list)) else (entry,)
        unknown = [name for name in names if name not in known]
        if unknown or not names:
            computed = [n for n, info in spec.fields.items() if not info.feature.has_input]
            hint = ""
            if any(name in computed for name in unknown):
                hint = " A model computes others from its inputs: permute those instead."
            raise ValueError(
                "`features` must be names of features with inputs and of sequences: "
                f"{list(known)}.{hint} Received: {entry!r}."
            )
        found[" + ".join(names)] = [each for name in names for each in known[name]]
    return found


def _inputs_of_spec(spec) -> dict[str, list]:
    """Returns the name of each feature with inputs, and of each sequence -> its inputs' names."""
    inputs: dict[str, list] = {}
    for name, info in spec.fields.items():
        if info.sequence is None and info.feature.has_input:
            inputs[name] = [part.name for part in info.feature.parts]
    for sequence in spec.sequences:
        if sequence.name in inputs:
            raise ValueError(
                "A sequence must not have the name of a feature, so that each importance has a "
                f"name of its own. Rename one of them. Received: two with name {sequence.name!r}."
            )
        inputs[sequence.name] = [n for n, info in spec.inputs.items() if info.sequence is sequence]
    return inputs
