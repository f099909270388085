"""Deep Interest Evolution Network."""

from collections.abc import Callable, Sequence

import keras

from keras_din.embed import embed
from keras_din.features import FeatureSpec
from keras_din.head import ctr_model, label_heads
from keras_din.layers import InterestEvolution, InterestExtractor


def build_dien(
    spec: FeatureSpec,
    *,
    gru_type: str = "AUGRU",
    auxiliary_loss_weight: float = 1.0,
    hidden_units: Sequence[int] = (200, 80),
    activation: str | Callable | Sequence[str | Callable] = "relu",
    dropout: float = 0.3,
    embeddings_initializer: str | dict | keras.initializers.Initializer = "uniform",
    name: str = "dien",
) -> keras.Model:
    """Builds `ctr = f(context, v_A, h'_n(A))`, `h' = AUGRU(h, softmax(h W v_A))`, `h = GRU(e)`.

    A first GRU extracts a user's interests `h_t` from their behaviors `e_t`, once for all
    candidates. A second GRU follows the interests that are relevant to the candidate `A`.

    Args:
        spec: A `FeatureSpec`. States are as wide as a behavior, including side features.
        gru_type: How attention controls the second GRU: `"AIGRU"`, `"AGRU"` or `"AUGRU"`, see
            `InterestEvolution`.
        auxiliary_loss_weight: Weight of the loss that training adds for each sequence: to
            distinguish, from `h_t`, the next behavior from another one of the batch. 0 for none.
        hidden_units: Sizes of the hidden layers of `f`.
        activation: Activation of the hidden layers of `f`, see `build_din`.
        dropout: Fraction of the hidden units of `f` that training drops.
        embeddings_initializer: Initializer of the embedding tables.
        name: Name of the model.

    Returns:
        A functional `keras.Model`. Inputs and output are those of `build_din`. The auxiliary loss
        is part of `loss` in training, but not of `val_loss`. Sample weights do not affect it.

    Example:

    ```python
    item = kd.Categorical("item_id", 100, dim=4)
    spec = kd.FeatureSpec(target=[item], sequences=[kd.Sequence("hist", of=[item])])
    model = kd.build_dien(spec, hidden_units=(8,))
    ctr = model({"item_id": np.array([[2, 3]]), "hist_item_id": np.array([[4, 5, 0]])})  # (1, 2)
    ```

    Reference:
        [Zhou et al., 2019](https://arxiv.org/abs/1809.03672). `InterestExtractor` and
        `InterestEvolution` list the differences to the authors' code.
    """
    x = embed(spec, embeddings_initializer)
    if not x.behaviors:  # Checks the arguments.
        InterestExtractor(1, auxiliary_loss_weight)
        InterestEvolution(1, gru_type)
    interests = []
    for b in x.behaviors:
        units = b.keys.shape[-1]
        extractor = InterestExtractor(units, auxiliary_loss_weight, name=f"extractor_{b.name}")
        states = extractor(b.keys, keys_mask=b.mask)
        evolve = InterestEvolution(units, gru_type, name=f"interest_{b.name}")
        interests.append(evolve(b.query, states, keys_mask=b.mask))
    parts = [*x.context, x.target, *interests]
    ctr = label_heads(
        spec, parts, x.target_mask, hidden_units, activation, dropout, positions=x.positions
    )
    return ctr_model(x.inputs, ctr, name=name)
