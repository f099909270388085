"""Products of fields: what two inputs say together.

Fields are embeddings of one width. Those of a row (context, pooled histories) have no candidate
axis: `of_row` is a list of `(batch, dim)`, which may be empty. Those of a candidate have it:
`of_candidate` is a list of `(batch, candidates, dim)`. What concerns fields of the row alone is
computed once a row.
"""

import itertools

from keras import ops


def sum_of_fields(of_row, of_candidate):
    """`sum_i f_i`: float `(batch, candidates, dim)`."""
    total = sum(of_candidate[1:], of_candidate[0])
    if not of_row:
        return total
    # The row's first: as the second Keras would take `(batch, 1, 1)` for a bias of the candidates.
    return ops.expand_dims(sum(of_row[1:], of_row[0]), 1) + total


def sum_of_inner_products(of_row, of_candidate):
    """`sum_{i < j} <f_i, f_j> = ((sum_i f_i)^2 - sum_i f_i^2) / 2`, summed over the width.

    Linear in the number of fields, and in float32, since it is a difference of larger numbers.
    [Rendle, 2010](https://doi.org/10.1109/ICDM.2010.127), Lemma 3.1.

    Returns:
        Float32 tensor `(batch, candidates, 1)`.
    """
    of_row, of_candidate = (
        [ops.cast(field, "float32") for field in fields] for fields in (of_row, of_candidate)
    )
    square_of_sum = ops.square(sum_of_fields(of_row, of_candidate))
    sum_of_squares = sum_of_fields(
        [ops.square(field) for field in of_row], [ops.square(field) for field in of_candidate]
    )
    return ops.sum(square_of_sum - sum_of_squares, axis=-1, keepdims=True) / 2


def inner_products(of_row, of_candidate):
    """`<f_i, f_j>` of each pair of fields, `i < j`, the fields of the row first.

    Returns:
        A list of float tensors, without those that no pair is in: `(batch, pairs)` of two fields
        of the row, `(batch, candidates, pairs)` of one of the row and one of the candidate, and
        `(batch, candidates, pairs)` of two of the candidate.
    """
    of_row_wide = [ops.expand_dims(field, 1) for field in of_row]
    kinds = (
        itertools.combinations(of_row, 2),
        itertools.product(of_row_wide, of_candidate),
        itertools.combinations(of_candidate, 2),
    )
    return [_products(pairs) for pairs in map(list, kinds) if pairs]


def _products(pairs):
    left, right = (ops.stack(fields, axis=-2) for fields in zip(*pairs, strict=True))
    return ops.sum(left * right, axis=-1)


def outer_product(of_row, of_candidate):
    """`f f^T`, `f = sum_i f_i`: the sum of `f_i f_j^T` over all `i` and `j`, row by row.

    Returns:
        Float tensor `(batch, candidates, dim * dim)`.
    """
    total = sum_of_fields(of_row, of_candidate)
    dim = total.shape[-1]
    return ops.repeat(total, dim, axis=-1) * ops.tile(total, (1, 1, dim))
