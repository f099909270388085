"""A `Vector` without `of`: a vector per request, candidate or behavior, from a log to exports."""

import json
import re

import keras
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.cli import main
from keras_din.cli.sent_rows import sent_rows
from keras_din.cli.show import missing_numbers
from keras_din.data import PreparedData, prepare_impressions, rows_dataset
from keras_din.data.prepare.scoring import log_to_samples
from keras_din.data.store.bags import row_ids
from keras_din.embed import embed
from keras_din.features import FeatureSpec
from keras_din.models import MODELS
from keras_din.serving.checks.skew import find_skew, raw_rows
from keras_din.serving.graph.float32_layers import float32_outputs
from keras_din.serving.saved_model import write
from keras_din.spec_fingerprint import differences, fingerprint
from tests.models.shared import randomized, score

QUERY = kd.Vector("query", size=3, project_to=2)  # Of the request.
IMAGE = kd.Vector("image", 2, storage="float32")  # Of the candidate and of behaviors.
MOOD = kd.Vector("mood", 2, project_to=1)  # Of behaviors only.
COLUMNS = {"user": "user", "time": "time", "label": "click", "dim": 2}
FEATURES = {"target": ["item", IMAGE], "context": [QUERY], "side_features": [MOOD]}


def a_log(day=0, rows=60):
    rng = np.random.default_rng(day)
    vectors = {"query": 3, "image": 2, "mood": 2}
    log = pd.DataFrame(
        {
            "user": [f"u{i % 5}" for i in range(rows)],
            "time": 1_600_000_000 + day * 86_400 + np.arange(rows) * 60,
            "item": rng.choice(list("abcd"), rows),
            "click": np.arange(rows) // 5 % 2,
        }
    )
    for name, size in vectors.items():
        log[name] = list(rng.normal(size=(rows, size)).round(3))
    log.loc[[3, 20], "query"] = None
    return log


def prepared(log=None, **more):
    return prepare_impressions(a_log() if log is None else log, **COLUMNS | FEATURES | more)


def batch(data, part="train", **options):
    return next(data.dataset(part, 1000, **options).as_numpy_iterator())[0]


def cell(value, size, storage):
    return np.zeros(size) if value is None else np.float32(np.array(value, storage))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Saved and loaded data."""
    folder = tmp_path_factory.mktemp("data") / "data"
    prepared().save(folder)
    return PreparedData.load(folder)


def test_batches_equal_a_slow_loop(data):
    log, samples, x = a_log(), data.parts["train"], batch(data)
    assert x["query"].shape == (len(samples), 3)
    assert x["image"].shape == (len(samples), 1, 2)
    assert {x[name].dtype.name for name in ("query", "image", "hist_image")} == {"float32"}
    for row, line in enumerate(samples.line):
        event = log.loc[line]
        np.testing.assert_array_equal(x["query"][row], cell(event["query"], 3, "float16"))
        np.testing.assert_array_equal(x["image"][row, 0], cell(event["image"], 2, "float32"))
        same = log[(log["user"] == event["user"]) & (log["time"] < event["time"]) & log["click"]]
        for name, storage in (("image", "float32"), ("mood", "float16")):
            of_row = np.stack([np.zeros(2), *(cell(v, 2, storage) for v in same[name])])
            np.testing.assert_array_equal(x[f"hist_{name}"][row, : len(same)], of_row[1:])
            assert not x[f"hist_{name}"][row, len(same) :].any()


def test_columns_are_memory_mapped_matrices(data):
    query, mood = data.parts["train"].columns["query"], data.behaviors["hist"].columns["mood"]
    assert isinstance(query.base, np.memmap)
    assert isinstance(mood.base, np.memmap)
    assert (query.dtype, query.shape[1:], mood.dtype) == (np.float16, (3,), np.float16)
    assert data.parts["train"].columns["image"].dtype == np.float32
    assert data.report["values_missing"] == {"query": 2}
    assert data.report["columns"]["query"]["reason"] == "vectors of size 3"
    assert FeatureSpec.from_json(data.spec.to_json()) == data.spec


def as_text(log, separator="|"):
    text = lambda value: "" if value is None else separator.join(map(str, value))  # noqa: E731
    return log.assign(**{name: log[name].map(text) for name in ("query", "image", "mood")})


def write_log(log, form, folder):
    """Writes a log in one of several forms; returns its path."""
    path = folder / f"log.{form}"
    if form == "csv":
        as_text(log).to_csv(path, index=False)
    elif form == "jsonl":
        log.to_json(path, orient="records", lines=True)
    elif form == "parquet":
        log.to_parquet(path)
    elif form == "fixed.parquet":
        table = pa.Table.from_pandas(log)
        place = table.column_names.index("image")
        kind = pa.list_(pa.float32(), 2)
        pq.write_table(table.set_column(place, "image", table["image"].cast(kind)), path)
    else:
        path = folder / "files"
        path.mkdir()
        for i, part in enumerate((log[:30], log[30:])):
            write_log(part, form.removeprefix("several "), path)
            (path / f"log.{form.removeprefix('several ')}").rename(
                path / f"log{i}.{form.removeprefix('several ')}"
            )
    return path


@pytest.mark.parametrize(
    "form", ["csv", "jsonl", "parquet", "fixed.parquet", "several csv", "several parquet"]
)
def test_every_form_of_a_log_gives_the_same_data(form, data, tmp_path):
    found = prepared(write_log(a_log(), form, tmp_path))
    x, expected = batch(found), batch(data)
    assert list(x) == list(expected)
    for name in x:
        np.testing.assert_array_equal(x[name], expected[name], name)


def test_another_separator(data):
    found = prepared(as_text(a_log(), " "), bags=dict.fromkeys(("query", "image", "mood"), " "))
    np.testing.assert_array_equal(batch(found)["hist_image"], batch(data)["hist_image"])


def test_tables_of_items_and_users(data):
    log = a_log()
    items = pd.DataFrame({"item": list("abc"), "image": [[1, 2], [3, 4], [5, 6]]})
    users = pd.DataFrame(
        {"user": [f"u{i}" for i in range(5)], "query": [[i, 0, 1] for i in range(5)]}
    )
    found = prepared(log.drop(columns=["image", "query"]), items=items, users=users)
    samples = found.parts["train"]
    of_item = {"a": [1, 2], "b": [3, 4], "c": [5, 6], "d": [0, 0]}
    for row, line in enumerate(samples.line):
        assert samples.columns["image"][row].tolist() == of_item[log["item"][line]]
        assert samples.columns["query"][row, 0] == int(log["user"][line][1])
    assert found.report["values_missing"]["image"] == (log["item"] == "d").sum()


def test_interactions_have_vectors_of_items_and_rows():
    log = a_log().query("click == 1").drop(columns="click")
    items = pd.DataFrame({"item": list("abcdef"), "image": [[i, i + 0.5] for i in range(6)]})
    data = kd.data.prepare_interactions(
        log.drop(columns="image"), user="user", time="time", items=items, dim=2, **FEATURES
    )
    x = batch(data)
    item = np.array([0, 0, *(ord(v) - ord("a") for v in data.spec.features["item"].vocabulary)])
    np.testing.assert_array_equal(x["image"][:, 0, 0], item[x["item"][:, 0]])
    assert x["hist_mood"].any()
    model = kd.build_din(data.spec, hidden_units=(4,))
    assert np.isfinite(model.predict(data.dataset("train"), verbose=0)).all()


def test_bad_cells_are_kept_aside_with_their_lines():
    log = a_log()
    log.at[7, "query"], log.at[9, "image"] = [1, 2], [1, np.nan]
    found = prepared(log, max_bad=0.1)
    reasons = dict(zip(found.bad_rows["line"], found.bad_rows["reason"], strict=True))
    assert reasons == {
        7: "'query' is not a vector of 3 finite numbers: 2 numbers",
        9: "'image' is not a vector of 2 finite numbers: no value",
    }
    with pytest.raises(ValueError, match="'image' is not a vector of 2 finite numbers; the first"):
        prepared(log)


def test_a_name_instead_of_a_feature():
    with pytest.raises(
        ValueError, match=r"pass the feature `Vector\('query', 3\)`.*--vector query=3"
    ):
        prepared(context=["query"])


def test_projection_and_padding():
    item = kd.Categorical("item", 10, dim=2)
    spec = kd.FeatureSpec(
        context=[QUERY], target=[item, IMAGE], sequences=[kd.Sequence("hist", of=[item, IMAGE])]
    )
    x = embed(spec)
    model = keras.Model(x.inputs, {"query": x.fields["query"], "image": x.fields["hist_image"]})
    (kernel,) = model.trainable_weights
    assert kernel.path.startswith("project_query")
    values = {
        "query": np.array([[1, 2, 3], [4, np.nan, 6]], "float32"),
        "item": np.array([[2], [3]], "int32"),
        "image": np.ones((2, 1, 2), "float32"),
        "hist_item": np.array([[0, 5], [6, 7]], "int32"),
        "hist_image": np.array([[[np.nan, 9], [1, 2]], [[3, 4], [5, np.inf]]], "float32"),
    }
    found = model(values)
    np.testing.assert_allclose(found["query"], [[1, 2, 3], [0, 0, 0]] @ np.array(kernel), rtol=1e-6)
    # Packed: the padding position is left out.
    np.testing.assert_array_equal(found["image"], [[1, 2], [3, 4], [0, 0]])


@pytest.mark.parametrize("name", [name for name in MODELS if name != "popularity"])
def test_padding_changes_nothing_and_training_is_finite(name, data):
    model = randomized(MODELS[name](data.spec))
    x = batch(data)
    expected = score(model, x)
    one = lambda v: np.zeros((len(v), 1, *v.shape[2:]), v.dtype)  # noqa: E731
    noise = lambda v: one(v) if v.dtype == np.int32 else np.full_like(one(v), np.nan)  # noqa: E731
    padded = {n: v if n == "query" else np.concatenate([noise(v), v], axis=1) for n, v in x.items()}
    np.testing.assert_allclose(score(model, padded)[:, 1:], expected, atol=1e-5)
    loss = kd.losses.BinaryCrossentropy()
    model.compile(kd.optimizers.LazyAdam(0.1), loss, run_eagerly=True)
    y = np.concatenate([np.zeros_like(expected), np.ones_like(expected)], axis=1)
    weight = np.concatenate([np.zeros_like(expected), np.ones_like(expected)], axis=1)
    model.train_on_batch(padded, y, sample_weight=weight)
    assert all(np.isfinite(np.asarray(v)).all() for v in model.trainable_variables)


def test_mixed_precision_and_saved_models(data, tmp_path):
    exact = kd.build_base(data.spec, hidden_units=(4,))
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = kd.build_base(data.spec, hidden_units=(4,))
    finally:
        keras.config.set_dtype_policy("float32")
    exact.set_weights(model.get_weights())
    x = batch(data)
    expected = exact.predict_on_batch(x)
    np.testing.assert_allclose(float32_outputs(model)(x), expected, atol=1e-6)
    np.testing.assert_allclose(model.predict_on_batch(x), expected, atol=0.05)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict_on_batch(x), model.predict_on_batch(x))


def test_ragged_histories(data):
    model = kd.build_din(data.spec, hidden_units=(4,))
    x = {name: tf.constant(values) for name, values in batch(data).items()}
    lengths = tf.reduce_sum(tf.cast(x["hist_item"] != 0, tf.int64), axis=1)
    ragged = {
        n: tf.RaggedTensor.from_tensor(v, lengths=lengths) if n.startswith("hist") else v
        for n, v in x.items()
    }
    np.testing.assert_allclose(model(ragged), model(x), atol=1e-6)


def test_requests_share_the_vectors_of_the_context():
    log = a_log().assign(request=np.arange(60) // 3, user="u", time=1_600_000_000)
    log["time"] += log["request"] * 60
    log["query"] = [[i // 3, 1, 2] if i // 3 != 1 else None for i in range(60)]
    data = prepared(log, request="request")
    x = batch(data, by_request=True)
    assert x["query"].shape == (len(x["item"]), 3)
    assert x["image"].shape == (*x["item"].shape, 2)
    log.at[5, "query"] = [9, 9, 9]
    data = prepared(log, request="request")
    with pytest.raises(ValueError, match="one request must share context 'query'"):
        batch(data, by_request=True)


def test_rows_that_contain_their_histories(tmp_path):
    item = kd.Categorical("item", vocabulary=list("abcd"), dim=2)
    spec = kd.FeatureSpec(
        context=[QUERY],
        target=[item, IMAGE],
        sequences=[kd.Sequence("hist", of=[item, IMAGE], side_features=[MOOD])],
    )
    rows = pd.DataFrame(
        {
            "query": [[1, 2, 3], None, "4|5|6"],
            "item": ["a", "b", "c"],
            "image": [[1, 2], [3, 4], np.array([5, 6])],
            "hist_item": [["b"], [], ["c", "", "d"]],
            "hist_image": [[[7, 8]], None, np.arange(6).reshape(3, 2)],
            "hist_mood": [[[0, 1]], [], [[1, 1], [2, 2], None]],
            "click": [1, 0, 1],
        }
    )
    dataset = rows_dataset(rows, spec, "click", batch_size=3)
    x, _ = next(dataset.as_numpy_iterator())
    assert dataset.values_missing == {"query": 1, "hist_mood": 1}
    assert missing_numbers(dataset).startswith("without a value: 1 of 'query', replaced by zeros")
    np.testing.assert_array_equal(x["query"], [[1, 2, 3], [0, 0, 0], [4, 5, 6]])
    np.testing.assert_array_equal(x["hist_image"][2], [[0, 1], [4, 5]])
    np.testing.assert_array_equal(x["hist_mood"][:, 0], [[0, 1], [0, 0], [1, 1]])
    sent = sent_rows(rows, spec)
    assert sent["image"].shape == (3, 1, 2)
    np.testing.assert_array_equal(sent["hist_image"][2], [[0, 1], [2, 3], [4, 5]])
    assert np.isnan(sent["query"][1]).all()
    # Learned from rows, in files too.
    features = {"target": ["item", IMAGE], "context": [QUERY], "side_features": [MOOD]}
    lists = rows.assign(
        query=[[1, 2, 3], None, [4, 5, 6]],
        hist_image=[[[7, 8]], None, [[0, 1], [2, 3], [4, 5]]],
    )
    lists.to_parquet(tmp_path / "rows.parquet")
    for source in (lists, tmp_path / "rows.parquet"):
        data = kd.data.prepare_rows(source, label="click", dim=2, **features)
        found = batch(data)
        for name in ("query", "image", "hist_image", "hist_mood"):
            np.testing.assert_array_equal(found[name], x[name], name)
        assert data.report["values_missing"]["query"] == 1


@pytest.mark.parametrize(
    "column, value, message",
    [
        ("query", [1, 2], "Column 'query' must hold vectors of 3 finite.* in row 1: .*2 numbers"),
        ("hist_image", [[[1, np.inf]]], "behavior 1 of the column from 0: .*: inf"),
        ("hist_image", [[1, 2], [3, 4]], "must have one length in a row"),
    ],
)
def test_bad_rows_with_histories(column, value, message):
    item = kd.Categorical("item", vocabulary=list("ab"), dim=2)
    spec = kd.FeatureSpec(
        context=[QUERY], target=[item, IMAGE], sequences=[kd.Sequence("hist", of=[item, IMAGE])]
    )
    row = {"query": [1, 2, 3], "item": "a", "image": [1, 2], "hist_item": ["b"]}
    rows = [row | {"hist_image": [[1, 2]]} for _ in range(2)]
    rows[1][column] = value[0] if column == "hist_image" and len(value) == 1 else value
    with pytest.raises(ValueError, match=message):
        rows_dataset(pd.DataFrame(rows), spec)


def test_appended_days_and_scored_logs(data):
    grown = data.append(a_log(1))
    x = batch(data)
    day = grown.days[-1]
    assert day.samples.columns["query"].dtype == np.float16
    assert day.report["values_missing"] == {"query": 2}
    model = kd.build_base(data.spec, hidden_units=(4,))
    before = model.predict_on_batch(x)
    kd.grow(model, data.spec, grown.spec)
    np.testing.assert_array_equal(model.predict_on_batch(x), before)
    joined = batch(grown.joined())
    assert joined["query"].shape == (120, 3)
    assert joined["hist_mood"].shape[2:] == (2,)
    replayed = grown.day_with_replay(0, 0.5, 0)
    assert batch(replayed)["image"].shape[1:] == (1, 2)
    # Behaviors of the data and of the log, which the data has already.
    of_log = {"user": "user", "time": "time", "sequences": {"hist": "click"}}
    scored = log_to_samples(a_log(), data.spec, data, **of_log)
    assert scored.report["behaviors_in_data"] == {"hist": a_log()["click"].sum()}
    scored = log_to_samples(a_log(2), data.spec, None, **of_log | {"sequences": {}})
    assert scored.behaviors["hist"].columns["mood"].shape == (0, 2)
    log = a_log()
    log["image"] += log["time"].map(lambda time: np.array([0, 1e-3]))
    scored = log_to_samples(log, data.spec, data, **of_log)
    assert scored.report["behaviors_in_data"] == {"hist": 0}


def test_rows_with_equal_vectors_have_equal_ids():
    column = np.array([[1, 2], [3, 4], [1, 2], [0, 0]], "float16")
    assert row_ids(column).tolist() == [0, 1, 0, 2]


def test_published_version_equals_the_pipeline(data, tmp_path):
    model = randomized(kd.build_base(data.spec, hidden_units=(4,)), scale=0.3)
    version = kd.export(model, data.spec, tmp_path / "base", raw=True)
    described = json.loads((version / "keras_din.json").read_text())
    shapes = {n: t["shape"] for n, t in described["signatures"]["rank"]["inputs"].items()}
    assert shapes["query"] == [-1, 3]
    assert shapes["image"] == shapes["hist_image"] == [-1, -1, 2]
    assert "query" not in described["padding"]
    x = batch(data)
    live = float32_outputs(model)
    skew = find_skew(version, data.spec, live, [(raw_rows(data.spec, x, {}), x)])
    assert not skew.found
    assert max(skew.largest.values()) < 1e-6


def test_signatures_round_replace_and_check(data, tmp_path):
    model = randomized(kd.build_lr(data.spec), scale=0.3)
    write(model, data.spec, tmp_path / "lr", tmp_path)
    rank = tf.saved_model.load(str(tmp_path / "lr")).signatures["rank"]
    request = {
        "query": tf.constant([[0.1, 0.2, 0.3]]),
        "item": tf.constant([["a"]]),
        "image": tf.constant([[[0.1, 0.2]]]),
        "hist_item": tf.constant([["b"]]),
        "hist_image": tf.constant([[[1.0, 2.0]]]),
        "hist_mood": tf.constant([[[0.1, 2.0]]]),
    }
    # Numbers are rounded as in the data, and a vector with NaN is missing.
    frame = pd.DataFrame({n: [v.numpy().tolist()[0]] for n, v in request.items()})
    frame = frame.assign(item="a", image=[[0.1, 0.2]], hist_item=[["b"]])
    expected = model.predict(rows_dataset(frame, data.spec), verbose=0)
    np.testing.assert_allclose(rank(**request)["ctr"], expected, atol=1e-6)
    missing = rank(**request | {"query": tf.constant([[0.1, np.nan, 0.3]])})["ctr"]
    zeros = rank(**request | {"query": tf.zeros((1, 3))})["ctr"]
    np.testing.assert_array_equal(missing, zeros)
    assert (missing != rank(**request)["ctr"]).numpy().all()
    with pytest.raises(tf.errors.InvalidArgumentError, match="query_must_have_the_axes_batch_size"):
        rank(**request | {"query": tf.zeros((1, 4))})
    with pytest.raises(tf.errors.InvalidArgumentError, match="hist_mood must have the shape of"):
        rank(**request | {"hist_mood": tf.zeros((1, 2, 2))})


@pytest.mark.parametrize("name", ["onnx", "litert"])
def test_files_for_other_runtimes(name, data, tmp_path):
    pytest.importorskip({"onnx": "tf2onnx", "litert": "ai_edge_litert"}[name])
    export = getattr(kd.serving, f"export_{name}")
    model = kd.build_lr(data.spec)
    assert export(model, data.spec, tmp_path / "model", raw=True).is_file()


def test_command_line(tmp_path, capsys):
    as_text(a_log()).to_csv(tmp_path / "log.csv", index=False)
    words = ["prepare", str(tmp_path / "log.csv"), str(tmp_path / "data"), "--dim", "2"]
    words += ["--user", "user", "--time", "time", "--label", "click", "--target", "item,image"]
    words += ["--context", "query", "--side-features", "mood"]
    assert main([*words, "--vector", "other=3"]) == 1
    assert "Received: ['other']" in capsys.readouterr().err
    assert main([*words, "--vector", "query=3,image=2,mood=2"]) == 0
    printed = capsys.readouterr().out
    assert "without a value: 2 of 'query'" in printed
    spec = PreparedData.load(tmp_path / "data").spec
    assert spec.features["query"] == kd.Vector("query", 3, project_to=2)
    file = tmp_path / "features.json"
    entry = {"type": "Vector", "size": 2, "storage": "float32", "in": ["target"]}
    file.write_text(json.dumps({"query": {"vector": 3}, "image": entry, "mood": {"vector": 2}}))
    assert main([*words, "--overwrite", "--spec", str(file)]) == 0
    spec = PreparedData.load(tmp_path / "data").spec
    assert spec.features["image"] == kd.Vector("image", 2, storage="float32")


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: kd.Vector("q", 3, storage="int8"), "must be 'float16' or 'float32'.*of=None"),
        (lambda: kd.Vector("q", 3, checksum="x"), "`vectors` of Vector 'q' must be given with"),
        (lambda: kd.Vector("q", 0), "`size` of Vector 'q' must be a positive"),
        (
            lambda: kd.data.with_vectors(
                kd.FeatureSpec(target=[kd.Categorical("i", 9), QUERY]), {}
            ),
            None,
        ),
        (lambda: prepared(vectors={"query": {"a": [1]}}), "with `of`, \\[\\].*\\['query'\\]"),
    ],
)
def test_what_must_hold(make, message):
    if message is None:
        assert make().vectors == {}
        return
    with pytest.raises(ValueError, match=re.compile(message, re.S)):
        make()


def test_columns_of_another_shape(data):
    samples = data.parts["train"]
    for values in (np.zeros((len(samples), 2)), np.zeros(len(samples), np.float32)):
        wrong = type(samples).from_arrays(samples.arrays() | {"columns/query": values})
        with pytest.raises(ValueError, match=r"of the shape \(rows, 3\). Received: float"):
            kd.data.dataset(data.spec, data.behaviors, wrong)


def test_fingerprint_has_size_and_storage(data):
    other = FeatureSpec.from_json(data.spec.to_json().replace('"float32"', '"float16"'))
    (difference,) = differences(fingerprint(data.spec), other)
    assert "its storage is 'float32' in the model, 'float16'" in difference
    assert differences(fingerprint(data.spec), data.spec) == []
