"""Vector: precomputed vectors per item, from a log to training, appended days and exports."""

import dataclasses
import re

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.data import (
    PreparedData,
    append_to_folder,
    prepare_impressions,
    prepare_interactions,
    prepare_rows,
    rows_dataset,
    with_vectors,
)
from keras_din.features import FeatureSpec, VectorTable
from keras_din.layers import FrozenVectors
from keras_din.models import MODELS
from keras_din.serving.graph.float32_layers import float32_outputs
from keras_din.serving.graph.int8_tables import Int8Tables
from keras_din.serving.saved_model import write
from keras_din.spec_fingerprint import differences, fingerprint
from keras_din.training import load_run, train, update
from tests.models.shared import randomized

ITEM = kd.Categorical("item", vocabulary=["a", "b", "c", "d"], dim=2)
TITLES = {"a": [1.0, 0.0, 2.0], "b": [3.0, 4.0, 0.0], "c": [-1.0, 2.0, 1.0], "x": [9.0, 9.0, 9.0]}
TITLE = kd.Vector("title", 3, of="item", project_to=2)
COLUMNS = {"user": "user", "time": "time", "label": "click"}


def spec_of(feature=TITLE, **more):
    spec = {"target": [ITEM, feature], "sequences": [kd.Sequence("hist", of=[ITEM, feature])]}
    return with_vectors(kd.FeatureSpec(**spec | more), {feature.name: TITLES})


def a_log(day=0, items="abcd", rows=40):
    rng = np.random.default_rng(day)
    return pd.DataFrame(
        {
            "user": [f"u{i % 5}" for i in range(rows)],
            "time": 1_600_000_000 + day * 86_400 + np.arange(rows) * 60,
            "item": rng.choice(list(items), rows),
            "click": np.arange(rows) // 5 % 2,
        }
    )


def prepared(**options):
    given = {"dim": 2, "target": ["item", TITLE], "vectors": {"title": TITLES}}
    return prepare_impressions(a_log(), **COLUMNS, **given | options)


def frozen(model):
    return next(layer for layer in model.layers if isinstance(layer, FrozenVectors))


X = {
    "item": np.array([[2, 5], [1, 4]], "int32"),
    "hist_item": np.array([[3, 2, 0], [4, 1, 5]], "int32"),
}


def test_model_looks_up_the_vectors_of_the_items():
    feature = dataclasses.replace(TITLE, project_to=None)
    x = kd.embed.embed(spec_of(feature))
    model = keras.Model(x.inputs, [x.fields["title"], x.fields["hist_title"]])
    of_target, of_behaviors = model(X)
    mean = [1, 2, 1]
    np.testing.assert_array_equal(of_target, [[[1, 0, 2], mean], [mean, [-1, 2, 1]]])
    # Behaviors are packed: padding is left out.
    np.testing.assert_array_equal(of_behaviors, [[3, 4, 0], [1, 0, 2], [-1, 2, 1], mean, mean])


def test_projection_is_shared_by_candidate_and_behaviors():
    x = kd.embed.embed(spec_of())
    model = keras.Model(x.inputs, [x.fields["title"], x.fields["hist_title"]])
    (kernel,) = [w for w in model.trainable_weights if "project_title" in w.path]
    kernel.assign([[1, 0], [0, 1], [0, 1]])
    of_target, of_behaviors = model(X)
    np.testing.assert_allclose(of_target[0], [[1, 2], [1, 3]])
    np.testing.assert_allclose(of_behaviors[:2], [[3, 4], [1, 2]])


@pytest.mark.parametrize("name", [name for name in MODELS if name != "popularity"])
def test_table_is_never_trained(name):
    spec, build = spec_of(), MODELS[name]
    model = build(spec)
    layer = frozen(model)
    before = np.array(layer.vectors)
    np.testing.assert_array_equal(before, spec.features["title"].vectors.values)
    optimizer = kd.optimizers.LazyAdam(0.1)
    model.compile(optimizer, kd.losses.BinaryCrossentropy())
    kernel = next(w for w in model.trainable_weights if "project_title" in w.path)
    start = np.array(kernel)
    model.fit(X, np.array([[1.0, 0.0], [0.0, 1.0]]), epochs=2, verbose=0)
    np.testing.assert_array_equal(np.array(layer.vectors), before)
    assert (np.array(kernel) != start).any()
    assert not any(w is layer.vectors for w in model.trainable_variables)
    # Two slots per trained variable, the step and the learning rate.
    assert len(optimizer.variables) == 2 * len(model.trainable_variables) + 2
    assert not any(tuple(v.shape) == tuple(layer.vectors.shape) for v in optimizer.variables)


def test_one_variable_is_trained_for_a_vector():
    without = kd.FeatureSpec(target=[ITEM], sequences=[kd.Sequence("hist", of=[ITEM])])
    counts = [len(kd.build_base(spec).trainable_variables) for spec in (without, spec_of())]
    assert counts[1] == counts[0] + 1


@pytest.mark.parametrize("storage", ["float16", "int8"])
def test_pipeline_and_exported_version_agree(storage, tmp_path):
    title = dataclasses.replace(TITLE, storage=storage)
    data = prepared(target=["item", title])
    model = randomized(kd.build_din(data.spec, hidden_units=(4,)), scale=0.3)
    layer = frozen(model)
    for variable, values in zip(
        layer.weights, [data.spec.features["title"].vectors.values], strict=False
    ):
        variable.assign(values)
    batch, _ = next(iter(data.dataset("train", 8)))
    expected = model.predict_on_batch(batch)[:, 0]
    raw = np.array([b"", b"zzz", *(v.encode() for v in data.spec.features["item"].vocabulary)])
    folder = tmp_path / "din"
    write(model, data.spec, folder, tmp_path)
    answer = tf.saved_model.load(str(folder)).signatures["serving_default"]
    assert sorted(answer.structured_input_signature[1]) == ["hist_item", "item"]
    request = {
        "item": raw[batch["item"]][:, 0],
        "hist_item": raw[batch["hist_item"].to_tensor()]
        if isinstance(batch["hist_item"], tf.RaggedTensor)
        else raw[batch["hist_item"]],
    }
    served = answer(**{name: tf.constant(values) for name, values in request.items()})["ctr"]
    np.testing.assert_allclose(served, expected, rtol=0, atol=1e-6)
    # An unknown item has the mean vector, and not that of its number.
    unknown = answer(item=tf.constant(["new"]), hist_item=tf.constant([["new", "a"]]))["ctr"]
    x = {"item": np.array([[1]]), "hist_item": np.array([[1, list(raw).index(b"a")]])}
    np.testing.assert_allclose(unknown, model.predict_on_batch(x)[:, 0], rtol=0, atol=1e-6)
    # A table of the version is the table of the data.
    reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    shapes = reader.get_variable_to_shape_map()
    tables = [reader.get_tensor(name) for name, shape in shapes.items() if shape == [6, 3]]
    assert [table.dtype for table in tables] == [storage]


def test_export_of_mixed_precision_is_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = kd.build_base(spec_of(), hidden_units=(4,))
    finally:
        keras.config.set_dtype_policy("float32")
    exact = kd.build_base(spec_of(), hidden_units=(4,))
    exact.set_weights(model.get_weights())
    expected = exact.predict_on_batch(X)
    np.testing.assert_allclose(float32_outputs(model)(X), expected, rtol=0, atol=1e-6)
    assert (model.predict_on_batch(X) != expected).any()


def test_int8_embeddings_leave_the_vectors():
    model = kd.build_base(spec_of(), hidden_units=(4,))
    int8 = Int8Tables(model)
    assert [layer.name for layer, *_ in int8.tables] == ["embedding_item"]
    np.testing.assert_allclose(int8.outputs(X), model.predict_on_batch(X), atol=0.01)


def test_saved_model_has_the_vectors(tmp_path):
    model = randomized(kd.build_base(spec_of(), hidden_units=(4,)))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.array(frozen(loaded).vectors), np.array(frozen(model).vectors))
    np.testing.assert_allclose(loaded.predict_on_batch(X), model.predict_on_batch(X), atol=1e-6)


@pytest.mark.parametrize("name", ["onnx", "litert"])
def test_files_for_other_runtimes(name, tmp_path):
    pytest.importorskip({"onnx": "tf2onnx", "litert": "ai_edge_litert"}[name])
    spec = spec_of()
    export = getattr(kd.serving, f"export_{name}")
    assert export(kd.build_lr(spec), spec, tmp_path / "model", raw=True).is_file()


def test_data_keeps_the_vectors(tmp_path, capsys):
    data = prepared()
    counts = {"rows": 4, "rows_without_vector": 0, "items": 4, "items_without_vector": 1}
    assert data.report["vectors"] == {"title": counts}
    assert "title': 1 of 4 values of 'item'" in capsys.readouterr().out
    assert not any("title" in name for name in data.spec.inputs)
    data.save(tmp_path / "data")
    loaded = PreparedData.load(tmp_path / "data")
    assert loaded.spec == data.spec
    vectors = loaded.spec.features["title"].vectors
    assert isinstance(vectors.values, np.memmap)
    np.testing.assert_array_equal(vectors.values, data.spec.features["title"].vectors.values)
    without = dataclasses.replace(data, spec=FeatureSpec.from_json(data.spec.to_json()))
    with pytest.raises(ValueError, match="Vector 'title' must have its vectors to be saved"):
        without.save(tmp_path / "other")


def test_mean_is_that_of_training_items():
    log = a_log().assign(item=["a", "b"] * 18 + ["c", "d"] * 2)
    item = kd.Categorical("item", vocabulary=["a", "b", "c", "d"], dim=2)
    data = prepare_impressions(
        log, **COLUMNS, target=[item, TITLE], vectors={"title": TITLES}, dim=2
    )
    assert not set(data.parts["train"].columns["item"]) & {4, 5}
    vectors = data.spec.features["title"].vectors.values
    np.testing.assert_array_equal(vectors[1], [2, 2, 1])  # Of "a" and "b".
    np.testing.assert_array_equal(vectors[5], vectors[1])


def test_other_logs_have_vectors_too():
    items = pd.DataFrame({"item": list("abcdefgh")})
    data = prepare_interactions(
        a_log(),
        user="user",
        time="time",
        target=["item", TITLE],
        items=items,
        vectors={"title": TITLES},
        dim=2,
    )
    model = kd.build_base(data.spec)
    assert np.isfinite(model.predict(data.dataset("train"), verbose=0)).all()
    rows = pd.DataFrame(
        {"item": list("abca"), "hist_item": [["b"], [], ["a", "c"], ["c"]], "click": [1, 0, 1, 0]}
    )
    vectors = {"title": pd.DataFrame({"item": list(TITLES), "title": list(TITLES.values())})}
    data = prepare_rows(rows, label="click", target=["item", TITLE], vectors=vectors, dim=2)
    dataset = rows_dataset(rows, data.spec, label="click", batch_size=4)
    model = kd.build_base(data.spec)
    np.testing.assert_allclose(
        model.predict(dataset, verbose=0), model.predict(data.dataset("train"), verbose=0)
    )


def test_a_run_is_trained_updated_and_exported(tmp_path):
    prepared().save(tmp_path / "data")
    data = PreparedData.load(tmp_path / "data")
    options = {"hidden_units": (4,)}
    run = train(data, tmp_path / "run", model="base", options=options, epochs=1, verbose=0)
    loaded = load_run(run.folder)
    assert loaded.spec == data.spec
    assert loaded.spec.features["title"].vectors is None
    table = np.array(frozen(loaded.model).vectors)
    np.testing.assert_array_equal(table, data.spec.features["title"].vectors.values)

    new = {"e": [5.0, 6.0, 7.0], "a": [0.0, 0.0, 0.0]}
    data = append_to_folder(tmp_path / "data", a_log(1, "abcdef"), vectors={"title": new})
    day = data.days[-1].report["vectors"]["title"]
    assert day == {"new_items": 2, "new_items_without_vector": 1}
    grown = PreparedData.load(tmp_path / "data").spec.features["title"].vectors.values
    np.testing.assert_array_equal(grown, data.spec.features["title"].vectors.values)
    np.testing.assert_array_equal(grown[:6], table)
    index = {v: i for i, v in enumerate(data.spec.features["item"].vocabulary, 2)}
    np.testing.assert_array_equal(grown[index["e"]], new["e"])
    np.testing.assert_array_equal(grown[index["f"]], table[1])

    run = update(tmp_path / "run", data, verbose=0)
    np.testing.assert_array_equal(np.array(frozen(run.model).vectors), grown)
    run = load_run(run.folder)
    np.testing.assert_array_equal(np.array(frozen(run.model).vectors), grown)
    write(run.model, run.spec, tmp_path / "version", tmp_path)


@pytest.mark.parametrize("storage", ["float16", "int8"])
def test_growth_in_place_requires_the_vectors_of_known_items(storage):
    title = dataclasses.replace(TITLE, storage=storage)
    item = kd.Categorical("item", vocabulary=["a", "b"], capacity=4, dim=2)
    spec = kd.FeatureSpec(target=[item, title])
    spec = with_vectors(spec, {"title": TITLES})
    model = kd.build_base(spec)
    values = {"item": kd.features.Vocabulary(["a", "b", "c"], None, 4)}
    lacking = spec.with_values(values)
    with pytest.raises(ValueError, match="Vector 'title' of `new_spec` must have its vectors"):
        kd.grow(model, spec, lacking)
    other = with_vectors(lacking, {"title": TITLES | {"b": [0.0, 0.0, 1.0]}})
    message = "Known values must keep their vectors.*other vectors at 1 indices, the first is 3"
    with pytest.raises(ValueError, match=message):
        kd.grow(model, spec, other)
    new_spec = with_vectors(lacking, {"title": TITLES})
    assert kd.grow(model, spec, new_spec) is model
    found = np.array(frozen(model).vectors)
    np.testing.assert_array_equal(found, new_spec.features["title"].vectors.values)
    # Without growth, a spec from JSON is enough.
    from_json = FeatureSpec.from_json(new_spec.to_json())
    assert kd.grow(model, from_json, from_json) is model
    np.testing.assert_array_equal(np.array(frozen(model).vectors), found)


def test_json_has_only_the_checksum():
    spec = spec_of()
    text = spec.to_json()
    found = FeatureSpec.from_json(text)
    assert found == spec
    assert found.features["title"].vectors is None
    checksum = spec.features["title"].checksum
    assert checksum in text
    message = r"'title' must have its vectors to build a model.*`keras_din.data.with_vectors`"
    with pytest.raises(ValueError, match=message):
        kd.build_base(found)
    assert fingerprint(found) == fingerprint(spec)
    other = with_vectors(spec, {"title": TITLES | {"a": [0.0, 0.0, 0.0]}})
    (difference,) = differences(fingerprint(spec), other)
    assert f"feature 'title': its checksum is '{checksum}' in the model" in difference


def test_changed_files_are_refused():
    spec = spec_of()
    vectors = spec.features["title"].vectors
    changed = VectorTable(vectors.values + np.float16(1), None, vectors.checksum)
    with pytest.raises(ValueError, match=f"of the checksum {vectors.checksum}. Received: vectors"):
        kd.build_base(spec.with_vectors({"title": changed}))


def test_checksum_is_computed_once_per_table(monkeypatch):
    spec = spec_of()
    vectors = spec.features["title"].vectors
    monkeypatch.setattr("hashlib.blake2b", lambda **_: pytest.fail("computed again"))
    assert vectors.actual_checksum == vectors.checksum
    # The fingerprint of a spec has digests too, so only the layers of the feature are built.
    kd.embed.feature_layer(spec.features["title"], {})


HASHED = kd.Categorical("item", hash_buckets=10, dim=2)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: kd.Vector("title", 0, of="item"), "`size` of Vector 'title' must be a positive"),
        (lambda: kd.Vector("title", 3, of="item", project_to=0), "`project_to` of Vector 'title'"),
        (lambda: kd.Vector("title", 3, of="item", storage="int4"), "`storage` must be one of"),
        (lambda: kd.Vector("title", 3, of="a b"), "name of a Categorical must consist of"),
        (lambda: spec_of(kd.Vector("title", 4, of="item")), "must have the size 4"),
        (
            lambda: spec_of(kd.Vector("title", 3, of="itme")),
            r"`of` of Vector 'title' must name a Categorical.*of='itme' and the features \['item'",
        ),
        (
            lambda: kd.FeatureSpec(target=[ITEM], context=[TITLE]),
            r"at the same place, which is `context`.*of='item' and the features \['title'\]",
        ),
        (
            lambda: kd.FeatureSpec(
                target=[ITEM, kd.Categorical("cate", 4)],
                sequences=[
                    kd.Sequence("hist", of=[kd.Categorical("cate", 4)], side_features=[TITLE])
                ],
            ),
            r"which is Sequence 'hist'.*the features \['cate', 'title'\]",
        ),
        (
            lambda: kd.FeatureSpec(target=[HASHED, TITLE]),
            "a vocabulary or indices.*buckets=10",
        ),
        (
            lambda: kd.FeatureSpec(target=[ITEM, kd.Numeric("p"), kd.Vector("t", 3, of="p")]),
            "must name a Categorical.*Received: of='p' and Numeric",
        ),
        (
            lambda: dataclasses.replace(TITLE, vectors=VectorTable(np.zeros((6, 4), "float16"))),
            "must have the size 3 and the dtype float16.*6 vectors of size 4",
        ),
        (lambda: dataclasses.replace(TITLE, vectors=[[1]]), "must be a VectorTable.*list"),
        (
            lambda: spec_of().with_vectors({"title": VectorTable(np.zeros((9, 3), "float16"))}),
            "one row per index of 'item', 6.*9 vectors",
        ),
        (lambda: spec_of().with_vectors({"item": None}), r"are a Vector: \['title'\].*\['item'\]"),
        (lambda: prepared(vectors=None), r"vectors of each Vector with `of`, \['title'\].*\[\]"),
        (lambda: prepared(vectors={"title": {1: [1, 2, 3]}}), "type of 'item', text"),
    ],
)
def test_what_must_hold(make, message):
    with pytest.raises(ValueError, match=re.compile(message, re.S)):
        make()


def test_description():
    vectors = repr(spec_of().features["title"])
    expected = "Vector('title', <6 vectors>, size=3, of='item', project_to=2, storage='float16')"
    assert vectors == expected
    assert repr(TITLE).startswith("Vector('title', <no vectors>")
