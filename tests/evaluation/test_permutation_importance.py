"""`feature_importance`: against a slow loop over rows, what it permutes, and the errors."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din import data

ITEM, CATE = kd.Categorical("item", 20, dim=2), kd.Categorical("cate", 9, dim=2)
SPEC = kd.FeatureSpec(
    context=[kd.Numeric("age"), kd.HistorySize("size", in_="hist")],
    target=[ITEM, CATE, kd.Match("seen", of="item", in_="hist")],
    sequences=[kd.Sequence("hist", of=[ITEM], side_features=[kd.Numeric("dwell")])],
)
ITEMS = [9, 3, 5, 4, 12, 7, 8, 2]
CLICKS = [1, 0, 0, 0, 1, 1, 0, 1]
USERS = [0, 0, 0, 0, 1, 1, 1, 1]
REQUESTS = [0, 0, 0, 1, 2, 2, 3, 3]
AGES = np.array([1.0, 1, 1, 4, 2, 2, 5, 5], "float32")
HISTORIES = [(0, 0)] * 3 + [(0, 3)] + [(3, 4)] * 2 + [(3, 5)] * 2
LOG = data.BehaviorLog(
    [0, 3, 5],
    {"item": np.array([3, 9, 4, 6, 2]), "dwell": np.array([1, 2, 1, 3, 1], "float32")},
)
SAMPLES = data.Samples(
    {"age": AGES, "item": np.array(ITEMS), "cate": np.array([2, 3, 4, 5, 6, 7, 8, 2])},
    {"hist": np.array(HISTORIES).T},
    CLICKS,
    USERS,
    REQUESTS,
)


def score(item, age, history):
    """The logit of the model, which ignores `cate`."""
    events = zip(LOG.columns["item"], LOG.columns["dwell"], strict=True)
    return item / 4 - age / 2 + sum(a * b for a, b in list(events)[slice(*history)]) / 12 - 1


@pytest.fixture(scope="module")
def model():
    """A model of known weights."""
    x = {
        name: keras.Input((None,) * (info.role != "context"), dtype=dtype, name=name)
        for name, info in SPEC.inputs.items()
        for dtype in [info.feature.input_dtype]
    }
    number = {name: keras.ops.cast(tensor, "float32") for name, tensor in x.items()}
    events = keras.ops.sum(number["hist_item"] * number["hist_dwell"], axis=1, keepdims=True)
    age = keras.ops.expand_dims(number["age"], 1)
    logits = number["item"] / 4 - age / 2 + events / 12 - 1 + 0 * number["cate"]
    return keras.Model(x, keras.ops.sigmoid(logits))


def dataset(by_request=False, samples=SAMPLES, **options):
    options = {"batch_size": 3, "by_request": by_request} | options
    return data.dataset(SPEC, {"hist": LOG}, samples, **options)


def slow_scores(permuted, by_request, seed, repeat):
    """The logits after a permutation, row by row."""
    first = [i for i in range(8) if not by_request or REQUESTS.index(REQUESTS[i]) == i]
    rows = np.random.default_rng([seed, repeat]).permutation(len(first))
    items = np.random.default_rng([seed, repeat]).permutation(8)
    result = []
    for i in range(8):
        row = REQUESTS[i] if by_request else i
        other = first[rows[row]]
        result.append(
            score(
                ITEMS[items[i]] if "item" in permuted else ITEMS[i],
                AGES[other] if "age" in permuted else AGES[i],
                HISTORIES[other] if "hist" in permuted else HISTORIES[i],
            )
        )
    return result


def slow_aucs(scores):
    """The AUC of each user. Both have four rows, so the GAUC is the mean."""
    found = []
    for user in (0, 1):
        rows = [i for i in range(8) if USERS[i] == user]
        pairs = [
            (scores[i] > scores[j]) + (scores[i] == scores[j]) / 2
            for i in rows
            for j in rows
            if CLICKS[i] > CLICKS[j]
        ]
        found.append(sum(pairs) / len(pairs))
    return found


def slow_logloss(scores):
    p = [1 / (1 + math.exp(-z)) for z in scores]
    return -sum(math.log(q if y else 1 - q) for q, y in zip(p, CLICKS, strict=True)) / 8


def error(values):
    mean = sum(values) / len(values)
    return math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values))


@pytest.mark.parametrize("by_request", [False, True])
def test_importance_is_that_of_a_loop_over_rows(model, by_request):
    batches = dataset(by_request)
    base = slow_aucs(slow_scores((), by_request, 3, 0))
    table = kd.feature_importance(model, batches, repeats=4, seed=3)
    assert table.attrs == {
        "metric": "gauc",
        "output": "ctr",
        "baseline": pytest.approx(sum(base) / 2),
    }
    assert list(table["importance"]) == sorted(table["importance"], reverse=True)
    found = table.set_index("feature")
    # `size` and `seen` have no input.
    assert sorted(found.index) == ["age", "cate", "hist", "item"]
    for name in found.index:
        drops = []
        for repeat in range(4):
            after = slow_aucs(slow_scores({name}, by_request, 3, repeat))
            drops.append([a - b for a, b in zip(base, after, strict=True)])
        means = [sum(drop) / 2 for drop in drops]
        row = found.loc[name]
        assert row["importance"] == pytest.approx(sum(means) / 4, abs=1e-12)
        assert row["standard_error"] == pytest.approx(error(means), abs=1e-12)
        of_users = [sum(drop) / 4 for drop in zip(*drops, strict=True)]
        assert row["standard_error_of_users"] == pytest.approx(error(of_users), abs=1e-12)
    assert (found.loc["cate"] == 0).all()  # Exactly: the model ignores it.
    assert (found.loc[["age", "hist", "item"], "importance"] != 0).all()

    losses = kd.feature_importance(model, batches, "logloss", repeats=2, seed=3, groups=False)
    for name, row in losses.set_index("feature").iterrows():
        after = [slow_logloss(slow_scores({name}, by_request, 3, repeat)) for repeat in (0, 1)]
        expected = sum(after) / 2 - losses.attrs["baseline"]  # A rise, since less is better.
        assert row["importance"] == pytest.approx(expected, abs=1e-6)
        assert np.isnan(row["standard_error_of_users"])


def test_names_of_a_tuple_are_permuted_together(model):
    table = kd.feature_importance(
        model, dataset(), "logloss", features=[("item", "age", "hist"), ("cate",)], repeats=1
    )
    assert sorted(table["feature"]) == ["cate", "item + age + hist"]
    assert table["standard_error"].isna().all()  # One repeat has no variance.
    after = slow_logloss(slow_scores({"item", "age", "hist"}, False, 0, 0))
    expected = after - table.attrs["baseline"]
    found = table.set_index("feature")["importance"]
    assert found["item + age + hist"] == pytest.approx(expected, abs=1e-6)


def test_only_the_seed_decides_and_data_does_not_change(model):
    batches = dataset()
    before = [tf.nest.map_structure(np.array, element) for element in batches]
    first = kd.feature_importance(model, batches, "auc", seed=1, features=["hist", "item"])
    again = kd.feature_importance(model, batches, "auc", seed=1, features=["item"])
    other = kd.feature_importance(model, batches, "auc", seed=2, features=["item"])
    of_item = first.set_index("feature").loc["item", "importance"]
    assert of_item == again.loc[0, "importance"] != other.loc[0, "importance"]
    # The permutations do not depend on the batches.
    assert of_item == pytest.approx(
        kd.feature_importance(model, dataset(batch_size=8), "auc", seed=1, features=["item"]).loc[
            0, "importance"
        ]
    )
    after = [tf.nest.map_structure(np.array, element) for element in batches]
    tf.nest.map_structure(np.testing.assert_array_equal, before, after)
    np.testing.assert_array_equal(SAMPLES.columns["item"], ITEMS)


def two_outputs():
    """Labels that the item alone decides: the click and a number, 5 and 2, of two users."""
    spec = kd.FeatureSpec(target=[ITEM], labels=["click", kd.Label("seconds", loss="mse")])
    items = np.array([[5], [2], [5], [2]], "int32")
    labels = {"ctr": (items > 3).astype("float32"), "seconds": items.astype("float32")}
    batches = tf.data.Dataset.from_tensor_slices(({"item": items}, labels)).batch(3)
    batches.spec, batches.groups = spec, np.array([7, 7, 8, 8])
    item = keras.Input((None,), dtype="int32", name="item")
    number = keras.ops.cast(item, "float32")
    seconds = kd.layers.NumberOutput("identity")(number)
    outputs = {"ctr": keras.ops.sigmoid(number - 3), "seconds": seconds}
    return keras.Model({"item": item}, outputs), batches


def test_each_output_has_its_metrics():
    model, batches = two_outputs()
    # A permutation leaves a user with (5, 2), (2, 5) or a tie: AUC 1, 0 or .5, of mean .5.
    table = kd.feature_importance(model, batches, repeats=60)
    assert table.attrs["baseline"] == 1
    assert table.loc[0, "importance"] == pytest.approx(0.5, abs=3 * table.loc[0, "standard_error"])
    # In 0, 2 or all of the 4 rows the number is wrong by 3: the RMSE is 3, 3 sqrt(1/2) or 0. Of
    # the 6 orders of (5, 5, 2, 2) one is right in all rows, and one in none.
    table = kd.feature_importance(model, batches, output="seconds", repeats=60)
    assert table.attrs == {"metric": "rmse", "output": "seconds", "baseline": 0}
    expected = (3 + 4 * 3 * math.sqrt(0.5)) / 6
    assert table.loc[0, "importance"] == pytest.approx(
        expected, abs=3 * table.loc[0, "standard_error"]
    )
    with pytest.raises(ValueError, match=r"`metric` must be one of 'rmse', 'mae'. Received"):
        kd.feature_importance(model, batches, "gauc", output="seconds")
    with pytest.raises(ValueError, match=r"`output` must be one of 'ctr', 'seconds'. Received"):
        kd.feature_importance(model, batches, output="click")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"metric": "gini"}, "`metric` must be one of 'gauc', 'auc', 'logloss', 'ne', 'ece'. Rec"),
        ({"metric": "calibration"}, "`metric` must be one of .* Received: metric='calibration'"),
        ({"features": ["price"]}, r"`features` must be names .*'age', 'item', .*: 'price'"),
        ({"features": ["seen"]}, "computes others from its inputs: permute .* Received: 'seen'"),
        ({"features": [("item", 5)]}, r"`features` must be names .* Received: \('item', 5\)"),
        ({"features": "item"}, "`features` must be a list of names"),
        ({"features": []}, "`features` must be a list of names"),
        ({"repeats": 0}, "`repeats` must be a positive integer"),
        ({"seed": -1}, "`seed` must be a non-negative integer"),
        (
            {"groups": False},
            "`groups` must be given for the metric 'gauc'.* Or choose one of 'auc'",
        ),
        ({"groups": [1, 2]}, "`groups` must have one entry for each row"),
        ({"groups": list(range(8))}, "`metric='gauc'` must be defined .* Received: NaN"),
    ],
)
def test_invalid_arguments_raise(model, options, message):
    with pytest.raises(ValueError, match=message):
        kd.feature_importance(model, dataset(), **options)


def test_invalid_datasets_raise(model):
    for rows, few in enumerate([dataset().take(0), dataset(samples=SAMPLES[:1])]):
        with pytest.raises(ValueError, match=rf"at least 2 rows, .* Received: {rows}\."):
            kd.feature_importance(model, few, "auc")
    with pytest.raises(ValueError, match="must have its attribute `groups`"):
        kd.feature_importance(model, dataset(shuffle=True))
    x, y = next(iter(dataset(batch_size=8)))
    without = tf.data.Dataset.from_tensors((x, y))
    with pytest.raises(ValueError, match="`dataset` must have the attribute `spec`"):
        kd.feature_importance(model, without)
    ragged = tf.data.Dataset.from_tensors((x | {"item": tf.RaggedTensor.from_tensor(x["item"])}, y))
    ragged.spec = SPEC
    with pytest.raises(ValueError, match=r"must be dense tensors.* Received: 'item', a Ragged"):
        kd.feature_importance(model, ragged, "auc")


def test_a_sequence_needs_a_name_of_its_own(model):
    spec = kd.FeatureSpec(target=[ITEM], sequences=[kd.Sequence("item", of=[ITEM])])
    log = data.BehaviorLog([0, 1], {"item": np.array([2])})
    samples = data.Samples({"item": [2, 3]}, {"item": ([0, 0], [0, 1])}, [0, 1], [0, 0])
    item, history = (
        keras.Input((None,), dtype="int32", name=name) for name in ("item", "item_item")
    )
    ignoring = keras.Model({"item": item, "item_item": history}, keras.ops.sigmoid(item / 9))
    with pytest.raises(ValueError, match=r"A sequence must not have the name .* with name 'item'"):
        kd.feature_importance(ignoring, data.dataset(spec, {"item": log}, samples))
