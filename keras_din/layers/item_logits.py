"""The logits of items, which are counted, not trained."""

import keras
import numpy as np

from keras_din.features import PADDING_INDEX
from keras_din.layers.embedding import Embedding


@keras.saving.register_keras_serializable(package="keras_din")
class ItemLogits(Embedding):
    """One logit per item, which `keras_din.models.fit_popularity` computes from counts.

    It is an `Embedding` of width 1 whose table is not trainable. Gradient steps would change a
    logit by about the learning rate per step, which gives a weaker model than counting. So a call
    in training is an error.

    Args:
        vocabulary_size: Same as in `Embedding`.
        embeddings_initializer: Initializer of the logits, before `fit_popularity`.
        feature: Name of the item's feature.
        **kwargs: `shards` and the arguments of a Keras layer, same as in `Embedding`.

    Call arguments:
        indices: Int tensor of any shape.
        training: Must not be true.

    Returns:
        Float tensor `(*indices.shape, 1)`; 0 for padding.

    Raises:
        ValueError: If it is called with `training=True`, as `fit` does.

    Example:

    ```python
    layer = kd.layers.ItemLogits(10)
    outputs = layer(np.array([[2, 3, 0]]))  # (1, 3, 1)
    ```
    """

    def __init__(self, vocabulary_size, embeddings_initializer="zeros", feature=None, **kwargs):
        kwargs |= {"trainable": False}
        super().__init__(
            vocabulary_size,
            1,
            embeddings_initializer=embeddings_initializer,
            feature=feature,
            **kwargs,
        )

    def call(self, indices, training=False):
        if training:
            raise ValueError(
                "The popularity model must be counted, not trained by gradient steps: call "
                "keras_din.models.fit_popularity(model, train, valid) in place of fit, or "
                'keras_din.training.train(data, folder, model="popularity"). '
                "Received: a call with training=True."
            )
        return super().call(indices)

    def initial_rows(self, rows, seed: int = 0) -> np.ndarray:
        """Returns the logit of an item without impressions, which is also that of padding."""
        return np.repeat(self.read_rows([PADDING_INDEX]), len(rows), axis=0)

    def get_config(self):
        config = super().get_config()
        del config["dim"], config["embeddings_regularizer"]
        return config
