"""`calibrate`: a model whose outputs are calibrated click rates."""

import json
from collections.abc import Sequence
from typing import Any

import keras

from keras_din.calibration.by_value import apply_by_value, default_shrinkage, fit_by_value
from keras_din.calibration.curves import METHODS, fit_curve
from keras_din.calibration.rows import Rows, check_enough, read_rows
from keras_din.checks import one_of, positive_number
from keras_din.click_rates import ClickRates, calibration_of, click_rates
from keras_din.count_text import count_text
from keras_din.ctr_model import CTRModel
from keras_din.features import DEFAULT_OUTPUT, NUM_RESERVED
from keras_din.graph import operations_before, unused_name
from keras_din.layers import Calibration, KnownIndices, RaggedToDense
from keras_din.outputs import by_output, like_outputs
from keras_din.spec_fingerprint import fingerprints_of
from keras_din.without_position import position_bias_of

_KINDS = ("Categorical", "Bucketized")
_MOST_VALUES = 1000


def calibrate(
    model: CTRModel,
    dataset: Any,
    method: str = "isotonic",
    *,
    by: str | None = None,
    output: str | Sequence[str] | None = None,
    shrinkage: float | None = None,
    test: Any = None,
    rates: ClickRates | None = None,
) -> CTRModel:
    """Returns a model whose outputs are calibrated, by curves that are fitted to a dataset.

    Each output passes a `keras_din.layers.Calibration`. It is part of the model that is saved,
    cloned and exported. The curve is strictly increasing, so the order of candidates does not
    change, nor does a GAUC. It reads logits, so it is exact near 0 and 1. Methods:

    - `"platt"`: the logistic regression of scikit-learn on the logits, without a penalty. Two
      parameters: a slope of at least .01 and an offset.
    - `"isotonic"`: the isotonic regression of scikit-learn. Its steps would make scores equal, so
      each step has a slope of .01 in logits, around the click rate of its rows. Scores beyond
      those of the dataset go on with this slope.
    - `"piecewise_linear"`: lines between the deciles of the logits, with the lowest logloss of all
      such curves whose slopes are at least .01. The first and the last line go on.

    With `by` each value of a feature, such as the tab or the position, has a curve of its own,
    fitted to its rows and to `shrinkage` further rows that follow the curve of all rows. So with
    `n` rows its own click rate has the weight `n / (n + shrinkage)`. A value that the dataset lacks
    has the curve of all rows. Then the order does not change among candidates with the same value.

    Calibrated outputs are click rates of the log. The changes of the odds by a `positive_weight` of
    the loss and by downsampled negatives are undone in the calibrated model itself, and
    `keras_din.evaluate` and `keras_din.export` do not undo them again. So `raw=True` makes no
    difference for these outputs. Rows of a dataset with downsampled negatives are weighted, so that
    the curve is that of the log.

    Padding candidates and rows of weight 0 have no effect, and padding is predicted as 0. Other
    weights have no effect. With several outputs, each that is a probability is calibrated, with its
    own labels. The calibrated output of a label that is `given` another may be higher than the
    calibrated output of the other. The factor that an exported version returns is not calibrated.

    Fit curves on rows that the model has not learned from, such as validation. Calibrate for
    inference: the result shares its layers with `model`, and changes if `model` is trained again.

    Args:
        model: A model of this library, not calibrated yet.
        dataset: A dataset, see `keras_din.evaluate`. It must have at least 10 rows of each class.
        method: `"isotonic"`, `"platt"` or `"piecewise_linear"`.
        by: Name of a `Categorical` or `Bucketized` of the context or target, whose
            values have curves of their own, or `None`. The dataset may have at most 1000 values.
        output: Name of the only output to calibrate, or a list of names. Defaults to all outputs
            that are probabilities.
        shrinkage: See above, a positive number of rows. Defaults to as many rows as have 100
            clicks on average, or 100 rows without a click if these are rarer.
        test: Another dataset, for the report only.
        rates: The `ClickRates` of `model`, such as those of a run. Defaults to those of its
            compiled loss.

    Returns:
        A `CTRModel` with the losses of `model`. The layers `Calibration` have the attribute
        `report`: the number of rows and clicks, and calibration, ECE and logloss `before` and
        `after`; with `test` also on these rows.

    Raises:
        ValueError: If an argument is invalid, an output is no probability or calibrated already,
            or the dataset has too few rows of a class.
        ImportError: If scikit-learn is missing: `pip install 'keras_din[calibration]'`.

    Example:

    ```python
    data = kd.data.synthetic_log(100, 16, interests=2, categories=4, held_out=4, dim=2)
    model = kd.build_lr(data.spec)
    model.compile("sgd", kd.losses.BinaryCrossentropy())
    calibrated = kd.calibration.calibrate(model, data.dataset("valid"), "platt")
    kd.evaluate(calibrated, data.dataset("test"))["calibration"]
    calibrated.get_layer("calibration").report["after"]
    ```

    Reference:
        [Platt, 1999](https://doi.org/10.7551/mitpress/1113.003.0008);
        [Zadrozny and Elkan, 2002](https://doi.org/10.1145/775047.775151), for isotonic regression.
    """
    if not isinstance(model, CTRModel):
        raise ValueError(
            "`model` must be a model of this library, a `keras_din.CTRModel`. For another model "
            "pass `keras_din.CTRModel(model.input, model.output, spec=spec)`. "
            f"Received: a {type(model).__name__}."
        )
    one_of("method", method, tuple(METHODS))
    if shrinkage is not None:
        positive_number("shrinkage", shrinkage)
    check_no_position(position_bias_of(model) is not None, f"the model {model.name!r}")
    texts = fingerprints_of(model)
    names = _output_names(model, texts)
    rates = click_rates(model, outputs=names) if rates is None else rates
    calibrated = _to_calibrate(model, rates, output)
    outputs = by_output(rates.model(model).output, names)
    taken = {each.name for tensor in outputs.values() for each in operations_before(tensor)}
    index = None if by is None else _index(model, texts, by, taken)
    predictions = {name: outputs[name] for name in calibrated}
    inputs = {tensor.name: tensor for tensor in model.inputs}
    model_of_rows = inputs, predictions, index, model.fingerprint
    rows = read_rows(dataset, *model_of_rows)
    test_rows = {} if test is None else read_rows(test, *model_of_rows)
    result = by_output(model.output, names)
    for name, of_output in rows.items():
        check_enough(name, of_output.labels)
        fitted = _fit(method, by, shrinkage, of_output, test_rows.get(name))
        layer = Calibration(**fitted, name=unused_name("calibration", outputs[name], taken))
        result[name] = layer(outputs[name], index)
    new = CTRModel(inputs, like_outputs(result, model.output), model.name, spec=model.fingerprint)
    if model.compiled:  # Of outputs that are not calibrated, the loss has the rates.
        new.compile(keras.optimizers.SGD(), model.loss)
    return new


def check_no_position(has_position: bool, received: str) -> None:
    """Raises a `ValueError` if a model to calibrate has a `Position`."""
    if has_position:
        raise ValueError(
            "A model with a Position must not be calibrated: the clicks of a log follow the output "
            "with the position, and an exported version has the output without it. Calibrate the "
            "model of `keras_din.without_position` on rows of position 1. "
            f"Received: {received}."
        )


def check_by(texts: list, by: str, argument: str = "by") -> dict:
    """Returns what the fingerprint has of a feature whose values can have their own curves.

    Args:
        texts: The fingerprints of a model.
        by: Name of the feature.
        argument: Name of the argument, for the error.

    Raises:
        ValueError: If there is no such feature.
    """
    features: dict[str, dict] = {}
    allowed = []
    for text in texts:
        content = json.loads(text)
        for name, feature in content["inputs"].items():
            features[name] = content["features"][feature]
            if name == feature and features[name]["kind"] in _KINDS:  # Not of behaviors.
                allowed.append(name)
    if by not in allowed:
        what = f"a {features[by]['kind']}" if by in features else "no feature of the model"
        raise ValueError(
            f"`{argument}` must be a Categorical or Bucketized of the context or target: one of "
            f"{allowed}. Received: {argument}={by!r}, {what}."
        )
    return features[by]


def _output_names(model, texts: list) -> list:
    """Returns the names of a model's outputs. That of a single output is in the fingerprint."""
    if isinstance(model.output, dict):
        return list(model.output)
    names = [*json.loads(texts[0]).get("labels", ())] if texts else []
    return names if len(names) == 1 else [DEFAULT_OUTPUT]


def _to_calibrate(model, rates: ClickRates, output: str | Sequence[str] | None) -> list:
    """Returns the names of the outputs to calibrate, or raises a `ValueError`."""
    names = list(rates.of_outputs)
    numbers = [name for name, rate in rates.of_outputs.items() if rate.is_number]
    chosen = names if output is None else [output] if isinstance(output, str) else list(output)
    for name in chosen or [output]:
        one_of("output", name, tuple(names))
    wrong = [name for name in chosen if name in numbers]
    chosen = list(dict.fromkeys(name for name in chosen if name not in numbers))
    if not chosen or (output is not None and wrong):
        raise ValueError(
            "An output must be a probability to be calibrated. Received: the output "
            f"{wrong[0]!r}, which is a number."
        )
    for name in chosen:
        if calibration_of(model, name, names) is not None:
            raise ValueError(
                "The outputs of `model` must not be calibrated already: pass the model before its "
                f"calibration. Received: a model whose output {name!r} is calibrated."
            )
    return chosen


def _index(model, texts: list, by: str, taken: set):
    """Returns the tensor of a feature's indices, without ragged rows."""
    if not texts:
        raise ValueError(
            "`by` requires a model with the fingerprint of its spec: pass "
            f"`keras_din.CTRModel(model.input, model.output, spec=spec)`. Received: by={by!r}."
        )
    feature = check_by(texts, by)
    known = len(feature["boundaries"]) + 1 if "boundaries" in feature else feature["size"]
    found = {tensor.name: tensor for tensor in model.inputs}
    for layer in model.layers:
        if isinstance(layer, RaggedToDense):
            (node,) = layer._inbound_nodes
            (inputs,) = node.arguments.args
            found |= keras.tree.pack_sequence_as(inputs, node.output_tensors)
    # An index that the table does not have is out-of-vocabulary, same as in its `Embedding`.
    name = unused_name("calibrated_by", found[by], taken)
    table = feature.get("table", by)
    return KnownIndices(known + NUM_RESERVED, table, name=name)(found[by])


def _fit(method: str, by: str | None, shrinkage, rows: Rows, test: Rows | None) -> dict:
    """Fits the curves of one output. Returns the arguments of its `Calibration`."""
    report: dict[str, Any] = {"rows": len(rows.labels), "clicks": int(rows.labels.sum())}
    indices: list[int] = []
    if by is None:
        curves = [fit_curve(method, rows.logits, rows.labels, rows.weights)]
    else:
        values = len(set(rows.values.tolist()))
        if values > _MOST_VALUES:
            raise ValueError(
                f"`by` must be a feature with at most {_MOST_VALUES:,} values in the calibration "
                f"rows. Received: by={by!r}, with {count_text(values, 'value')}."
            )
        shrinkage = default_shrinkage(rows.labels) if shrinkage is None else float(shrinkage)
        report["shrinkage"] = shrinkage
        curves, indices = fit_by_value(method, *rows[:2], rows.weights, rows.values, shrinkage)
    for name, each in (("", rows), ("test", test)):
        if each is not None:
            found = {
                "before": each.metrics(each.logits),
                "after": each.metrics(apply_by_value(curves, indices, each.logits, each.values)),
            }
            report |= {name: {"rows": len(each.labels)} | found} if name else found
    return {
        "curves": [[each.tolist() for each in curve] for curve in curves],
        "indices": indices,
        "by": by,
        "method": method,
        "report": report,
    }
