"""The authors' file is converted to samples. Other content raises."""

import pickle

import numpy as np
import pytest

from keras_din.data import load_din_pickle, prepare_tuples
from tests.data.prepare.tuple_rows import CATEGORIES, TEST, TRAIN, as_rows

COUNTS = (8, 5, 3)
CATES = np.array(CATEGORIES, np.int32)


def write(tmp_path, *held, protocol=2):
    path = tmp_path / "dataset.pkl"
    path.write_bytes(b"".join(pickle.dumps(one, protocol) for one in held))
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_samples_equal_those_of_prepare_tuples(tmp_path, protocol):
    # `groupby` gives users as NumPy integers.
    train = [(np.int64(user), *rest) for user, *rest in TRAIN]
    data = load_din_pickle(write(tmp_path, train, TEST, CATES, COUNTS, protocol=protocol))
    assert as_rows(data, "train") == [row[1:] for row in TRAIN]
    same = prepare_tuples(TRAIN, TEST, CATEGORIES)
    assert as_rows(data, "test") == as_rows(same, "test")
    assert data.spec == same.spec
    assert data.report == same.report
    # The authors' item 0 is not padding here: its index comes after the reserved ones.
    assert data.parts["train"].columns["item_id"].min() == 2


def test_validation_and_widths(tmp_path):
    path = write(tmp_path, TRAIN, TEST, CATES, COUNTS)
    data = load_din_pickle(path, valid=True, max_length=7, dim={"item_id": 4, "cate_id": 3})
    assert as_rows(data, "valid") == [row[1:] for row in TRAIN[2:]]
    assert [feature.dim for feature in data.spec.target] == [4, 3]
    assert data.spec.sequences[0].max_length == 7


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("place", range(4))
def test_a_pickle_that_calls_a_function_raises(tmp_path, place):
    held = [TRAIN, TEST, CATES, COUNTS]
    held[place] = Evil(tmp_path / "made")
    word = ("training tuples", "test tuples", "categories", "counts")[place]
    with pytest.raises(ValueError, match=rf"in which the {word} are not .* names _?io\.open"):
        load_din_pickle(write(tmp_path, *held))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "held, message",
    [
        ([TRAIN, TEST], "in which the categories are not readable: .* Ran out of input"),
        ([{}, TEST, CATES, COUNTS], r"The training tuples must be a list\. Received: dict\."),
        ([TRAIN, (), CATES, COUNTS], r"The test tuples must be a list\. Received: tuple\."),
        ([TRAIN, TEST, CATEGORIES, COUNTS], r"must be an array of integers\. Received: \[0, 1"),
        ([TRAIN, TEST, CATES / 2, COUNTS], "must be an array of integers"),
        ([TRAIN, TEST, CATES, (8, 5)], r"The counts must be .* Received: \(8, 5\)\."),
        ([TRAIN, TEST, CATES, (8, 6, 3)], "for each of 6 items.* 5 categories, the largest 2"),
        ([TRAIN, TEST, CATES, (8, 5, 2)], "must be below 2.* 5 categories, the largest 2"),
        ([[(1, [0], 2)], TEST, CATES, COUNTS], r"`train` must hold .* as tuple 0\."),
    ],
)
def test_invalid_content_raises(tmp_path, held, message):
    with pytest.raises(ValueError, match=message):
        load_din_pickle(write(tmp_path, *held))


def test_missing_file_raises(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_din_pickle(tmp_path / "dataset.pkl")
