"""Proposals of transforms of numbers: by the most distant training value, by hand."""

import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.data import prepare_impressions
from keras_din.data.prepare.propose_numbers import propose_transforms

ROWS = 1_000
# Values of training: one is far away, also as a logarithm, or not.
NEAR = np.arange(ROWS) % 100 + 0.5
LOG = np.where(np.arange(ROWS) == 7, 2_000.5, NEAR)
FAR = np.where(np.arange(ROWS) == 7, 1e30, NEAR)


def prepared(values, price="price", **options):
    rows = len(values)
    log = pd.DataFrame(
        {
            "user": np.arange(rows) % 9,
            "time": np.arange(rows),
            "item": np.arange(rows) % 7,
            "click": np.arange(rows) % 3 % 2,
            "price": values,
            "part": ["train"] * ROWS + ["test"] * (rows - ROWS),
        }
    )
    columns = {"user": "user", "time": "time", "label": "click", "target": ["item", price]}
    return prepare_impressions(log, **columns, split="part", **options)


@pytest.mark.parametrize("values, transform", [(LOG, "log1p"), (FAR, "quantile"), (-LOG, "log1p")])
def test_transform_by_the_tail(values, transform):
    ((name, (entry, reason)),) = propose_transforms(prepared(values)).items()
    assert name == "price"
    assert entry == {"type": "Numeric", "transform": transform}
    distance = abs(values[7] - values.mean()) / values.std()
    assert reason.startswith(f"a training value is {distance:.1f} standard deviations from the me")


def test_no_transform_without_a_tail():
    values = np.concatenate([NEAR, [1e30] * 9])  # The large ones are in the test part.
    reason = "the training values are within 1.7 standard deviations of the mean"
    assert propose_transforms(prepared(values)) == {"a transform of price": (None, reason)}
    values = np.full(ROWS, 3.5)
    values[::2] = np.nan  # Which are replaced by the mean.
    found = propose_transforms(prepared(values))
    assert found["a transform of price"][1].startswith("the training values are within 0.0 stand")


def test_features_that_are_given_are_kept():
    assert propose_transforms(prepared(LOG, kd.Numeric("price"))) == {}
    whole = LOG.astype(int)
    assert propose_transforms(prepared(whole)) == {}  # Whole numbers count as ids.
    assert list(propose_transforms(prepared(whole, numeric=["price"]))) == ["price"]
