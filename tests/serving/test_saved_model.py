"""Exports: a version appears whole or not at all, and answers as the live model does."""

import json
import multiprocessing
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.serving import saved_model, signatures
from keras_din.serving.parity import sample_rows, score_in_another_process
from keras_din.serving.version import new_version, versions
from tests.models.test_contract import SPEC, randomized


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    parent = tmp_path_factory.mktemp("exports with spaces é") / "din"
    # Small enough that the sum over a hundred behaviours does not saturate the sigmoid.
    model = randomized(kd.build_din(SPEC), scale=0.2)
    return model, kd.export(model, SPEC, parent, metrics={"gauc": 0.5})


def test_a_process_with_tensorflow_alone_agrees(exported):
    model, version = exported
    rows = sample_rows(SPEC, seed=7)
    # Of a history longer than 100 the export keeps the most recent; the model reads all it gets.
    rows = {n: v[:, -100:] if SPEC.inputs[n].role == "behaviour" else v for n, v in rows.items()}
    ctr = score_in_another_process(version, rows)
    x = {
        name: values[:, None] if SPEC.inputs[name].role == "target" else values
        for name, values in rows.items()
    }
    # The rows hold indices out of range: the model's embedding reads them as the export does.
    np.testing.assert_allclose(ctr, model.predict_on_batch(x)[:, 0], rtol=0, atol=1e-5)
    assert ctr.std() > 0.05


@pytest.mark.parametrize("name", kd.MODELS)
def test_every_model_exports(name, tmp_path):
    version = kd.export(randomized(kd.MODELS[name](SPEC)), SPEC, tmp_path / name)
    description = saved_model.read_description(version)
    assert description["model"] == name
    assert description["largest_difference"]["serving_default"] <= 1e-5


def test_the_version_folder(exported):
    _, version = exported
    assert version.name.isdecimal()
    names = {entry.name for entry in version.iterdir()}
    assert {"saved_model.pb", "variables", "keras_din.json"} <= names
    assert [entry.name for entry in version.parent.iterdir()] == [version.name]
    description = saved_model.read_description(version)
    assert kd.FeatureSpec.from_json(json.dumps(description["spec"])) == SPEC
    assert description["metrics"] == {"gauc": 0.5}


def test_signature_names_are_the_specs(exported):
    signature = tf.saved_model.load(str(exported[1])).signatures["serving_default"]
    assert set(signature.structured_input_signature[1]) == set(SPEC.inputs)
    assert list(signature.structured_outputs) == ["ctr"]


def test_no_python_in_the_graph_and_no_optimizer_state(tmp_path):
    model = kd.build_din(SPEC)
    model.compile("adam", "binary_crossentropy")
    model.optimizer.build(model.trainable_variables)
    version = kd.export(model, SPEC, tmp_path)
    signature = tf.saved_model.load(str(version)).signatures["serving_default"]
    kinds = {operation.type for operation in signature.graph.get_operations()}
    assert not {kind for kind in kinds if "PyFunc" in kind}
    names = [name for name, _ in tf.train.list_variables(str(version / "variables/variables"))]
    assert not [name for name in names if "momentum" in name or "velocity" in name]


def test_an_empty_history_and_a_huge_index(exported):
    _, version = exported
    score = tf.saved_model.load(str(version)).signatures["serving_default"]
    rows = {name: values[:2] for name, values in sample_rows(SPEC).items()}
    empty = {n: v[:, :0] if SPEC.inputs[n].role == "behaviour" else v for n, v in rows.items()}
    assert np.isfinite(score(**{n: tf.constant(v) for n, v in empty.items()})["ctr"]).all()
    answers = []
    for index in (1, 2**32 + 5, -1):
        odd = {**rows, "item_id": np.full(2, index, np.int64)}
        answers.append(score(**{n: tf.constant(v) for n, v in odd.items()})["ctr"].numpy())
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0], answers[2])


def test_of_a_longer_history_the_most_recent_stay():
    sequence = kd.Sequence("hist", of=[kd.Categorical("item_id", 9)], max_length=2)
    indices = np.array([[3, 0, 4, 5, 0], [0, 0, 0, 0, 6]])
    keep = signatures.most_recent(indices, sequence).numpy()
    np.testing.assert_array_equal(indices * keep, [[0, 0, 4, 5, 0], [0, 0, 0, 0, 6]])


def test_version_numbers_grow(tmp_path):
    (tmp_path / "99999999999").mkdir()
    (tmp_path / "99999999999" / "file").touch()
    with new_version(tmp_path) as (folder, published):
        (folder / "file").touch()
    assert published == [tmp_path / "100000000000"]
    assert versions(tmp_path) == [99999999999, 100000000000]


def test_a_failure_leaves_nothing(tmp_path):
    def fail():
        with new_version(tmp_path) as (folder, _):
            (folder / "file").touch()
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert list(tmp_path.iterdir()) == []


def write_versions(parent, count):
    for _ in range(count):
        with new_version(parent) as (folder, _):
            (folder / "file").touch()


def test_two_writers_at_once_give_two_versions(tmp_path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_versions, args=(tmp_path, 20)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(versions(tmp_path)) == 40
    assert len(list(tmp_path.iterdir())) == 40


def test_disagreement_publishes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(saved_model, "score", lambda model, spec, rows: np.float32(0.5))
    with pytest.raises(RuntimeError, match="must score as the live model does, within 1e-05"):
        kd.export(randomized(kd.build_base(SPEC)), SPEC, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_another_spec_is_refused(tmp_path):
    other = kd.FeatureSpec(target=SPEC.target)
    with pytest.raises(ValueError, match=r"the model lacks: \['age', 'hist_action'"):
        kd.export(kd.build_base(other), SPEC, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_read_only_folder(tmp_path, monkeypatch):
    def refuse(*arguments, **keywords):
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(PermissionError, match="Permission denied"):
        kd.export(kd.build_base(SPEC), SPEC, tmp_path)
    assert list(pathlib.Path(tmp_path).iterdir()) == []


def test_another_backend_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match="`export` needs the TensorFlow backend"):
        kd.export(None, SPEC, tmp_path)
