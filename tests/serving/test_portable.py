"""Files for other runtimes: they answer as the live model does, on rows of all kinds."""

import importlib.util

import keras
import numpy as np
import pytest

import keras_din as kd
from keras_din.click_rates import ClickRates, OutputRate
from keras_din.ops.packed import portable as packed_portable
from keras_din.ops.packed import static as packed_static
from keras_din.serving import export_litert, export_onnx, portable
from keras_din.serving.sample_rows import sample_rows
from keras_din.serving.version.folders import new_version, versions
from tests.models.test_contract import BAGS, ITEM, OPTIONS, randomized
from tests.serving.specs import SPEC


def needs(*modules):
    lacking = [name for name in modules if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(lacking), reason=f"not installed: {', '.join(lacking)}")


RATES = ClickRates({"ctr": OutputRate(1.0, 1.0, {})}, False)  # Those of the log: nothing to undo.
onnx = needs("tf2onnx", "onnx", "onnxruntime")
litert = needs("ai_edge_litert")
FORMATS = [
    pytest.param(export_onnx, portable._score_onnx, marks=onnx, id="onnx"),
    pytest.param(export_litert, portable._score_litert, marks=litert, id="litert"),
]


OTHER_GRAPHS = {
    "authors": ("din", OPTIONS["din_authors"]),
    "crosses": ("wide_deep", {"crosses": [("hist_item_id", "item_id")], "cross_buckets": 50}),
    "two blocks": ("bst", {"blocks": 2, "heads": 2}),
    "without update gate": ("dien", {"evolution": "AGRU"}),
}
ITEMS = kd.FeatureSpec(
    context=[kd.Categorical("segment", 5, dim=8)],
    target=[ITEM],
    sequences=[kd.Sequence("hist", of=[ITEM], max_length=20)],
)
every_format = pytest.mark.parametrize("export, open_file", FORMATS)


@every_format
@pytest.mark.parametrize("name", kd.MODELS)
@pytest.mark.filterwarnings("ignore")  # Of the converters' own old words.
def test_every_model(tmp_path, export, open_file, name):
    check(tmp_path, export, open_file, kd.MODELS[name](ITEMS), ITEMS)


@every_format
@pytest.mark.filterwarnings("ignore")
def test_missing_numbers_are_the_mean(tmp_path, export, open_file):
    spec = kd.FeatureSpec(
        context=[kd.Numeric("age", mean=40, std=10)], target=[kd.Categorical("item", 9, dim=4)]
    )
    score = open_file(export(kd.build_base(spec, hidden_units=(4,)), spec, tmp_path / "base"))
    item = np.full((4, 1), 3, "int32")
    ctr = score({"age": np.array([np.nan, np.inf, -np.inf, 40], "float32"), "item": item})
    np.testing.assert_array_equal(ctr, np.tile(ctr[3], (4, 1)))
    assert np.isfinite(ctr).all()


# Bags are read as embeddings, and by `lr` and what has it inside as weights.
@every_format
@pytest.mark.parametrize("name", ["lr", "din"])
@pytest.mark.filterwarnings("ignore")
def test_bags(tmp_path, export, open_file, name):
    check(tmp_path, export, open_file, kd.MODELS[name](BAGS), BAGS)


@every_format
@pytest.mark.filterwarnings("ignore")
def test_two_sequences(tmp_path, export, open_file):
    check(tmp_path, export, open_file, kd.build_din(SPEC), SPEC)


@every_format
@pytest.mark.parametrize("name", OTHER_GRAPHS)
@pytest.mark.filterwarnings("ignore")
def test_options_that_make_another_graph(tmp_path, export, open_file, name):
    model, options = OTHER_GRAPHS[name]
    check(tmp_path, export, open_file, kd.MODELS[model](ITEMS, **options), ITEMS)


def check(tmp_path, export, open_file, model, spec):
    """A file is written, alone in its folder, and answers as the model does."""
    model = randomized(model, scale=0.2)
    path = export(model, spec, tmp_path / "a folder" / "model.tflite")
    assert [entry.name for entry in path.parent.iterdir()] == ["model.tflite"]
    score = open_file(path)
    spec = portable.index_spec(spec)
    first = portable.id_feature(spec.target).name
    for options in (
        {"rows": 30},
        {"rows": 3, "time": 0},
        {"rows": 1, "candidates": 1, "time": 1},
        {"rows": 2, "candidates": 20, "time": 150},
    ):
        sample = sample_rows(spec, seed=9, **options)
        real = sample.indices[first] != 0
        expected = np.where(real, model.predict_on_batch(sample.indices), 0)
        np.testing.assert_allclose(score(sample.raw), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("export, open_file", FORMATS)
@pytest.mark.filterwarnings("ignore")
def test_a_difference_leaves_what_was_there(tmp_path, monkeypatch, export, open_file):
    (tmp_path / "model").write_text("old")
    model = kd.build_base(SPEC, hidden_units=(4,))
    model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])  # A ctr of 0.5.
    monkeypatch.setattr(model, "predict_on_batch", lambda x: np.full(x["item"].shape, 0.9))
    with pytest.raises(RuntimeError, match=r"within 1e-05\. The largest difference was 0\.4"):
        export(model, SPEC, tmp_path / "model")
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model").read_text() == "old"


@every_format
@pytest.mark.filterwarnings("ignore")
def test_what_has_no_form_is_named_and_leaves_nothing(tmp_path, export, open_file):
    model = kd.build_base(ITEMS, hidden_units=(4,), activation=keras.ops.erfinv, name="odd")
    with pytest.raises(RuntimeError, match=r"`export_\w+` can't carry this .* Received: odd\. "):
        export(model, ITEMS, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("export, extra", [(export_onnx, "onnx"), (export_litert, "litert")])
def test_without_the_extra(tmp_path, monkeypatch, export, extra):
    for name in ("onnxruntime", "ai_edge_litert", "ai_edge_litert.interpreter"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(RuntimeError, match=rf"pip install 'keras_din\[{extra}\]'"):
        export(kd.build_popularity(SPEC), SPEC, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_versions_and_files_are_written_beside_each_other(tmp_path):
    """Neither takes what the other is writing for a dead writer's; what one left goes."""
    (tmp_path / ".writing-dead").mkdir()

    def write(function, file):
        file.write_text("whole")
        with new_version(tmp_path) as version:
            (version.folder / "file").touch()

    def score(file):
        assert file.read_text() == "whole"
        return lambda x: np.full(x["item"].shape, 0.5)

    model = kd.build_popularity(SPEC)
    path = portable._export(model, SPEC, tmp_path / "lock", RATES, "onnx", write, score)
    assert path.read_text() == "whole"
    assert len(versions(tmp_path)) == 1
    with new_version(tmp_path) as version:
        (version.folder / "file").touch()
        write = lambda function, file: file.touch()  # noqa: E731
        score = lambda file: model.predict_on_batch  # noqa: E731
        portable._export(model, SPEC, path, RATES, "onnx", write, score)
        assert (version.folder / "file").exists()
    assert len(versions(tmp_path)) == 2
    assert len(list(tmp_path.iterdir())) == 3


def test_a_model_of_mixed_precision_computes_in_float32(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = randomized(kd.build_din(ITEMS), scale=0.2)
    finally:
        keras.config.set_dtype_policy("float32")
    graphs = []

    def write(function, file):
        graphs.append(function.get_concrete_function().graph)
        file.touch()

    def score(file):
        return lambda x: function(x)["ctr"].numpy()

    function = portable._graph(model, ITEMS)
    portable._export(model, ITEMS, tmp_path / "model", RATES, "onnx", write, score)
    (graph,) = graphs
    nodes = [*graph.as_graph_def().node, *graph.as_graph_def().library.function]
    assert "DT_HALF" not in str(nodes)
    assert "DT_BFLOAT16" not in str(nodes)


def test_what_is_refused(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="The model's inputs must be those of the spec"):
        export_onnx(kd.build_base(kd.FeatureSpec(target=SPEC.target)), SPEC, tmp_path / "x")
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match="Exports need the TensorFlow backend"):
        export_onnx(None, SPEC, tmp_path / "x")


def test_index_spec():
    bag = kd.Bag("tags", vocabulary=["a", "b"], dim=3, pooling="sum", max_values=4)
    spec = portable.index_spec(kd.FeatureSpec(target=[*SPEC.target, bag], context=SPEC.context))
    assert spec.features["item"] == kd.Categorical("item", 32, dim=8)
    assert spec.features["city"] == kd.Categorical("city", 9, dim=2)
    assert spec.features["tags"] == kd.Bag("tags", 4, dim=3, pooling="sum", max_values=4)
    assert spec.features["age"] == kd.Numeric("age", mean=1, std=2)


def test_sums_and_maxima_by_hand():
    mask = np.array([[True, False, True], [False, False, False], [False, True, False]])
    rows = packed_portable.row_ids(mask)
    values = np.arange(9, dtype="float32")[:, None] - 5
    sums = packed_portable.segment_sum(values, rows, 3)
    np.testing.assert_array_equal(sums, [[-8], [0], [2]])
    highest = packed_portable.segment_max(values, rows, 3)
    np.testing.assert_array_equal(highest, [[-3], [0], [2]])
    np.testing.assert_array_equal(sums, packed_static.segment_sum(values, rows, 3))
