"""Exports of models with shards are those of models without."""

import json

import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.serving import portable
from keras_din.serving.graph import joined_tables as module
from keras_din.serving.graph.int8_tables import Int8Tables
from keras_din.serving.graph.joined_tables import joined_tables
from keras_din.serving.sample_rows import sample_rows
from keras_din.serving.version.delta import make_delta, read_delta
from tests.models.shared import randomized

ITEM = kd.Categorical("item", vocabulary=["a", "b", "c", "d", "e"], dim=3)
SPEC = kd.FeatureSpec(target=[ITEM], sequences=[kd.Sequence("hist", of=[ITEM])])
SHARDED = SPEC.with_shards(3)


@pytest.fixture(scope="module")
def models():
    one = randomized(kd.build_base(SPEC, hidden_units=(2,)))
    return one, kd.with_shards(one, 3)


def variables_of(version):
    reader = tf.train.load_checkpoint(str(version / "variables" / "variables"))
    names = reader.get_variable_to_shape_map()
    return {n: reader.get_tensor(n) for n in names if n.endswith("VARIABLE_VALUE")}


@pytest.mark.filterwarnings("ignore:.*has no warm-up requests")
@pytest.mark.parametrize("tables", ["float32", "int8"])
def test_versions_are_equal(models, tables, tmp_path, monkeypatch):
    # The process that scores a version takes seconds, and other tests run it.
    monkeypatch.setattr("keras_din.serving.saved_model.check_parity", lambda *given: {})
    paths = [tmp_path / str(number) for number in range(2)]
    one, several = (
        kd.export(model, spec, path, tables=tables, raw=True)
        for model, spec, path in zip(models, (SPEC, SHARDED), paths, strict=True)
    )
    expected = variables_of(one)
    assert variables_of(several).keys() == expected.keys()
    for name, values in variables_of(several).items():
        np.testing.assert_array_equal(values, expected[name])
    several = several.rename(one.parent / str(int(one.name) + 1))
    found = read_delta(make_delta(one, several))
    (changes,) = found["tables"].values()
    assert changes == {"rows": 7, "changed": 0, "added": 0}
    raw = {name: tf.constant(values) for name, values in sample_rows(SPEC).raw.items()}
    ranks = [tf.saved_model.load(str(each)).signatures["rank"](**raw) for each in (one, several)]
    np.testing.assert_array_equal(ranks[0]["ctr"], ranks[1]["ctr"])
    facts = [json.loads((each / "keras_din.json").read_text()) for each in (one, several)]
    assert facts[0]["spec"] == facts[1]["spec"]
    assert facts[1]["tables"]["dtype"] == tables


def test_portable_graph_has_whole_tables(models):
    function = portable.portable_graph(models[1], SPEC)
    x = sample_rows(SPEC).indices
    live = models[0].predict_on_batch(x)
    np.testing.assert_allclose(function(x)["ctr"], live, rtol=1e-5, atol=1e-6)
    graph = function.get_concrete_function().graph
    graphs = [graph, *(g.graph for g in graph._functions.values() if hasattr(g, "graph"))]
    shapes = [o.outputs[0].shape for g in graphs for o in g.get_operations() if o.type == "Const"]
    assert [7, 3] in shapes


def test_rows_that_are_not_finite_are_named(models):
    model = kd.with_shards(models[0], 2)
    model.get_layer("embedding_item").assign_rows([5, 2], np.full((2, 3), np.nan))
    with pytest.raises(ValueError, match=r"NaN or infinity in 2 of 7 rows, the first 2\."):
        Int8Tables(model)


def test_tables_must_fit_into_memory(models, monkeypatch):
    monkeypatch.setattr(module, "free_memory", lambda: 7 * 3 * 4 - 1)
    with joined_tables(models[0]):  # Without shards, nothing is copied.
        pass
    text = "must fit into the free memory.*`tables=\"int8\"`.* in the layer 'embedding_item'"
    with pytest.raises(ValueError, match=text), joined_tables(models[1]):
        pass
    assert module.free_memory() != 0


def test_files_have_a_maximum_size(models, monkeypatch, tmp_path):
    monkeypatch.setattr(portable, "MAX_BYTES", 100)
    with pytest.raises(
        ValueError, match=r"`export_onnx` requires weights of less than .* GiB.*`keras_din.export`"
    ):
        kd.serving.export_onnx(models[1], SPEC, tmp_path / "model.onnx", raw=True)
