"""The logit of a product of two probabilities."""

from keras import ops

__all__ = ["product_logits"]


def product_logits(first, second):
    """Computes the logit of `sigmoid(first) sigmoid(second)`, without the probabilities.

    `output = -log(exp(-first) + exp(-second) + exp(-first - second))`. For example, logits of
    -100 and -100 give -200, whose probability is 0 in float32. The gradients are finite.

    Args:
        first: Float tensor, logits.
        second: Float tensor of the same shape, logits.

    Returns:
        Float tensor of the same shape.
    """
    # `ops.logsumexp` would contain an operation on TensorFlow that LiteRT lacks.
    terms = ops.stack([-first, -second, -first - second], axis=-1)
    largest = ops.stop_gradient(ops.max(terms, axis=-1, keepdims=True))
    total = ops.sum(ops.exp(terms - largest), axis=-1)
    return -(ops.log(total) + ops.squeeze(largest, -1))
