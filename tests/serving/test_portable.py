"""Files for other runtimes: graph, folder, arguments."""

import keras
import numpy as np
import pytest

import keras_din as kd
from keras_din import serving
from keras_din.ops.packed import portable as packed_portable
from keras_din.ops.packed import static as packed_static
from keras_din.serving.portable import FileFormat, export_file, index_spec, portable_graph
from keras_din.serving.version.folders import new_version, versions
from tests.models.shared import ITEM, randomized
from tests.serving.specs import SPEC

ITEMS = kd.FeatureSpec(
    context=[kd.Categorical("segment", 5, dim=8)],
    target=[ITEM],
    sequences=[kd.Sequence("hist", of=[ITEM], max_length=20)],
)


def test_formats_of_the_command():
    assert {"savedmodel", "onnx", "litert"} <= set(serving.FORMATS)
    assert all(callable(getattr(serving, name)) for name in serving.FORMATS.values())
    assert set(serving.FORMATS.values()) < set(serving.__all__)
    with pytest.raises(AttributeError, match=r"'keras_din\.serving' has no attribute 'export_x'"):
        _ = serving.export_x


def test_versions_and_files_in_the_same_folder(tmp_path):
    """Neither removes what the other one is writing. Files of a killed writer are removed."""
    (tmp_path / ".writing-dead").mkdir()

    def write(function, file):
        file.write_text("whole")
        with new_version(tmp_path) as version:
            (version.folder / "file").touch()

    def open_file(file):
        assert file.read_text() == "whole"
        return lambda x: {"ctr": np.full(x["item"].shape, 0.5)}

    model = kd.build_popularity(SPEC)
    path = export_file(FileFormat("toy", write, open_file), model, SPEC, tmp_path / "lock")
    assert path.read_text() == "whole"
    assert len(versions(tmp_path)) == 1
    with new_version(tmp_path) as version:
        (version.folder / "file").touch()
        write = lambda function, file: file.touch()  # noqa: E731
        open_file = lambda file: lambda x: {"ctr": model.predict_on_batch(x)}  # noqa: E731
        export_file(FileFormat("toy", write, open_file), model, SPEC, path)
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

    def open_file(file):
        return lambda x: {"ctr": function(x)["ctr"].numpy()}

    function = portable_graph(model, ITEMS)
    export_file(FileFormat("toy", write, open_file), model, ITEMS, tmp_path / "model")
    (graph,) = graphs
    nodes = [*graph.as_graph_def().node, *graph.as_graph_def().library.function]
    assert "DT_HALF" not in str(nodes)
    assert "DT_BFLOAT16" not in str(nodes)


def test_invalid_arguments(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="The model's inputs must be those of the spec"):
        serving.export_onnx(kd.build_base(kd.FeatureSpec(target=SPEC.target)), SPEC, tmp_path / "x")
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match="The backend of exports must be TensorFlow"):
        serving.export_onnx(None, SPEC, tmp_path / "x")


def test_index_spec():
    bag = kd.Bag("tags", vocabulary=["a", "b"], dim=3, pooling="sum", max_values=4)
    spec = index_spec(kd.FeatureSpec(target=[*SPEC.target, bag], context=SPEC.context))
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
