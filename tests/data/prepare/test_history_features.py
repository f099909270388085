"""`Match`, `LastMatch` and `HistorySize` of prepared data, against loops over the log."""

import functools

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.cli.predict import _table_of_part
from keras_din.data import ByTime, prepare_impressions, prepare_interactions, prepare_rows
from keras_din.data.pipeline.raw_times import raw_times
from keras_din.data.prepare.scoring import log_to_samples
from keras_din.embed import embed
from keras_din.serving.checks.skew import find_skew, raw_rows
from tests.data.prepare.shared import a_day

LENGTH = 4
BOUNDARIES = [5, 20]
MATCHES = {
    "seen": kd.Match("seen", of="item", in_="hist"),
    "times": kd.Match("times", of="cate", in_="hist", measure="count"),
    "share": kd.Match("share", of="cate", in_="hist", measure="share"),
    "last": kd.LastMatch("last", of="item", in_="hist", elapsed="ago", dim=2),
}
FACTS = {
    "length": kd.HistorySize("length", in_="hist"),
    "cates": kd.HistorySize("cates", in_="hist", of="cate"),
}
FEATURES = {
    "target": ["item", "cate", *MATCHES.values()],
    "context": list(FACTS.values()),
    "side_features": [kd.Elapsed("ago", dim=2, boundaries=BOUNDARIES)],
    "max_length": LENGTH,
    "dim": 2,
}
COLUMNS = {"user": "user", "time": "time", **FEATURES}
ALL = {"split": ByTime(test_from=2e9), "allow_empty_parts": True}  # One part with all rows.


def a_log(seed=0, rows=120, users=4, items=9):
    """Rows in time order with ties. Some items occur only late, and some values are missing."""
    rng = np.random.default_rng(seed)
    item = rng.integers(0, items, rows)
    item[-rows // 6 :] += 2
    return pd.DataFrame(
        {
            "user": rng.integers(0, users, rows),
            "time": 1_600_000_000 + np.sort(rng.integers(0, rows, rows)),
            "item": item,
            "cate": [None if each % 4 == 3 else f"c{each % 4}" for each in item],
            "click": rng.integers(0, 2, rows),
        }
    )


@functools.cache
def model_of(text):
    """A model whose outputs are the values of all features."""
    x = embed(kd.FeatureSpec.from_json(text))
    names = [name for name in (*MATCHES, *FACTS) if name in x.values]
    return keras.Model(x.inputs, {name: x.values[name] for name in names})


def values_of(spec, x):
    """The values of all features, name -> `(rows,)` or `(rows, candidates)`."""
    found = model_of(spec.to_json())(dict(x))
    return {name: np.asarray(values) for name, values in found.items()}


def rows_of(spec, behaviors, samples):
    """Line of each row -> the values of all features."""
    batch = next(iter(kd.data.dataset(spec, behaviors, samples, len(samples))))
    found = values_of(spec, batch[0])
    found = {name: values.reshape(len(samples)).tolist() for name, values in found.items()}
    rows = zip(*found.values(), strict=True)
    return dict(
        zip(samples.line.tolist(), [dict(zip(found, r, strict=True)) for r in rows], strict=True)
    )


def by_loop(log, line, known):
    """The values of a row of the log. `known` has the known values of `item` and `cate`."""
    row = log.loc[line]
    earlier = log[(log["user"] == row["user"]) & (log["time"] < row["time"]) & (log["click"] == 1)]
    history = earlier.iloc[-LENGTH:]
    same = {n: history[(history[n] == row[n]) & (row[n] in known[n])] for n in ("item", "cate")}
    ago = row["time"] - same["item"]["time"]
    return {
        "seen": float(len(same["item"]) > 0),
        "times": np.log(1 + len(same["cate"])),
        "share": len(same["cate"]) / max(len(history), 1),
        "last": 2 + sum(int(ago.min() >= b) for b in BOUNDARIES) if len(ago) else 1,
        "length": np.log(1 + len(history)),
        "cates": np.log(1 + len({c for c in history["cate"] if c in known["cate"]})),
    }


def assert_close(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6, err_msg=name)


def test_every_row_of_prepared_data_against_loops():
    log = a_log()
    data = prepare_impressions(log, label="click", **COLUMNS)
    assert [f.name for f in data.spec.sequences[0].of] == ["item", "cate"]
    known = {name: set(data.spec.features[name].vocabulary) for name in ("item", "cate")}
    assert not known["item"] >= set(log["item"])  # Some items of the test are unknown.
    seen = []
    for samples in data.parts.values():
        assert set(samples.columns) == {"item", "cate"}
        for line, found in rows_of(data.spec, data.behaviors, samples).items():
            assert_close(found, by_loop(log, line, known))
            seen.append(found)
    assert len(seen) == len(log)
    assert {row["last"] for row in seen} == {1, 2, 3, 4}
    assert np.log(1 + LENGTH) == pytest.approx(max(row["length"] for row in seen))


def test_exported_version_computes_the_same(tmp_path, checked_by_one_process):
    data = prepare_impressions(a_log(), label="click", **COLUMNS)
    data.save(tmp_path / "data")
    data = kd.data.PreparedData.load(tmp_path / "data")
    spec = data.spec
    x = embed(spec)
    numbers = [keras.ops.cast(x.values[name], "float32") for name in MATCHES]
    numbers += [keras.ops.expand_dims(x.values[name], -1) for name in FACTS]
    weighted = [weight * number for weight, number in enumerate(numbers, start=1)]
    model = kd.CTRModel(x.inputs, sum(weighted[1:], weighted[0]))
    version = kd.export(model, spec, tmp_path / "exported", raw=True)

    arguments = spec, data.behaviors, data.parts["train"], 256
    batches = [
        (raw_rows(spec, x, times), x)
        for (x, *_), times in zip(
            kd.data.dataset(*arguments).as_numpy_iterator(),
            raw_times(*arguments, by_request=False),
            strict=True,
        )
    ]
    live = lambda x: model(x, training=False).numpy()  # noqa: E731
    assert not find_skew(version, spec, live, batches).found
    rank = tf.saved_model.load(str(version)).signatures["rank"]
    assert rank.structured_input_signature[1].keys() == {
        *("time", "item", "cate", "hist_item", "hist_cate", "hist_time")
    }
    ((raw, indices),) = batches
    # Older behaviors than `max_length`, all with the item of the candidate, change nothing.
    older = {"hist_item": raw["item"], "hist_cate": raw["cate"], "hist_time": raw["time"][:, None]}
    is_long = (indices["hist_item"] != 0).sum(axis=1) == LENGTH
    assert is_long.any()
    longer = raw | {n: np.concatenate([v, raw[n]], axis=1) for n, v in older.items()}
    answers = [
        rank(**{n: tf.constant(v[is_long]) for n, v in each.items()})["ctr"]
        for each in (raw, longer)
    ]
    np.testing.assert_array_equal(*answers)
    expected = live({n: v[is_long] for n, v in indices.items()})
    np.testing.assert_allclose(answers[0], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_what_comes_later_changes_nothing(seed):
    """No leak: labels from the row's time on, and all later rows, are changed or deleted."""
    rng = np.random.default_rng(seed)
    log = a_log(seed, rows=60)
    item = kd.Categorical("item", vocabulary=range(20), dim=2)
    cate = kd.Categorical("cate", vocabulary=["c0", "c1", "c2"], dim=2)
    columns = COLUMNS | {"target": [item, cate, *MATCHES.values()]}

    def rows(log):
        data = prepare_impressions(log, label="click", **columns, **ALL)
        return rows_of(data.spec, data.behaviors, data.parts["train"])

    expected = rows(log)
    for cut in rng.choice(log["time"], 3):
        changed = log.copy()
        changed.loc[log["time"] >= cut, "click"] ^= 1
        later = np.flatnonzero(log["time"] > cut)
        for name in ("user", "item", "cate"):
            changed.loc[later, name] = log[name].to_numpy()[rng.permutation(later)]
        deleted = changed.drop(index=later[rng.random(len(later)) < 0.5])
        for other in (changed, deleted):
            found = rows(other)
            for line, row in expected.items():
                if log["time"].iloc[line] <= cut:
                    assert found[line] == row


DAYS = [a_day(day).assign(cate=lambda day: "c" + (day["item"] % 3).astype(str)) for day in range(4)]
FIXED = COLUMNS | {
    "target": [kd.Categorical("item", vocabulary=range(20), dim=2), "cate", *MATCHES.values()]
}


def test_appended_day_and_scored_log_continue_the_histories():
    base = prepare_impressions(
        pd.concat(DAYS[:3], ignore_index=True), label="click", **FIXED, **ALL
    )
    first = int(DAYS[3]["time"].min())
    whole = prepare_impressions(
        pd.concat(DAYS, ignore_index=True), label="click", **FIXED, split=ByTime(test_from=first)
    )
    expected = list(rows_of(whole.spec, whole.behaviors, whole.parts["test"]).values())
    assert any(row["seen"] for row in expected)

    day = base.append(DAYS[3]).day(0)
    found = list(rows_of(day.spec, day.behaviors, day.parts["train"]).values())
    key = lambda row: tuple(row.values())  # noqa: E731
    assert sorted(found, key=key) == sorted(expected, key=key)

    arguments = {"user": "user", "time": "time", "sequences": {"hist": "click"}}
    scored = log_to_samples(DAYS[3], base.spec, base, **arguments)
    found = list(rows_of(base.spec, scored.behaviors, scored.samples).values())
    assert sorted(found, key=key) == sorted(expected, key=key)


def test_interactions():
    log = a_log().drop(columns="click").dropna()
    items = log[["item", "cate"]].drop_duplicates()
    data = prepare_interactions(log.drop(columns="cate"), items=items, ties="order", **COLUMNS)
    batch = next(iter(data.dataset("train", batch_size=512, by_request=True)))
    found = values_of(data.spec, batch[0])
    assert found["seen"].shape == batch[1].shape
    length = (batch[0]["hist_item"].numpy() != 0).sum(axis=1)
    np.testing.assert_allclose(np.exp(found["length"]) - 1, length, rtol=1e-5)


def test_rows_with_histories():
    rows = pd.DataFrame(
        {
            "item": ["a", "b", "c", "a", "d"],
            "hist_item": ["a^b^a", "a^c", "", "d^d", "d"],
            "click": [1, 0, 1, 0, 1],
        }
    )
    share = kd.Match("share", of="item", in_="hist", measure="share")
    data = prepare_rows(
        rows, label="click", target=["item", share], separator="^", context=[FACTS["length"]]
    )
    batch = next(iter(data.dataset("train")))
    found = values_of(data.spec, batch[0])
    np.testing.assert_allclose(found["share"].ravel(), [2 / 3, 0, 0, 0, 1], rtol=1e-6)
    again = kd.data.rows_dataset(rows, data.spec, separator="^")
    batch = next(iter(again))
    np.testing.assert_array_equal(values_of(data.spec, batch[0])["share"], found["share"])


def test_report_counts_and_groups():
    data = prepare_impressions(a_log(), label="click", **COLUMNS)
    types = {name: facts["type"] for name, facts in data.report["columns"].items()}
    assert types["seen"] == "match"
    assert data.report["columns"]["length"]["reason"] == "given as a HistorySize"
    assert data.report["columns"]["last"]["reason"] == "given as a LastMatch"
    assert _table_of_part(data, "train").column_names == [
        *("line", "user", "item", "cate", "time", "label")
    ]
    # Mini-batch aware regularization leaves out tables without counts.
    counts = data.feature_counts("train")
    assert counts.keys() == {"item", "cate", "ago"}
    optimizer = kd.optimizers.LazyAdam(mini_batch_aware_l2=0.1, feature_counts=counts)
    model = kd.build_base(data.spec, hidden_units=(4,))
    model.compile(optimizer, kd.losses.BinaryCrossentropy(), run_eagerly=True)
    x, y, *_ = next(iter(data.dataset("train", batch_size=32)))
    assert np.isfinite(model.train_on_batch(x, y))
    assert data.item_groups("cate")["item"].shape == (data.spec.features["item"].vocabulary_size,)
    with pytest.raises(ValueError, match=r"one of \['cate'\]. Received: 'last'"):
        data.item_groups("last")


def test_an_item_must_come_first():
    columns = COLUMNS | {"target": [MATCHES["seen"], "item", "cate"]}
    with pytest.raises(ValueError, match=r"first of `target` must be the item.* Match\('seen'"):
        prepare_impressions(a_log(), label="click", **columns)


def test_matches_are_no_features_of_behaviors():
    with pytest.raises(ValueError, match=r"Match\('seen'.* must be in `target`. Received: 'hist_"):
        prepare_impressions(a_log(), label="click", **COLUMNS, of=["item", "cate", MATCHES["seen"]])
