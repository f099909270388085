"""What the tests of exports share: one export of each model."""

import pytest

import keras_din as kd
from tests.models.test_contract import compiled, randomized
from tests.serving.one_process import one_process
from tests.serving.specs import SPEC
from tests.specs import ZOO

BY_A_PROCESS_EACH = ["din", "dien"]  # As users export; one process checks all others.


@pytest.fixture(scope="session")
def exports(tmp_path_factory):
    """Name of a model -> `(model, version)`, below a path with a space and another letter."""
    parent = tmp_path_factory.mktemp("exports with spaces é")
    found = {}

    def export(name):
        # Small enough that sums over a history do not saturate the sigmoid.
        model = compiled(randomized(ZOO[name](SPEC), scale=0.2))
        found[name] = model, kd.export(model, SPEC, parent / name, metrics={"gauc": 0.5})

    for name in BY_A_PROCESS_EACH:
        export(name)
    with one_process():
        for name in [name for name in ZOO if name not in BY_A_PROCESS_EACH]:
            export(name)
    return found
