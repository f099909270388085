"""Fixtures for tests of exports: one export per model, shared by all tests."""

import contextlib

import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.serving import saved_model
from tests.models.shared import compiled, randomized
from tests.serving.one_process import check_exports_with
from tests.serving.specs import SMALL, SPEC
from tests.specs import ZOO

OWN_PROCESS = "lr"  # Its export is checked in a new process, as for users.
# These are exported with all kinds of features. What encodes them does not depend on the model.
WITH_ALL_KINDS = ("din", "lr", "multi_task", "popularity")


class Exports(dict):
    """Name of a model -> `(model, version)`. A model is exported at its first use."""

    def __init__(self, parent, run):
        super().__init__()
        self.parent, self.run = parent, run
        self._signatures = {}

    def __missing__(self, name):
        # Weights are small, so that sums over a history do not saturate the sigmoid.
        spec = self.spec_of(name)
        model = compiled(randomized(ZOO[name](spec), scale=0.2), "adam")
        with contextlib.nullcontext() if name == OWN_PROCESS else check_exports_with(self.run):
            version = kd.export(model, spec, self.parent / name, metrics={"gauc": 0.5})
        return self.setdefault(name, (model, version))

    def spec_of(self, name):
        return SPEC if name in WITH_ALL_KINDS else SMALL

    def signatures(self, name):
        """Returns the signatures of a version, which is loaded at its first use."""
        if name not in self._signatures:
            self._signatures[name] = tf.saved_model.load(str(self[name][1])).signatures
        return self._signatures[name]


@pytest.fixture(scope="session")
def exports(tmp_path_factory, one_process):
    """`Exports` in a path with a space and a non-ASCII letter."""
    return Exports(tmp_path_factory.mktemp("exports with spaces é"), one_process)


@pytest.fixture
def unchecked(monkeypatch):
    """Exports without the check in another process, for tests that compare the outputs."""
    monkeypatch.setattr(saved_model, "check_parity", lambda *arguments: {})
