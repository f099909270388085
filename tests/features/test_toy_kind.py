"""A kind of feature that only this file defines, from a `DataFrame` to an exported version.

It divides a price into buckets with embeddings. Raw values are numbers, inputs are indices.
"""

import dataclasses
import functools
import itertools
import pathlib
import re

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.cli.raw_columns import raw_column
from keras_din.data import dataset, prepare_impressions
from keras_din.data.encoding.learned_numbers import learn_fields
from keras_din.data.encoding.lookup import to_column
from keras_din.data.prepare.rows_dataset import rows_to_column
from keras_din.data.store.consistency import check_column
from keras_din.derived_values import derived_values
from keras_din.embed import embed, feature_layer
from keras_din.features import (
    KINDS,
    NUM_RESERVED,
    OOV_INDEX,
    PADDING_INDEX,
    Categorical,
    Feature,
    FeatureSpec,
    Indices,
    Table,
    per_kind,
    register_kind,
)
from keras_din.linear import weight_layer
from keras_din.serving.checks.skew import ablate_feature, align_inputs, find_skew, raw_rows
from keras_din.serving.graph.encoding import model_input
from keras_din.serving.portable import index_feature
from keras_din.serving.sample_rows import raw_from_input, raw_values_of, sample_feature
from keras_din.spec_fingerprint import differences, fingerprint
from keras_din.time_index import time_index


@dataclasses.dataclass(frozen=True)
class PriceBuckets(Feature):
    boundaries: tuple
    dim: int = 2
    input_dtype = "int32"

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "boundaries", tuple(self.boundaries))

    @functools.cached_property
    def table(self):
        return Table(self.name, len(self.boundaries) + 1 + NUM_RESERVED, dim=self.dim)


@dataclasses.dataclass(frozen=True)
class Unsupported(Feature):
    """A kind without registered functions."""


@pytest.fixture(autouse=True)
def _kinds(monkeypatch):
    monkeypatch.setitem(KINDS, "PriceBuckets", PriceBuckets)


def buckets(feature, values):
    values = np.asarray(values, np.float32)
    index = np.digitize(values, feature.boundaries) + NUM_RESERVED
    return np.where(np.isnan(values), OOV_INDEX, index).astype(np.int32)


@to_column.register
def _(feature: PriceBuckets, values, separator=None):
    values = pd.to_numeric(values).to_numpy(float, na_value=np.nan)
    return buckets(feature, values), int(np.isnan(values).sum())


@rows_to_column.register
def _(feature: PriceBuckets, name, values):
    return buckets(feature, values)


@check_column.register
def _(feature: PriceBuckets, name, column, is_id):
    assert column.max() < feature.table.values.size


@feature_layer.register
def _(feature: PriceBuckets, tables):
    return tables[feature.table.name]


@weight_layer.register
def _(feature: PriceBuckets, embeddings_initializer, options):
    size = feature.table.values.size
    return kd.layers.Embedding(size, 1, embeddings_initializer, feature=feature.name, **options)


@model_input.register
def _(feature: PriceBuckets, values, encoder):
    index = tf.raw_ops.Bucketize(input=values, boundaries=list(feature.boundaries)) + NUM_RESERVED
    return tf.where(tf.math.is_nan(values), OOV_INDEX, index)


@sample_feature.register
def _(feature: PriceBuckets, rng, shape, values=None):
    raw = rng.uniform(0, feature.boundaries[-1] + 2, shape).astype(np.float32)
    return raw, buckets(feature, raw)


@raw_from_input.register
def _(feature: PriceBuckets, values):
    lower = np.array([np.nan, np.nan, feature.boundaries[0] - 1, *feature.boundaries], np.float32)
    return lower[values]


@raw_column.register
def _(feature: PriceBuckets, values):
    return raw_from_input(feature, values)


@align_inputs.register
def _(feature: PriceBuckets, ours, theirs):
    return np.asarray(ours), np.asarray(theirs)


@ablate_feature.register
def _(feature: PriceBuckets, raw, x):
    return np.full_like(raw, np.nan), np.where(x == PADDING_INDEX, x, OOV_INDEX)


def a_log():
    rng = np.random.default_rng(0)
    rows = 200
    return pd.DataFrame(
        {
            "user": rng.integers(0, 20, rows),
            "time": np.arange(rows),
            "item": rng.integers(100, 110, rows),
            "price": rng.integers(0, 40, rows) / 4,
            "click": rng.integers(0, 2, rows),
        }
    )


def test_new_kind_from_a_data_frame_to_an_exported_version(tmp_path, checked_by_one_process):
    price = PriceBuckets("price", (2.0, 4.5, 7.0))
    data = prepare_impressions(
        a_log().assign(price=lambda log: log["price"].mask(log.index == 7)),
        user="user",
        time="time",
        label="click",
        target=["item", price],
        max_length=5,
        dim=2,
    )
    assert FeatureSpec.from_json(data.spec.to_json()) == data.spec
    assert data.report["values_missing"] == {"price": 1}
    data.save(tmp_path / "data")
    data = kd.data.PreparedData.load(tmp_path / "data")
    # Row 7 has no price. It is out-of-vocabulary in the history.
    assert data.behaviors["hist"].columns["price"].max() <= 5
    assert data.feature_counts()["price"].shape == (6,)

    model = kd.build_deepfm(data.spec)  # It has embeddings and linear weights.
    model.compile(kd.optimizers.LazyAdam(1e-2), kd.losses.BinaryCrossentropy())
    model.fit(dataset(data.spec, data.behaviors, data.parts["train"], 64), shuffle=False, verbose=0)
    version = kd.export(model, data.spec, tmp_path / "exported")  # Checks parity.

    loaded = tf.saved_model.load(str(version))
    x, _ = next(dataset(data.spec, data.behaviors, data.parts["test"], 8).as_numpy_iterator())
    raw = raw_rows(data.spec, x)
    assert raw["price"].dtype == np.float32
    served = loaded.signatures["rank"](**{k: tf.constant(v) for k, v in raw.items()})["ctr"]
    np.testing.assert_allclose(served, model.predict(x, verbose=0), atol=1e-6)
    live = lambda x: model.predict(x, verbose=0)  # noqa: E731
    assert not find_skew(version, data.spec, live, [(raw, x)]).found


def test_fingerprint_contains_the_fields_of_a_kind():
    item = Categorical("item", 9)
    spec, other = (
        FeatureSpec(target=[item, PriceBuckets("price", boundaries)])
        for boundaries in ((1.0, 2.0), (1.0, 3.0))
    )
    assert differences(fingerprint(spec), spec) == []
    (how,) = differences(fingerprint(spec), other)
    assert "feature 'price': its boundaries is [1.0, 2.0] in the model, [1.0, 3.0] in" in how


FUNCTIONS_OF_FEATURES = [
    (learn_fields, (None,)),
    (to_column, (None,)),
    (rows_to_column, ("a", None)),
    (check_column, ("a", None, False)),
    (feature_layer, ({},)),
    (weight_layer, ("zeros", {})),
    (model_input, (None, None)),
    (sample_feature, (None, (3,))),
    (raw_from_input, (None,)),
    (raw_column, (None,)),
    (align_inputs, (None, None)),
    (ablate_feature, (None, None)),
    (index_feature, ()),
    (time_index, (None, None, None)),
    (derived_values, (None, None, {})),
]
FUNCTIONS_OF_VALUES = {"look_up", "lookup_in_graph", "sample_values", "raw_values_of"}


@pytest.mark.parametrize("function, arguments", FUNCTIONS_OF_FEATURES)
def test_per_kind_functions_raise_for_a_kind_without_registration(function, arguments):
    where = f"{function.__module__}' must support the kind of each feature.* the kind Unsupported"
    with pytest.raises(NotImplementedError, match=where):
        function(Unsupported("a"), *arguments)


def test_all_per_kind_functions_are_tested():
    files = pathlib.Path(kd.__file__).parent.rglob("*.py")
    found = [re.findall(r"^@per_kind\ndef (\w+)", f.read_text("utf-8"), re.M) for f in files]
    assert sorted(itertools.chain(*found)) == sorted(
        {function.__name__ for function, _ in FUNCTIONS_OF_FEATURES} | FUNCTIONS_OF_VALUES
    )


def test_embed_raises_for_a_kind_without_registration():
    spec = FeatureSpec(target=[Categorical("item", 9), Unsupported("a")])
    with pytest.raises(NotImplementedError, match=r"'keras_din.embed' .*Unsupported\(name='a'\)"):
        embed(spec)


def test_per_kind_functions_of_values_raise_without_registration():
    class Other(Indices):
        pass

    assert raw_values_of(Other(5), np.array([2])).tolist() == [2]  # The function of the base class.

    @per_kind
    def only(values):
        """Has no registered functions."""

    with pytest.raises(NotImplementedError, match="the kind Indices, of"):
        only(Indices(5))


def test_from_json_reads_a_registered_kind(monkeypatch):
    monkeypatch.setattr("keras_din.features.kind.KINDS", dict(KINDS))
    register_kind(Unsupported)
    spec = FeatureSpec(target=[Categorical("item", 9), Unsupported("a")])
    monkeypatch.setitem(KINDS, "Unsupported", Unsupported)
    assert FeatureSpec.from_json(spec.to_json()) == spec
