"""Proposals of features of times: boundaries and parts of the calendar, by hand."""

import pandas as pd
import pytest

import keras_din as kd
from keras_din.data import prepare_impressions, prepare_rows
from keras_din.data.prepare.propose_times import propose_calendar, propose_elapsed

DAY = 86_400
COLUMNS = {"user": "user", "time": "time", "target": ["item"], "label": "click", "split": "part"}


def a_log(*times):
    """Clicks of one user in training, and one test row much later."""
    times = [*times, 900 * DAY]
    rows = len(times)
    return pd.DataFrame(
        {
            "user": ["ann"] * rows,
            "time": times,
            "item": ["a", "b"] * (rows // 2) + ["a"] * (rows % 2),
            "click": [0, *[1] * (rows - 2), 1],
            "part": ["train"] * (rows - 1) + ["test"],
        }
    )


def prepared(*times, **options):
    return prepare_impressions(a_log(*times), **COLUMNS | options)


def test_boundaries_are_powers_of_two_between_training_times():
    # The training rows are 10, 90 and 100 seconds after a click.
    entry, reason = propose_elapsed(prepared(0, 1000, 1010, 1100, dim=3))["elapsed"]
    assert entry == {
        "type": "Elapsed",
        "dim": 3,
        "boundaries": [8, 16, 32, 64],
        "in": ["side_features"],
    }
    assert reason == (
        "8 to 64 seconds by powers of 2: most behaviors of training rows are 10 seconds to "
        "1.7 minutes before the row"
    )
    # Only behaviors that a model reads count: those 10 and 90 seconds before.
    entry, reason = propose_elapsed(prepared(0, 1000, 1010, 1100, max_length=1))["elapsed"]
    assert reason.endswith("10 seconds to 1.5 minutes before the row")


def test_parts_of_the_calendar_by_the_span():
    for span, expected in ((DAY, []), (DAY + 1, ["hour_of_day"]), (7 * DAY, ["hour_of_day"])):
        found = propose_calendar(prepared(0, 100, span), None)
        assert [name for name, (entry, _) in found.items() if entry] == expected
    found = propose_calendar(prepared(0, 100, 7 * DAY + 1), "+02:00")
    assert found["day_of_week"] == (
        {
            "type": "Calendar",
            "part": "day_of_week",
            "time_zone": "+02:00",
            "dim": 16,
            "in": ["context", "side_features"],
        },
        "the training rows span 7.0 days; time zone +02:00, as given",
    )


def test_whole_days_have_no_hour():
    found = propose_calendar(prepared(0, 5 * DAY, 9 * DAY), None)
    assert found["hour_of_day"] == (None, "all training rows are at one time of the day")
    assert found["day_of_week"][0] is not None


def test_what_cannot_be_computed_is_left_out():
    data = prepared(0, 9 * DAY, 9 * DAY)  # The click at the same time is in no history.
    assert propose_elapsed(data)["elapsed"] == (
        None,
        "no training row has a behavior of at least a second before",
    )
    prior = pd.DataFrame({"user": ["ann"], "item": ["b"]})
    # Behaviors without a time have no elapsed time.
    data = prepared(0, 9 * DAY, 9 * DAY, prior_history={"hist": prior})
    assert propose_elapsed(data)["elapsed"][0] is None
    data = prepared(0, 9 * DAY, 9 * DAY + 5, prior_history={"hist": prior})
    assert propose_elapsed(data)["elapsed"][0]["boundaries"] == [4]


@pytest.mark.parametrize("sequences, reason", [(["hist"], "without times"), ([], "no histories")])
def test_rows_have_only_the_times_of_requests(sequences, reason):
    rows = pd.DataFrame({"item": ["a", "b", "a"], "time": [5, DAY, 9 * DAY], "click": [1, 0, 1]})
    rows["hist_item"] = [["b"], ["a"], ["a", "b"]]
    rows["hist_time"] = [[1], [2], [3, 4]]
    columns = {"label": "click", "target": ["item"], "sequences": sequences}
    data = prepare_rows(rows, time="time", **columns)
    entry, why = propose_elapsed(data)["elapsed"]
    assert entry is None
    assert reason in why
    assert propose_calendar(data, None)["hour_of_day"][0]["in"] == ["context"]
    data = prepare_rows(rows, **columns)
    assert propose_calendar(data, None)["hour_of_day"] == (None, "the log was read without times")


def test_times_of_rows_are_used_where_a_feature_reads_them():
    rows = pd.DataFrame({"item": ["a", "b", "a"], "time": [5, DAY, 9 * DAY], "click": [1, 0, 1]})
    rows["hist_item"] = [["b"], ["a"], ["a", "b"]]
    rows["hist_time"] = [[1_000_000], [2_000_000], [3_000_000, 4_000_000]]
    ago = kd.Elapsed("ago")
    columns = {"label": "click", "target": ["item"], "side_features": [ago]}
    data = prepare_rows(rows, time="time", **columns)
    assert propose_elapsed(data)["elapsed"][0]["boundaries"][0] == 4
