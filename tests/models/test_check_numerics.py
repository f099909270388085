"""No intermediate tensor is NaN or infinite, not even one that is masked later."""

import numpy as np
import pytest
import tensorflow as tf

from tests.models.shared import BAGS, SPEC, randomized, training_loss
from tests.specs import ZOO, random_batch


@pytest.fixture
def numerics_are_checked():
    tf.debugging.enable_check_numerics()
    yield
    tf.debugging.disable_check_numerics()


def histories(spec, empty):
    """Returns a batch with some or only empty histories."""
    x = random_batch(spec, candidates=2)
    for name, info in spec.inputs.items():
        if info.role == "behavior":
            x[name][slice(None) if empty == "all" else slice(1, 3)] = 0
    return {name: tf.constant(values) for name, values in x.items()}


# One model per way to encode a history.
WITHOUT_ANY_HISTORY = ["base", "bst", "dien", "din", "lr"]


@pytest.mark.parametrize(
    "name, empty",
    [
        *((name, "some") for name in ZOO if name != "popularity"),
        *((name, "all") for name in WITHOUT_ANY_HISTORY),
    ],
)
def test_empty_histories(name, empty, numerics_are_checked):
    model, x = randomized(ZOO[name](SPEC), scale=0.3), histories(SPEC, empty)
    with tf.GradientTape() as tape:
        loss = training_loss(model, x)
    tape.gradient(loss, model.trainable_variables)
    assert np.isfinite(model(x, training=False)).all()


@pytest.mark.parametrize("dtype", ["mixed_float16"])
def test_empty_bags_in_half_precision(dtype, numerics_are_checked):
    model, x = randomized(ZOO["base"](BAGS), scale=0.3), histories(BAGS, "some")
    x["words"] *= 0
    with tf.GradientTape() as tape:
        loss = training_loss(model, x)
    tape.gradient(loss, model.trainable_variables)
