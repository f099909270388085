"""Sample rows: all kinds of values, with the indices of the training pipeline."""

import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.features import MISSING_INT64
from keras_din.serving.sample_rows import one_candidate_per_row, raw_from_indices, sample_rows
from tests.serving.specs import ITEM, SHOP, SPEC, through_the_pipeline


def test_rows_of_every_kind():
    sample = sample_rows(SPEC)
    hist = sample.indices["hist_item"]
    lengths = (hist != 0).sum(1)
    assert lengths.min() == 0
    assert lengths.max() == 12
    assert ((sample.raw["hist_item"] != "").sum(1) > 12).any()
    assert set(np.unique(hist)) > {0, 1, 2}
    assert (sample.indices["item"] == 0).any()
    assert (sample.indices["shop"][sample.indices["item"] == 0] != 0).any()
    assert (sample.raw["segment"] >= 5).any()
    assert sample_rows(SPEC, time=0).raw["hist_item"].shape == (24, 0)


@pytest.mark.parametrize("seed", range(3))
def test_indices_agree_with_the_pipeline(seed):
    sample = sample_rows(SPEC, seed=seed)
    x, real = through_the_pipeline(SPEC, sample)
    indices = one_candidate_per_row(SPEC, sample.indices)
    for name, info in SPEC.inputs.items():
        ours = indices[name][real]
        if info.role == "target":
            np.testing.assert_array_equal(x[name][:, 0], ours)
        elif info.role == "context":
            np.testing.assert_array_equal(x[name], ours)
        else:
            first = {"hist": "hist_item", "shops": "shops_shop"}[info.sequence.name]
            for row, mine, there in zip(x[name], ours, indices[first][real] != 0, strict=True):
                np.testing.assert_array_equal(row[: there.sum()], mine[there])


def test_one_candidate_per_row():
    spec = kd.FeatureSpec(target=[ITEM], sequences=[kd.Sequence("hist", of=[ITEM])])
    rows = {"item": np.array([[1, 2], [3, 4]]), "hist_item": np.array([[5], [6]])}
    rows = one_candidate_per_row(spec, rows)
    np.testing.assert_array_equal(rows["item"], [1, 2, 3, 4])
    np.testing.assert_array_equal(rows["hist_item"], [[5], [5], [6], [6]])


def test_raw_from_indices():
    np.testing.assert_array_equal(
        raw_from_indices(ITEM, [[0, 1], [2, 4]]), [["", "unknown"], ["té 0", "té 2"]]
    )
    np.testing.assert_array_equal(raw_from_indices(SHOP, [0, 1, 4]), [-2, -3, 2**62 + 1])
    spare = raw_from_indices(SHOP, [5, 6, 7, 10, 11])  # A removed value, and a row of no entry.
    np.testing.assert_array_equal(spare, [5, -3, 7, 10, -3])
    np.testing.assert_array_equal(raw_from_indices(kd.Categorical("i", 9), [0, 8]), [0, 8])
    taken = kd.Categorical("f", vocabulary=["unknown"])
    assert raw_from_indices(taken, [1]).tolist() == ["unknown?"]


@pytest.mark.parametrize("dtype", ["string", "int64"])
def test_raw_values_of_hash_buckets(dtype):
    feature = kd.Categorical("f", hash_buckets=7, dtype=dtype)
    indices = np.array([[2, 8, 5], [3, 2, 4]])
    raw = raw_from_indices(feature, indices)
    assert raw.dtype == (object if dtype == "string" else np.int64)
    text = tf.constant(raw.astype(str).astype(object))
    buckets = tf.strings.to_hash_bucket_fast(text, 7).numpy()
    np.testing.assert_array_equal(buckets + 2, indices)
    assert raw_from_indices(feature, [0, 1]).tolist() == (
        ["", ""] if dtype == "string" else [0, MISSING_INT64]
    )
