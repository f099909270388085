"""DIEN on random specs: its interests, against the equations in NumPy."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_din import build_dien
from keras_din.features import Categorical
from keras_din.layers.interest_evolution import GRU_TYPES
from tests import reference
from tests.layers.gru_by_hand import expected
from tests.models.shared import SPEC, randomized
from tests.specs import random_batch


def interests(model, sequence, x):
    """Returns the interests of a sequence for a batch."""
    tables = {
        f.name: model.get_layer(f"embedding_{f.name}").embeddings.numpy()
        for f in sequence.features
        if isinstance(f, Categorical)
    }

    def embedded(features, arrays):
        parts = [
            tables[f.name][values] if f.name in tables else ((values - f.mean) / f.std)[..., None]
            for f, values in zip(features, arrays, strict=True)
        ]
        return np.concatenate(parts, axis=-1)

    query = embedded(sequence.of, [x[f.name] for f in sequence.of])
    arrays = [x[sequence.input_name(f)] for f in sequence.features]
    keys, mask = embedded(sequence.features, arrays), arrays[0] != 0
    extractor = model.get_layer(f"extractor_{sequence.name}")
    weights = [w.numpy() for w in (extractor.kernel, extractor.recurrent_kernel, extractor.bias)]
    states = np.zeros_like(keys)
    for row, real in enumerate(mask):
        states[row, real] = reference.gru(keys[row, real], *weights)
    return expected(model.get_layer(f"interest_{sequence.name}"), query, states, mask)


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 999), gru_type=st.sampled_from(GRU_TYPES))
def test_interests_match_numpy(seed, gru_type):
    keras.backend.clear_session()
    model = randomized(build_dien(SPEC, gru_type=gru_type), seed)
    x = random_batch(SPEC, seed, batch=3, candidates=2, time=seed % 5)
    before_top, _ = model.get_layer("top").input  # The second input is the mask of candidates.
    seen = np.asarray(keras.Model(model.inputs, before_top)(x))
    (sequence,) = SPEC.sequences
    expected_interests = interests(model, sequence, x)
    width = expected_interests.shape[-1]
    np.testing.assert_allclose(seen[..., -width:], expected_interests, rtol=1e-3, atol=1e-4)


def test_auxiliary_loss_only_in_training(tmp_path):
    from keras_din.losses import BinaryCrossentropy

    x, y = random_batch(SPEC, candidates=2, batch=8), np.ones((8, 2), "float32")
    keras.utils.set_random_seed(0)
    model = build_dien(SPEC)
    model.compile(keras.optimizers.SGD(0.0), BinaryCrossentropy())
    alone = model.evaluate(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for each in (model, loaded):
        assert each.evaluate(x, y, verbose=0) == pytest.approx(alone, rel=1e-5)
        each.reset_metrics()  # Older versions of Keras do not reset the mean.
        # The auxiliary loss of an untrained model is about that of chance, 2 log 2.
        assert 1.0 < each.train_on_batch(x, y) - alone < 2.0
    without = build_dien(SPEC, auxiliary_loss_weight=0)
    without.compile(keras.optimizers.SGD(0.0), BinaryCrossentropy())
    assert len(model.weights) - len(without.weights) == 6
    assert without.train_on_batch(x, y) == pytest.approx(np.log(2), abs=0.2)


def test_training_is_deterministic_with_a_seed():
    x, y = random_batch(SPEC, batch=8), np.ones((8, 1), "float32")
    losses = []
    for _ in range(2):
        keras.utils.set_random_seed(5)
        model = build_dien(SPEC)
        model.compile("adam", "binary_crossentropy")
        losses.append([float(model.train_on_batch(x, y)) for _ in range(3)])
    np.testing.assert_allclose(*losses, rtol=1e-6)


def test_float16_scales_the_auxiliary_loss():
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        model = build_dien(SPEC)
        model.compile("adam", "binary_crossentropy")
        x, y = random_batch(SPEC, batch=8), np.ones((8, 1), "float32")
        losses = [float(model.train_on_batch(x, y)) for _ in range(3)]
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert np.isfinite(losses).all()


def test_invalid_arguments():
    with pytest.raises(ValueError, match="`gru_type` must be one of 'AIGRU', 'AGRU', 'AUGRU'"):
        build_dien(SPEC, gru_type="augru")
