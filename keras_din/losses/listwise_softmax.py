"""The softmax crossentropy over the candidates of a group."""

import keras

from keras_din.losses.ranking_loss import RankingLoss

__all__ = ["ListwiseSoftmax"]


@keras.saving.register_keras_serializable(package="keras_din")
class ListwiseSoftmax(RankingLoss):
    """The softmax crossentropy over the candidates of a group.

    `l_g` is the mean of `-log(exp(s_i) / sum_j exp(s_j))` over the positives `i` of the group,
    where `s` are logits and `j` are all candidates of the group. With weights, it is the weighted
    mean, with `sum_j w_j exp(s_j)`. For one positive and one negative, it equals
    `PairwiseLogistic`. See `RankingLoss` for groups, their weights, and the sum with the binary
    crossentropy: `loss = weight * sum_g n_g l_g / sum_g n_g + crossentropy * BinaryCrossentropy`.

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
    loss = kd.losses.ListwiseSoftmax()
    y_true, y_pred = np.array([[1, 0, 0]]), np.array([[0.8, 0.5, 0.5]])
    value = loss(y_true, y_pred)  # The logits are log(4), 0 and 0: -log(4 / 6)

    data = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
    model = kd.build_lr(data.spec)
    model.compile("sgd", kd.losses.ListwiseSoftmax(0.5, crossentropy=1.0))
    history = model.fit(data.dataset("train", shuffle=True, batch_by="user"), shuffle=False)
    ```

    Reference:
        [Cao et al., 2007](https://doi.org/10.1145/1273496.1273513): ListNet's top-one
        probabilities, with labels divided by their sum as the target.
    """

    def __init__(self, weight: float = 1.0, *, name: str = "listwise_softmax", **kwargs):
        super().__init__(weight, name=name, **kwargs)

    def losses_of(self, batch):
        log_p = batch.log_softmax(batch.logits)
        return batch.of_candidates(batch.mean(-log_p, batch.weights * batch.labels))
