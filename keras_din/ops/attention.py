"""The first layer of DIN's activation unit, computed without its wide concatenated input."""

from keras import ops

from keras_din.ops.packed import affine, gather_rows


def split_kernel(kernel, dim, key_dim):
    """Splits the kernel `W = [Wq, Wk, Wd, Wp]` into `Wq + Wd`, `Wk - Wd` and `Wp`.

    `[q, k, q - k, q * k] W + b = q (Wq + Wd) + k (Wk - Wd) + (q * k) Wp + b`. The query term is
    computed once per candidate and the key term once per behavior. The concatenated input, four
    times as wide as an embedding, is never built.

    Keys may be wider than the query. Their first `dim` units are compared with the query. The
    other units (side features of a behavior) are multiplied with `Wk` only.

    Args:
        kernel: Float tensor `(3 * dim + key_dim, units)`, with rows in the order of the equation.
        dim: Width of queries.
        key_dim: Width of keys, `key_dim >= dim`.

    Returns:
        Float tensors `(dim, units)`, `(key_dim, units)` and `(dim, units)`.
    """
    w_query, w_keys, w_difference, w_product = ops.split(
        kernel, (dim, dim + key_dim, 2 * dim + key_dim)
    )
    return w_query + w_difference, w_keys - _pad_rows(w_difference, key_dim), w_product


def split_projection(query, keys, rows, kernels, bias):
    """Computes `[q, k, q - k, q * k] W + b` for each behavior and candidate.

    Args:
        query: Float tensor `(batch, candidates, dim)`.
        keys: Packed float tensor `(positions, key_dim)`, `key_dim >= dim`.
        rows: Int tensor `(positions,)`, the row of each position.
        kernels: The result of `split_kernel`.
        bias: Float tensor `(units,)`.

    Returns:
        Float tensor `(positions * candidates, units)`. All pairs are rows of one matrix, because
        a matrix product then needs no transposed copies.
    """
    w_query, w_keys, w_product = kernels
    dim, units = w_product.shape
    candidates = ops.shape(query)[1]

    query_term = ops.matmul(ops.reshape(query, (-1, dim)), w_query) + bias
    query_term = ops.reshape(query_term, (ops.shape(query)[0], candidates, units))
    key_term = ops.matmul(keys, w_keys)
    # Not `keys[:, :dim]`, whose gradient on TensorFlow takes ten times as long as that of a split.
    compared_keys = keys if keys.shape[-1] == dim else ops.split(keys, (dim,), axis=-1)[0]
    product = gather_rows(query, rows) * ops.expand_dims(compared_keys, 1)
    product_term = ops.matmul(ops.reshape(product, (-1, dim)), w_product)
    linear_terms = gather_rows(query_term, rows) + ops.expand_dims(key_term, 1)
    return ops.reshape(linear_terms, (-1, units)) + product_term


def row_scores(score, query, keys, kernels, bias):
    """Scores every pair of a candidate and a behavior of one row, with matrix products only.

    A candidate `q` acts on the keys by the matrix `(Wk - Wd) + diag(q) Wp`. A behavior `k` acts on
    the queries by `(Wq + Wd) + diag(k) Wp`. So `split_projection` becomes one matrix product, and
    no tensor has an axis of times, an axis of candidates and an axis of `dim` at once. The matrices
    are built from the shorter of the two lists.

    Args:
        score: Function from projections, a float tensor `(rows, others * units)`, to a float
            tensor of `rows * others` scores.
        query: Float tensor `(candidates, dim)`.
        keys: Float tensor `(time, key_dim)`, `key_dim >= dim`.
        kernels: The result of `split_kernel`.
        bias: Float tensor `(units,)`.

    Returns:
        Float tensor `(candidates, time)`.
    """
    w_query, w_keys, w_product = kernels
    candidates, time = ops.shape(query)[0], ops.shape(keys)[0]

    def one_matrix_per_behavior():
        key_terms = ops.matmul(keys, w_keys) + bias
        x = _project_for_each(query, w_query, w_product, keys[:, : query.shape[-1]], key_terms)
        return ops.reshape(score(x), (candidates, time))

    def one_matrix_per_candidate():
        query_terms = ops.matmul(query, w_query) + bias
        x = _project_for_each(keys, w_keys, w_product, query, query_terms)
        return ops.transpose(ops.reshape(score(x), (time, candidates)))

    # `time > 0`: oneDNN aborts the process on a product with a matrix that has no columns.
    fewer_behaviors = ops.logical_and(time > 0, time < candidates)
    return ops.cond(fewer_behaviors, one_matrix_per_behavior, one_matrix_per_candidate)


def _project_for_each(x, w, w_product, others, other_terms):
    """Computes `x w + (x * other) w_product + other_term` for each of the others, side by side.

    For each unit of `x`, the matrices of all others are the product `[1, other] [w, w_product]`,
    which writes them only once. If `x` is wider than the others, its last units are not compared.
    """
    dim = x.shape[-1]
    others, w_product = (_pad_rows(matrix, dim) for matrix in (ops.transpose(others), w_product))
    ones_and_others = ops.stack([ops.ones_like(others), others], axis=-1)
    matrices = ops.matmul(ones_and_others, ops.stack([w, w_product], axis=1))
    return affine(x, ops.reshape(matrices, (dim, -1)), ops.reshape(other_terms, (-1,)))


def _pad_rows(matrix, rows):
    """Appends rows of zeros to a matrix until it has `rows` rows."""
    missing = rows - matrix.shape[0]
    return ops.pad(matrix, ((0, missing), (0, 0))) if missing else matrix
