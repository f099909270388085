"""Initial values of the model of a run depend only on the seed."""

import concurrent.futures
import threading
import types

import numpy as np

import keras_din as kd
from keras_din.training import build_model as module

TIMEOUT = 60  # Seconds.
ITEM = kd.Categorical("item", 9, dim=2)
DATA = types.SimpleNamespace(spec=kd.FeatureSpec(target=[ITEM]), negative_rate=1.0)
ARGUMENTS = {
    "model": "base",
    "options": {"hidden_units": [4]},
    "seed": 3,
    "mini_batch_aware_l2": 0,
    "ema_momentum": 0,
    "learning_rate": 0.1,
    "loss": "binary_crossentropy",
    "loss_weight": 1.0,
    "positive_weight": 1.0,
}


def test_models_built_at_once_do_not_share_random_numbers(monkeypatch):
    first_is_building, second_is_building = threading.Event(), threading.Event()

    def build(spec, *, hidden_units):
        if first_is_building.is_set():
            second_is_building.set()
        else:
            first_is_building.set()
            second_is_building.wait(1)  # Times out, because the second run waits.
        return kd.build_base(spec, hidden_units=hidden_units)

    def build_second():
        assert first_is_building.wait(TIMEOUT)
        return module.build_model(DATA, ARGUMENTS)

    alone = module.build_model(DATA, ARGUMENTS).get_weights()
    monkeypatch.setitem(module.MODELS, "base", build)
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        runs = [
            threads.submit(module.build_model, DATA, ARGUMENTS),
            threads.submit(build_second),
        ]
        for run in runs:
            for weight, expected in zip(run.result(TIMEOUT).get_weights(), alone, strict=True):
                np.testing.assert_array_equal(weight, expected)
