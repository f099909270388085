"""Mixture of experts: sums of the outputs of experts, weighted by a softmax."""

from keras import ops

from keras_din.ops.float32_sums import promote_half

__all__ = ["mix_experts"]


@promote_half
def mix_experts(gate_logits, experts):
    """Computes `output_k = sum_i softmax(gate_logits_k)_i experts_i`, in float32 or wider.

    Args:
        gate_logits: Float tensor `(rows, gates, experts)`.
        experts: Float tensor `(rows, experts, units)`.

    Returns:
        Float tensor `(rows, gates, units)`, of the dtype of `gate_logits`.
    """
    return ops.matmul(ops.softmax(gate_logits, axis=-1), experts)
