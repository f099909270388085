"""The pipeline matches slow loops: histories, orders, requests; and invalid input raises."""

import dataclasses
import itertools
import pathlib
import subprocess
import sys

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf

from keras_din import build_base, build_din
from keras_din.data import BehaviorLog, PreparedData, Samples, dataset
from keras_din.data.store import arrays
from keras_din.data.store.bags import Bags
from keras_din.features import Bag, Categorical, FeatureSpec, Label, Numeric, Sequence
from tests.data.pipeline.shared import numpy_batches

ITEM = Categorical("item", 50, dim=4)
PRICE = Numeric("price")
ACTION = Categorical("action", 5, dim=4)
AGE = Numeric("age")


def a_spec(max_length=4):
    return FeatureSpec(
        context=[AGE],
        target=[ITEM, PRICE],
        sequences=[Sequence("hist", of=[ITEM], side_features=[ACTION], max_length=max_length)],
    )


def a_log(lengths, seed=0):
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    columns = {
        "item": rng.integers(1, 50, offsets[-1]),
        "action": rng.integers(0, 5, offsets[-1]),
    }
    return {"hist": BehaviorLog(offsets, columns)}


def some_samples(behaviors, users, requests=None, seed=0):
    """A row for each of `users`, with random slices of their histories."""
    rng = np.random.default_rng(seed)
    users, rows = np.asarray(users, np.int64), len(users)
    offsets = behaviors["hist"].offsets
    start = offsets[users]
    end = start + rng.integers(0, offsets[users + 1] - start + 1)
    age = np.arange(rows, dtype=np.float32)
    if requests is not None:
        _, where, which = np.unique(requests, return_index=True, return_inverse=True)
        first = where[which]
        start, end, age = start[first], end[first], age[first]
    return Samples(
        columns={
            "item": rng.integers(1, 50, rows),
            "price": rng.random(rows, np.float32),
            "age": age,
        },
        history={"hist": (start, end)},
        labels=rng.integers(0, 2, rows),
        group=users,
        request=requests,
    )


def order_of(data):
    """Returns the row numbers of an epoch. `age` is the row's number."""
    return np.concatenate([x["age"] for x, *_ in numpy_batches(data)]).astype(int)


def check_histories(x, behaviors, samples, rows, max_length):
    """Checks by a slow loop that histories are the most recent part of the slice, then zeros."""
    start, end = samples.history["hist"]
    slices = [range(start[row], end[row])[-max_length:] for row in rows]
    width = max((len(positions) for positions in slices), default=0)
    for name, column in behaviors["hist"].columns.items():
        assert x[f"hist_{name}"].shape == (len(rows), width)
        assert x[f"hist_{name}"].dtype == np.int32
        for got, positions in zip(x[f"hist_{name}"], slices, strict=True):
            values = [column[position] for position in positions]
            assert got.tolist() == values + [0] * (width - len(values))


@hypothesis.given(
    st.lists(st.integers(0, 7), min_size=1, max_size=6),
    st.integers(1, 9),
    st.integers(1, 5),
    st.booleans(),
    st.data(),
)
@hypothesis.settings(max_examples=10, deadline=None)
def test_pointwise_batches(lengths, max_length, batch_size, shuffle, data):
    behaviors = a_log(lengths)
    user = st.integers(0, len(lengths) - 1)
    users = data.draw(st.lists(user, min_size=1, max_size=12))
    samples = some_samples(behaviors, users)
    batches = dataset(
        a_spec(max_length), behaviors, samples, batch_size, shuffle=shuffle, seed=len(users)
    )
    elements = numpy_batches(batches)
    assert batches.cardinality() == len(elements) == -(-len(users) // batch_size)
    seen = []
    for x, y in elements:
        assert list(x) == list(a_spec().inputs)
        rows = x["age"].astype(int)
        seen += rows.tolist()
        assert x["item"].dtype == np.int32
        assert x["price"].dtype == x["age"].dtype == y.dtype == np.float32
        np.testing.assert_array_equal(x["item"], samples.columns["item"][rows, None])
        np.testing.assert_array_equal(x["price"], samples.columns["price"][rows, None])
        np.testing.assert_array_equal(y, samples.label[rows, None])
        check_histories(x, behaviors, samples, rows, max_length)
    assert sorted(seen) == list(range(len(users)))
    if shuffle:
        assert batches.groups is None
    else:
        assert seen == list(range(len(users)))
        np.testing.assert_array_equal(batches.groups, users)


@hypothesis.given(
    st.lists(st.integers(1, 4), min_size=1, max_size=8),
    st.integers(1, 5),
    st.booleans(),
)
@hypothesis.settings(max_examples=10, deadline=None)
def test_batches_by_request(sizes, batch_size, shuffle):
    behaviors = a_log([3, 0, 7])
    numbers = np.random.default_rng(0).permutation(len(sizes))  # Not sorted, but adjacent.
    requests = np.repeat(numbers, sizes)
    users = np.repeat(numbers % 3, sizes)
    samples = some_samples(behaviors, users, requests)
    batches = dataset(a_spec(), behaviors, samples, batch_size, shuffle=shuffle, by_request=True)
    elements = numpy_batches(batches)
    assert batches.cardinality() == len(elements)
    firsts = np.cumsum([0, *sizes])
    seen = []
    for x, y, *weights in elements:
        rows = x["age"].astype(int)  # The first candidate of each request.
        of_row = [sizes[np.flatnonzero(firsts == row)[0]] for row in rows]
        seen += rows.tolist()
        check_histories(x, behaviors, samples, rows, max_length=4)
        assert len(weights) == (len(set(sizes)) > 1)
        pairs = [
            (x["item"], samples.columns["item"]),
            (x["price"], samples.columns["price"]),
            (y, samples.label),
            *((weight, np.ones(len(samples), np.float32)) for weight in weights),
        ]
        for got, column in pairs:
            assert got.shape == (len(rows), max(of_row))
            assert got.dtype == column.dtype
            for candidates, row, size in zip(got, rows, of_row, strict=True):
                np.testing.assert_array_equal(candidates[:size], column[row : row + size])
                assert not candidates[size:].any()
    assert sorted(seen) == firsts[:-1].tolist()
    if not shuffle:
        assert seen == firsts[:-1].tolist()
        np.testing.assert_array_equal(batches.groups, users[firsts[:-1]])


@pytest.mark.parametrize("by_request", [False, True])
@pytest.mark.parametrize("sizes", [[2, 2, 2], [1, 3, 2]])
def test_weights_are_in_the_batches(sizes, by_request):
    behaviors = a_log([3, 0, 7])
    requests = np.repeat([0, 1, 2], sizes)
    samples = some_samples(behaviors, requests, requests)
    weight = np.asarray([1, 0.5, 0, 3, 4, 0.25], np.float32)
    samples = dataclasses.replace(samples, weight=weight)
    ((_, y, got),) = numpy_batches(dataset(a_spec(), behaviors, samples, by_request=by_request))
    assert got.dtype == np.float32
    assert got.shape == y.shape == ((3, max(sizes)) if by_request else (6, 1))
    expected = [[each] for each in weight]
    if by_request:
        expected = [weight[requests == r].tolist() for r in range(3)]
        expected = [row + [0] * (max(sizes) - len(row)) for row in expected]
    np.testing.assert_array_equal(got, expected)


def test_two_sequences_use_their_own_logs():
    spec = FeatureSpec(
        target=[ITEM],
        sequences=[Sequence("bought", of=[ITEM]), Sequence("seen", of=[ITEM], max_length=1)],
    )
    behaviors = {
        "bought": BehaviorLog([0, 2], {"item": [2, 3]}),
        "seen": BehaviorLog([0, 3], {"item": [4, 5, 6]}),
    }
    samples = Samples(
        columns={"item": [7]},
        history={"bought": ([0], [2]), "seen": ([0], [2])},
        labels=[1],
        group=[0],
    )
    ((x, _),) = dataset(spec, behaviors, samples)
    np.testing.assert_array_equal(x["bought_item"], [[2, 3]])
    np.testing.assert_array_equal(x["seen_item"], [[5]])


def test_numeric_column_of_integers():
    spec = FeatureSpec(
        target=[ITEM, PRICE],
        sequences=[Sequence("hist", of=[ITEM], side_features=[AGE], max_length=9)],
    )
    behaviors = {"hist": BehaviorLog([0, 2], {"item": [2, 3], "age": [7, 8]})}
    samples = Samples(
        columns={"item": [5, 6], "price": [3, 4]},
        history={"hist": ([0, 0], [2, 1])},
        labels=[1, 0],
        group=[0, 0],
    )
    ((x, _),) = dataset(spec, behaviors, samples)
    assert x["price"].dtype == x["hist_age"].dtype == tf.float32
    np.testing.assert_array_equal(x["price"], [[3], [4]])
    np.testing.assert_array_equal(x["hist_age"], [[7, 8], [7, 0]])


def test_element_spec_has_static_ranks():
    behaviors = a_log([3, 2])
    samples = some_samples(behaviors, [0, 1, 1], np.array([0, 1, 1]))
    ranks = {"age": 1, "item": 2, "price": 2, "hist_item": 2, "hist_action": 2}
    for shuffle in (False, True):
        for by_request in (False, True):
            x, *rest = dataset(
                a_spec(), behaviors, samples, shuffle=shuffle, by_request=by_request
            ).element_spec
            assert {name: tensor.shape.rank for name, tensor in x.items()} == ranks
            assert [tensor.shape.rank for tensor in rest] == [2] * (1 + by_request)


def epochs(count, **options):
    behaviors = a_log([5] * 10)
    samples = some_samples(behaviors, np.arange(100) % 10)
    data = dataset(a_spec(), behaviors, samples, 16, shuffle=True, **options)
    return [order_of(data).tolist() for _ in range(count)]


def test_order_depends_on_seed_and_epoch():
    first, second, third = epochs(3, seed=3)
    assert sorted(first) == sorted(second) == list(range(100))
    assert first != second != third
    assert epochs(3, seed=3) == [first, second, third]
    assert epochs(1, seed=4) != [first]


def test_first_epoch_continues_interrupted_training():
    assert epochs(4, seed=3)[2:] == epochs(2, seed=3, first_epoch=2)


def test_epoch_of_fit():
    behaviors = a_log([5] * 10)
    data = dataset(
        a_spec(),
        behaviors,
        some_samples(behaviors, np.arange(100) % 10),
        16,
        shuffle=True,
        seed=3,
    )
    model = build_base(a_spec(), hidden_units=(4,))
    model.compile("sgd", "binary_crossentropy", run_eagerly=True)
    model.fit(data, epochs=2, verbose=0, shuffle=False)
    assert order_of(data).tolist() == epochs(3, seed=3)[2]


def test_repeat_advances_the_epoch():
    behaviors = a_log([5] * 10)
    samples = some_samples(behaviors, np.arange(100) % 10)
    data = dataset(a_spec(), behaviors, samples, 16, shuffle=True, seed=3).repeat(2)
    assert data.cardinality() == 14
    first, second = epochs(2, seed=3)
    assert order_of(data).tolist() == first + second


@pytest.mark.parametrize("seed, epoch", [(0, 0), (3, 2)])
def test_order_is_the_permutation_of_its_seed_and_epoch(seed, epoch):
    (order,) = epochs(1, seed=seed, first_epoch=epoch)
    assert order == np.random.default_rng([seed, epoch]).permutation(100).tolist()


def test_order_is_uniform():
    behaviors = a_log([2] * 5)
    samples = some_samples(behaviors, range(5))
    data = dataset(a_spec(), behaviors, samples, 8, shuffle=True).repeat(400)
    orders = order_of(data).reshape(400, 5)
    # Each row 80 times per position. With 16 degrees of freedom, 39.3 has probability 0.001.
    counts = (orders[:, :, None] == np.arange(5)).sum(axis=0)
    assert ((counts - 80) ** 2 / 80).sum() < 39.3


def test_iterators_have_no_autotuner():
    """With autotuning, `fit` would end late, because iterators are destroyed late."""
    behaviors = a_log([3])
    data = dataset(a_spec(), behaviors, some_samples(behaviors, [0] * 7))
    assert data.options().autotune.enabled is False
    assert data.repeat().prefetch(1).options().autotune.enabled is False  # As users continue.


def test_padding_to_max_length_changes_only_the_width():
    tags = Bag("tags", vocabulary=["a", "b", "c", "d"], max_values=3, dim=2)
    spec = FeatureSpec(
        target=[ITEM, tags], sequences=[Sequence("hist", of=[ITEM, tags], max_length=4)]
    )
    bags = Bags([0, 1, 2, 3], [0, 2, 3, 7, 7], [2, 3, 4, 2, 3, 4, 5])
    log = BehaviorLog([0, 2, 3], {"item": np.array([5, 6, 7]), "tags": bags[:3]})
    columns = {"item": np.array([8, 9]), "tags": bags[[3, 0]]}
    samples = Samples(columns, {"hist": ([0, 2], [2, 3])}, [1, 0], [0, 1])
    short, long = (
        next(iter(dataset(spec, {"hist": log}, samples, 2, pad_to_max_length=padded)))[0]
        for padded in (False, True)
    )
    assert long["hist_item"].shape == (2, 4)
    assert long["hist_tags"].shape == (2, 4, 3)
    assert long["tags"].shape == (2, 1, 3)
    for name, values in long.items():
        cut = tuple(slice(size) for size in short[name].shape)
        np.testing.assert_array_equal(values[cut], short[name])
        assert np.count_nonzero(values) == np.count_nonzero(short[name])


def test_drop_remainder():
    behaviors = a_log([3])
    samples = some_samples(behaviors, [0] * 7)
    for shuffle in (False, True):
        data = dataset(a_spec(), behaviors, samples, 3, shuffle=shuffle, drop_remainder=True)
        assert data.cardinality() == 2
        assert [len(y) for _, y in numpy_batches(data)] == [3, 3]
    assert len(dataset(a_spec(), behaviors, samples, 3, drop_remainder=True).groups) == 6


@pytest.mark.parametrize(
    "options",
    [{}, {"shuffle": True, "seed": 3}, {"batch_by": "user"}, {"by_request": True}],
    ids=lambda options: next(iter(options), "in order"),
)
def test_shards_together_are_the_batches_of_one_machine(options):
    behaviors = a_log([5] * 10)
    samples = some_samples(behaviors, np.arange(73) % 10, requests=np.arange(73))
    make = lambda **shard: dataset(a_spec(), behaviors, samples, 8, **options, **shard)  # noqa: E731
    whole = make()
    parts = [make(shard=(index, 3)) for index in range(3)]
    assert {int(part.cardinality()) for part in parts} == {10}
    for _ in range(2):  # Epochs.
        rows = [[x["age"].tolist() for x, *_ in numpy_batches(each)] for each in (whole, *parts)]
        together = zip(*rows[1:], strict=True)
        assert rows[0] == [list(itertools.chain(*parts_of_batch)) for parts_of_batch in together]
        assert all(len(part) in (2, 3) for each in rows[1:] for part in each[:-1])
        assert sorted(len(part[-1]) for part in rows[1:]) == [0, 0, 1]
    if not options.get("shuffle"):
        for part in parts:
            users = [x["age"].astype(int) % 10 for x, *_ in numpy_batches(part)]
            np.testing.assert_array_equal(part.groups, np.concatenate(users))


def test_leftover_of_shards_changes_each_epoch():
    behaviors = a_log([5] * 10)
    samples = some_samples(behaviors, np.arange(10))
    options = {"shuffle": True, "drop_remainder": True}
    parts = [dataset(a_spec(), behaviors, samples, 8, **options, shard=(i, 2)) for i in range(2)]
    read = [frozenset(np.concatenate([order_of(part) for part in parts])) for _ in range(4)]
    assert {len(rows) for rows in read} == {8}
    assert len(set(read)) > 1


@pytest.mark.parametrize("shard", [(2, 2), (-1, 2), (0, 0), (0, 9), (0.0, 2), 1, (True, 2), None])
def test_invalid_shards_raise(shard):
    behaviors = a_log([3])
    samples = some_samples(behaviors, [0] * 9)
    with pytest.raises(ValueError, match=r"`shard` must be `\(index, count\)`.*Received: shard="):
        dataset(a_spec(), behaviors, samples, 8, shard=shard)


def test_model_accepts_batches_of_empty_histories():
    behaviors = a_log([0, 0])
    samples = some_samples(behaviors, [0, 1, 1])
    data = dataset(a_spec(), behaviors, samples)
    ((x, _),) = data
    assert x["hist_item"].shape == (3, 0)
    model = build_din(a_spec(), attention_units=(3,), hidden_units=(4,))
    model.compile("sgd", "binary_crossentropy", run_eagerly=True)
    history = model.fit(data, epochs=2, verbose=0, shuffle=False)
    assert np.isfinite(history.history["loss"]).all()
    assert np.isfinite(model.predict(data, verbose=0)).all()


def test_fit_traces_once_for_all_lengths():
    lengths = np.random.default_rng(0).integers(0, 60, 99)
    behaviors = a_log(lengths)
    samples = some_samples(behaviors, np.arange(99))
    data = dataset(a_spec(60), behaviors, samples, 2, shuffle=True)
    assert data.cardinality() == 50  # The last batch is smaller.
    model = build_base(a_spec(60), hidden_units=(4,))
    traces, step = [], model.train_step
    model.train_step = lambda batch: traces.append(1) or step(batch)
    model.compile("adam", "binary_crossentropy")
    # A first step that creates variables is traced twice.
    model.optimizer.build(model.trainable_variables)
    model.fit(data, verbose=0, shuffle=False)
    assert len(traces) == 1


def test_missing_numbers_are_the_mean_and_are_counted():
    item, age = Categorical("item", 9), Numeric("age", mean=40, std=10)
    spec = FeatureSpec(
        context=[age],
        target=[item],
        sequences=[Sequence("hist", of=[item], side_features=[Numeric("dwell", mean=2.5)])],
    )
    log = BehaviorLog([0, 3], {"item": [2, 3, 4], "dwell": [np.inf, 1, np.nan]})
    samples = Samples(
        columns={"age": [np.nan, 30, np.inf], "item": [2, 3, 4]},
        history={"hist": ([0, 0, 0], [3, 2, 0])},
        labels=[1, 0, 1],
        group=[0, 0, 0],
    )
    batches = dataset(spec, {"hist": log}, samples, 8)
    assert batches.values_missing == {"age": 2, "hist_dwell": 2}
    ((x, _),) = batches
    assert x["age"].numpy().tolist() == [40, 30, 40]
    assert x["hist_dwell"].numpy().tolist() == [[2.5, 1, 2.5], [2.5, 1, 0], [0, 0, 0]]
    # The live model gives the same for raw NaN.
    model = build_base(spec, hidden_units=(4,))
    raw = {n: values.numpy() for n, values in x.items()}
    by_hand = raw | {"age": np.array([np.nan, 30, np.inf], "float32")}
    by_hand["hist_dwell"] = raw["hist_dwell"].copy()
    by_hand["hist_dwell"][0, 2] = np.nan
    np.testing.assert_array_equal(model.predict_on_batch(by_hand), model.predict_on_batch(raw))
    whole = dataset(spec, {"hist": log}, samples[1:2], 8)
    assert whole.values_missing == {"hist_dwell": 2}


def refused(message, by_request=False, batch_size=8, spec=None, log=None, **changes):
    behaviors = {"hist": BehaviorLog([0, 2, 5], {"item": [2, 3, 4, 5, 6], "action": [1] * 5})}
    if log is not None:
        behaviors = {"hist": log}
    arguments = {
        "columns": {"item": [2, 3, 4], "price": [1.0, 2.0, 3.0], "age": [1.0, 1.0, 3.0]},
        "history": {"hist": ([0, 0, 2], [2, 2, 4])},
        "labels": [1, 0, 1],
        "group": [0, 0, 1],
        "request": [7, 7, 8],
    }
    arguments["columns"] |= changes.pop("columns", {})
    samples = Samples(**(arguments | changes))
    with pytest.raises(ValueError, match=message):
        dataset(spec or a_spec(), behaviors, samples, batch_size, by_request=by_request)


@pytest.mark.parametrize(
    "message, changes",
    [
        (r"`batch_size` must be a positive integer\. Received: batch_size=0", {"batch_size": 0}),
        (
            r"Input 'item' must be indices from 1 to 49: its vocabulary_size is 50\. "
            r"Received: 50 in row 2\.",
            {"columns": {"item": [2, 3, 50]}},
        ),
        (r"Received: 0 \(0 is padding\) in row 1\.", {"columns": {"item": [2, 0, 3]}}),
        (r"'item' must be integer indices\. Received: dtype=f", {"columns": {"item": [2.0] * 3}}),
        (
            r"`history` of 'hist' must hold slices of one user's events, of 5 in all\. "
            r"Received: \[2, 6\) in row 2\.",
            {"history": {"hist": ([0, 0, 2], [2, 2, 6])}},
        ),
        (r"Received: \[0, 3\) in row 1", {"history": {"hist": ([0, 0, 2], [2, 3, 4])}}),
        (r"'hist' is missing\. Received: \['other'\]", {"history": {"other": ([0] * 3, [0] * 3)}}),
        (r"`by_request` requires samples with `request`", {"by_request": True, "request": None}),
        (
            r"must be adjacent\. Received: request 7 in 2 places",
            {"by_request": True, "request": [7, 8, 7]},
        ),
        (
            r"must share context 'age'\. Received: 1\.0 in row 0 and 2\.0 in row 1",
            {"by_request": True, "columns": {"age": [1.0, 2.0, 3.0]}},
        ),
        (
            r"must share the end of 'hist'\. Received: 2 in row 0 and 1 in row 1",
            {"by_request": True, "history": {"hist": ([0, 0, 2], [2, 1, 4])}},
        ),
        (
            r"must share the start of 'hist'",
            {"by_request": True, "history": {"hist": ([0, 1, 2], [2, 2, 4])}},
        ),
        (r"must share `group`", {"by_request": True, "group": [0, 1, 1]}),
        (
            r"Input 'hist_action' requires column 'action' in the log of 'hist'\. .*\['item'\]",
            {"log": BehaviorLog([0, 2, 5], {"item": [1] * 5})},
        ),
        (
            r"Input 'hist_item' must be indices from 1 to 49.*Received: 0 \(0 is padding\)",
            {"log": BehaviorLog([0, 2, 5], {"item": [2, 3, 4, 0, 1], "action": [1] * 5})},
        ),
        (
            r"Input 'hist_action' must be indices from 0 to 4.*Received: -1 in row 4",
            {"log": BehaviorLog([0, 2, 5], {"item": [2] * 5, "action": [0, 1, 2, 3, -1]})},
        ),
        (
            r"Input 'user' requires column 'user' in `samples`\. Received columns: \['item'",
            {"spec": FeatureSpec(context=[Categorical("user", 9)], target=[ITEM])},
        ),
        (
            r"log for each sequence; 'more' is missing\. Received: \['hist'\]",
            {"spec": FeatureSpec(target=[ITEM], sequences=[Sequence("more", of=[ITEM])])},
        ),
    ],
)
@pytest.mark.parametrize("rows_at_once", [2**20, 2])
def test_inconsistent_input_raises(message, changes, rows_at_once, monkeypatch):
    monkeypatch.setattr(arrays, "_ROWS_AT_ONCE", rows_at_once)
    refused(message, **changes)


def test_no_samples_raise():
    behaviors = a_log([3])
    samples = some_samples(behaviors, [0, 0])
    with pytest.raises(ValueError, match=r"fill at least one batch\. Received: 0 rows with batch"):
        dataset(a_spec(), behaviors, samples[:0])
    with pytest.raises(ValueError, match=r"Received: 2 rows .* drop_remainder=True"):
        dataset(a_spec(), behaviors, samples, 3, drop_remainder=True)


@pytest.mark.parametrize("word", ["seed", "first_epoch"])
def test_negative_arguments_raise(word):
    behaviors = a_log([3])
    samples = some_samples(behaviors, [0])
    with pytest.raises(ValueError, match=f"`{word}` must be a non-negative integer"):
        dataset(a_spec(), behaviors, samples, **{word: -1})


_MEMORY = """
import pathlib
import sys

from keras_din.data import PreparedData


def anonymous():
    fields = pathlib.Path("/proc/self/status").read_text().split("RssAnon:")
    return int(fields[1].split()[0]) * 1024


data = PreparedData.load(sys.argv[1])
for warm_up in data.dataset("test", 8, shuffle=True):
    pass
before = anonymous()
for batch in data.dataset("train", 1024, shuffle=True).take(50):
    pass
print(anonymous() - before)
"""


@pytest.mark.skipif(not pathlib.Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_memory_mapped_columns_stay_on_disk(tmp_path):
    item = Categorical("item", 50, dim=4)
    spec = FeatureSpec(target=[item], sequences=[Sequence("hist", of=[item], max_length=4)])
    rows = 2_000_000
    start = np.arange(rows)
    samples = Samples(
        columns={"item": np.ones(rows, np.int32)},
        history={"hist": (start, start + 1)},
        labels=np.zeros(rows),
        group=start,
    )
    log = BehaviorLog(np.arange(rows + 1), {"item": np.ones(rows, np.int32)})
    data = PreparedData(spec, {"hist": log}, {"train": samples, "test": samples[:80]})
    data.save(tmp_path / "data")
    words = [sys.executable, "-c", _MEMORY, str(tmp_path / "data")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    # The columns that it reads take 28 bytes per row, and the order takes 4 to 8.
    assert int(done.stdout) < 14 * rows


@pytest.mark.parametrize("by_request", [False, True])
def test_several_labels_are_a_dict_by_output_name(by_request):
    behaviors = a_log([3])
    samples = some_samples(behaviors, [0, 0, 0], requests=[4, 4, 5])
    labels = {"click": [1, 0, 1], "purchase": [0, 0, 1], "unused": [1, 1, 1]}
    samples = dataclasses.replace(samples, labels=labels)
    two = [Label("click"), Label("purchase", output="cvr")]
    spec = dataclasses.replace(a_spec(), labels=two)
    ((_, y, *weights),) = dataset(spec, behaviors, samples, 8, by_request=by_request)
    expected = {"ctr": [[1], [0], [1]], "cvr": [[0], [0], [1]]}
    if by_request:
        expected = {"ctr": [[1, 0], [1, 0]], "cvr": [[0, 0], [1, 0]]}
        assert weights[0].numpy().tolist() == [[1, 1], [1, 0]]
    assert {name: values.numpy().tolist() for name, values in y.items()} == expected
    with pytest.raises(ValueError, match=r"must hold those of the spec; \['cvr'\] are missing"):
        dataset(dataclasses.replace(spec, labels=["click", "cvr"]), behaviors, samples)
