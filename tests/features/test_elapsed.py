import numpy as np
import pytest

import keras_din as kd

ITEM = kd.Categorical("item", 9)
HOUR = kd.Calendar("hour_of_day")


def a_spec(*side_features, context=()):
    hist = kd.Sequence("hist", of=[ITEM], side_features=side_features)
    return kd.FeatureSpec(context=context, target=[ITEM], sequences=[hist])


def test_limits_are_boundaries_in_the_unit():
    assert kd.Elapsed("ago", boundaries=[0.5, 60]).limits == (500_000, 60_000_000)
    assert kd.Elapsed("ago", boundaries=np.array([1, 60]).tolist(), time_unit="s").limits == (1, 60)
    default = kd.Elapsed("ago", dim=8)
    assert default.boundaries[0] == 1
    assert default.boundaries[-1] == 2**26
    assert (default.table.values.size, default.table.dim) == (30, 8)


def test_json_and_repr():
    ago = kd.Elapsed("ago", boundaries=[0.5, 60])
    spec = a_spec(ago)
    assert kd.FeatureSpec.from_json(spec.to_json()) == spec
    assert repr(ago) == "Elapsed('ago', <3 buckets from 0.5 to 60 seconds>, dim=16)"


def test_exported_versions_read_times_instead():
    ago = kd.Elapsed("ago")
    spec = a_spec(ago, kd.Numeric("dwell"), context=[kd.Numeric("age")])
    assert list(spec.inputs) == ["age", "item", "hist_item", "hist_ago", "hist_dwell"]
    assert list(spec.raw_inputs) == ["age", "time", "item", "hist_item", "hist_dwell", "hist_time"]
    assert list(a_spec(HOUR).time_inputs) == ["hist_time"]  # The request does not matter.
    assert list(a_spec(context=[HOUR]).time_inputs) == ["time"]
    plain = a_spec(kd.Numeric("time"), context=[kd.Numeric("time")])
    assert plain.raw_inputs == plain.inputs
    assert not plain.time_inputs


@pytest.mark.parametrize(
    "boundaries, unit, match",
    [
        ([], "us", "must be at least one number, in ascending order"),
        ([2, 1], "us", "must be at least one number, in ascending order"),
        ([0, 1], "us", "must be positive numbers of seconds. Received: 0"),
        ([float("nan")], "us", "must be positive numbers of seconds. Received: nan"),
        (["1"], "us", "must be positive numbers of seconds. Received: '1'"),
        ([0.5], "s", "must be multiples of its `time_unit`, 's'. Received: 0.5 seconds"),
        (3, "us", "`boundaries` of Elapsed 'ago' must be a list"),
    ],
)
def test_invalid_boundaries(boundaries, unit, match):
    with pytest.raises(ValueError, match=match):
        kd.Elapsed("ago", boundaries=boundaries, time_unit=unit)


def test_elapsed_must_be_of_behaviors():
    with pytest.raises(
        ValueError, match=r"Elapsed\('ago'.* must be in `side_features` or `of` of a Seq"
    ):
        a_spec(context=[kd.Elapsed("ago")])


def test_time_units_must_agree():
    with pytest.raises(ValueError, match=r"same `time_unit`.* {'hour_of_day': 'us', 'ago': 's'}"):
        a_spec(kd.Elapsed("ago", time_unit="s"), context=[HOUR])


@pytest.mark.parametrize(
    "features, context", [([], [HOUR, kd.Numeric("Time")]), ([HOUR, kd.Numeric("time")], [])]
)
def test_names_of_times_are_reserved(features, context):
    with pytest.raises(ValueError, match="must not have the names of the times"):
        a_spec(*features, context=context)
