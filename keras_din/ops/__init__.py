"""Pure tensor functions, one equation each."""

from keras_din.ops.attention import factored, factored_projection, scores_of_row
from keras_din.ops.cross_hash import cross_hash
from keras_din.ops.field_products import (
    inner_products,
    outer_product,
    sum_of_fields,
    sum_of_inner_products,
)
from keras_din.ops.gru import gru_last, gru_states
from keras_din.ops.moments import masked_moments
from keras_din.ops.next_behaviour import next_and_other
from keras_din.ops.packed import (
    by_row_or_by_pair,
    max_rows,
    mean_rows,
    pack,
    pairs_of_rows,
    row_of_position,
    softmax_rows,
    sum_rows,
    take_positions,
    take_rows,
)
from keras_din.ops.ragged import is_ragged, packed_keys, padded, ragged_like
from keras_din.ops.real_entries import real_entries
from keras_din.ops.row_attention import attend_rows

__all__ = [
    "attend_rows",
    "by_row_or_by_pair",
    "cross_hash",
    "factored",
    "factored_projection",
    "gru_last",
    "gru_states",
    "inner_products",
    "is_ragged",
    "masked_moments",
    "max_rows",
    "mean_rows",
    "next_and_other",
    "outer_product",
    "pack",
    "packed_keys",
    "padded",
    "pairs_of_rows",
    "ragged_like",
    "real_entries",
    "row_of_position",
    "scores_of_row",
    "softmax_rows",
    "sum_of_fields",
    "sum_of_inner_products",
    "sum_rows",
    "take_positions",
    "take_rows",
]
