"""Weights of bags, from logs and rows of each form to batches and further days."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.data.prepare.scoring import log_to_samples
from keras_din.data.store.bags import Bags

TAGS = kd.Bag("tags", vocabulary=list("abcdef"), weights="w", dim=2, max_values=3)
ROLES = {"user": "user", "time": "time", "label": "click", "target": ["item", TAGS], "dim": 2}
HOUR = 3600


def a_log(rows=60):
    rng = np.random.default_rng(0)
    tags = [list(rng.choice(list("abcdefx"), rng.integers(0, 5))) for _ in range(rows)]
    return pd.DataFrame(
        {
            "user": rng.integers(0, 5, rows),
            "time": np.arange(rows) * HOUR,
            "item": rng.integers(10, 14, rows),
            "tags": tags,
            "w": [[round(float(weight), 3) for weight in rng.random(len(each))] for each in tags],
            "click": rng.integers(0, 2, rows),
        }
    )


def as_text(log):
    lists = {name: log[name].map(lambda each: "|".join(map(str, each))) for name in ("tags", "w")}
    return log.assign(**lists)


def batch(data, part="train"):
    return next(data.dataset(part, 1000).as_numpy_iterator())[0]


def assert_equal(x, y):
    assert list(x) == list(y)
    for name in x:
        np.testing.assert_array_equal(x[name], y[name])


def test_batches_equal_a_slow_loop(tmp_path):
    log = a_log().assign(part="train")
    prepared = kd.data.prepare_impressions(log, **ROLES, split="part")
    prepared.save(tmp_path / "data")
    data = kd.data.PreparedData.load(tmp_path / "data")
    assert_equal(batch(prepared), batch(data))
    x, samples = batch(data), data.parts["train"]
    index = {tag: i for i, tag in enumerate("abcdef", 2)}
    for row, line in enumerate(samples.line):
        event = log.loc[line]
        tags, weights = event["tags"][:3], np.float32(event["w"][:3])
        assert x["tags"][row, 0, : len(tags)].tolist() == [index.get(tag, 1) for tag in tags]
        assert x["w"][row, 0].tolist() == [*weights, *[0] * (3 - len(tags))]
        same = log[(log["user"] == event["user"]) & (log["time"] < event["time"]) & log["click"]]
        assert (x["hist_item"][row] != 0).sum() == len(same)
        for place, of_behavior in enumerate(same["w"]):
            kept = np.float32(of_behavior[:3])
            assert x["hist_w"][row, place].tolist() == [*kept, *[0] * (3 - len(kept))]
    assert x["w"].dtype == x["hist_w"].dtype == np.float32
    assert data.report["bags"].keys() == {"tags"}
    assert data.report["columns"]["tags"]["reason"].endswith("weights in 'w'")


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "csv files", "parquet files"])
def test_every_form_of_a_log_gives_the_same_data(form, tmp_path):
    log = a_log()
    expected = batch(kd.data.prepare_impressions(log, **ROLES))
    text, path = as_text(log), tmp_path / "log"
    if form == "csv":
        text.to_csv(path, index=False)
    elif form == "jsonl":
        path = tmp_path / "log.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in log.to_dict("records")))
    elif form == "parquet":
        path = tmp_path / "log.parquet"
        log.to_parquet(path)
    else:
        path.mkdir()
        for i in (0, 1):
            part = slice(30 * i, 30 * (i + 1))
            if form == "csv files":
                text[part].to_csv(path / f"{i}.csv", index=False)
            else:
                log[part].to_parquet(path / f"{i}.parquet")
    assert_equal(expected, batch(kd.data.prepare_impressions(path, **ROLES)))


def test_text_with_one_number_per_row(tmp_path):
    # Only numbers in the file, which are neither ids nor a numeric column.
    log = a_log().assign(tags="a", w=np.linspace(1e15, 1e-8, 60))
    log.to_csv(tmp_path / "log.csv", index=False)
    for source in (log, tmp_path / "log.csv"):
        x = batch(kd.data.prepare_impressions(source, **ROLES))
        assert x["w"].shape == (len(x["w"]), 1, 1)
        assert x["w"].max() == np.float32(1e15)


def test_bad_rows_are_kept_aside_with_line_and_reason(tmp_path):
    log = as_text(a_log())
    log.loc[2, ["tags", "w"]] = ["a|b", "1|2|3"]
    log.loc[4, ["tags", "w"]] = ["a|b", "1|-2"]
    log.to_csv(tmp_path / "log.csv", index=False)
    data = kd.data.prepare_impressions(tmp_path / "log.csv", **ROLES, max_bad=0.1)
    length, number = (
        "'w' does not have one weight for each value of 'tags'",
        "'w' holds a value that is not a weight, a finite number from 0",
    )
    assert data.bad_rows[["line", "reason"]].values.tolist() == [
        [4, f"{length}: 3 weights of 2 values"],
        [6, f"{number}: '-2'"],
    ]
    assert data.report["rows_aside"] == {
        length: {"rows": 1, "first_line": 4},
        number: {"rows": 1, "first_line": 6},
    }
    with pytest.raises(ValueError, match=f"Received in line 4: {length}: 3 weights of 2 values"):
        kd.data.prepare_impressions(tmp_path / "log.csv", **ROLES, strict=True)
    with pytest.raises(ValueError, match=length):  # Too many.
        kd.data.prepare_impressions(tmp_path / "log.csv", **ROLES)


def test_weights_of_a_table_of_items():
    log = a_log()
    items = log.drop_duplicates("item")[["item", "tags", "w"]]
    whole = log[["user", "time", "item", "click"]].merge(items, on="item").sort_values("time")
    whole.index = log.index
    expected = batch(kd.data.prepare_impressions(whole, **ROLES))
    rest = log[["user", "time", "item", "click"]]
    assert_equal(expected, batch(kd.data.prepare_impressions(rest, **ROLES, items=items)))
    match = "'tags' and 'w', a bag and its weights, must be in the same table.*with 'tags' only"
    with pytest.raises(ValueError, match=match):
        kd.data.prepare_impressions(log.drop(columns="w"), **ROLES, items=items[["item", "w"]])


def test_interactions():
    log = a_log()
    items = log.drop_duplicates("item")[["item", "tags", "w"]]
    others = pd.DataFrame({"item": [20, 21], "tags": [["a"], []], "w": [[0.5], []]})
    items = pd.concat([items, others])
    roles = {word: ROLES[word] for word in ("user", "time", "target", "dim")}
    data = kd.data.prepare_interactions(log, **roles, items=items)
    x = batch(data)
    of_item = items.set_index("item")["w"]
    vocabulary = data.spec.features["item"].vocabulary
    for item, weights in zip(x["hist_item"].ravel(), x["hist_w"].reshape(-1, 3), strict=True):
        kept = np.float32(of_item[vocabulary[item - 2]][:3]) if item else []
        assert weights.tolist() == [*kept, *[0] * (3 - len(kept))]


@pytest.mark.parametrize("word", ["user", "time", "label"])
def test_weights_must_have_a_column_of_their_own(word):
    tags = dataclasses.replace(TAGS, weights=ROLES[word])
    match = f"`weights` of a Bag must be in a column of their own.*'{ROLES[word]}'"
    with pytest.raises(ValueError, match=match):
        kd.data.prepare_impressions(a_log(), **ROLES | {"target": ["item", tags]})


def test_weights_must_be_no_feature():
    match = "`weights` of Bag 'tags' must name a column that is no feature.*'w'"
    with pytest.raises(ValueError, match=match):
        kd.data.prepare_impressions(a_log(), **ROLES, context=["w"])


def test_appended_and_scored_days():
    log = a_log()
    data = kd.data.prepare_impressions(log[:40], **ROLES)
    data = data.append(log[40:])
    whole = kd.data.prepare_impressions(log, **ROLES)
    day = data.days[0].samples
    np.testing.assert_array_equal(
        day.columns["w"].row_lengths, [len(log["w"][40 + line]) for line in day.line]
    )
    scored = log_to_samples(
        log, whole.spec, None, user="user", time="time", sequences={"hist": "click"}
    )
    x = kd.data.dataset(whole.spec, scored.behaviors, scored.samples, 1000)
    x = next(x.as_numpy_iterator())[0]
    first = np.float32([each[0] if each else 0 for each in log["w"]])
    np.testing.assert_array_equal(x["w"][:, 0, 0], first)
    empty = log_to_samples(log[:1], whole.spec, None, user="user", time="time")
    assert empty.behaviors["hist"].columns["w"].values.dtype == np.float32


ROWS = pd.DataFrame(
    {
        "item": [10, 11, 10],
        "tags": [["a", "", "b"], ["x"], []],
        "w": [[1, 5, 2.5], [0.25], []],
        "hist_item": [[10, 11], [], [11]],
        "hist_tags": [[["a", "b"], ["c"]], [], [["", "d"]]],
        "hist_w": [[[1, 2], [3.5]], [], [[9, 0.5]]],
        "click": [1, 0, 1],
    }
)
W = [[[1, 2.5]], [[0.25, 0]], [[0, 0]]]
HIST_W = [[[1, 2], [3.5, 0]], [[0, 0], [0, 0]], [[0.5, 0], [0, 0]]]
SPEC = kd.FeatureSpec(
    target=[kd.Categorical("item", vocabulary=[10, 11], dim=2), TAGS],
    sequences=[kd.Sequence("hist", of=[kd.Categorical("item", vocabulary=[10, 11], dim=2), TAGS])],
)


@pytest.mark.parametrize("text", [False, True])
def test_rows_with_histories(text):
    rows = as_text(ROWS) if text else ROWS
    bags = ["tags"] if text else []
    x = next(kd.data.rows_dataset(rows, SPEC, "click", bags=bags).as_numpy_iterator())[0]
    assert (x["w"].tolist(), x["hist_w"].tolist()) == (W, HIST_W)
    data = kd.data.prepare_rows(rows, label="click", target=["item", TAGS], bags=bags, dim=2)
    y = batch(data)
    assert (y["w"].tolist(), y["hist_w"].tolist()) == (W, HIST_W)
    assert y["tags"].tolist() == x["tags"].tolist()


@pytest.mark.parametrize(
    "column, cells, match",
    [
        (
            "w",
            [[1, 2], [1], []],
            "have one weight for each value of 'tags'.*2 weights of 3 .*in row 0",
        ),
        ("w", [[1, 2, -3], [1], []], "hold weights, finite numbers from 0.*-3 in row 0"),
        ("w", [[1, 2, 3], [None], []], "hold weights, finite numbers from 0.*in row 1"),
        (
            "hist_w",
            [[[1, 2], []], [], [[9, 1]]],
            "have one weight for each value of 'hist_tags'.*0 weights of 1 value in behavior 1 of",
        ),
        (
            "hist_w",
            [[[1, 2], [-1]], [], [[9, 1]]],
            "hold weights, .*-1 in behavior 1 of the column",
        ),
    ],
)
def test_rows_with_other_weights(column, cells, match):
    with pytest.raises(ValueError, match=f"Column '{column}' must {match}"):
        kd.data.rows_dataset(ROWS.assign(**{column: cells}), SPEC, "click")


def test_samples_that_do_not_match():
    bags = Bags(np.arange(2), [0, 2, 3], np.array([2, 3, 2], np.int32))
    spec = kd.FeatureSpec(target=SPEC.target)

    def samples(offsets, weights):
        columns = {"item": np.array([2, 3]), "tags": bags}
        columns["w"] = Bags(np.arange(2), offsets, weights)
        return kd.data.Samples(columns, {}, [0, 1], [0, 1])

    weights = np.float32([1, 2, 0])
    kd.data.dataset(spec, {}, samples([0, 2, 3], weights), 2)
    match = "'w' must have one weight for each value of 'tags'.*1 weight of 2 values in row 0"
    with pytest.raises(ValueError, match=match):
        kd.data.dataset(spec, {}, samples([0, 1, 3], weights), 2)
    for wrong in (-1, np.nan, np.inf):
        match = f"'w' must be weights, finite numbers from 0. Received: {wrong:g} in value 2"
        with pytest.raises(ValueError, match=match):
            kd.data.dataset(spec, {}, samples([0, 2, 3], np.float32([1, 2, wrong])), 2)
    with pytest.raises(ValueError, match=r"'w' must be float32 weights\. Received: int32"):
        kd.data.dataset(spec, {}, samples([0, 2, 3], np.array([1, 2, 3])), 2)


def test_a_bag_without_a_vocabulary_learns_it():
    log = a_log()
    tags = kd.Bag("tags", weights="w", pooling="sum", max_values=3)
    roles = ROLES | {
        "target": ["item", tags],
        "dim": {"item": 2, "tags": 3},
        "of": ["item", "tags"],
    }
    data = kd.data.prepare_impressions(log, **roles, min_count=2)
    plain = log.drop(columns="w")
    named = kd.data.prepare_impressions(plain, **roles | {"target": ["item", "tags"]}, min_count=2)
    feature = data.spec.features["tags"]
    assert feature.table == named.spec.tables["tags"]
    assert (feature.pooling, feature.weights, feature.max_values) == ("sum", "w", 3)
    assert data.vocabularies.keys() == {"item", "tags"}  # It grows by `append`.
    assert batch(data)["hist_w"].shape == batch(data)["hist_tags"].shape
    grown = data.append(log.assign(tags=[["new"]] * 60, w=[[1.5]] * 60, time=log["time"] + 10**6))
    assert "new" in grown.spec.features["tags"].vocabulary
    rows = kd.data.prepare_rows(
        ROWS, label="click", target=["item", kd.Bag("tags", weights="w")], dim=2
    )
    assert set(rows.spec.features["tags"].vocabulary) == set("abcdx")
    items = log.drop_duplicates("item")[["item", "tags", "w"]]
    others = pd.DataFrame({"item": [20], "tags": [["a"]], "w": [[0.5]]})
    interactions = kd.data.prepare_interactions(
        log, user="user", time="time", target=["item", tags], items=pd.concat([items, others])
    )
    assert interactions.spec.features["tags"].weights == "w"


def test_a_learned_vocabulary_has_the_values_of_training_only():
    log = a_log().assign(part=["train"] * 40 + ["test"] * 20)
    log.loc[40:, "tags"] = log.loc[40:, "w"].map(lambda weights: ["later"] * len(weights))
    roles = ROLES | {"target": ["item", kd.Bag("tags", weights="w")]}
    data = kd.data.prepare_impressions(log, **roles, split="part")
    assert set(data.spec.features["tags"].vocabulary) == {
        t for each in log["tags"][:40] for t in each
    }


def test_other_features_share_a_learned_vocabulary():
    tags, last = kd.Bag("tags", weights="w"), kd.Categorical("last", table="tags")
    log = a_log().assign(last="seldom")
    roles = ROLES | {"target": ["item", tags], "dim": 2}
    with pytest.warns(UserWarning, match="'last' has no value in common with 'tags'"):
        data = kd.data.prepare_impressions(log, **roles, context=[last])
    assert data.spec.features["last"].table == data.spec.features["tags"].table
    assert "seldom" in data.spec.features["tags"].vocabulary


def test_counts_of_features_do_not_depend_on_weights():
    log = a_log()
    plain = dataclasses.replace(TAGS, weights=None)
    counts = [
        kd.data.prepare_impressions(log, **ROLES | {"target": ["item", tags]}).feature_counts()
        for tags in (TAGS, plain)
    ]
    np.testing.assert_array_equal(counts[0]["tags"], counts[1]["tags"])
