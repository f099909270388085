import dataclasses

import numpy as np
import pytest

import keras_din as kd
from keras_din.data import BehaviorLog, Samples, dataset
from keras_din.data.pipeline import batches
from keras_din.data.pipeline.raw_times import raw_times
from keras_din.data.store.feature_counts import count_features
from tests.data.pipeline.shared import numpy_batches

SECOND = 1_000_000
ITEM = kd.Categorical("item", 9)
AGO = kd.Elapsed("ago", boundaries=[1, 10], time_unit="s")
WEEKDAY = kd.Calendar("day_of_week", time_unit="s")
HIST = kd.Sequence("hist", of=[ITEM, WEEKDAY], side_features=[AGO], max_length=2)
SPEC = kd.FeatureSpec(context=[], target=[ITEM, WEEKDAY], sequences=[HIST])
# 1970-01-01 was a Thursday.
TIMES = np.array([-5, 0, 20, 86_400]) * SECOND + 3
LOG = BehaviorLog([0, 4, 4], {"item": np.array([3, 4, 5, 6], np.int32)}, TIMES)
SAMPLES = Samples(
    columns={"item": np.array([2, 3, 4, 5], np.int32)},
    history={"hist": ([0, 0, 0, 4], [2, 2, 4, 4])},
    labels=[1, 0, 1, 0],
    group=[0, 0, 0, 1],
    request=[7, 7, 8, 9],
    time=np.array([5, 5, 86_400, -1]) * SECOND + 3,
)


def test_indices_by_hand():
    ((x, _),) = numpy_batches(dataset(SPEC, {"hist": LOG}, SAMPLES))
    assert x["hist_ago"].tolist() == [[4, 3], [4, 3], [4, 2], [0, 0]]  # 10 s, 5 s; 23 h, 0 s.
    assert x["day_of_week"].tolist() == [[5], [5], [6], [4]]  # Thursday, Friday, Wednesday.
    assert x["hist_day_of_week"].tolist() == [[4, 5], [4, 5], [5, 6], [0, 0]]


def test_by_request_and_raw_times():
    arguments = SPEC, {"hist": LOG}, SAMPLES, 2
    pairs = numpy_batches(dataset(*arguments, by_request=True))
    assert pairs[0][0]["day_of_week"].tolist() == [[5, 5], [6, 0]]
    assert pairs[0][0]["hist_ago"].tolist() == [[4, 3], [4, 2]]
    first, second = raw_times(*arguments, by_request=True)
    assert first["time"].tolist() == [5, 86_400]
    assert first["hist_time"].tolist() == [[-5, 0], [20, 86_400]]
    assert second["time"].tolist() == [-1]
    assert second["hist_time"].shape == (1, 0)
    (rows,) = raw_times(SPEC, {"hist": LOG}, SAMPLES, 9, by_request=False)
    assert rows["time"].tolist() == [5, 5, 86_400, -1]


def test_feature_counts_are_those_of_batches():
    ((x, _),) = numpy_batches(dataset(SPEC, {"hist": LOG}, SAMPLES))
    counts = count_features(SPEC, {"hist": LOG}, SAMPLES)
    for table, names in {
        "ago": ["hist_ago"],
        "day_of_week": ["day_of_week", "hist_day_of_week"],
    }.items():
        found = np.concatenate([x[name].ravel() for name in names])
        expected = np.bincount(found, minlength=len(counts[table]))
        expected[0] = 0
        assert counts[table].tolist() == expected.tolist()


def test_times_are_required():
    with pytest.raises(ValueError, match="Input 'day_of_week' is computed from times: `time` of "):
        dataset(SPEC, {"hist": LOG}, dataclasses.replace(SAMPLES, time=None))
    log = dataclasses.replace(LOG, time=None)
    with pytest.raises(ValueError, match=r"'hist_day_of_week' .* of the log of 'hist' must be"):
        dataset(SPEC, {"hist": log}, SAMPLES)
    with pytest.raises(ValueError, match="a log for each sequence; 'hist' is missing"):
        dataset(SPEC, {}, SAMPLES)


def test_history_after_its_sample_raises():
    time = SAMPLES.time - np.array([0, 0, 1, 0])
    with pytest.raises(ValueError, match=r"'hist' must be before the time of its sam.* row 2 at"):
        dataset(SPEC, {"hist": LOG}, dataclasses.replace(SAMPLES, time=time))


def test_rows_of_a_request_share_the_time():
    samples = dataclasses.replace(SAMPLES, time=SAMPLES.time + np.array([0, 1, 0, 0]))
    with pytest.raises(ValueError, match="The rows of one request must share `time`"):
        dataset(SPEC, {"hist": LOG}, samples, by_request=True)


def test_times_of_a_sequence_are_read_once_per_batch(monkeypatch):
    read, columns = batches._read_column, []

    def counted(column, to_tensor):
        return lambda rows: columns.append(column) or read(column, to_tensor)(rows)

    monkeypatch.setattr(batches, "_read_column", counted)
    dataset(SPEC, {"hist": LOG}, SAMPLES)
    assert sum(column is LOG.time for column in columns) == 1  # For AGO and WEEKDAY.
