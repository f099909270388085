"""Multi-head attention of each row to its own packed positions."""

from keras import ops

from keras_din.ops.float32_sums import promote_half
from keras_din.ops.packed import gather_rows, segment_max, segment_sum


@promote_half
def row_attention(queries, keys, values, own_key, own_value, rows):
    """Computes scaled dot-product attention of each row to its positions and to itself.

    `output = sum_j w_j v_j`, `w = softmax(q k / sqrt(units))`, over the positions `j` of the row
    and one more entry, which is `own_key` with `own_value`. A row without a position gives
    `own_value`.

    The own entry may differ between candidates while the positions are the same for all
    candidates. Then everything of the size of the positions is computed once for all candidates.

    Args:
        queries: Float tensor `(batch, candidates, heads, units)`.
        keys: Packed float tensor `(positions, candidates, heads, units)`.
        values: Packed float tensor shaped like `keys`.
        own_key: Float tensor `(batch, candidates, heads, units)`.
        own_value: Float tensor shaped like `own_key`.
        rows: Int tensor `(positions,)`, the row of each position.

    In each argument the axis of candidates may be 1: the same for all candidates.

    Returns:
        Float tensor `(batch, candidates, heads, units)`.
    """
    batch = ops.shape(queries)[0]
    queries = queries * queries.shape[-1] ** -0.5
    scores = ops.sum(gather_rows(queries, rows) * keys, axis=-1, keepdims=True)
    own_score = ops.sum(queries * own_key, axis=-1, keepdims=True)
    highest = ops.stop_gradient(segment_max(scores, rows, batch))
    exponentials = ops.exp(scores - gather_rows(highest, rows))
    total = segment_sum(exponentials, rows, batch)
    weighted = segment_sum(exponentials * values, rows, batch)

    highest = ops.where(total > 0, highest, ops.stop_gradient(own_score))
    overall_highest = ops.maximum(highest, ops.stop_gradient(own_score))
    share = ops.exp(highest - overall_highest)
    own_share = ops.exp(own_score - overall_highest)
    return (share * weighted + own_share * own_value) / (share * total + own_share)
