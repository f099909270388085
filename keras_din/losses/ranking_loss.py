"""The base of losses that rank the candidates of a group."""

import keras
from keras import ops

from keras_din.checks import not_negative, positive_number
from keras_din.logits import logits_of
from keras_din.losses.binary_crossentropy import BinaryCrossentropy
from keras_din.losses.candidate_loss import CandidateLoss
from keras_din.losses.grouped_candidates import GroupedCandidates, grouped_candidates

__all__ = ["RankingLoss"]


class RankingLoss(BinaryCrossentropy):
    """A loss that ranks the candidates of each group, added to the binary crossentropy.

    `loss = weight * sum_g n_g l_g / sum_g n_g + crossentropy * BinaryCrossentropy`. `l_g` is the
    loss of the group `g`, computed from logits, and `n_g` the sum of the weights of its candidates.
    Only groups with a positive and a negative count, as in GAUC. If there are none, this part is 0,
    and so is its gradient.

    Groups are the requests of data with `by_request=True`, or the rows of one user that are in the
    same batch, `data.dataset(..., batch_by="user")`. `CTRModel` reads the groups from the entry
    `"_group"` of the inputs: integers `(batch,)`, equal for rows of one group. Without this entry,
    and in other Keras models, each row `(candidates,)` is a group.

    A candidate of weight 2 counts like two candidates. One of weight 0 is padding. A ranking loss
    alone, with `crossentropy=0`, learns an order, but no probabilities.

    A subclass has the method `losses_of(batch)`, which returns `(n,)` losses of candidates. `l_g`
    is their weighted mean in the group.

    Args:
        weight: Weight of the ranking part, a positive number.
        crossentropy: Weight of the binary crossentropy, 0 for none.
        positive_weight: See `BinaryCrossentropy`. It must be 1 without crossentropy, because it
            does not change the ranking part.
        negative_rate: See `BinaryCrossentropy`.
        name: Name of the loss.
    """

    def __init__(
        self,
        weight: float = 1.0,
        *,
        crossentropy: float = 0.0,
        positive_weight: float = 1.0,
        negative_rate: float | None = None,
        name: str = "ranking_loss",
    ):
        super().__init__(positive_weight, name, negative_rate=negative_rate)
        self.weight = positive_number("weight", weight)
        self.crossentropy = not_negative("crossentropy", crossentropy)
        if not self.crossentropy and self.positive_weight != 1:
            raise ValueError(
                "`positive_weight` must be 1 without crossentropy, since it does not change the "
                "ranking part: pass `crossentropy=1.0` too. "
                f"Received: positive_weight={positive_weight!r}, crossentropy={crossentropy!r}."
            )

    @property
    def supports_jit(self) -> bool:
        """Whether XLA of TensorFlow can compile the loss."""
        return True

    def losses_of(self, batch: GroupedCandidates):
        """Returns the loss of each candidate, `(n,)`."""
        raise NotImplementedError

    def __call__(self, y_true, y_pred, sample_weight=None):
        logits = logits_of(y_pred)
        if logits is None:
            p = ops.clip(
                ops.cast(y_pred, "float32"), keras.config.epsilon(), 1 - keras.config.epsilon()
            )
            logits = ops.log(p) - ops.log(1 - p)
        batch = grouped_candidates(self.name, y_true, logits, sample_weight)
        loss = self.weight * _Mean("ranking")(
            batch.labels, self.losses_of(batch), batch.weights_to_rank()
        )
        if not self.crossentropy:
            return loss
        plain = BinaryCrossentropy(self.positive_weight)
        return loss + self.crossentropy * plain(y_true, y_pred, sample_weight)

    def get_config(self) -> dict:
        own = {"weight": self.weight, "crossentropy": self.crossentropy}
        return own | super().get_config()


class _Mean(CandidateLoss):
    """The weighted mean of given losses. Keras scales it for several replicas."""

    def call(self, y_true, y_pred):
        return y_pred
