"""Bags in an export: strings and int64 in context, target and behaviors."""

import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.serving.graph import signatures
from keras_din.serving.graph.encoding import FeatureEncoder
from keras_din.serving.sample_rows import one_candidate_per_row, sample_rows
from keras_din.serving.version.description import read_description
from tests.models.shared import randomized, score
from tests.serving.one_process import check_exports_with
from tests.serving.specs import ITEM, through_the_pipeline

GENRES = kd.Bag("genres", vocabulary=["Action", "Comedy", "Drama"], dim=4, max_values=2)
TAGS = kd.Bag("tags", vocabulary=[7, 0, 9], dim=3, pooling="sum", max_values=3)
SPEC = kd.FeatureSpec(
    context=[kd.Bag("words", hash_buckets=9, dim=2, pooling="max"), kd.Bag("ids", 6, dim=2)],
    target=[GENRES, ITEM, TAGS],
    sequences=[
        kd.Sequence(
            "hist",
            of=[GENRES, ITEM],
            side_features=[kd.Bag("marks", hash_buckets=5, dtype="int64", dim=2)],
            max_length=4,
        )
    ],
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory, one_process):
    model = randomized(kd.build_base(SPEC, hidden_units=(4,)), scale=0.4)
    with check_exports_with(one_process):
        version = kd.export(model, SPEC, tmp_path_factory.mktemp("bags"))
    return model, version, tf.saved_model.load(str(version)).signatures


def test_rows_of_every_kind():
    sample = sample_rows(SPEC)
    sizes = (sample.raw["genres"] != "").sum(-1)
    assert {0, 1, 2, 3} <= set(sizes.ravel().tolist())
    assert (sample.indices["genres"] != 0).sum(-1).max() == 2
    assert (sample.raw["genres"][..., 0] == "").any()
    assert sample.raw["hist_genres"].shape == (24, 14, 5)
    one = one_candidate_per_row(SPEC, sample.raw)
    assert one["genres"].shape == (72, 5)
    assert one["hist_genres"].shape == (72, 14, 5)
    assert sample_rows(SPEC, time=0, values=0).raw["hist_marks"].shape == (24, 0, 0)


def test_version_agrees_with_the_pipeline(exported):
    model, version, loaded = exported
    description = read_description(version)
    assert max(description["largest_difference"].values()) < 1e-5
    for time, values in ((None, None), (2, 0)):
        sample = sample_rows(SPEC, rows=30, time=time, values=values, seed=5)
        one, many = one_candidate_per_row(SPEC, sample.raw), sample.raw
        ctr = {}
        for name, rows in (("serving_default", one), ("rank", many)):
            rows = {n: tf.constant(v) for n, v in rows.items()}
            ctr[name] = loaded[name](**rows)["ctr"].numpy().reshape(-1)
        np.testing.assert_allclose(ctr["serving_default"], ctr["rank"], rtol=0, atol=1e-6)
        x, real = through_the_pipeline(SPEC, sample)
        live = score(model, x)[:, 0]
        np.testing.assert_allclose(ctr["rank"][real], live, rtol=0, atol=1e-5)
        assert ctr["rank"][real].std() > 0.02


def test_description_of_bags(exported):
    description = read_description(exported[1])
    inputs = description["signatures"]
    assert inputs["serving_default"]["inputs"]["genres"]["shape"] == [-1, -1]
    assert inputs["rank"]["inputs"]["genres"]["shape"] == [-1, -1, -1]
    assert inputs["rank"]["inputs"]["hist_marks"] | {"tensor": ""} == {
        "dtype": "int64",
        "shape": [-1, -1, -1],
        "tensor": "",
    }
    assert inputs["rank"]["inputs"]["words"]["shape"] == [-1, -1]
    padding = {"item": "", "hist_item": "", "genres": "", "hist_genres": ""}
    padding |= {"words": "", "ids": 0, "tags": -1, "hist_marks": 0}
    assert description["padding"] == padding
    sizes = {"words": 11, "ids": 6, "genres": 5, "item": 32, "tags": 5, "marks": 7}
    assert description["vocabulary_sizes"] == sizes


def test_inputs_of_the_model_by_hand(tmp_path):
    raw = {
        "words": [["", "", ""]],
        "ids": [[0, 7, 3]],
        "genres": [[["", "Drama", "", "x", "Action"], ["Comedy", "", "", "", ""]]],
        "item": [["té 0", ""]],
        "tags": [[[0, -1, 7], [5, 9, -1]]],
        "hist_item": [["", "té 1"]],
        "hist_genres": [[["Drama"], ["Action"]]],
        "hist_marks": [[[3, 0, 0], [0, 0, 0]]],
    }
    specs = signatures.input_specs(SPEC, "rank")
    raw = {name: tf.constant(values, specs[name].dtype) for name, values in raw.items()}
    x = signatures.model_inputs(SPEC, FeatureEncoder(SPEC, tmp_path), raw)
    assert x["words"].numpy().tolist() == [[0, 0, 0]]
    assert x["ids"].numpy().tolist() == [[0, 1, 3]]
    assert x["genres"].numpy().tolist() == [[[0, 4, 0, 1, 0], [3, 0, 0, 0, 0]]]
    assert x["tags"].numpy().tolist() == [[[3, 0, 2], [1, 4, 0]]]
    assert x["hist_genres"].numpy().tolist() == [[[0], [2]]]  # Padding behaviors have no genres.
    assert x["hist_marks"].numpy().tolist() == [[[0, 0, 0], [0, 0, 0]]]


def test_bags_of_different_history_lengths_raise(exported):
    rank = exported[2]["rank"]
    rows = dict(sample_rows(SPEC, rows=2, time=3).raw)
    rows["hist_marks"] = rows["hist_marks"][:, :2]
    with pytest.raises(tf.errors.InvalidArgumentError, match="hist_marks must have the shape of"):
        rank(**{name: tf.constant(values) for name, values in rows.items()})
