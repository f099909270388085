"""Sums over the pairs of a positive and a negative of the same group."""

import keras
from keras import ops

from keras_din.losses.grouped_candidates import GroupedCandidates

__all__ = ["logistic_of_pairs"]


def logistic_of_pairs(batch: GroupedCandidates):
    """Computes `sum_j w_j log(1 + exp(s_j - s_i))` over the negatives `j` of each positive's group.

    TensorFlow and PyTorch list the pairs, so time and memory grow with their number. JAX needs
    shapes that do not depend on values. There each candidate is compared with all candidates of the
    row, or of the batch if groups are given.

    Returns:
        Float32 `(n,)`, 0 where the candidate `i` is not a positive.
    """
    if keras.backend.backend() == "jax":
        return _by_mask(batch)
    return _by_list(batch)


def _by_list(batch: GroupedCandidates):
    size = ops.shape(batch.ids)[0]
    is_real = batch.weights > 0
    is_negative = ops.cast(is_real & (batch.labels < 0.5), "int32")
    is_positive = ops.cast(is_real & (batch.labels >= 0.5), "int32")
    # Sorted by group, with the negatives of each group first.
    order = ops.argsort(2 * batch.ids + 1 - is_negative)
    in_group = _count(batch, ops.ones_like(batch.ids))
    first = batch.of_candidates(ops.cumsum(in_group) - in_group)
    # Each positive is repeated for each negative of its group.
    repeats = is_positive * batch.of_candidates(_count(batch, is_negative))
    positive = ops.repeat(ops.arange(size), repeats, axis=0)
    first_pair = ops.cumsum(repeats) - repeats
    place = ops.arange(ops.shape(positive)[0]) - ops.take(first_pair, positive, axis=0)
    negative = ops.take(order, ops.take(first, positive, axis=0) + place, axis=0)
    difference = ops.take(batch.logits, negative, axis=0) - ops.take(batch.logits, positive, axis=0)
    losses = ops.take(batch.weights, negative, axis=0) * ops.softplus(difference)
    return ops.segment_sum(losses, positive, num_segments=size)


def _count(batch: GroupedCandidates, ones):
    return ops.cast(batch.sum(ones), "int32")  # PyTorch sums integers as floats.


def _by_mask(batch: GroupedCandidates):
    candidates = ops.shape(batch.ids)[0] if batch.candidates is None else batch.candidates
    labels, logits, weights, ids = (
        ops.reshape(each, (-1, candidates))
        for each in (batch.labels, batch.logits, batch.weights, batch.ids)
    )
    positive = (labels >= 0.5) & (weights > 0)
    of_negatives = ops.where(labels < 0.5, weights, ops.zeros_like(weights))
    is_pair = positive[:, :, None] & (ids[:, :, None] == ids[:, None, :])
    losses = of_negatives[:, None, :] * ops.softplus(logits[:, None, :] - logits[:, :, None])
    losses = ops.where(is_pair, losses, ops.zeros_like(losses))
    return ops.reshape(ops.sum(losses, axis=-1), (-1,))
