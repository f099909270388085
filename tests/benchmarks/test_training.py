"""What the training benchmark stands on: its data's shape, its floor, models that run."""

import pathlib
import sys

import numpy as np
import pytest

FOLDER = pathlib.Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def folder_on_the_path(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    yield
    for name in ("electronics", "floor", "training"):
        sys.modules.pop(name, None)


def test_the_data_has_the_shape_that_it_names():
    from electronics import electronics, mean_history

    data = electronics(users=40_000)
    samples = data.parts["train"]
    assert len(samples) == pytest.approx(2_608_764 * 40_000 / 192_403, rel=0.05)
    assert samples.label.mean() == 0.5
    assert 9 < mean_history(data) < 12
    start, end = samples.history["hist"]
    assert np.median(end - start) == 4
    assert (end - start).max() > 400
    assert (end - start).min() == 1


def test_the_floor_by_hand():
    from floor import operations

    # Two behaviours of width 4, attention 3-2, top 5: a behaviour 2*4*3 + 3*2 + 2*1 = 32, the
    # candidate 4*3 = 12, the top 8*5 + 5*1 = 45; 3 passes, 2 operations a multiply-add.
    assert operations(2, 4, attention=(3, 2), top=(5,)) == 6 * (2 * 32 + 12 + 45)


def test_both_models_train_on_it():
    from electronics import electronics
    from training import our_model, padded, plain_keras_model, samples_per_second

    data = electronics(users=300, items=500, dim=4, max_length=10)
    train = data.dataset("train", 32, shuffle=True).repeat()
    for model, rows in (
        (our_model(data.spec), train),
        (plain_keras_model(data.spec, 10), padded(train, 10)),
    ):
        assert samples_per_second(model, rows, 32, seconds=0.01, runs=1) > 0
