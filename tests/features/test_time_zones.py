import datetime
import zoneinfo

import numpy as np
import pytest

from keras_din.features.time_zones import utc_offsets


@pytest.mark.parametrize("name", ["Europe/Berlin", "Australia/Lord_Howe"])
def test_offsets_are_those_of_the_database(name):
    transitions, offsets = utc_offsets("it", name)
    zone = zoneinfo.ZoneInfo(name)
    rng = np.random.default_rng(0)
    low, high = (datetime.datetime(y, 1, 2).timestamp() for y in (1900, 2099))
    seconds = rng.integers(int(low), int(high), 500)
    # The seconds around each change too.
    seconds = np.concatenate([seconds, np.array(transitions), np.array(transitions) - 1])
    place = np.searchsorted(transitions, seconds, side="right")
    expected = [datetime.datetime.fromtimestamp(s, zone).utcoffset() for s in seconds.tolist()]
    found = [datetime.timedelta(seconds=offset) for offset in np.array(offsets)[place].tolist()]
    assert found == expected


def test_summer_time_of_berlin_in_2024():
    transitions, offsets = utc_offsets("it", "Europe/Berlin")
    start = int(datetime.datetime(2024, 3, 31, 1, tzinfo=datetime.timezone.utc).timestamp())
    end = int(datetime.datetime(2024, 10, 27, 1, tzinfo=datetime.timezone.utc).timestamp())
    place = transitions.index(start)
    assert transitions[place + 1] == end
    assert offsets[place : place + 3] == (3600, 7200, 3600)


@pytest.mark.parametrize(
    "name, offset", [("UTC", 0), ("+05:30", 19_800), ("-03:00", -10_800), ("+00:00", 0)]
)
def test_fixed_offsets_have_no_transitions(name, offset):
    assert utc_offsets("it", name) == ((), (offset,))


@pytest.mark.parametrize("name", ["Europe/Nowhere", "../etc/passwd", "", "+25:00", "+5:30", "Asia"])
def test_unknown_time_zone_raises(name):
    with pytest.raises(ValueError, match=r"`time_zone` of it must be a name of the IANA"):
        utc_offsets("it", name)
