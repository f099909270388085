"""Checks the arguments that all exports share: model, spec, path and click rates."""

import keras

from keras_din.click_rates import ClickRates, click_rates
from keras_din.ctr_model import warn_without_fingerprint
from keras_din.embed import build_inputs
from keras_din.factors import with_factors
from keras_din.features import FeatureSpec
from keras_din.layers import Embedding
from keras_din.spec_fingerprint import check_fingerprint
from keras_din.without_position import without_position


def check_order(function: str, model, spec, path) -> None:
    """Raises a `ValueError` if the arguments of an export are in another order."""
    if isinstance(spec, FeatureSpec) and not isinstance(model, FeatureSpec):
        return
    names = [type(argument).__name__ for argument in (model, spec, path)]
    raise ValueError(
        f"`{function}` must be given a model, its FeatureSpec and a path, in this order. "
        f"Received: {', '.join(names)}."
    )


def check_model(model, spec: FeatureSpec) -> None:
    """Raises a `ValueError` that names the input, output or table in which model and spec differ.

    Warns if the model has no fingerprint, so that the feature values cannot be compared.
    """
    if not getattr(model, "inputs", None):
        raise ValueError(f"`model` must be a functional keras.Model. Received: {model!r}.")
    has = {tensor.name: (tensor.dtype, tuple(tensor.shape)) for tensor in model.inputs}
    expected = {
        name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in build_inputs(spec).items()
    }
    if has.keys() != expected.keys():
        raise ValueError(
            "The model's inputs must be those of the spec. "
            f"The spec has, the model lacks: {sorted(expected.keys() - has.keys())}. "
            f"The model has, the spec lacks: {sorted(has.keys() - expected.keys())}."
        )
    for name, wanted in expected.items():
        if has[name] != wanted:
            raise ValueError(
                f"The model's input {name!r} must be that of the spec, {wanted[0]} of shape "
                f"{wanted[1]}. Received: {has[name][0]} of shape {has[name][1]}."
            )
    _check_outputs(model.output, spec)
    for layer in model.layers:
        if isinstance(layer, Embedding):
            _check_table(layer, spec)
    if not check_fingerprint(model, spec):
        warn_without_fingerprint(stacklevel=3)


def _check_outputs(outputs, spec: FeatureSpec) -> None:
    if not isinstance(outputs, dict) and len(spec.outputs) == 1:
        outputs = {spec.outputs[0]: outputs}
    if not isinstance(outputs, dict) or set(outputs) != set(spec.outputs):
        names = list(outputs) if isinstance(outputs, dict) else repr(outputs)
        raise ValueError(
            "The model's outputs must have the names of the spec's outputs, "
            f"{list(spec.outputs)}. Received: {names}."
        )
    for tensor in outputs.values():
        is_tensor = isinstance(tensor, keras.KerasTensor)
        if not is_tensor or len(tensor.shape) != 2 or tensor.shape[1] is not None:
            raise ValueError(
                "The model's output must be one tensor `(batch, candidates)`, or a dict of such "
                f"tensors. Received: {tensor!r}."
            )


def _check_table(layer: Embedding, spec: FeatureSpec) -> None:
    """Checks the number of rows of a table. Models such as `lr` have one table per input."""
    for name in {layer.feature, layer.name.removeprefix("embedding_")}:
        size = getattr(spec.features.get(name), "vocabulary_size", layer.vocabulary_size)
        if layer.vocabulary_size != size:
            raise ValueError(
                f"The model's table of {name!r} must have a row for each of the spec's {size} "
                f"indices. Received: {layer.vocabulary_size} rows in {layer.name!r}."
            )


def resolve_click_rates(
    model, spec: FeatureSpec, positive_weight, negative_rate, raw: bool, rates
) -> ClickRates:
    """Returns `rates`, or the click rates from the other arguments and the compiled model.

    Raises:
        ValueError: If `rates` and one of the other arguments are given.
    """
    if rates is None:
        return click_rates(model, positive_weight, negative_rate, raw, outputs=spec.outputs)
    if positive_weight is not None or negative_rate is not None or raw:
        raise ValueError(
            "`rates` must not be given with `positive_weight`, `negative_rate` or `raw`. Received: "
            f"rates={rates!r}, {positive_weight=}, {negative_rate=}, {raw=}."
        )
    return rates


def served_model(
    model: keras.Model, spec: FeatureSpec, rates: ClickRates
) -> tuple[keras.Model, FeatureSpec]:
    """Returns the model that an export writes, and its spec: both without a `Position`.

    Its outputs are click rates, with the factors.

    Raises:
        ValueError: If `rates` undo a weight or a rate of a product or of a label in it.
    """
    if spec.position is not None and any(rates.scales(name) for name in spec.outputs):
        raise ValueError(
            f"A model with {spec.position!r} must be trained with `positive_weight=1` on all "
            "negatives: the odds of `p_seen p_click` are not scaled like those of `p_click`. "
            f"Export with `raw=True`, or train without these. Received: {rates.describe()}."
        )
    products = {str(label.output) for label in spec.factors.values()}
    given = {label.given for label in spec.factors.values()}
    products |= {str(label.output) for label in spec.labels if label.name in given}
    scaled = [name for name in spec.outputs if name in products and rates.scales(name)]
    if scaled:
        raise ValueError(
            "Labels with `given`, and the labels that they name, must be trained with "
            "`positive_weight=1` on all negatives: the odds of a product are not scaled like those "
            "of its factors. Export with `raw=True`, or train without these. "
            f"Received: {rates.describe()}."
        )
    model, spec = without_position(model, spec)
    return with_factors(rates.model(model), spec), spec
