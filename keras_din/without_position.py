"""`without_position`: the model of an exported version, which has no input of positions."""

import keras

from keras_din.ctr_model import CTRModel
from keras_din.features import FeatureSpec
from keras_din.layers import PositionBias
from keras_din.spec_fingerprint import check_fingerprint, fingerprint, fingerprints_of

__all__ = ["position_bias_of", "without_position"]


def without_position(model: keras.Model, spec: FeatureSpec) -> tuple[keras.Model, FeatureSpec]:
    """Returns a model and its spec without the `Position`: its outputs are `p_click`.

    Exports do the same. The result shares all other layers with `model`, and changes if `model` is
    trained. If the spec has no `Position`, it is `(model, spec)` itself.

    Args:
        model: A functional model. The result is of the same class if this is a `CTRModel`. It is
            not compiled.
        spec: Its `FeatureSpec`.

    Returns:
        `(model, spec)`.

    Raises:
        ValueError: If the model was built with another spec, or has no input of the position.

    Example:

    ```python
    item = kd.Categorical("item_id", 100, dim=4)
    spec = kd.FeatureSpec(target=[item, kd.Position("position")])
    served, served_spec = kd.without_position(kd.build_lr(spec), spec)
    list(served_spec.inputs)  # ["item_id"]
    ctr = served({"item_id": np.array([[2, 3]])})  # (1, 2)
    ```
    """
    if not isinstance(spec, FeatureSpec):
        raise ValueError(f"`spec` must be a FeatureSpec. Received: spec={spec!r}.")
    if spec.position is None:
        return model, spec
    check_fingerprint(model, spec)
    inputs = {tensor.name: tensor for tensor in model.inputs}
    if inputs.pop(spec.position.name, None) is None:
        raise ValueError(
            f"`model` must have the input {spec.position.name!r} of the Position in `spec`. "
            f"Received: a model with the inputs {list(inputs)}."
        )
    replaced: dict = {}  # Id of a tensor -> the tensor without the effect of the position.

    def replace(tensor):
        return replaced.get(id(tensor), tensor)

    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if isinstance(node.operation, PositionBias):
                replaced[id(node.output_tensors[0])] = replace(node.input_tensors[0])
            elif any(id(tensor) in replaced for tensor in node.input_tensors):
                arguments = node.arguments
                args, kwargs = keras.tree.map_structure(
                    replace, (list(arguments.args), dict(arguments.kwargs))
                )
                outputs = keras.tree.flatten(node.operation(*args, **kwargs))
                replaced |= {
                    id(old): new for old, new in zip(node.output_tensors, outputs, strict=True)
                }
    outputs = keras.tree.map_structure(replace, model.output)
    spec = spec.without_position()
    if not isinstance(model, CTRModel):
        return keras.Model(inputs, outputs, name=model.name), spec
    text = fingerprint(spec) if fingerprints_of(model) else None
    return CTRModel(inputs, outputs, name=model.name, spec=text), spec


def position_bias_of(model: keras.Model) -> PositionBias | None:
    """Returns the layer of a model that the position has an effect by, or `None`."""
    return next((layer for layer in model.layers if isinstance(layer, PositionBias)), None)
