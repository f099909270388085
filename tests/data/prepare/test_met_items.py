"""Items that users have met, against sets of pairs."""

import itertools

import numpy as np
import pandas as pd
import pytest

from keras_din.data.prepare.met_items import MetItems, hash_pairs, hash_users

ITEMS = pd.util.hash_array(np.arange(30))  # As in an `ItemCatalog`.


def random_log(rng, rows):
    """`(user, item)` of the rows of a log."""
    return rng.integers(20, size=rows), rng.integers(len(ITEMS), size=rows)


def hashes(user, item):
    names = np.array([f"u{number}" for number in range(25)])
    return hash_pairs(hash_users(names)[user], ITEMS[item])


@pytest.mark.parametrize("seed", range(3))
def test_contains_the_pairs_of_all_logs(tmp_path, seed):
    rng, met, pairs = np.random.default_rng(seed), MetItems(), set()
    for number in range(20):
        user, item = random_log(rng, int(rng.integers(0, 30)))
        met = met.with_log(number, hashes(user, item))
        pairs |= set(zip(user.tolist(), item.tolist(), strict=True))
        (tmp_path / str(number)).mkdir()
        met.save(tmp_path / str(number))
        met = MetItems.load(tmp_path / str(number), met.arrays)
        user, item = (each.ravel() for each in np.mgrid[:25, : len(ITEMS)])
        expected = [pair in pairs for pair in zip(user.tolist(), item.tolist(), strict=True)]
        assert met.contains(hashes(user, item)).tolist() == expected
    stored = np.concatenate(list(met.arrays.values()))
    assert set(stored) == set(hashes(*np.array(sorted(pairs)).T))


def test_arrays_are_few_and_most_logs_are_merged_with_short_ones_only():
    rng, met, merged = np.random.default_rng(0), MetItems(), 0
    for number in range(300):
        before = met
        met = met.with_log(number, rng.integers(2**63, size=int(rng.integers(5, 50))).astype("u8"))
        sizes = [len(array) for _, array in sorted(met.arrays.items())]
        assert all(longer > 2 * shorter for longer, shorter in itertools.pairwise(sizes))
        merged += sum(len(a) for n, a in before.arrays.items() if n not in met.arrays)
    assert len(sizes) <= np.log2(sum(sizes))
    assert merged < 10 * sum(sizes)  # Of 300 logs, so a pair is merged 10 times and not 150 times.


def test_a_pair_is_stored_once():
    met = MetItems().with_log(0, hashes([1, 1, 2], [5, 5, 5])).with_log(1, hashes([2], [5]))
    assert list(met.arrays) == [1]
    assert sorted(met.arrays[1]) == sorted(hashes([1, 2], [5, 5]))
    assert not MetItems().with_log(0, hashes([], [])).contains(hashes([1], [5])).any()


def test_hashes_of_users_depend_on_their_values_only():
    assert hash_users(pd.Index([7, 8])).tolist() == hash_users(pd.Index(["7", "8"])).tolist()
    assert hash_users(pd.Index([8, 7]))[::-1].tolist() == hash_users(pd.Index([7.0, 8.0])).tolist()
    users, items = np.meshgrid(hash_users(range(300)), pd.util.hash_array(np.arange(300)))
    assert len(np.unique(hash_pairs(users.ravel(), items.ravel()))) == 300 * 300
