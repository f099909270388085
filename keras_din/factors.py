"""The factors of products as outputs of a model, for exported versions and predictions."""

import keras
from keras import ops

from keras_din.features import FeatureSpec
from keras_din.graph import operations_before
from keras_din.layers import ClickProbability, ProductLogits

__all__ = ["with_factors"]


def with_factors(model: keras.Model, spec: FeatureSpec) -> keras.Model:
    """Returns a model that also has the outputs `FeatureSpec.factors`, such as `cvr_given_ctr`.

    It is `model` itself if no label of the spec is given another one.

    Args:
        model: A functional model.
        spec: Its `FeatureSpec`.

    Raises:
        ValueError: If the model computes a label with `given` without a factor.
    """
    if not spec.factors:
        return model
    operations = list(
        dict.fromkeys(
            operation
            for tensor in keras.tree.flatten(model.output)
            for operation in operations_before(tensor)
        )
    )
    products = {op.factor: op for op in operations if isinstance(op, ProductLogits)}
    if lacking := [
        str(label.output) for name, label in spec.factors.items() if name not in products
    ]:
        raise ValueError(
            "The output of a label with `given` must be a product: compute the outputs with "
            "`keras_din.head.label_heads`, or leave out `given`. "
            f"Received: a model whose outputs {lacking} have no factor."
        )
    taken = {operation.name for operation in operations}
    outputs = dict(model.output)
    for factor in spec.factors:
        name = factor
        while name in taken:
            name += "_"
        logits = ops.squeeze(products[factor]._inbound_nodes[0].input_tensors[1], -1)
        outputs[factor] = ClickProbability(dtype="float32", name=name)(logits)
    result = keras.Model({tensor.name: tensor for tensor in model.inputs}, outputs, name=model.name)
    result.fingerprint = getattr(model, "fingerprint", None)  # Same as in `CTRModel`.
    return result
