"""The first layer of DIN's activation unit, without the wide input that its equation names."""

from keras import ops

from keras_din.ops.packed import take_rows


def factored_projection(query, keys, rows, kernel, bias):
    """`[q, k, q - k, q * k] W + b` for every behaviour and candidate.

    With the rows of `W` split as `Wq, Wk, Wd, Wp`, this is
    `q (Wq + Wd) + k (Wk - Wd) + (q * k) Wp + b`: the query's part is computed once a candidate,
    the key's once a behaviour, and nothing four times as wide as an embedding is built.

    Keys may be wider than the query. The first `dim` units are compared with it; the others
    (side features of a behaviour) enter through `Wk` alone.

    Args:
        query: Float tensor `(batch, candidates, dim)`.
        keys: Packed float tensor `(positions, key_dim)`, `key_dim >= dim`.
        rows: Int tensor `(positions,)`, the row of each position.
        kernel: Float tensor `(3 * dim + key_dim, units)`, in the order of the equation.
        bias: Float tensor `(units,)`.

    Returns:
        Float tensor `(positions * candidates, units)`: all pairs as rows of one matrix, since a
        product of matrices needs no transposed copies.
    """
    dim, key_dim = query.shape[-1], keys.shape[-1]
    units = kernel.shape[-1]
    parts = (dim, dim + key_dim, 2 * dim + key_dim)
    w_query, w_keys, w_difference, w_product = ops.split(kernel, parts)
    candidates = ops.shape(query)[1]

    of_query = ops.matmul(ops.reshape(query, (-1, dim)), w_query + w_difference) + bias
    of_query = ops.reshape(of_query, (ops.shape(query)[0], candidates, units))
    if key_dim == dim:
        compared, of_difference = keys, w_difference
    else:
        compared, of_difference = keys[:, :dim], ops.pad(w_difference, ((0, key_dim - dim), (0, 0)))
    of_keys = ops.matmul(keys, w_keys - of_difference)
    product = take_rows(query, rows) * ops.expand_dims(compared, 1)
    of_product = ops.matmul(ops.reshape(product, (-1, dim)), w_product)
    both = take_rows(of_query, rows) + ops.expand_dims(of_keys, 1)
    return ops.reshape(both, (-1, units)) + of_product
