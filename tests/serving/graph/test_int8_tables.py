"""int8 tables: by hand, in a version, and their differences."""

import json
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.ops.quantize_rows import quantize_rows
from keras_din.serving import saved_model
from keras_din.serving.checks.parity import check_parity
from keras_din.serving.graph.int8_tables import Int8Tables, quantization_report
from keras_din.serving.sample_rows import sample_rows
from tests.models.shared import randomized
from tests.serving.specs import SMALL as SPEC


@pytest.fixture(scope="module")
def model():
    return randomized(kd.build_base(SPEC, hidden_units=(8,)), scale=0.2)


def test_outputs_are_those_of_rounded_tables_and_the_model_does_not_change(model):
    x = sample_rows(SPEC).indices
    before = model.predict_on_batch(x)
    int8 = Int8Tables(model)
    answered = int8.outputs(x)
    np.testing.assert_array_equal(model.predict_on_batch(x), before)
    np.testing.assert_array_equal(np.asarray(model(x)), np.asarray(model(x, training=False)))

    weights = model.get_weights()
    for layer in model.layers:
        if isinstance(layer, kd.layers.Embedding):
            values, scales = quantize_rows(layer.embeddings.numpy())
            layer.set_weights([values * scales[:, None]])
    np.testing.assert_allclose(answered, model.predict_on_batch(x), rtol=0, atol=1e-6)
    model.set_weights(weights)
    assert np.abs(answered - before).max() > 1e-5


def test_a_version(model, tmp_path, monkeypatch):
    checked = []
    monkeypatch.setattr(saved_model, "check_parity", lambda *given: checked.append(given) or {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The warning about missing warm-up requests.
        version = kd.export(model, SPEC, tmp_path, tables="int8")
    sample = sample_rows(SPEC)
    ((_, _, live, _),) = checked
    np.testing.assert_array_equal(live(sample.indices), Int8Tables(model).outputs(sample.indices))
    entry = json.loads((version / "keras_din.json").read_text(encoding="utf-8"))["tables"]
    assert entry["dtype"] == "int8"
    assert 1e-5 < entry["largest_difference"] < 0.1

    rank = tf.saved_model.load(str(version)).signatures["rank"]
    ctr = rank(**{name: tf.constant(values) for name, values in sample.raw.items()})["ctr"]
    real = sample.indices["item"] != 0
    np.testing.assert_allclose(ctr, np.where(real, live(sample.indices), 0), rtol=0, atol=1e-5)

    shapes = [layer.embeddings.shape for layer in model.layers if hasattr(layer, "embeddings")]
    file = str(version / "variables" / "variables")
    reader = tf.train.load_checkpoint(file)
    saved = reader.get_variable_to_shape_map()
    int8 = [n for n in saved if reader.get_variable_to_dtype_map()[n] == tf.int8]
    assert sorted(saved[name] for name in int8) == sorted(list(shape) for shape in shapes)
    floats = [shape for name, shape in saved.items() if name not in int8]
    assert not any(list(shape) in floats for shape in shapes)

    # Rows are gathered before they are converted to floats.
    inputs = [op.inputs[0] for op in _operations(rank) if op.type == "Cast"]
    assert [len(each.shape) for each in inputs if each.dtype == tf.int8]
    assert not [each for each in inputs if each.dtype == tf.int8 and each.shape in shapes]


def _operations(function):
    graphs = [function.graph]
    graphs += [each.graph for each in function.graph._functions.values() if hasattr(each, "graph")]
    return [operation for graph in graphs for operation in graph.get_operations()]


def test_quantization_report():
    spec = kd.FeatureSpec(target=[kd.Categorical("item", 9)])
    x = {"item": np.array([[2], [3], [4], [5]])}
    y = np.array([[1], [0], [1], [0]], "float32")
    test = tf.data.Dataset.from_tensor_slices((x, y)).batch(2)
    test.groups = np.array([0, 0, 1, 1])
    floats = lambda x: 1 / np.maximum(x["item"], 1)  # noqa: E731
    ints = lambda x: np.where(x["item"] == 2, 0.25, floats(x))  # noqa: E731
    report = quantization_report(spec, floats, ints, test)
    # With int8 tables, the click of the first user is ranked below the other item.
    assert report["gauc_float32"] == 1
    assert report["gauc_int8"] == report["gauc_loss"] == 0.5
    assert report["largest_difference_on_test"] == 0.25


def test_invalid_arguments(model, tmp_path):
    with pytest.raises(ValueError, match="`tables` must be one of 'float32', 'int8'"):
        kd.export(model, SPEC, tmp_path, tables="int4")
    with pytest.raises(ValueError, match=r'`test` must be given with `tables="int8"`, and must'):
        kd.export(model, SPEC, tmp_path, test=tf.data.Dataset.range(3))


def test_tables_of_sublayers_and_a_model_without_tables():
    spec = kd.FeatureSpec(target=[kd.Categorical("item", 12, dim=4)])
    inner = kd.build_base(spec, hidden_units=(4,))
    x = keras.Input((None,), dtype="int32", name="item")
    outer = keras.Model({"item": x}, inner({"item": x}))
    assert [layer.name for layer, *_ in Int8Tables(outer).tables] == ["embedding_item"]
    ctr = keras.ops.cast(x, "float32") / 12
    with pytest.raises(ValueError, match=r"must have a `keras_din.layers.Embedding`. Rec.* 'f'"):
        Int8Tables(keras.Model({"item": x}, ctr, name="f"))


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_tables_must_be_finite(tmp_path, value):
    model = kd.build_base(SPEC, hidden_units=(4,))
    table = model.get_layer("embedding_item").embeddings
    values = table.numpy()
    values[[7, 9], 2] = value
    table.assign(values)
    message = r"'embedding_item' must be finite .* infinity in 2 of 32 rows, the first 7\."
    with pytest.raises(ValueError, match=message):
        kd.export(model, SPEC, tmp_path / "x", tables="int8")
    assert not (tmp_path / "x").exists()


def test_a_version_is_compared_with_int8_tables(model, tmp_path, monkeypatch):
    monkeypatch.setattr(saved_model, "check_parity", lambda *given: {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        version = kd.export(model, SPEC, tmp_path, tables="int8")
    with pytest.raises(RuntimeError, match="must score as the live model does, within 1e-05"):
        check_parity(version, SPEC, model.predict_on_batch)
