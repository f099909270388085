"""The first layer of DIN's activation unit, without the wide input that its equation names."""

from keras import ops

from keras_din.ops.packed import affine, take_rows


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
    w_query, w_keys, w_difference, w_product = _split(kernel, dim, key_dim)
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


def projection_of_row(query, keys, kernel, bias):
    """`factored_projection` of one row, as one product of matrices.

    A candidate has a matrix of its own for keys, `(Wk - Wd) + diag(q) Wp`. All of them side by
    side are `candidates` times as large as `Wp`, which pays when behaviours are many. Unit by unit
    of a key they are the product `[1, q] [Wk - Wd, Wp]`, which writes them once.

    Args:
        query: Float tensor `(candidates, dim)`.
        keys: Float tensor `(time, key_dim)`, `key_dim >= dim`.
        kernel: Float tensor `(3 * dim + key_dim, units)`.
        bias: Float tensor `(units,)`.

    Returns:
        Float tensor `(time, candidates * units)`.
    """
    dim, key_dim = query.shape[-1], keys.shape[-1]
    w_query, w_keys, w_difference, w_product = _split(kernel, dim, key_dim)
    of_query = ops.matmul(query, w_query + w_difference) + bias
    query = ops.transpose(query)
    if key_dim > dim:
        rest = ((0, key_dim - dim), (0, 0))
        query, w_difference, w_product = (
            ops.pad(each, rest) for each in (query, w_difference, w_product)
        )
    with_one = ops.stack([ops.ones_like(query), query], axis=-1)
    of_candidates = ops.matmul(with_one, ops.stack([w_keys - w_difference, w_product], axis=1))
    return affine(keys, ops.reshape(of_candidates, (key_dim, -1)), ops.reshape(of_query, (-1,)))


def _split(kernel, dim: int, key_dim: int):
    return ops.split(kernel, (dim, dim + key_dim, 2 * dim + key_dim))
