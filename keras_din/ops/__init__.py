"""Pure tensor functions, one equation each."""

from keras_din.ops.apply_mask import apply_mask
from keras_din.ops.attention import row_scores, split_kernel, split_projection
from keras_din.ops.cross_hash import cross_hash
from keras_din.ops.field_products import (
    inner_products,
    outer_product,
    sum_of_fields,
    sum_of_inner_products,
)
from keras_din.ops.gru import gru_last, gru_states
from keras_din.ops.interpolate import interpolate
from keras_din.ops.matches import count_distinct, count_matches, smallest_of_matches
from keras_din.ops.mix_experts import mix_experts
from keras_din.ops.moments import masked_moments
from keras_din.ops.next_behavior import sample_next_and_negative
from keras_din.ops.packed import (
    attend_by_row_or_pair,
    gather_positions,
    gather_rows,
    pack,
    position_pairs,
    row_ids,
    segment_max,
    segment_mean,
    segment_softmax,
    segment_sum,
    segment_weighted_mean,
    segment_weighted_sum,
)
from keras_din.ops.product_logits import product_logits
from keras_din.ops.ragged import is_ragged, pack_ragged, ragged_like, ragged_to_padded
from keras_din.ops.replace_missing import replace_missing
from keras_din.ops.row_attention import row_attention
from keras_din.ops.sharded_lookup import gather_from_shards, take_from_shards
from keras_din.ops.signed_log1p import signed_log1p
from keras_din.ops.zero_missing_vectors import zero_missing_vectors

__all__ = [
    "apply_mask",
    "attend_by_row_or_pair",
    "count_distinct",
    "count_matches",
    "cross_hash",
    "gather_from_shards",
    "gather_positions",
    "gather_rows",
    "gru_last",
    "gru_states",
    "inner_products",
    "interpolate",
    "is_ragged",
    "masked_moments",
    "mix_experts",
    "outer_product",
    "pack",
    "pack_ragged",
    "position_pairs",
    "product_logits",
    "ragged_like",
    "ragged_to_padded",
    "replace_missing",
    "row_attention",
    "row_ids",
    "row_scores",
    "sample_next_and_negative",
    "segment_max",
    "segment_mean",
    "segment_softmax",
    "segment_sum",
    "segment_weighted_mean",
    "segment_weighted_sum",
    "signed_log1p",
    "smallest_of_matches",
    "split_kernel",
    "split_projection",
    "sum_of_fields",
    "sum_of_inner_products",
    "take_from_shards",
    "zero_missing_vectors",
]
