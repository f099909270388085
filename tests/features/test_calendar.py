import datetime

import pytest

import keras_din as kd
from keras_din.features import calendar, calendar_part
from keras_din.features.calendar import PARTS
from keras_din.spec_fingerprint import differences, fingerprint

EXPECTED = {
    "hour_of_day": lambda moment: moment.hour,
    "day_of_week": lambda moment: moment.weekday(),
    "hour_of_week": lambda moment: 24 * moment.weekday() + moment.hour,
    "day_of_month": lambda moment: moment.day - 1,
    "month": lambda moment: moment.month - 1,
}


@pytest.mark.parametrize("part", PARTS)
def test_calendar_part_is_that_of_datetime(part):
    epoch = datetime.datetime(1970, 1, 1)
    days = [*range(-30_000, 60_000, 37), -1, 0, 58, 59, 60, 789, 11_016, 11_017]  # Leap days too.
    for day in days:
        for second in (0, 3599, 3600, 86_399):
            seconds = 86_400 * day + second
            moment = epoch + datetime.timedelta(seconds=seconds)
            assert calendar_part(part, seconds) == EXPECTED[part](moment), moment
            assert 0 <= calendar_part(part, seconds) < PARTS[part]


def a_spec(**arguments):
    hour = kd.Calendar("hour_of_day", dim=3, **arguments)
    return kd.FeatureSpec(target=[kd.Categorical("item", 9), hour])


def test_json_keeps_the_offsets_that_were_resolved(monkeypatch):
    spec = a_spec(time_zone="Europe/Berlin")
    monkeypatch.setattr(calendar, "utc_offsets", lambda owner, zone: ((5,), (0, 60)))
    loaded = kd.FeatureSpec.from_json(spec.to_json())
    assert loaded == spec
    assert hash(loaded.target) == hash(spec.target)
    assert loaded.target[1].offsets[-1] == 3600
    # A later database gives another feature, which the fingerprint shows shortly.
    other = a_spec(time_zone="Europe/Berlin")
    assert other != spec
    assert other.target[1].offsets == (0, 60)
    (how,) = differences(fingerprint(spec), other)
    assert "feature 'hour_of_day': its offsets is" in how
    assert len(how) < 100
    assert differences(fingerprint(spec), loaded) == []


def test_fixed_offset_in_json():
    spec = a_spec(time_zone="-03:30", time_unit="s")
    loaded = kd.FeatureSpec.from_json(spec.to_json())
    assert loaded == spec
    assert loaded.target[1].offsets == (-12_600,)


def test_names_and_sizes():
    month = kd.Calendar("month", name="season", time_zone="+01:00")
    assert (month.name, month.table.name, month.table.values.size) == ("season", "season", 14)
    assert repr(month) == "Calendar('month', name='season', time_zone='+01:00', dim=16)"


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"part": "hour"}, "`part` must be one of 'hour_of_day'"),
        ({"part": "month", "time_zone": "Mars"}, "`time_zone` of Calendar 'month' must be a name"),
        ({"part": "month", "time_zone": 1}, "`time_zone` of Calendar 'month' must be text"),
        ({"part": "month", "time_unit": "h"}, "`time_unit` must be one of 'us', 'ms', 's'"),
        ({"part": "month", "dim": 0}, "`dim` of Calendar 'month' must be a positive integer"),
        ({"part": "month", "offsets": [0]}, "`transitions` and `offsets` of .* given together"),
        (
            {"part": "month", "transitions": [2, 1], "offsets": [0, 1, 2]},
            "`transitions` of Calendar 'month' must ascend",
        ),
    ],
)
def test_invalid_arguments(arguments, match):
    with pytest.raises(ValueError, match=match):
        kd.Calendar(**arguments)
