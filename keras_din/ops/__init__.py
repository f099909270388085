"""Pure tensor functions, one equation each."""

from keras_din.ops.attention import row_scores, split_kernel, split_projection
from keras_din.ops.cross_hash import cross_hash
from keras_din.ops.field_products import (
    inner_products,
    outer_product,
    sum_of_fields,
    sum_of_inner_products,
)
from keras_din.ops.gru import gru_last, gru_states
from keras_din.ops.moments import masked_moments
from keras_din.ops.next_behavior import sample_next_and_negative
from keras_din.ops.packed import (
    attend_by_row_or_pair,
    gather_positions,
    gather_rows,
    pack,
    pairs_of_rows,
    row_ids,
    segment_max,
    segment_mean,
    segment_softmax,
    segment_sum,
)
from keras_din.ops.ragged import is_ragged, packed_keys, padded, ragged_like
from keras_din.ops.real_entries import real_entries
from keras_din.ops.row_attention import attend_rows

__all__ = [
    "attend_rows",
    "attend_by_row_or_pair",
    "cross_hash",
    "split_kernel",
    "split_projection",
    "gru_last",
    "gru_states",
    "inner_products",
    "is_ragged",
    "masked_moments",
    "segment_max",
    "segment_mean",
    "sample_next_and_negative",
    "outer_product",
    "pack",
    "packed_keys",
    "padded",
    "pairs_of_rows",
    "ragged_like",
    "real_entries",
    "row_ids",
    "row_scores",
    "segment_softmax",
    "sum_of_fields",
    "sum_of_inner_products",
    "segment_sum",
    "gather_positions",
    "gather_rows",
]
