"""The pairwise logistic loss, RankNet's."""

import keras

from keras_din.losses.pair_sums import logistic_of_pairs
from keras_din.losses.ranking_loss import RankingLoss

__all__ = ["PairwiseLogistic"]


@keras.saving.register_keras_serializable(package="keras_din")
class PairwiseLogistic(RankingLoss):
    """The logistic loss of pairs of a positive and a negative of the same group.

    `l_g` is the mean of `log(1 + exp(s_j - s_i))` over all pairs of a positive `i` and a negative
    `j` of the group, where `s` are logits. With weights, a pair has the weight `w_i w_j`. See
    `RankingLoss` for groups, their weights, and the sum with the binary crossentropy:
    `loss = weight * sum_g n_g l_g / sum_g n_g + crossentropy * BinaryCrossentropy`.

    Args:
        weight: Weight of the ranking part.
        crossentropy: Weight of the binary crossentropy. Without it the model learns an order, but
            no probabilities.
        positive_weight: Weight of positives in the crossentropy, see `BinaryCrossentropy`.
        negative_rate: The fraction of negatives in training, see `BinaryCrossentropy`.
        name: Name of the loss.

    Call arguments:
        y_true: Tensor `(batch, candidates)` of 0 and 1.
        y_pred: Float tensor `(batch, candidates)`, probabilities.
        sample_weight: Float tensor `(batch, candidates)`, or `(batch,)`; 0 for padding.

    Returns:
        Float32 scalar.

    Raises:
        ValueError: If an argument is invalid, or if rows have one candidate and no groups.

    Example:

    ```python
    loss = kd.losses.PairwiseLogistic()
    y_true, y_pred = np.array([[1, 0]]), np.array([[0.8, 0.5]])
    value = loss(y_true, y_pred)  # The logits are log(4) and 0: log(1 + exp(-log(4)))

    data = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
    model = kd.build_lr(data.spec)
    model.compile("sgd", kd.losses.PairwiseLogistic(0.5, crossentropy=1.0))
    history = model.fit(data.dataset("train", shuffle=True, batch_by="user"), shuffle=False)
    ```

    Reference:
        [Burges et al., 2005](https://doi.org/10.1145/1102351.1102363), RankNet, with the target
        probability 1.
    """

    def __init__(self, weight: float = 1.0, *, name: str = "pairwise_logistic", **kwargs):
        super().__init__(weight, name=name, **kwargs)

    @property
    def supports_jit(self) -> bool:
        return keras.backend.backend() != "tensorflow"  # There the number of pairs varies.

    def losses_of(self, batch):
        of_positive = logistic_of_pairs(batch)
        negatives = batch.sum(batch.weights * (1 - batch.labels))
        of_group = batch.mean(of_positive, batch.weights * batch.labels) / _positive(negatives)
        return batch.of_candidates(of_group)


def _positive(total):
    """Replaces 0 with 1, in a divisor of a sum that is 0 too."""
    return keras.ops.where(total > 0, total, keras.ops.ones_like(total))
