"""`Position`: a feature of training that an exported version does not have."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.data import dataset, prepare_impressions, prepare_interactions
from keras_din.features import FeatureSpec
from keras_din.spec_fingerprint import differences, fingerprint
from keras_din.training import train
from keras_din.training.progress import load_checkpoint, read_progress
from keras_din.without_position import position_bias_of

ITEM = kd.Categorical("item", vocabulary=["a", "b", "c"], dim=4)
POSITION = kd.Position("position", size=4)
SPEC = kd.FeatureSpec(target=[ITEM, POSITION], sequences=[kd.Sequence("hist", of=[ITEM])])


def a_log(rows=120):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "user": np.arange(rows) % 12,
            "time": np.arange(rows),
            "item": rng.choice(["a", "b", "c"], rows),
            "position": rng.integers(1, 7, rows),
            "click": rng.integers(0, 2, rows),
        }
    )


def prepared(log=None, position=POSITION, **options):
    return prepare_impressions(
        a_log() if log is None else log,
        user="user",
        time="time",
        label="click",
        target=["item", position],
        max_length=5,
        dim=4,
        **options,
    )


def test_spec():
    assert POSITION.size == 4
    assert repr(kd.Position("position")) == "Position('position', size=20)"
    assert SPEC.position == POSITION
    assert FeatureSpec.from_json(SPEC.to_json()) == SPEC
    assert dataclasses.replace(POSITION, size=5) == kd.Position("position", size=5)
    served = SPEC.without_position()
    assert list(served.inputs) == ["item", "hist_item"]
    assert served.without_position() is served
    assert served.position is None


def test_fingerprint_has_the_size():
    other = dataclasses.replace(SPEC, target=[ITEM, kd.Position("position", size=5)])
    assert differences(fingerprint(SPEC), SPEC) == []
    (found,) = differences(fingerprint(SPEC), other)
    assert "'position': its size is 4 in the model, 5 in the spec" in found


@pytest.mark.parametrize("size", [1, 0, 2.5, "a", True])
def test_size_must_be_at_least_2(size):
    with pytest.raises(ValueError, match=r"`size` of Position 'p' must be .* Received: size="):
        kd.Position("p", size=size)


def test_two_positions():
    with pytest.raises(ValueError, match=r"at most one Position\. Received: \[.*'p'.*'q'"):
        FeatureSpec(target=[ITEM, kd.Position("p"), kd.Position("q")])


def test_position_in_other_places():
    with pytest.raises(ValueError, match=r"must be in `target`\. Received: 'position' in `context"):
        FeatureSpec(target=[ITEM], context=[POSITION])
    hist = kd.Sequence("hist", of=[ITEM, POSITION])
    with pytest.raises(ValueError, match=r"must be in `target`\. Received: 'hist_position' in"):
        FeatureSpec(target=[ITEM, POSITION], sequences=[hist])


def test_only_labels_that_are_numbers():
    labels = [kd.Label("watch", loss="poisson")]
    with pytest.raises(ValueError, match=r"must have a label of 0 and 1.* Received: labels="):
        FeatureSpec(target=[ITEM, POSITION], labels=labels)


def test_prepared_data_has_positions_of_candidates_only():
    log = a_log().assign(position=lambda log: log["position"].where(log.index != 7))
    data = prepared(log)
    assert data.spec.position == POSITION
    assert data.spec.sequences[0].of[0].name == "item"
    assert len(data.spec.sequences[0].of) == 1
    assert data.report["values_missing"] == {"position": 1}
    found = np.concatenate([samples.columns["position"] for samples in data.parts.values()])
    assert set(found) == {0, 1, 2, 3, 4, 5, 6}
    x, _ = next(iter(data.dataset("train", 8)))
    assert x["position"].shape == (8, 1)


@pytest.mark.parametrize("wrong", [0, -1, 1.5])
def test_prepare_refuses_positions_below_1_and_fractions(wrong):
    log = a_log().astype({"position": float})
    log.loc[5, "position"] = wrong
    with pytest.raises(ValueError, match=rf"whole numbers from 1.*Received: {wrong:g} in row 5"):
        prepared(log)
    rows = log[["item", "position", "click"]].assign(hist_item=[[] for _ in range(len(log))])
    with pytest.raises(ValueError, match=rf"whole numbers from 1.*Received: {wrong:g} in row 5"):
        kd.data.rows_dataset(rows, SPEC, "click")


@pytest.mark.parametrize("wrong", [-1, 1.5])
def test_pipeline_refuses_wrong_positions(wrong):
    data = prepared()
    data.parts["train"].columns["position"][3] = wrong
    with pytest.raises(ValueError, match=rf"must be positions.*Received: {wrong:g} in row 3"):
        dataset(data.spec, data.behaviors, data.parts["train"], 8)


def test_interactions_have_no_positions():
    with pytest.raises(ValueError, match=r"must have no Position.*Received: Position\('position'"):
        prepare_interactions(a_log(), user="user", time="time", target=["item", POSITION])


def test_rows_without_the_column():
    rows = pd.DataFrame({"item": ["a"], "hist_item": [["b"]]})
    with pytest.raises(ValueError, match=r"a column for each input; \['position'\] are missing"):
        kd.data.rows_dataset(rows, SPEC)
    x, _ = next(iter(kd.data.rows_dataset(rows, SPEC.without_position())))
    assert list(x) == ["item", "hist_item"]


@pytest.mark.parametrize("loss", ["binary_crossentropy", "pairwise_logistic"])
def test_a_resumed_run_has_the_same_position_bias(tmp_path, loss):
    data = prepared(split=kd.data.LastFraction(0.2, 0.2))
    options = {"model": "lr", "loss": loss, "batch_size": 16}
    whole = train(data, tmp_path / "whole", epochs=2, patience=9, verbose=0, **options)
    train(data, tmp_path / "cut", epochs=1, patience=9, verbose=0, **options)
    resumed = train(data, tmp_path / "cut", epochs=2, resume=True, verbose=0)
    assert resumed.result == whole.result
    folders = [tmp_path / name for name in ("whole", "cut")]
    checkpoints = [load_checkpoint(folder, read_progress(folder)) for folder in folders]
    for one, other in zip(*(each.get_weights() for each in checkpoints), strict=True):
        np.testing.assert_array_equal(one, other)
    seen = position_bias_of(checkpoints[1]).probabilities()
    assert seen[0] == 1
    assert (seen[1:] != 0.5).all()  # Both epochs have changed them.
