"""`Samples`: validation, selection, saving and loading."""

import numpy as np
import pytest

from keras_din.data import Samples
from keras_din.data.store import arrays


def some_samples(**changes):
    arguments = {
        "columns": {"item": [2, 3, 4], "age": [0.5, 1.5, 2.5]},
        "history": {"hist": ([0, 0, 5], [0, 3, 5])},
        "labels": [1, 0, 1],
        "group": [7, 7, 8],
        "request": [1, 1, 2],
        "time": [10, 10, 20],
        "weight": [1, 0.5, 0],
    }
    return Samples(**(arguments | changes))


def as_lists(samples):
    arrays = {
        **samples.columns,
        "start": samples.history["hist"][0],
        "end": samples.history["hist"][1],
        "label": samples.label,
        "group": samples.group,
        "request": samples.request,
        "time": samples.time,
        "weight": samples.weight,
    }
    return {name: None if array is None else array.tolist() for name, array in arrays.items()}


def test_columns_are_converted():
    samples = some_samples()
    assert len(samples) == 3
    assert samples.columns["item"].dtype == np.int32
    assert samples.columns["age"].dtype == np.float32
    assert samples.label.dtype == samples.weight.dtype == np.float32
    assert {array.dtype for array in samples.history["hist"]} == {np.dtype(np.int64)}
    assert samples.group.dtype == samples.request.dtype == samples.time.dtype == np.int64
    assert repr(samples) == "Samples(3 rows, ['item', 'age'], history of ['hist'])"


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"labels": [1, np.inf, 0]},
            r"`label` must be a finite number, or NaN .* missing\. Received: inf in row 1\.",
        ),
        ({"group": [1, 2]}, r"must have one length\. Received: .*'labels/click': 3, 'group': 2"),
        ({"labels": [[1], [0], [1]]}, r"`label` must be a vector\. Received: shape=\(3, 1\)"),
        ({"group": ["a", "b", "c"]}, "`group` must be a vector of integers"),
        (
            {"history": {"hist": ([0, 4, 5], [0, 3, 5])}},
            r"slices with 0 <= start <= end\. Received: \[4, 3\) in row 1",
        ),
        ({"history": {"hist": ([0, 0, -1], [0, 3, 5])}}, r"Received: \[-1, 5\) in row 2"),
        ({"weight": [1, -1, 0]}, r"must hold finite non-negative numbers\..*: -1 in row 1\."),
        ({"weight": [1, 1, np.nan]}, r"`weight` must .*Received: nan in row 2\."),
        ({"weight": [np.inf, 1, 0]}, r"`weight` must .*Received: inf in row 0\."),
        ({"weight": [[1], [0], [1]]}, r"`weight` must be a vector\. Received: shape=\(3, 1\)"),
        ({"labels": {}}, r"`labels` must hold at least one label\. Received: none\."),
        (
            {"labels": {"click": [1, 0, 1], "buy": [0, 0, -np.inf]}},
            r"Label 'buy' must be a finite number, .*\. Received: -inf in row 2\.",
        ),
        ({"labels": {"a": [1], "b": [0, 1, 1]}}, r"must have one length\. .*'labels/b': 3"),
        ({"weight": [1, 0]}, r"must have one length\. Received: .*'weight': 2"),
    ],
)
def test_invalid_samples_raise(changes, message):
    with pytest.raises(ValueError, match=message):
        some_samples(**changes)


@pytest.mark.parametrize(
    "rows", [[2, 0], np.array([2, 0]), slice(None, None, -2), np.array([True, False, True])]
)
def test_selection(rows):
    chosen, all_ = as_lists(some_samples()[rows]), as_lists(some_samples())
    where = [2, 0]
    if isinstance(rows, np.ndarray) and rows.dtype == bool:
        where = [0, 2]
    assert chosen == {name: [values[row] for row in where] for name, values in all_.items()}


def test_all_rows_are_checked(monkeypatch):
    monkeypatch.setattr(arrays, "_ROWS_AT_ONCE", 2)
    with pytest.raises(ValueError, match=r"`label` must be a finite .*Received: inf in row 2\."):
        some_samples(labels=[0, 1, np.inf])
    with pytest.raises(ValueError, match=r"Received: \[5, 4\) in row 2"):
        some_samples(history={"hist": ([0, 0, 5], [0, 3, 4])})


def test_selecting_a_single_row_raises():
    with pytest.raises(ValueError, match=r"a slice or a vector of rows\. Received: an index"):
        some_samples()[1]


@pytest.mark.parametrize(
    "samples",
    [some_samples(), some_samples(request=None, time=None, weight=None), some_samples()[:0]],
)
def test_save_and_load(samples, tmp_path):
    samples.save(tmp_path / "samples")
    assert as_lists(Samples.load(tmp_path / "samples")) == as_lists(samples)


def test_a_selection_keeps_absent_fields():
    assert some_samples(request=None)[:2].request is None


def test_several_labels(tmp_path):
    samples = some_samples(labels={"click": [1, 0, 1], "buy": [0, 0, 1]})
    assert repr(samples).endswith("history of ['hist'], labels ['click', 'buy'])")
    assert samples.is_positive.tolist() == [True, False, True]
    samples.save(tmp_path / "samples")
    loaded = Samples.load(tmp_path / "samples")[1:]
    assert {name: of.tolist() for name, of in loaded.labels.items()} == {
        "click": [0, 1],
        "buy": [0, 1],
    }
    message = r"`label` requires samples with one label\. .*Received: labels \['click', 'buy'\]"
    with pytest.raises(ValueError, match=message):
        _ = samples.label


def test_label_of_version_0_1_is_read(tmp_path):
    some_samples().save(tmp_path / "samples")
    (tmp_path / "samples/labels/click.npy").rename(tmp_path / "samples/label.npy")
    (tmp_path / "samples/labels").rmdir()
    assert as_lists(Samples.load(tmp_path / "samples")) == as_lists(some_samples())
