"""Products of fields, against loops over all pairs."""

import itertools

import numpy as np
import pytest

from keras_din.ops import inner_products, outer_product, sum_of_inner_products

DIM = 3


def some_fields(rows, candidates, seed=0):
    rng = np.random.default_rng(seed)
    of_row = [rng.normal(size=(2, DIM)).astype("float32") for _ in range(rows)]
    of_candidate = [rng.normal(size=(2, 4, DIM)).astype("float32") for _ in range(candidates)]
    return of_row, of_candidate


def fields_of(of_row, of_candidate, b, c):
    """Returns all fields of one candidate of one row."""
    return [field[b] for field in of_row] + [field[b, c] for field in of_candidate]


def every_candidate():
    return itertools.product(range(2), range(4))


@pytest.mark.parametrize("rows, candidates", [(0, 1), (0, 3), (1, 1), (3, 2)])
def test_sum_of_inner_products_matches_loop_over_pairs(rows, candidates):
    fields = some_fields(rows, candidates)
    out = np.asarray(sum_of_inner_products(*fields))
    assert out.shape == (2, 4, 1)
    for b, c in every_candidate():
        pairs = itertools.combinations(fields_of(*fields, b, c), 2)
        expected = sum(float(left @ right) for left, right in pairs)
        np.testing.assert_allclose(out[b, c, 0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rows, candidates", [(0, 1), (0, 3), (1, 1), (3, 2)])
def test_inner_products_match_loop_over_pairs(rows, candidates):
    of_row, of_candidate = some_fields(rows, candidates)
    parts = [np.asarray(part) for part in inner_products(of_row, of_candidate)]
    widths = [part.shape[-1] for part in parts]
    pairs = [rows * (rows - 1) // 2, rows * candidates, candidates * (candidates - 1) // 2]
    assert widths == [width for width in pairs if width]
    assert [part.ndim for part in parts] == [2] * (rows > 1) + [3] * (len(parts) - (rows > 1))
    for b, c in every_candidate():
        row, candidate = fields_of(of_row, [], b, c), fields_of([], of_candidate, b, c)
        expected = [
            *itertools.combinations(row, 2),
            *itertools.product(row, candidate),
            *itertools.combinations(candidate, 2),
        ]
        got = [part[b] if part.ndim == 2 else part[b, c] for part in parts]
        expected = [left @ right for left, right in expected]
        np.testing.assert_allclose(np.concatenate([*got, []]), expected, rtol=1e-4, atol=1e-5)


def test_outer_product_is_sum_over_all_pairs():
    fields = some_fields(2, 2)
    out = np.asarray(outer_product(*fields))
    assert out.shape == (2, 4, DIM * DIM)
    for b, c in every_candidate():
        pairs = itertools.product(fields_of(*fields, b, c), repeat=2)
        expected = sum(np.outer(left, right) for left, right in pairs)
        np.testing.assert_allclose(out[b, c], expected.reshape(-1), rtol=1e-4, atol=1e-5)
