"""No feature of a row depends on anything at or after the time of the row.

A random log has ties of times, requests of several rows, repeated rows and times before 1970.
Everything at and after the time of one row is replaced: rows are deleted, changed, added and
reordered, and the label of the row itself is the opposite. Its features must be equal to the bit.
"""

import functools
import os

import keras
import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import keras_din as kd
from keras_din.embed import read_inputs

EXAMPLES = int(os.environ.get("KERAS_DIN_EXAMPLES", 5))
ITEMS, USERS, CATEGORIES = list("abcd"), ["u", "v"], [7, 8]
FIRST = {
    "user": "w",
    "item": "a",
    "category": 7,
    "price": 0.0,
    "cost": 0.0,
    "time": -10,
    "request": -1,
}

ITEM = kd.Categorical("item", vocabulary=ITEMS, dim=2)
CATEGORY = kd.Categorical("category", vocabulary=CATEGORIES, dim=2)
AGO = kd.Elapsed("ago", boundaries=[1, 2, 4])
UNIT = {"mean": 0.0, "std": 1.0}
# None of the features learns a number from the log.
PLACES = {
    "target": [
        kd.Numeric("price", **UNIT),
        kd.Bucketized("cost", boundaries=[0.0, 1.0]),
        kd.Match("seen", of="item", in_="hist"),
        kd.Match("share", of="category", in_="hist", measure="share"),
        kd.LastMatch("last", of="category", in_="hist", elapsed="ago", dim=2),
        kd.Count("rows", of="item", **UNIT),
        kd.Count("clicks", of="item", event="click", window=3, **UNIT),
        kd.Count("rate", of="item", event="click", kind="rate", base=0.5, **UNIT),
        kd.Count("age", of="item", kind="age", **UNIT),
        kd.Count("pair", of=["user", "category"], event="click", **UNIT),
    ],
    "context": [
        kd.Calendar("hour_of_day"),
        kd.HistorySize("size", in_="hist"),
        kd.HistorySize("distinct", in_="hist", of="item"),
        kd.Count("of_user", of="user", window=2, **UNIT),
    ],
    "side_features": [
        AGO,
        kd.Calendar("day_of_week"),
        kd.Numeric("dwell", transform="log1p", **UNIT),
    ],
}
# Kinds whose values are those of the row, and the form of `Count` in an exported version.
NOT_TESTED = {"Bag", "Categorical", "Position", "SnapshotCount", "Vector"}

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "user": st.sampled_from(USERS),
            "item": st.sampled_from(ITEMS),
            "category": st.sampled_from(CATEGORIES),
            "price": st.sampled_from([-1.0, 0.0, 0.5, 2.0]),
            "cost": st.sampled_from([-1.0, 0.0, 0.5, 2.0]),
            "dwell": st.sampled_from([0.0, 3.0]),
            "time": st.integers(-4, 12),
            "click": st.integers(0, 1),
        }
    ),
    min_size=3,
    max_size=14,
)


def log_of(rows):
    """The log, after a user who has both labels. A user's rows of one time are a request."""
    first = [FIRST | {"dwell": 0.0, "click": click} for click in (0, 1)]
    frame = pd.DataFrame([*first, *rows])
    frame["request"] = frame["user"] + frame["time"].astype(str)
    frame["row"] = np.arange(len(frame))
    return frame


def inputs_of(log, row, by_request):
    """The inputs of the model for one row, and the spec."""
    data = kd.data.prepare_impressions(
        log,
        user="user",
        time="time",
        label="click",
        target=[ITEM, CATEGORY, kd.Numeric("row", **UNIT), *PLACES["target"]],
        of=["item", "category"],
        context=PLACES["context"],
        side_features=PLACES["side_features"],
        request="request" if by_request else None,
        split=lambda user, position, count, time: np.zeros(len(user), int),
        time_unit="s",
    )
    x, _ = next(iter(data.dataset("train", len(data.parts["train"]))))
    (at,) = np.flatnonzero(x["row"].numpy().ravel() == row)
    return {name: values.numpy()[at] for name, values in x.items()}, data.spec


def trimmed(x):
    """The inputs without the padding of histories, whose width depends on other rows."""
    length = int((x["hist_item"] != 0).sum())
    return {
        name: values[:length] if name.startswith("hist_") else values for name, values in x.items()
    }


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rows=ROWS,
    other=ROWS,
    at=st.integers(0, 1000),
    seed=st.integers(0, 99),
    by_request=st.booleans(),
)
def test_features_depend_on_the_past_only(rows, other, at, seed, by_request):
    log = log_of(rows)
    at = 2 + at % (len(log) - 2)
    row = log.iloc[[at]]
    time = row["time"].item()
    future = pd.DataFrame(other)
    future["time"] = time + future["time"].abs()
    future["request"] = future["user"] + future["time"].astype(str)
    future["row"] = 1000 + np.arange(len(future))
    # The order of the past stays, since it decides between behaviors of one time.
    past = log[log["time"] < time]
    changed = pd.concat([row.assign(click=1 - row["click"]), future])
    changed = changed.sample(frac=1, random_state=seed)
    place = np.sort(np.random.default_rng(seed).integers(0, len(changed) + 1, len(past)))
    order = np.argsort([*np.arange(len(changed)), *(place - 0.5)], kind="stable")
    changed = pd.concat([changed, past]).iloc[order]
    before, spec = inputs_of(log, at, by_request)
    after, _ = inputs_of(changed, at, by_request)
    before, after = (each | derived_of(spec, each) for each in map(trimmed, (before, after)))
    assert before.keys() == after.keys() >= spec.fields.keys()
    for name, values in before.items():
        np.testing.assert_array_equal(values, after[name], err_msg=name)


@functools.cache
def model_of(spec):
    """The model that computes the features without an input."""
    inputs, values = read_inputs(spec)
    names = [name for name, info in spec.fields.items() if not info.feature.has_input]
    return keras.Model(inputs, {name: values[name] for name in names})


def derived_of(spec, x):
    """The features that the model computes from its inputs `x` of one row."""
    return model_of(spec)({name: values[None] for name, values in x.items()})


def test_every_kind_is_tested():
    tested = {type(feature).__name__ for features in PLACES.values() for feature in features}
    assert set(kd.features.KINDS) <= tested | NOT_TESTED


def test_numbers_are_learned_from_the_training_part_only():
    """Other rows of validation and test, extreme ones too, change no number of the spec."""
    rng = np.random.default_rng(0)
    rows = 90
    log = pd.DataFrame(
        {
            "user": rng.choice(USERS, rows),
            "item": rng.choice(ITEMS, rows),
            "price": rng.lognormal(size=rows),
            "cost": rng.lognormal(size=rows),
            "size": rng.lognormal(size=rows),
            "age": rng.normal(size=rows),
            "time": np.arange(rows),
            "click": rng.integers(0, 2, rows),
            "part": np.repeat(["train", "valid", "test"], [50, 20, 20]),
        }
    )
    target = [
        "item",
        "age",
        kd.Numeric("price", transform="log1p"),
        kd.Numeric("cost", transform="quantile"),
        kd.Bucketized("size", quantiles=4),
        kd.Count("rate", of="item", event="click", kind="rate"),
        kd.Count("rows", of="user"),
    ]
    roles = {"user": "user", "time": "time", "label": "click", "target": target, "split": "part"}
    spec = kd.data.prepare_impressions(log, **roles).spec
    later = log["part"] != "train"
    for name in ("price", "cost", "size", "age"):
        log.loc[later, name] = 1e6 * rng.random(int(later.sum()))
    log.loc[later, "click"] = 1 - log.loc[later, "click"]
    log.loc[later, "item"] = "z"
    assert kd.data.prepare_impressions(log, **roles).spec == spec
    log.loc[~later, "age"] += 1.0
    assert kd.data.prepare_impressions(log, **roles).spec != spec
