"""JRC, the joint optimization of ranking and calibration."""

import keras

from keras_din.losses.ranking_loss import RankingLoss

__all__ = ["JRC"]


@keras.saving.register_keras_serializable(package="keras_din")
class JRC(RankingLoss):
    """Joint optimization of ranking and calibration: a softmax over classes, and one over a group.

    A model of the paper has two logits, `f(x)[1]` for a click and `f(x)[0]` for none. The
    probability of a click is their softmax, `sigmoid(f(x)[1] - f(x)[0])`. The models of this
    library have one logit `s` with `p = sigmoid(s)`: here `f(x)[1] = s / 2` and `f(x)[0] = -s / 2`.

    Calibration: the crossentropy of `p`, see `BinaryCrossentropy`. Ranking: `l_g` is the mean over
    all candidates `i` of the group of `-log(exp(f(x_i)[y_i]) / sum_j exp(f(x_j)[y_i]))`, where `j`
    are all candidates of the group. With weights, it is the weighted mean, with
    `sum_j w_j exp(...)`. See `RankingLoss` for groups and their weights:
    `loss = weight * sum_g n_g l_g / sum_g n_g + crossentropy * BinaryCrossentropy`. The paper has
    `crossentropy = a` and `weight = 1 - a`.

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
    loss = kd.losses.JRC(crossentropy=0.0)
    y_true, y_pred = np.array([[1, 0]]), np.array([[0.8, 0.5]])
    value = loss(y_true, y_pred)  # The logits are log(4) and 0: -log(2 / 3) for both.

    data = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
    model = kd.build_lr(data.spec)
    model.compile("sgd", kd.losses.JRC())
    history = model.fit(data.dataset("train", shuffle=True, batch_by="user"), shuffle=False)
    ```

    Reference:
        [Sheng et al., 2023](https://arxiv.org/abs/2208.06164). The paper's ranking part is the mean
        over all samples. Here samples in groups without a positive or without a negative are left
        out: they would only draw the logits of a group together. The code of TorchEasyRec differs
        from the paper: it compares a sample only with those of the other class.
    """

    def __init__(self, weight: float = 1.0, *, crossentropy: float = 1.0, name="jrc", **kwargs):
        super().__init__(weight, crossentropy=crossentropy, name=name, **kwargs)

    def losses_of(self, batch):
        half = batch.logits / 2
        of_positive, of_negative = -batch.log_softmax(half), -batch.log_softmax(-half)
        return keras.ops.where(batch.labels >= 0.5, of_positive, of_negative)
