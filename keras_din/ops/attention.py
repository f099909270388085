"""The first layer of DIN's activation unit, without the wide input that its equation names."""

from keras import ops

from keras_din.ops.packed import affine, gather_rows


def split_kernel(kernel, dim, key_dim):
    """The parts `Wq + Wd`, `Wk - Wd` and `Wp` of `W`, whose rows are `Wq, Wk, Wd, Wp`.

    `[q, k, q - k, q * k] W + b = q (Wq + Wd) + k (Wk - Wd) + (q * k) Wp + b`: the query's part is
    computed once a candidate, the key's once a behavior, and nothing four times as wide as an
    embedding is built.

    Keys may be wider than the query. The first `dim` units are compared with it; the others
    (side features of a behavior) enter through `Wk` alone.

    Args:
        kernel: Float tensor `(3 * dim + key_dim, units)`, in the order of the equation.
        dim: Width of queries.
        key_dim: Width of keys, `key_dim >= dim`.

    Returns:
        Float tensors `(dim, units)`, `(key_dim, units)` and `(dim, units)`.
    """
    w_query, w_keys, w_difference, w_product = ops.split(
        kernel, (dim, dim + key_dim, 2 * dim + key_dim)
    )
    return w_query + w_difference, w_keys - _lengthened(w_difference, key_dim), w_product


def split_projection(query, keys, rows, factors, bias):
    """`[q, k, q - k, q * k] W + b` for every behavior and candidate, from the factors of `W`.

    Args:
        query: Float tensor `(batch, candidates, dim)`.
        keys: Packed float tensor `(positions, key_dim)`, `key_dim >= dim`.
        rows: Int tensor `(positions,)`, the row of each position.
        factors: What `split_kernel` returns.
        bias: Float tensor `(units,)`.

    Returns:
        Float tensor `(positions * candidates, units)`: all pairs as rows of one matrix, since a
        product of matrices needs no transposed copies.
    """
    w_query, w_keys, w_product = factors
    dim, units = w_product.shape
    candidates = ops.shape(query)[1]

    of_query = ops.matmul(ops.reshape(query, (-1, dim)), w_query) + bias
    of_query = ops.reshape(of_query, (ops.shape(query)[0], candidates, units))
    of_keys = ops.matmul(keys, w_keys)
    compared = keys if keys.shape[-1] == dim else keys[:, :dim]
    product = gather_rows(query, rows) * ops.expand_dims(compared, 1)
    of_product = ops.matmul(ops.reshape(product, (-1, dim)), w_product)
    both = gather_rows(of_query, rows) + ops.expand_dims(of_keys, 1)
    return ops.reshape(both, (-1, units)) + of_product


def row_scores(score, query, keys, factors, bias):
    """A score of every candidate and behavior of one row, from products of matrices alone.

    Each of one side has a matrix of its own for the other: a candidate `(Wk - Wd) + diag(q) Wp`
    for keys, a behavior `(Wq + Wd) + diag(k) Wp` for queries. So `split_projection` is one
    product, and nothing has an axis of times, one of candidates and one of `dim`. The matrices are
    made of the side that has fewer.

    Args:
        score: Function of the projections, as a float tensor `(rows, others * units)`, to a float
            tensor of `rows * others` scores.
        query: Float tensor `(candidates, dim)`.
        keys: Float tensor `(time, key_dim)`, `key_dim >= dim`.
        factors: What `split_kernel` returns.
        bias: Float tensor `(units,)`.

    Returns:
        Float tensor `(candidates, time)`.
    """
    w_query, w_keys, w_product = factors
    candidates, time = ops.shape(query)[0], ops.shape(keys)[0]

    def by_matrices_of_behaviors():
        of_keys = ops.matmul(keys, w_keys) + bias
        x = _projection(query, w_query, w_product, keys[:, : query.shape[-1]], of_keys)
        return ops.reshape(score(x), (candidates, time))

    def by_matrices_of_candidates():
        of_query = ops.matmul(query, w_query) + bias
        x = _projection(keys, w_keys, w_product, query, of_query)
        return ops.transpose(ops.reshape(score(x), (time, candidates)))

    # oneDNN ends the process at a product without columns: without behaviors there are no such.
    fewer_behaviors = ops.logical_and(time > 0, time < candidates)
    return ops.cond(fewer_behaviors, by_matrices_of_behaviors, by_matrices_of_candidates)


def _projection(x, w, w_product, others, of_others):
    """`x w + (x * other) w_product + of_other` for each of the others, side by side.

    Unit by unit of `x` the matrices of the others are the product `[1, other] [w, w_product]`,
    which writes them once. The units that `x` has more are compared with nothing.
    """
    dim = x.shape[-1]
    others, w_product = (_lengthened(each, dim) for each in (ops.transpose(others), w_product))
    with_one = ops.stack([ops.ones_like(others), others], axis=-1)
    of_each = ops.matmul(with_one, ops.stack([w, w_product], axis=1))
    return affine(x, ops.reshape(of_each, (dim, -1)), ops.reshape(of_others, (-1,)))


def _lengthened(x, rows):
    """A matrix with zeros below it, so that it has so many rows."""
    rest = rows - x.shape[0]
    return ops.pad(x, ((0, rest), (0, 0))) if rest else x
