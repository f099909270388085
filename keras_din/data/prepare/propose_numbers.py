"""Proposes transforms of the numbers of a log that have a heavy tail."""

import numpy as np

from keras_din.features import Numeric

_HEAVY = 10  # Standard deviations between the mean and the most distant training value.


def propose_transforms(data) -> dict:
    """Returns `{name: (entry or None, reason)}` of the numeric columns of context and target.

    An entry has no place, since it replaces the column where it stands.
    """
    found: dict = {}
    columns = data.report.get("columns", {})
    for name, info in data.spec.inputs.items():
        feature = info.feature
        given = str(columns.get(name, {}).get("reason", "")).startswith("given as")
        if info.role == "behavior" or not isinstance(feature, Numeric) or given:
            continue
        values = np.asarray(data.parts["train"].columns[name], np.float64)
        values = values[np.isfinite(values)]
        plain, as_log = _distance(values), _distance(np.sign(values) * np.log1p(np.abs(values)))
        if plain <= _HEAVY:
            reason = f"the training values are within {plain:.1f} standard deviations of the mean"
            found[f"a transform of {name}"] = (None, reason)
            continue
        reason = f"a training value is {plain:.1f} standard deviations from the mean"
        if as_log <= _HEAVY:
            transform, why = "log1p", f"{reason}; with the transform log1p all are within"
        else:
            transform, why = "quantile", f"{reason}; with the transform log1p one still is"
        why += f" {as_log:.1f}"
        found[name] = ({"type": "Numeric", "transform": transform}, why)
    return found


def _distance(values: np.ndarray) -> float:
    """The distance of the most distant value from the mean, in standard deviations."""
    std = values.std() if len(values) else 0.0
    return float(np.abs(values - values.mean()).max() / std) if std > 0 else 0.0
