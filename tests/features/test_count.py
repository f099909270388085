"""`Count`: its arguments, JSON, places in a spec, and models."""

import datetime
import json
import logging

import numpy as np
import pytest

import keras_din as kd
from keras_din.serving.graph.encoding import model_input
from keras_din.serving.version.description import read_description
from keras_din.spec_fingerprint import differences, fingerprint

ITEM = kd.Categorical("item", 9, dim=2)
CLICKS = kd.Count("clicks", of="item", event="click", window="7d", mean=1.0, std=2.0)
RATE = kd.Count("rate", of=["user", "item"], event="click", kind="rate", base=0.1)


@pytest.mark.parametrize(
    "window, seconds, text",
    [
        ("7d", 604_800, "7d"),
        ("2w", 1_209_600, "14d"),
        ("12h", 43_200, "12h"),
        ("30min", 1800, "30min"),
        (" 1.5 s", 1.5, "1.5s"),
        (60, 60, "1min"),
        (np.float32(0.5), 0.5, "0.5s"),
        (datetime.timedelta(hours=36), 129_600, "36h"),
        (np.timedelta64(7, "D"), 604_800, "7d"),
        (np.timedelta64(60_000_000_000, "ns"), 60, "1min"),
    ],
)
def test_window(window, seconds, text):
    count = kd.Count("n", of="item", window=window)
    assert count.window == seconds
    assert count.microseconds == seconds * 1_000_000
    assert repr(count) == f"Count('n', of='item', event='row', window={text!r}, kind='count')"
    assert kd.Count("n", of="item", window=text) == count


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"window": "7 days"}, r"must be a positive duration: .*'7d'.* Received: window='7 days'"),
        ({"window": 0}, "must be a positive duration"),
        ({"window": -60}, "must be a positive duration"),
        ({"window": np.timedelta64("NaT")}, "must be a positive duration"),
        ({"window": float("nan")}, "must be a positive duration"),
        ({"window": True}, "must be a positive duration. *"),
        ({"window": "1e30d"}, "must be a positive duration"),
        ({"kind": "sum"}, "`kind` of `Count 'n'` must be one of 'count', 'rate', 'age'"),
        ({"kind": "age", "window": "1d"}, "must be None with kind='age'"),
        ({"kind": "rate"}, "must be a column of 0 and 1 with kind='rate'"),
        ({"prior": 3}, "`prior` of Count 'n' must be given with kind='rate' only"),
        ({"base": 0.1}, "`base` of Count 'n' must be given with kind='rate' only"),
        ({"kind": "rate", "event": "click", "prior": 0}, "`prior` of `Count 'n'` must be"),
        ({"kind": "rate", "event": "click", "base": 1.5}, r"`base` of `Count 'n'` must be in \(0"),
        ({"event": ""}, "`event` of Count 'n' must be the name of a column of 0 and 1"),
        ({"event": None}, "`event` of Count 'n' must be the name of a column of 0 and 1"),
        ({"of": []}, "`of` of Count 'n' must be the name of a column, or a list of different"),
        ({"of": ["item", "item"]}, "list of different names"),
        ({"of": [3]}, "list of different names"),
        ({"of": 3}, "`of` of Count 'n' must be a list"),
        ({"std": 0}, "`std` of Numeric 'n' must be a finite and positive number"),
    ],
)
def test_invalid_arguments(arguments, match):
    with pytest.raises(ValueError, match=match):
        kd.Count("n", **{"of": "item"} | arguments)


def test_json():
    spec = kd.FeatureSpec(target=[ITEM, CLICKS, RATE], sequences=[kd.Sequence("hist", of=[ITEM])])
    assert kd.FeatureSpec.from_json(spec.to_json()) == spec
    assert CLICKS.to_dict() == {
        "type": "Count",
        "name": "clicks",
        "mean": 1.0,
        "std": 2.0,
        "of": ("item",),
        "event": "click",
        "window": 604_800,
        "kind": "count",
    }
    assert (RATE.prior, RATE.base, RATE.transform, CLICKS.transform) == (20.0, 0.1, None, "log1p")


def test_behaviors_have_no_counts():
    with pytest.raises(
        ValueError, match=r"must be in `context` or `target`. Received: 'hist_clicks'"
    ):
        kd.FeatureSpec(target=[ITEM, CLICKS], sequences=[kd.Sequence("hist", of=[ITEM, CLICKS])])


def test_fingerprints_differ():
    spec = kd.FeatureSpec(target=[ITEM, CLICKS])
    model = kd.build_lr(spec)
    other = kd.FeatureSpec(target=[ITEM, kd.Count("clicks", of="item", mean=1.0, std=2.0)])
    with pytest.raises(ValueError, match="'clicks': its event is 'click' in the model, 'row' in"):
        kd.export(model, other, "unused", raw=True)


def test_model_reads_logarithms():
    model = kd.build_lr(kd.FeatureSpec(target=[ITEM, CLICKS]))
    (kernel,) = [w for w in model.weights if "clicks" in w.path]
    kernel.assign(np.full(kernel.shape, 3.0))
    x = {"item": np.full((1, 3), 2), "clicks": np.array([[0, np.e - 1, 99]], np.float32)}
    logits = np.log(model(x)) - np.log1p(-np.asarray(model(x)))
    expected = 3 * (np.array([[0, 1, np.log(100)]]) - 1) / 2
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-6)


def test_exported_version_reads_the_number(tmp_path, monkeypatch, checked_by_one_process):
    warned = []
    monkeypatch.setattr(logging.getLogger("tensorflow"), "handle", warned.append)
    model_input._clear_cache()
    spec = kd.FeatureSpec(
        context=[kd.Count("of_user", of="user", kind="age")], target=[ITEM, CLICKS, RATE]
    )
    model = kd.build_din(spec, attention_units=[2], hidden_units=[4])
    version = kd.export(model, spec, tmp_path, raw=True)
    assert not [each.getMessage() for each in warned if "AutoGraph" in each.getMessage()]
    assert list(spec.raw_inputs) == ["of_user", "item", "clicks", "rate"]
    assert read_description(version)["spec"]["features"][2]["window"] == 604_800


def test_fingerprint_has_the_kind_of_the_feature_and_of_the_count():
    item = kd.Categorical("item", 9)

    def spec(**options):
        count = kd.Count("n", of="item", mean=0.0, std=1.0, **options)
        return kd.FeatureSpec(target=[item, count])

    content = json.loads(fingerprint(spec()))["features"]["n"]
    assert (content["kind"], content["measure"]) == ("Count", "count")
    age = spec(kind="age")
    assert differences(fingerprint(spec()), age, "`spec`") == [
        "feature 'n': its measure is 'count' in the model, 'age' in `spec`"
    ]
