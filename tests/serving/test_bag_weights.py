"""Weights of bags in exported versions and files, and in the check for skew."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.serving.checks.skew import find_skew, raw_rows
from keras_din.serving.sample_rows import sample_rows
from keras_din.serving.version.description import read_description
from tests.models.shared import randomized
from tests.serving.one_process import check_exports_with
from tests.serving.specs import through_the_pipeline

ITEM = kd.Categorical("item", vocabulary=list("uvwxyz"), dim=4)
TAGS = kd.Bag("tags", vocabulary=["a", "b", "c"], dim=4, weights="scores", max_values=2)
SPEC = kd.FeatureSpec(
    context=[kd.Bag("words", hash_buckets=9, dim=4, pooling="sum", weights="counts")],
    target=[TAGS, ITEM],
    sequences=[kd.Sequence("hist", of=[ITEM, TAGS], max_length=4)],
)


@pytest.fixture(scope="module")
def model():
    return randomized(kd.build_deepfm(SPEC), scale=0.2)  # It has embeddings and linear weights.


@pytest.fixture(scope="module")
def version(model, tmp_path_factory, one_process):
    with check_exports_with(one_process):
        return kd.export(model, SPEC, tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def rank(version):
    return tf.saved_model.load(str(version)).signatures["rank"]


def call(function, raw):
    return function(**{name: tf.constant(values) for name, values in raw.items()})["ctr"].numpy()


def test_inputs_of_a_version(version):
    description = read_description(version)
    assert max(description["largest_difference"].values()) < 1e-5
    of_rank = description["signatures"]["rank"]["inputs"]
    for name, bag in (("scores", "tags"), ("hist_scores", "hist_tags"), ("counts", "words")):
        assert of_rank[name]["dtype"] == "float32"
        assert of_rank[name]["shape"] == of_rank[bag]["shape"]


def test_version_agrees_with_the_pipeline(model, rank):
    sample = sample_rows(SPEC, rows=30, seed=5)
    x, real = through_the_pipeline(SPEC, sample)
    live = model.predict(x, verbose=0)[:, 0]
    np.testing.assert_allclose(call(rank, sample.raw).reshape(-1)[real], live, rtol=0, atol=1e-5)
    # Other weights give other outputs.
    other = sample.raw | {"scores": sample.raw["scores"][..., ::-1]}
    assert np.abs(call(rank, other) - call(rank, sample.raw)).max() > 1e-4


def test_padding_and_wrong_weights_change_nothing(rank):
    raw = sample_rows(SPEC, rows=20, seed=2).raw
    expected = call(rank, raw)
    for name, bag in (("scores", "tags"), ("hist_scores", "hist_tags"), ("counts", "words")):
        wrong = np.where(raw[bag] == "", np.float32(np.nan), raw[name])
        # Zero, and what counts as zero.
        wrong = np.where((raw[name] == 0) & (raw[bag] != ""), np.float32(-1), wrong)
        assert (wrong == -1).any()
        assert np.isnan(wrong).any()
        np.testing.assert_array_equal(call(rank, raw | {name: wrong}), expected)


@pytest.mark.parametrize("name, bag", [("scores", "tags"), ("hist_scores", "hist_tags")])
def test_a_bag_and_its_weights_must_have_one_shape(rank, name, bag):
    raw = sample_rows(SPEC, rows=3).raw
    for wrong in (raw[name][..., :1], np.pad(raw[name], [(0, 0)] * 2 + [(0, 1)])):
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"{name} must have the shape of"):
            call(rank, raw | {name: wrong})


def test_skew_compares_weights(model, version):
    def live(x):
        return model.predict(x, verbose=0)

    sample = sample_rows(SPEC, rows=8, seed=3)
    x = as_batch(sample)
    raw = raw_rows(SPEC, x)
    assert not find_skew(version, SPEC, live, [(raw, x)]).found
    # Padding at other positions is no difference.
    moved = dict(raw)
    for name in ("tags", "scores"):
        padding = "" if name == "tags" else np.float32(7)
        moved[name] = np.insert(raw[name], 0, padding, axis=-1)
    assert not find_skew(version, SPEC, live, [(moved, x)]).found
    raw["hist_scores"] = raw["hist_scores"] * np.float32(2) + np.float32(1)
    found = find_skew(version, SPEC, live, [(raw, x)])
    assert list(found.inputs) == ["hist_scores"]
    assert found.found


def as_batch(sample):
    """Returns the sample with padding at the end of bags, as the pipeline makes batches."""
    x = {name: values.copy() for name, values in sample.indices.items()}
    for name, bag in (("scores", "tags"), ("hist_scores", "hist_tags"), ("counts", "words")):
        x[name] = np.where(x[bag] != 0, x[name], 0).astype("float32")
        order = np.argsort(x[bag] == 0, axis=-1, kind="stable")
        for each in (bag, name):
            x[each] = np.take_along_axis(x[each], order, -1)
    return x


@pytest.mark.parametrize("export", [kd.serving.export_onnx, kd.serving.export_litert])
def test_files_for_other_runtimes(model, tmp_path, export):
    # The export compares the file with the live model.
    assert export(model, SPEC, tmp_path / "model").is_file()


def test_model_file_and_precision(model, tmp_path):
    x = as_batch(sample_rows(SPEC, rows=8))
    expected = model.predict(x, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), expected, atol=1e-6)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        low = kd.build_deepfm(SPEC)
    finally:
        keras.config.set_dtype_policy("float32")
    low.set_weights(model.get_weights())
    np.testing.assert_allclose(low.predict(x, verbose=0), expected, atol=0.02)
