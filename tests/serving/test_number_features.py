"""`Numeric` with a transform and `Bucketized` in exported versions, ONNX and LiteRT files."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.bucket_index import numpy_buckets
from keras_din.cli.inspect import screen
from keras_din.serving.checks.skew import find_skew, raw_rows
from keras_din.serving.formats.litert import open_litert
from keras_din.serving.formats.onnx import open_onnx
from keras_din.serving.graph.encoding import FeatureEncoder
from keras_din.serving.portable import index_spec
from keras_din.serving.sample_rows import raw_from_input, sample_feature, sample_rows
from keras_din.serving.version.description import read_description

PRICE = kd.Bucketized("price", boundaries=[-3e38, 0, 0.1, 5, 3e38], dim=2)
VIEWS = kd.Numeric("views", mean=3, std=2, transform="log1p")
AGE = kd.Numeric("age", mean=0.4, std=0.3, transform="quantile", knots=[0, 0, 0.1, 7, 7, 9])
DWELL = kd.Numeric("dwell", mean=2, std=1.5, transform="clip", limits=(-1, 6))
ITEM = kd.Categorical("item", vocabulary=["a", "b", "c"], dim=2)
SPEC = kd.FeatureSpec(
    context=[AGE],
    target=[ITEM, PRICE, VIEWS],
    sequences=[
        kd.Sequence("hist", of=[ITEM, PRICE, VIEWS], side_features=[DWELL], max_length=6),
    ],
)
NUMBERS = [np.nan, np.inf, -np.inf, 0, -0.0, 0.1, 0.09999999, 5, 7, 9, -1, 6, 1e-40, -1e-40]
NUMBERS = np.float32([*NUMBERS, 3e38, -3e38, 3.4028235e38, -3.4028235e38])


@functools.cache
def a_model(build=kd.build_lr):
    keras.utils.set_random_seed(0)
    return build(SPEC, embeddings_initializer="uniform")


def raw_batch():
    """Rows with all pairs of a number in the context and a number of a candidate or behavior."""
    rng = np.random.default_rng(0)
    rows = len(NUMBERS)
    pairs = np.tile(NUMBERS, (rows, 1))
    raw = {"item": rng.choice(["a", "b", "c", "d"], (rows, rows)), "price": pairs, "views": pairs}
    raw |= {f"hist_{name}": values[:, :6] for name, values in raw.items()}
    raw["hist_dwell"] = np.stack([rng.permutation(NUMBERS)[:6] for _ in range(rows)])
    raw["age"] = NUMBERS
    return {
        name: values.astype(object) if name.endswith("item") else values
        for name, values in raw.items()
    }


def encoded(raw):
    """What the pipeline computes for the same rows."""
    x = {}
    for name, values in raw.items():
        feature = SPEC.inputs[name].feature
        if feature is ITEM:
            x[name] = np.vectorize({"a": 2, "b": 3, "c": 4, "d": 1}.get)(values).astype(np.int32)
        elif feature is PRICE:
            x[name] = numpy_buckets(PRICE, values)
        else:
            fill = np.float32(feature.fill_value)
            x[name] = np.where(np.isfinite(values), values, fill).astype(np.float32)
    return x


def test_graph_encodes_numbers_as_the_pipeline(tmp_path):
    raw = raw_batch()
    encoder = FeatureEncoder(SPEC, tmp_path)
    for name, expected in encoded(raw).items():
        found = tf.function(encoder)(SPEC.inputs[name].feature, tf.constant(raw[name]))
        assert found.dtype.as_numpy_dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_version_computes_the_inputs_of_the_pipeline(tmp_path, checked_by_one_process):
    model = a_model()
    model.save(tmp_path / "model.keras")
    model = keras.models.load_model(tmp_path / "model.keras")
    version = kd.export(model, SPEC, tmp_path / "exported", raw=True)  # Checks parity.
    raw = raw_batch()
    x = encoded(raw)
    assert set(x["price"].ravel()) == {1, 2, 3, 4, 5, 6, 7}
    live = lambda x: model(x, training=False).numpy()  # noqa: E731
    assert np.isfinite(live(x)).all()
    skew = find_skew(version, SPEC, live, [(raw, x)])
    assert not skew.found
    assert max(skew.largest.values()) < 1e-6
    # Raw rows that the indices determine.
    assert not find_skew(version, SPEC, live, [(raw_rows(SPEC, x), x)]).found
    other = [(raw | {"price": raw["price"] + 1}, x)]
    assert "price" in find_skew(version, SPEC, live, other).inputs

    rank = tf.saved_model.load(str(version)).signatures["rank"]
    inputs = rank.structured_input_signature[1]
    assert {name for name, each in inputs.items() if each.dtype == tf.float32} == {
        name for name in SPEC.inputs if not name.endswith("item")
    }
    text = screen(version, read_description(version), {})
    assert "a number in 6 buckets" in text
    assert "a number, log1p, mean 3, std 2" in text


@pytest.mark.parametrize("name", ["age", "views", "dwell"])
def test_missing_number_is_0_in_the_model(name):
    feature = SPEC.features[name]
    field = keras.Model(a_model().input, a_model().get_layer(f"standardize_{name}").output)
    x = encoded(raw_batch())
    for input_name, info in SPEC.inputs.items():
        if info.feature == feature:
            x[input_name] = np.full_like(x[input_name], np.nan)
    outputs = field(x)
    for output in outputs if isinstance(outputs, list) else [outputs]:
        np.testing.assert_allclose(output, 0, atol=1e-6)


def test_sample_rows_agree_with_the_pipeline():
    sample = sample_rows(SPEC, rows=200)
    real = sample.indices["hist_item"] != 0
    np.testing.assert_array_equal(
        sample.indices["hist_price"][real], numpy_buckets(PRICE, sample.raw["hist_price"])[real]
    )
    assert set(np.unique(sample.indices["price"])) == {1, 2, 3, 4, 5, 6, 7}
    for feature in (AGE, VIEWS, DWELL):
        raw, x = sample_feature(feature, np.random.default_rng(0), (500,))
        np.testing.assert_array_equal(raw, x)
        assert np.isfinite(raw).all()
        assert raw.dtype == np.float32


@pytest.mark.parametrize(
    "boundaries", [[], [0], [1e-30], [2.0**-126, 1], [-3e38, 3e38], [5, 6, 7], [1e30]]
)
def test_raw_values_of_indices(boundaries):
    feature = kd.Bucketized("a", boundaries=boundaries)
    indices = np.arange(1, len(boundaries) + 3)
    np.testing.assert_array_equal(numpy_buckets(feature, raw_from_input(feature, indices)), indices)
    assert raw_from_input(feature, np.array([0])).tolist() == [0]


@pytest.mark.parametrize("kind", ["onnx", "litert"])
def test_files(kind, tmp_path):
    pytest.importorskip({"onnx": "tf2onnx", "litert": "ai_edge_litert"}[kind])
    export = getattr(kd.serving, f"export_{kind}")
    path = export(a_model(kd.build_deepfm), SPEC, tmp_path / f"model.{kind}", raw=True)
    # Missing and extreme numbers too.
    raw = raw_batch()
    x = {n: v if v.dtype == np.int32 else raw[n] for n, v in encoded(raw).items()}
    score = {"onnx": open_onnx, "litert": open_litert}[kind](path)
    expected = a_model(kd.build_deepfm)(x, training=False)
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(score(x)["ctr"], expected, atol=1e-5)
    of_file = index_spec(SPEC).raw_inputs
    assert of_file["price"].feature.raw_dtype == "int32"
    assert of_file["views"].feature == VIEWS
