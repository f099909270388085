"""`item_ages`: days since the first event of the candidate, by hand."""

import dataclasses

import numpy as np
import pytest

import keras_din as kd
from keras_din.features import NO_TIME

DAY = 86_400_000_000


def prepared():
    item = kd.Categorical("item", 6, dim=2)
    spec = kd.FeatureSpec(target=[item], sequences=[kd.Sequence("hist", of=[item])])
    # Item 2 is first seen as a behavior on day 1, item 4 has an event of unknown time.
    log = kd.data.BehaviorLog([0, 3], {"item": [4, 2, 5]}, [NO_TIME, 1 * DAY, 2 * DAY])

    def rows(items, days):
        history = {"hist": (np.zeros(len(items), int), np.zeros(len(items), int))}
        time = (np.array(days) * DAY).astype("int64")
        columns = {"item": np.array(items, np.int32)}
        return kd.data.Samples(
            columns, history, np.zeros(len(items)), np.zeros(len(items), int), time=time
        )

    parts = {"train": rows([3], [1.5]), "test": rows([2, 3, 4, 5, 5, 1, 2], [3, 3, 4, 2, 6, 6, 1])}
    return kd.data.PreparedData(spec, {"hist": log}, parts)


def test_days_since_the_first_event():
    ages = prepared().item_ages("test")
    np.testing.assert_array_equal(ages, [2, 1.5, 0, 0, 4, np.nan, 0])
    np.testing.assert_array_equal(prepared().item_ages("train"), [0])


def test_data_without_times():
    data = prepared()
    parts = {"test": dataclasses.replace(data.parts["test"], time=None)}
    with pytest.raises(ValueError, match=r"`item_ages` requires rows with times. Received: none"):
        dataclasses.replace(data, parts=parts).item_ages("test")
    with pytest.raises(ValueError, match="an order instead of times"):
        dataclasses.replace(data, report={"time_unit": "order"}).item_ages("test")
    with pytest.raises(ValueError, match="`part` must be"):
        data.item_ages("valid")
