"""`attention_weights`: the attention weights that a model computes."""

import keras
import numpy as np

from keras_din.layers import AttentionSequencePoolingLayer

__all__ = ["attention_weights", "sequence_name"]


def attention_weights(model: keras.Model, sample: dict, sequence: str | None = None) -> np.ndarray:
    """Returns the attention weights of a user's behaviors for each candidate, in a DIN model.

    Args:
        model: A functional model with an `AttentionSequencePoolingLayer` named
            `interest_<sequence>`, such as that of `build_din`.
        sample: One row of the model's inputs, by name: context `(1,)`, target `(1, candidates)`,
            behaviors `(1, time)`.
        sequence: Name of the `Sequence`. Optional if the model has only one.

    Returns:
        Float array `(candidates, behaviors)`: real behaviors only, the oldest first.

    Raises:
        ValueError: If `model` has no such layer, or `sample` is not one row of its inputs.

    Example:

    ```python
    item = kd.Categorical("item_id", 100, dim=4)
    spec = kd.FeatureSpec(target=[item], sequences=[kd.Sequence("hist", of=[item])])
    model = kd.build_din(spec, attention_units=(8,), hidden_units=(8,))
    sample = {"item_id": np.array([[2, 3]]), "hist_item_id": np.array([[4, 5, 0]])}
    weights = kd.plots.attention_weights(model, sample)  # (2, 2)
    ```
    """
    sequence = sequence_name(model, sequence)
    layer = model.get_layer(f"interest_{sequence}")
    names = [tensor.name for tensor in model.inputs]
    if set(names) != set(sample):
        raise ValueError(
            f"`sample` must have the model's inputs {sorted(names)}. Received: {sorted(sample)}."
        )
    sample = {name: np.asarray(values) for name, values in sample.items()}
    for name, values in sample.items():
        if values.ndim == 0 or len(values) != 1:
            raise ValueError(
                f"`sample` must be one row, of shape (1, ...). Received: {name!r} of shape "
                f"{values.shape}."
            )
    query, keys, mask, *_ = layer.input
    inner = keras.Model({tensor.name: tensor for tensor in model.inputs}, [query, keys, mask])
    query, keys, mask = inner(sample)
    weights = keras.ops.convert_to_numpy(layer.attention_weights(query, keys, mask))
    return weights[0][:, keras.ops.convert_to_numpy(mask)[0]]


def sequence_name(model: keras.Model, sequence: str | None) -> str:
    """Returns the sequence with an attention layer, or raises a `ValueError` with all of them."""
    if not getattr(model, "inputs", None):
        raise ValueError(f"`model` must be a functional keras.Model. Received: {model!r}.")
    names = [
        layer.name.removeprefix("interest_")
        for layer in model.layers
        if isinstance(layer, AttentionSequencePoolingLayer)
    ]
    if sequence is None and len(names) == 1:
        return names[0]
    if sequence not in names:
        raise ValueError(
            "`sequence` must be the name of a sequence with an attention layer, one of "
            f"{', '.join(map(repr, names)) or 'none'}. "
            f"Received: sequence={sequence!r}."
        )
    return str(sequence)
