"""What the tests of exports share: one export of each model that they ask for."""

import contextlib

import pytest

import keras_din as kd
from tests.models.shared import compiled, randomized
from tests.serving.one_process import check_exports_with
from tests.serving.specs import SPEC
from tests.specs import ZOO

OWN_PROCESS = ["din", "dien"]  # As users export; one process checks all others.


class Exports(dict):
    """Name of a model -> `(model, version)`, exported when it is first asked for."""

    def __init__(self, parent, run):
        super().__init__()
        self.parent, self.run = parent, run

    def __missing__(self, name):
        # Small enough that sums over a history do not saturate the sigmoid.
        model = compiled(randomized(ZOO[name](SPEC), scale=0.2), "adam")
        with contextlib.nullcontext() if name in OWN_PROCESS else check_exports_with(self.run):
            version = kd.export(model, SPEC, self.parent / name, metrics={"gauc": 0.5})
        return self.setdefault(name, (model, version))


@pytest.fixture(scope="session")
def exports(tmp_path_factory, one_process):
    """`Exports` below a path with a space and another letter."""
    return Exports(tmp_path_factory.mktemp("exports with spaces é"), one_process)
