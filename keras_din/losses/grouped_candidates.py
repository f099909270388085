"""The candidates of a batch in one vector, with sums over groups."""

from typing import Any, NamedTuple

from keras import ops

from keras_din.losses.grouping import current_grouping, rows_without_groups

__all__ = ["GroupedCandidates", "grouped_candidates"]


class GroupedCandidates(NamedTuple):
    """The candidates of a batch, one after another.

    Attributes:
        labels: Float32 `(n,)`, 0 or 1; 0 where the weight is 0.
        logits: Float32 `(n,)`; 0 where the weight is 0.
        weights: Float32 `(n,)`; 0 for padding.
        ids: Int32 `(n,)`, the number of each candidate's group, from 0 to `n - 1`.
        candidates: If each row is a group, the number of candidates per row, else `None`.
    """

    labels: Any
    logits: Any
    weights: Any
    ids: Any
    candidates: Any

    def sum(self, values):
        """Sums values over each group: `(n,)` -> `(n,)`, one entry per number of a group."""
        return ops.segment_sum(values, self.ids, num_segments=ops.shape(self.ids)[0])

    def of_candidates(self, of_groups):
        """Repeats a value per group for each candidate of the group: `(n,)` -> `(n,)`."""
        return ops.take(of_groups, self.ids, axis=0)

    def mean(self, values, weights):
        """Averages values over each group, 0 where the sum of weights is 0."""
        total = self.sum(weights)
        return self.sum(weights * values) / ops.where(total > 0, total, ops.ones_like(total))

    def log_softmax(self, logits):
        """Computes `s_i - log(sum_j w_j exp(s_j))` over each group: `(n,)` -> `(n,)`."""
        is_real = self.weights > 0
        lowest = ops.full_like(logits, -1e30)
        highest = ops.segment_max(
            ops.where(is_real, logits, lowest), self.ids, num_segments=ops.shape(self.ids)[0]
        )
        # Groups of padding, and numbers without a group, have any maximum: it must be finite.
        highest = ops.stop_gradient(ops.clip(self.of_candidates(highest), -1e30, 1e30))
        shifted = ops.where(is_real, logits - highest, ops.zeros_like(logits))
        total = self.of_candidates(self.sum(self.weights * ops.exp(shifted)))
        return shifted - ops.log(ops.where(total > 0, total, ops.ones_like(total)))

    def weights_to_rank(self):
        """The weights, 0 in groups without a positive or without a negative: `(n,)`."""
        positive = self.sum(self.weights * self.labels)
        negative = self.sum(self.weights * (1 - self.labels))
        has_both = ops.cast((positive > 0) & (negative > 0), self.weights.dtype)
        return self.weights * self.of_candidates(has_both)


def grouped_candidates(loss_name: str, y_true, logits, sample_weight) -> GroupedCandidates:
    """Flattens a batch. Its groups are those of `grouping`, else each row is a group.

    Args:
        loss_name: The name of the loss, for the error.
        y_true: Tensor `(batch, candidates)` of 0 and 1, or one row per candidate in `grouping`.
        logits: Float tensor of the same shape.
        sample_weight: Float tensor of the same shape, or `(batch,)`, or `None`.

    Raises:
        ValueError: If each row has one candidate, and there are no groups.
    """
    logits = ops.cast(logits, "float32")
    weights = ops.ones_like(logits)
    if sample_weight is not None:
        sample_weight = ops.cast(sample_weight, "float32")
        if len(sample_weight.shape) == len(logits.shape) - 1:
            sample_weight = ops.expand_dims(sample_weight, -1)
        weights = weights * sample_weight
    groups, candidates = current_grouping() or (None, None)
    if candidates is None:
        candidates = logits.shape[-1] if len(logits.shape) > 1 else 1
        if candidates == 1:
            raise rows_without_groups(loss_name)
        candidates = ops.shape(logits)[-1] if candidates is None else candidates
    labels, logits, weights = (
        ops.reshape(ops.cast(each, "float32"), (-1,)) for each in (y_true, logits, weights)
    )
    is_real, zeros = weights > 0, ops.zeros_like(logits)
    rows = ops.shape(logits)[0] // candidates
    ids = ops.arange(rows) if groups is None else _numbers(ops.reshape(groups, (-1,)))
    ids = ops.reshape(
        ops.cast(ops.expand_dims(ids, -1), "int32") * ops.ones((1, candidates), "int32"), (-1,)
    )
    return GroupedCandidates(
        ops.where(is_real, labels, zeros),
        ops.where(is_real, logits, zeros),
        weights,
        ids,
        candidates if groups is None else None,
    )


def _numbers(groups):
    """Numbers groups in their order from 0: integers `(batch,)` -> integers `(batch,)`."""
    order = ops.argsort(groups)
    ordered = ops.take(groups, order, axis=0)
    is_new = ops.cast(ops.not_equal(ordered[1:], ordered[:-1]), "int32")
    numbers = ops.concatenate([ops.zeros((1,), "int32"), ops.cumsum(is_new)])
    return ops.take(numbers, ops.argsort(order), axis=0)
