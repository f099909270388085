"""Exports: TensorFlow alone gives the outputs of the live model, and nothing else is stored."""

import dataclasses
import pathlib
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2, trackable_object_graph_pb2
from tensorflow.python.framework import op_def_registry

import keras_din as kd
from keras_din import serving
from keras_din.embed import build_inputs
from keras_din.serving import saved_model
from keras_din.serving.sample_rows import one_candidate_per_row, sample_rows
from keras_din.serving.version import warmup
from keras_din.serving.version.folders import versions
from tests.models.shared import score
from tests.serving.specs import ITEM, SPEC, through_the_pipeline

ROOT = pathlib.Path(__file__).parent.parent.parent
OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
every_model = pytest.mark.parametrize("name", kd.MODELS)


def call(signature, rows):
    answers = signature(**{name: tf.constant(values) for name, values in rows.items()})
    return {name: values.numpy() for name, values in answers.items()}


@every_model
def test_log_values_give_the_outputs_of_the_pipeline(exports, name):
    (model, _), spec = exports[name], exports.spec_of(name)
    signatures = exports.signatures(name)
    for time_ in (None, 0, 1):
        sample = sample_rows(spec, rows=40, time=time_, seed=7)
        x, real = through_the_pipeline(spec, sample)
        live = score(model, x)[:, 0]
        one = call(signatures["serving_default"], one_candidate_per_row(spec, sample.raw))["ctr"]
        np.testing.assert_allclose(one[real], live, rtol=0, atol=1e-5)
        many = call(signatures["rank"], sample.raw)
        np.testing.assert_allclose(many["ctr"].reshape(-1), one, rtol=0, atol=1e-5)
        by_order = np.take_along_axis(many["ctr"], many["order"], 1)
        assert (np.diff(by_order) <= 0).all()
        np.testing.assert_array_equal(one[~real], 0)
        assert one[real].std() > 0.02
        assert name == "popularity" or (many["ctr"].std(axis=0) > 0.02).all()


@every_model
def test_all_operations_are_from_tensorflow(exports, name):
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((exports[name][1] / "saved_model.pb").read_bytes())
    (graph,) = saved.meta_graphs
    library = graph.graph_def.library
    functions = {function.signature.name for function in library.function}
    nodes = [*graph.graph_def.node, *(n for f in library.function for n in f.node_def)]
    used = {node.op for node in nodes}
    # TensorFlow warns about missing functions of gradients when it loads a version.
    assert not [node.name for node in nodes if "_gradient_op_type" in node.attr]
    assert "StatefulPartitionedCall" in used
    for operation in used - functions:
        assert op_def_registry.get(operation) is not None, operation
        assert "PyFunc" not in operation
        assert not operation.endswith("Grad"), "a part of training"
    assert not library.gradient
    assert not library.registered_gradients


@every_model
def test_stored_variables(exports, name):
    model, version = exports[name]
    assert model.optimizer.variables
    file = str(version / "variables" / "variables")
    shapes = sorted(shape for key, shape in tf.train.list_variables(file) if key != OBJECT_GRAPH)
    tables = [weight for weight in model.weights if getattr(weight, "is_embedding_table", False)]
    # Other weights are constants. `shop` has a removed value, so it needs the index of each line.
    index_of_line = [10]
    assert shapes == sorted([index_of_line, *(list(table.shape) for table in tables)])
    numbers = 4 * sum(int(np.prod(shape)) for shape in shapes)
    size = sum(path.stat().st_size for path in (version / "variables").iterdir())
    assert numbers <= size < numbers + 20_000
    graph = trackable_object_graph_pb2.TrackableObjectGraph()
    graph.ParseFromString(tf.train.load_variable(file, OBJECT_GRAPH))
    found = {each.checkpoint_key: each.full_name for n in graph.nodes for each in n.attributes}
    names = [found.get(f"weights/{i}/.ATTRIBUTES/VARIABLE_VALUE") for i in range(len(tables))]
    assert names == sorted(names)


def test_the_version_folder(exports):
    _, version = exports["din"]
    assert version.name.isdecimal()
    names = {entry.name for entry in version.iterdir()}
    assert names == {
        "assets",
        "assets.extra",
        "fingerprint.pb",
        "keras_din.json",
        "saved_model.pb",
        "variables",
    }
    assert [entry.name for entry in version.parent.iterdir()] == [version.name]
    # A vocabulary with line breaks in its values is stored in the graph.
    assert {file.name for file in (version / "assets").iterdir()} == {"item.txt", "shop.txt"}


def test_names_and_types_of_the_signatures(exports):
    signatures = exports.signatures("din")
    assert set(signatures) == {"serving_default", "rank"}
    types = {
        "segment": tf.int32,
        "age": tf.float32,
        "words": tf.string,
        "city": tf.string,
        "price": tf.float32,
        "item": tf.string,
        "shop": tf.int64,
        "hist_item": tf.string,
        "hist_shop": tf.int64,
        "hist_action": tf.int64,
        "hist_s": tf.float32,
        "shops_shop": tf.int64,
    }
    for name, signature in signatures.items():
        inputs = signature.structured_input_signature[1]
        assert {key: spec.dtype for key, spec in inputs.items()} == types
        assert inputs["item"].shape.rank == {"serving_default": 1, "rank": 2}[name]
        assert inputs["age"].shape.rank == 1
        assert inputs["hist_s"].shape.rank == 2
    assert list(signatures["serving_default"].structured_outputs) == ["ctr"]
    assert {key: spec.dtype for key, spec in signatures["rank"].structured_outputs.items()} == {
        "ctr": tf.float32,
        "order": tf.int32,
    }


def test_unknown_values_are_equivalent(exports):
    rank = exports.signatures("din")["rank"]
    rows = sample_rows(SPEC, rows=2).raw
    answers = []
    for item, shop, segment in [("x", 77, 1), ("日本", -(2**63), 99), ("Té 0", 2**62, -1)]:
        odd = {**rows, "item": np.full((2, 3), item, object), "shop": np.full((2, 3), shop)}
        odd["segment"] = np.full(2, segment, np.int32)
        answers.append(call(rank, odd)["ctr"])
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0], answers[2])
    assert answers[0].min() > 0


def test_numbers_that_are_not_finite_are_the_mean(exports):
    rank = exports.signatures("din")["rank"]
    rows = sample_rows(SPEC, rows=3).raw
    mean = call(rank, {**rows, "age": np.ones(3, np.float32)})["ctr"]
    none = call(rank, {**rows, "age": np.array([np.nan, np.inf, -np.inf], np.float32)})["ctr"]
    np.testing.assert_array_equal(none, mean)


def test_no_version_if_outputs_differ(tmp_path, monkeypatch):
    rounds = tf.config.experimental.tensor_float_32_execution_enabled
    before = rounds()

    def disagree(folder, spec, live, order_by):
        assert (pathlib.Path(folder) / "saved_model.pb").is_file()
        assert (pathlib.Path(folder) / warmup.FILE).is_file()
        assert not rounds()
        raise RuntimeError("must score as the live model does")

    monkeypatch.setattr(saved_model, "check_parity", disagree)
    with pytest.raises(RuntimeError, match="must score as the live model does"):
        kd.export(kd.build_popularity(SPEC), SPEC, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert rounds() == before


def test_no_version_if_the_disk_is_full(tmp_path, monkeypatch, unchecked):
    old = kd.export(kd.build_popularity(SPEC), SPEC, tmp_path)
    save = tf.saved_model.save

    def half(module, folder, *arguments):
        save(module, folder, *arguments)
        pathlib.Path(folder, "saved_model.pb").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", half)
    with pytest.raises(OSError, match="No space left on device"):
        kd.export(kd.build_popularity(SPEC), SPEC, tmp_path)
    assert list(tmp_path.iterdir()) == [old]


def test_keep(tmp_path, unchecked):
    model = kd.build_popularity(SPEC)
    written = [kd.export(model, SPEC, tmp_path, keep=2) for _ in range(3)]
    assert versions(tmp_path) == [int(version.name) for version in written[1:]]
    with pytest.raises(ValueError, match=r"`keep` must be a positive integer\. Received: keep=0"):
        kd.export(model, SPEC, tmp_path, keep=0)


@pytest.mark.parametrize("output", ["dict", "one column", "three axes"])
def test_invalid_outputs(tmp_path, output):
    spec = kd.FeatureSpec(target=[ITEM])
    model = kd.build_base(spec, hidden_units=(4,))
    ctr = model.output
    wrong = {
        "dict": {"ctr": ctr, "other": ctr},
        "one column": keras.ops.max(ctr, axis=1, keepdims=True),
        "three axes": ctr[..., None],
    }
    model = keras.Model(model.inputs, wrong[output])
    message = r"The model's output must be one tensor `\(batch, candidates\)`"
    if output == "dict":
        message = r"must have the names of the spec's outputs, \['ctr'\]\. .*\['ctr', 'other'\]"
    with pytest.raises(ValueError, match=message):
        kd.export(model, spec, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_model_of_another_spec(tmp_path):
    other = kd.FeatureSpec(target=SPEC.target)
    with pytest.raises(ValueError, match=r"the model lacks: \['age', 'city', 'hist_action'"):
        kd.export(kd.build_base(other), SPEC, tmp_path / "x")
    with pytest.raises(ValueError, match=r"the spec lacks: \['age', 'city', 'hist_action'"):
        kd.export(kd.build_base(SPEC), other, tmp_path / "x")
    more = kd.Categorical("item", vocabulary=[*ITEM.vocabulary, "new"], dim=8)
    with pytest.raises(
        ValueError, match=r"table of 'item' must have a row for each of the spec's 33"
    ):
        kd.export(
            kd.build_base(kd.FeatureSpec(target=[ITEM])),
            kd.FeatureSpec(target=[more]),
            tmp_path / "x",
        )
    with pytest.raises(ValueError, match="input 'b' must be that of the spec, float32 of shape"):
        kd.export(
            kd.build_base(kd.FeatureSpec(target=[ITEM, kd.Categorical("b", 9)])),
            kd.FeatureSpec(target=[ITEM, kd.Numeric("b")]),
            tmp_path / "x",
        )
    with pytest.raises(ValueError, match=r"`model` must be a functional keras\.Model"):
        kd.export(keras.Sequential(), SPEC, tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("build", [kd.build_lr, kd.build_popularity, kd.build_din])
def test_tables_must_match_the_spec(tmp_path, build):
    more = kd.Categorical("item", vocabulary=[*ITEM.vocabulary, "new"], dim=8)
    ours, theirs = (
        kd.FeatureSpec(target=[item], sequences=[kd.Sequence("hist", of=[item])])
        for item in (ITEM, more)
    )
    message = r"table of 'item' must have a row for each of the spec's 33 .* Received: 32 rows in '"
    with pytest.raises(ValueError, match=message):
        kd.export(build(ours), theirs, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def in_another_order(spec):
    """Returns the spec with the first two items swapped."""
    first, second, *others = ITEM.vocabulary
    item = kd.Categorical("item", vocabulary=[second, first, *others], dim=8)
    replaced = lambda features: [item if f is ITEM else f for f in features]  # noqa: E731
    sequences = [dataclasses.replace(s, of=replaced(s.of)) for s in spec.sequences]
    return dataclasses.replace(spec, target=replaced(spec.target), sequences=sequences)


@pytest.mark.parametrize("export", [kd.export, serving.export_onnx, serving.export_litert])
def test_vocabulary_in_another_order(tmp_path, export):
    model = kd.build_lr(SPEC)
    message = (
        r"`spec` must have the features .*'item': the same values in another order; they first "
        "differ at index 2, where the spec has 'té 1'"
    )
    with pytest.raises(ValueError, match=message):
        export(model, in_another_order(SPEC), tmp_path / "x")
    with pytest.raises(ValueError, match=message):
        export(keras.models.clone_model(model), in_another_order(SPEC), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_model_without_fingerprint_warns(tmp_path, unchecked):
    """A functional model has no fingerprint, unless `CTRModel` makes it."""
    spec = kd.FeatureSpec(target=[ITEM])
    inputs = build_inputs(spec)
    ctr = keras.layers.Embedding(32, 1)(inputs["item"])[..., 0]
    with pytest.warns(UserWarning, match=r"has no fingerprint .*CTRModel\(model\.input, model"):
        kd.export(keras.Model(inputs, ctr), spec, tmp_path)
    model = kd.CTRModel(inputs, ctr, spec=spec)
    kd.export(model, spec, tmp_path)
    with pytest.raises(ValueError, match="'item': the same values in another order"):
        kd.export(model, in_another_order(spec), tmp_path)


def test_other_backends(monkeypatch, tmp_path):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match="The backend of `export` must be TensorFlow"):
        kd.export(None, SPEC, tmp_path)


EXPORTER = """
import sys
import keras_din as kd
from tests.serving.specs import SPEC
model = kd.build_popularity(SPEC)
print("ready", flush=True)
kd.export(model, SPEC, sys.argv[1])
"""


def test_two_exports_at_once_give_two_versions(tmp_path):
    words = [sys.executable, "-c", EXPORTER, str(tmp_path)]
    exporters = [subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [exporter.wait() for exporter in exporters] == [0, 0]
    assert len(versions(tmp_path)) == 2
    assert len(list(tmp_path.iterdir())) == 2
    sample = one_candidate_per_row(SPEC, sample_rows(SPEC, rows=3).raw)
    for number in versions(tmp_path):
        signatures = tf.saved_model.load(str(tmp_path / str(number))).signatures
        ctr = call(signatures["serving_default"], sample)["ctr"]
        np.testing.assert_array_equal(ctr > 0, sample["item"] != "")
        assert (tmp_path / str(number) / "keras_din.json").is_file()


@pytest.mark.parametrize("delay", [0.2, 3.0])
def test_a_killed_exporter(exports, tmp_path, delay, unchecked):
    old = kd.export(exports["popularity"][0], SPEC, tmp_path)
    exporter = subprocess.Popen([sys.executable, "-c", EXPORTER, str(tmp_path)], cwd=ROOT)
    try:
        while not list(tmp_path.glob(".writing-*")):
            assert exporter.poll() is None
            time.sleep(0.01)
        time.sleep(delay)
    finally:
        exporter.kill()
        exporter.wait()
    assert versions(tmp_path) == [int(old.name)]
    assert list(tmp_path.glob(".writing-*"))
    assert "rank" in tf.saved_model.load(str(old)).signatures
    new = kd.export(exports["popularity"][0], SPEC, tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([old.name, new.name])
