"""Deep Interest Evolution Network."""

import keras

from keras_din.embed import embed
from keras_din.head import ctr_head, ctr_model
from keras_din.layers import InterestEvolution, InterestExtractor


def build_dien(
    spec,
    *,
    gru_type="AUGRU",
    auxiliary_loss_weight=1.0,
    hidden_units=(200, 80),
    activation="relu",
    dropout=0.3,
    embeddings_initializer="uniform",
    name="dien",
) -> keras.Model:
    """Builds `ctr = f(context, v_A, h'_n(A))`, `h' = AUGRU(h, softmax(h W v_A))`, `h = GRU(e)`.

    A first GRU reads a user's interests `h_t` off his behaviors `e_t`, once for all candidates.
    A second one follows those that concern the candidate `A`, from the first to the last.

    Args:
        spec: A `FeatureSpec`. States are as wide as a behavior, side features included.
        gru_type: How attention steers the second GRU: `"AIGRU"`, `"AGRU"` or `"AUGRU"`.
        auxiliary_loss_weight: Weight of the loss that training adds for each sequence: `h_t` must
            tell the next behavior from another one of the batch. 0 for none.
        hidden_units: Sizes of the hidden layers of `f`.
        activation: Activation of the hidden layers of `f`, as of `build_din`.
        dropout: Fraction of the hidden units of `f` that training drops.
        embeddings_initializer: Initializer of the embedding tables.
        name: Name of the model.

    Returns:
        A functional `keras.Model`, in and out as of `build_din`. The auxiliary loss is part of
        `loss` in training, never of `val_loss`, and sample weights leave it as it is.

    Reference:
        [Zhou et al., 2019](https://arxiv.org/abs/1809.03672). `InterestExtractor` and
        `InterestEvolution` say where the authors' code differs.
    """
    x = embed(spec, embeddings_initializer)
    if not x.behaviors:  # The arguments are checked all the same.
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
    ctr = ctr_head(parts, x.target_mask, hidden_units, activation, dropout)
    return ctr_model(x.inputs, ctr, name=name)
