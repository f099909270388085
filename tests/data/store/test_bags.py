"""`Bags` in batches, `rows_dataset` and counts match slow loops."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest

from keras_din.data import BehaviorLog, Samples, dataset, rows_dataset
from keras_din.data.store.bags import Bags, concat_bags
from keras_din.data.store.feature_counts import count_features
from keras_din.features import Bag, Categorical, FeatureSpec, Numeric, Sequence
from tests.data.pipeline.shared import numpy_batches

ITEM = Categorical("item", 50, dim=4)
AGE = Numeric("age")


def a_spec(max_length=4, max_values=2):
    genres = Bag("genres", 9, dim=4, max_values=max_values)
    return FeatureSpec(
        context=[AGE, Bag("words", 9, dim=4, max_values=max_values)],
        target=[genres, ITEM],
        sequences=[
            Sequence(
                "hist",
                of=[ITEM, genres],
                side_features=[Bag("marks", 9, dim=4, max_values=max_values)],
                max_length=max_length,
            )
        ],
    )


def of_lists(lists):
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in lists])])
    return Bags(np.arange(len(lists)), offsets, np.array([v for each in lists for v in each], int))


def as_lists(bags):
    return [bags.values_of(row).tolist() for row in range(len(bags))]


def some_bags(rng, rows, distinct=4):
    table = [rng.integers(1, 9, rng.integers(0, 4)).tolist() for _ in range(distinct)]
    return of_lists(table)[rng.integers(distinct, size=rows)]


def test_equal_bags_are_stored_once():
    bags = of_lists([[3, 4], [], [5]])
    assert as_lists(bags) == [[3, 4], [], [5]]
    assert as_lists(bags[[2, 0, 0]]) == [[5], [3, 4], [3, 4]]
    assert as_lists(bags[1:]) == [[], [5]]
    assert as_lists(bags[np.array([True, False, True])]) == [[3, 4], [5]]
    chosen = bags[np.zeros(1000, int)]
    assert chosen.values is bags.values
    assert (chosen.place.dtype, chosen.values.dtype) == (np.int32, np.int32)
    assert as_lists(concat_bags([bags, bags[[2]], of_lists([[7]])])) == [[3, 4], [], [5], [5], [7]]
    assert bags.contains(4).tolist() == [True, False, False]
    assert bags[[1, 0]].contains(4).tolist() == [False, True]
    assert of_lists([[1, 2], [2, 1], [1, 2], [], []]).bag_ids().tolist() == [0, 1, 0, 2, 2]


@pytest.mark.parametrize(
    "changes, text",
    [
        ({"offsets": [0, 3, 2]}, "`offsets` must start at 0 and never decrease"),
        ({"offsets": [0, 1, 1]}, r"must end at the number of values, 2\. Received: 1"),
        ({"place": [0, 2]}, r"`place` must hold numbers of bags from 0 to 1\. .*: 2 in row 1"),
        ({"place": [-1]}, "Received: -1 in row 0"),
        ({"values": [1, 2**31]}, "Column 'values' must hold 32-bit indices"),
        ({"place": [[0]]}, "Column 'place' must be a vector"),
    ],
)
def test_invalid_bags_raise(changes, text):
    with pytest.raises(ValueError, match=text):
        Bags(**({"place": [0, 1], "offsets": [0, 1, 2], "values": [3, 4]} | changes))


def some_data(lengths, users, requests=None, seed=0):
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    events, rows = int(offsets[-1]), len(users)
    columns = {
        "item": rng.integers(1, 50, events),
        "genres": some_bags(rng, events),
        "marks": some_bags(rng, events),
    }
    log = BehaviorLog(offsets, columns)
    users = np.asarray(users, int)
    start, words = offsets[users], some_bags(rng, rows)
    end = start + rng.integers(0, offsets[users + 1] - start + 1)
    age = np.arange(rows, dtype=np.float32)
    if requests is not None:
        first = np.unique(requests, return_index=True)[1][requests]
        start, end, words, age = start[first], end[first], words[first], age[first]
    samples = Samples(
        columns={
            "age": age,
            "words": words,
            "item": rng.integers(1, 50, rows),
            "genres": some_bags(rng, rows),
        },
        history={"hist": (start, end)},
        labels=rng.integers(0, 2, rows),
        group=users,
        request=requests,
    )
    return {"hist": log}, samples


def padded(rows):
    """Converts rows of entries of values to an array, padded with 0."""
    width = max((len(values) for row in rows for values in row), default=0)
    array = np.zeros((len(rows), max(map(len, rows)), width), int)
    for i, row in enumerate(rows):
        for j, values in enumerate(row):
            array[i, j, : len(values)] = values
    return array


@hypothesis.given(
    st.lists(st.integers(0, 6), min_size=1, max_size=5),
    st.integers(1, 7),
    st.integers(1, 5),
    st.integers(1, 5),
    st.data(),
)
@hypothesis.settings(max_examples=6, deadline=None)
def test_batches_match_a_slow_loop(lengths, max_length, max_values, batch_size, data):
    users = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=9))
    behaviors, samples = some_data(lengths, users)
    spec = a_spec(max_length, max_values)
    batches = numpy_batches(dataset(spec, behaviors, samples, batch_size))
    held = behaviors["hist"].columns
    start, end = samples.history["hist"]
    expected = {f.name: np.zeros(9, int) for f in spec.features.values() if isinstance(f, Bag)}
    for x, _ in batches:
        rows = x["age"].astype(int)
        first = lambda bags, row: bags.values_of(row).tolist()[:max_values]  # noqa: E731
        words, genres = samples.columns["words"], samples.columns["genres"]
        wanted = {
            "words": padded([[first(words, row)] for row in rows])[:, 0],
            "genres": padded([[first(genres, row)] for row in rows]),
        }
        for name in ("genres", "marks"):
            events = [range(start[row], end[row])[-max_length:] for row in rows]
            wanted[f"hist_{name}"] = padded([[first(held[name], e) for e in row] for row in events])
        for name, values in wanted.items():
            assert x[name].dtype == np.int32
            np.testing.assert_array_equal(x[name], values, err_msg=name)
            feature = spec.inputs[name].feature.name
            expected[feature] += np.bincount(values.ravel(), minlength=9)
    counts = count_features(spec, behaviors, samples)
    for name, values in expected.items():
        values[0] = 0
        np.testing.assert_array_equal(counts[name], values, err_msg=name)


@pytest.mark.parametrize("sizes", [[2, 2], [3, 1]])
def test_batches_by_request_with_bags(sizes):
    requests = np.repeat([0, 1], sizes)
    behaviors, samples = some_data([3, 2], requests, requests)
    ((x, *_),) = numpy_batches(dataset(a_spec(), behaviors, samples, by_request=True))
    genres, at = samples.columns["genres"], 0
    for row, size in enumerate(sizes):
        for candidate in range(max(sizes)):
            found = [v for v in x["genres"][row, candidate] if v]
            here = genres.values_of(at + candidate)[:2].tolist() if candidate < size else []
            assert found == here
        at += size
    # Rows of a request must share values of the context. Equal bags may have several numbers.
    equal = of_lists([[5, 6]] * 4)
    columns = samples.columns | {"words": equal}
    again = Samples(columns, samples.history, samples.label, samples.group, requests)
    dataset(a_spec(), behaviors, again, by_request=True)
    columns["words"] = of_lists([[5], [6], [7], [8]])
    again = Samples(columns, samples.history, samples.label, samples.group, requests)
    with pytest.raises(ValueError, match=r"must share context 'words'\. Received: \[5\] in row 0"):
        dataset(a_spec(), behaviors, again, by_request=True)


def test_save_and_load(tmp_path):
    behaviors, samples = some_data([3, 2], [0, 1, 1])
    samples[1:].save(tmp_path / "samples")
    again = Samples.load(tmp_path / "samples")
    assert as_lists(again.columns["words"]) == as_lists(samples.columns["words"])[1:]
    behaviors["hist"].save(tmp_path / "log")
    log = BehaviorLog.load(tmp_path / "log")
    assert as_lists(log.columns["marks"]) == as_lists(behaviors["hist"].columns["marks"])
    files = {path.name for path in (tmp_path / "log" / "columns" / "marks").iterdir()}
    assert files == {"place.npy", "offsets.npy", "values.npy"}
    events = BehaviorLog.from_events([1, 0], {"marks": of_lists([[3], [4, 5]])})
    assert as_lists(events.columns["marks"]) == [[4, 5], [3]]
    with pytest.raises(ValueError, match="All columns of samples must have one length"):
        Samples({"words": of_lists([[1]])}, {}, [0, 1], [0, 0])


@pytest.mark.parametrize(
    "name, column, text",
    [
        ("genres", [1, 2], "'genres' must be `Bags`. Received: ndarray for Bag"),
        ("item", of_lists([[1], [2]]), "'item' must be one value per row. Received: Bags for Cat"),
        (
            "age",
            of_lists([[1], [2]]),
            "'age' must be one value per row. Received: Bags for Num",
        ),
        ("genres", of_lists([[1], [9]]), "must be indices from 1 to 8.* Received: 9 in value 1"),
        ("words", of_lists([[1, 0], []]), r"Received: 0 \(0 is padding\) in value 1"),
    ],
)
def test_inconsistent_columns_raise(name, column, text):
    behaviors, samples = some_data([2], [0, 0])
    columns = samples.columns | {name: column}
    samples = Samples(columns, samples.history, samples.label, samples.group)
    with pytest.raises(ValueError, match=text):
        dataset(a_spec(), behaviors, samples)


def test_rows_dataset_with_bags():
    frame = pd.DataFrame(
        {
            "age": [1.0, 2.0],
            "words": [[3, 0, 4, 5], None],
            "item": [2, 3],
            "genres": [np.array([], int), np.array([0, 7])],
            "hist_item": [[5, 0, 6], None],
            "hist_genres": [[[1, 0, 2, 3], [8], None], None],
            "hist_marks": [[[], [8], [0, 4]], None],
        }
    )
    ((x, _),) = rows_dataset(frame, a_spec())
    np.testing.assert_array_equal(x["words"], [[3, 4], [0, 0]])
    np.testing.assert_array_equal(x["genres"], [[[0]], [[7]]])
    np.testing.assert_array_equal(x["hist_item"], [[5, 6], [0, 0]])
    np.testing.assert_array_equal(x["hist_genres"], [[[1, 2], [0, 0]], [[0, 0], [0, 0]]])
    np.testing.assert_array_equal(x["hist_marks"], [[[0], [4]], [[0], [0]]])
    # pandas reads nested lists of a Parquet file as arrays of arrays.
    frame["hist_genres"] = [np.array([np.array([1]), np.array([2, 3]), None], object), None]
    ((x, _),) = rows_dataset(frame, a_spec())
    np.testing.assert_array_equal(x["hist_genres"][0], [[1], [0]])
    for wrong in ([1, 2], [[[1, 2]], [3]]):
        with pytest.raises(ValueError, match="Column 'words' must hold"):
            rows_dataset(frame.assign(words=wrong), a_spec())


def test_raw_values_in_rows():
    genres = Bag("genres", vocabulary=["a", "b"], dim=2)
    item = Categorical("item", vocabulary=["x", "y"], dim=2)
    spec = FeatureSpec(target=[item, genres], sequences=[Sequence("hist", of=[item, genres])])
    frame = pd.DataFrame(
        {
            "item": ["x", "z"],
            "genres": [["b", "", "c", None, "a"], []],
            "hist_item": [["y"], ["x", "y"]],
            "hist_genres": [[["a"]], [[], ["c", "b"]]],
        }
    )
    ((x, _),) = rows_dataset(frame, spec)
    np.testing.assert_array_equal(x["genres"], [[[3, 1, 2]], [[0, 0, 0]]])
    np.testing.assert_array_equal(x["hist_genres"], [[[2, 0], [0, 0]], [[0, 0], [1, 3]]])
