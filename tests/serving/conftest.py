"""What the tests of exports share: one export of each model."""

import pytest

import keras_din as kd
from tests.models.test_contract import randomized
from tests.serving.specs import SPEC
from tests.specs import ZOO


@pytest.fixture(scope="session")
def exports(tmp_path_factory):
    """Name of a model -> `(model, version)`, below a path with a space and another letter."""
    parent = tmp_path_factory.mktemp("exports with spaces é")
    found = {}
    for name, build in ZOO.items():
        # Small enough that sums over a history do not saturate the sigmoid.
        model = randomized(build(SPEC), scale=0.2)
        model.compile("adam", "binary_crossentropy")
        model.optimizer.build(model.trainable_variables)
        found[name] = model, kd.export(model, SPEC, parent / name, metrics={"gauc": 0.5})
    return found
