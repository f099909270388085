"""Products of fields, for models of feature interactions.

Fields are embeddings of equal width. `row_fields` are the fields of a row (context, pooled
histories), a list of `(batch, dim)` that may be empty. `candidate_fields` are the fields of a
candidate, a list of `(batch, candidates, dim)`. A product of two row fields is computed once per
row.
"""

import itertools

from keras import ops


def sum_of_fields(row_fields, candidate_fields):
    """Computes `sum_i f_i`: float `(batch, candidates, dim)`."""
    total = sum(candidate_fields[1:], candidate_fields[0])
    if not row_fields:
        return total
    # The row's term comes first: as the second operand of an addition, Keras would treat
    # `(batch, 1, 1)` as a bias of the candidates.
    return ops.expand_dims(sum(row_fields[1:], row_fields[0]), 1) + total


def sum_of_inner_products(row_fields, candidate_fields):
    """Computes `sum_{i < j} <f_i, f_j> = ((sum_i f_i)^2 - sum_i f_i^2) / 2`, summed over `dim`.

    The cost is linear in the number of fields. The computation is in float32, because the result
    is a difference of larger numbers.

    Returns:
        Float32 tensor `(batch, candidates, 1)`.

    Reference:
        [Rendle, 2010](https://doi.org/10.1109/ICDM.2010.127), Lemma 3.1.
    """
    row_fields, candidate_fields = (
        [ops.cast(field, "float32") for field in fields]
        for fields in (row_fields, candidate_fields)
    )
    square_of_sum = ops.square(sum_of_fields(row_fields, candidate_fields))
    sum_of_squares = sum_of_fields(
        [ops.square(field) for field in row_fields],
        [ops.square(field) for field in candidate_fields],
    )
    return ops.sum(square_of_sum - sum_of_squares, axis=-1, keepdims=True) / 2


def inner_products(row_fields, candidate_fields):
    """Computes `<f_i, f_j>` of each pair of fields, `i < j`, where row fields come first.

    Returns:
        A list of up to three float tensors: `(batch, pairs)` for pairs of row fields,
        `(batch, candidates, pairs)` for pairs of a row field and a candidate field, and
        `(batch, candidates, pairs)` for pairs of candidate fields. A tensor without pairs is left
        out.
    """
    expanded_row_fields = [ops.expand_dims(field, 1) for field in row_fields]
    kinds_of_pairs = (
        itertools.combinations(row_fields, 2),
        itertools.product(expanded_row_fields, candidate_fields),
        itertools.combinations(candidate_fields, 2),
    )
    return [_products(pairs) for pairs in map(list, kinds_of_pairs) if pairs]


def _products(pairs):
    left, right = (ops.stack(fields, axis=-2) for fields in zip(*pairs, strict=True))
    return ops.sum(left * right, axis=-1)


def outer_product(row_fields, candidate_fields):
    """Computes `f f^T`, `f = sum_i f_i`: the sum of `f_i f_j^T` over all `i` and `j`.

    Returns:
        Float tensor `(batch, candidates, dim * dim)`: the rows of the matrix, one after another.
    """
    total = sum_of_fields(row_fields, candidate_fields)
    dim = total.shape[-1]
    return ops.repeat(total, dim, axis=-1) * ops.tile(total, (1, 1, dim))
