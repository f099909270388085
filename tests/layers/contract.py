"""The layer contract: config round trip, symbolic = eager, save and load, mixed precision."""

import keras
import numpy as np

# Invalid arguments of a layer with moving moments, and the error texts.
WRONG_MOMENTS = [
    ({"epsilon": 0}, r"`epsilon` must be a positive number\. Received: epsilon=0"),
    ({"epsilon": "x"}, "`epsilon` must be a positive number.*'x'"),
    ({"epsilon": None}, "`epsilon` must be a positive number.*None"),
    ({"epsilon": True}, "`epsilon` must be a positive number.*True"),
    ({"epsilon": float("inf")}, "`epsilon` must be a positive number.*inf"),
    ({"momentum": 1}, r"`momentum` must be a number in \[0, 1\)"),
    ({"momentum": "a"}, r"`momentum` must be a number in \[0, 1\).*'a'"),
]


def check_layer(layer, inputs: dict, path, masks: dict | None = None):
    """Runs `layer` on `inputs` (call arguments by name) in every way that Keras has.

    `masks` are further call arguments. `path` is a temporary folder.
    """
    arrays = {**inputs, **(masks or {})}
    eager = np.asarray(keras.ops.convert_to_numpy(layer(**arrays)))

    copy = type(layer).from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()

    def symbol(name, array):
        shape = (*(None,) * (array.ndim - 2), array.shape[-1]) if array.ndim > 1 else ()
        return keras.Input(shape=shape, dtype=str(array.dtype), name=name)

    symbolic = {name: symbol(name, array) for name, array in arrays.items()}
    model = keras.Model(symbolic, layer(**symbolic))
    assert model.output.shape[1:] == eager.shape[1:] or None in model.output.shape[1:]
    np.testing.assert_allclose(model.predict_on_batch(arrays), eager, rtol=1e-5, atol=1e-6)

    model.save(path / "layer.keras")
    loaded = keras.saving.load_model(path / "layer.keras")
    np.testing.assert_allclose(loaded(arrays), eager, rtol=1e-5, atol=1e-6)

    half = type(layer).from_config({**layer.get_config(), "dtype": "mixed_bfloat16"})
    low = half(**arrays)
    assert keras.backend.standardize_dtype(low.dtype) == "bfloat16"
    assert np.isfinite(np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(low, "float32")))).all()

    if model.trainable_weights:
        model.compile("sgd", "mse", run_eagerly=True)  # `fit` of models runs it in a graph.
        assert np.isfinite(model.train_on_batch(arrays, np.ones_like(eager)))
    return eager
