"""Heads for several labels on another model of this library: shared bottom, MMoE and PLE."""

import inspect
from collections.abc import Callable, Sequence

import keras

from keras_din.checks import layer_sizes, one_of
from keras_din.embed import check_spec, position_input
from keras_din.features import FeatureSpec
from keras_din.head import ctr_model, head_logits, label_outputs, representation_of
from keras_din.layers import MLP, PLE, MMoE

# Arguments of each head -> their default.
HEADS: dict[str, dict] = {
    "shared_bottom": {"units": (200,)},
    "mmoe": {"num_experts": 4, "units": (64,)},
    "ple": {
        "num_specific_experts": 1,
        "num_shared_experts": 2,
        "num_layers": 1,
        "units": (64,),
    },
}
# These models have no representation from which heads could compute each label.
_WITHOUT_REPRESENTATION = ("popularity", "lr", "wide_deep", "deepfm", "multi_task")


def build_multi_task(
    spec: FeatureSpec,
    *,
    backbone: str = "din",
    backbone_options: dict | None = None,
    head: str = "mmoe",
    head_options: dict | None = None,
    hidden_units: Sequence[int] = (80,),
    activation: str | Callable | Sequence[str | Callable] = "relu",
    dropout: float = 0.3,
    embeddings_initializer: str | dict | keras.initializers.Initializer = "uniform",
    name: str = "multi_task",
) -> keras.Model:
    """Builds `output_k = sigmoid(h^k(f^k(x)))` for label `k`, where a backbone computes `x`.

    `x` is what the backbone, such as `build_din`, feeds to its own MLPs, one per label. Here the
    labels share more than embeddings and interests. `h^k` is an MLP, the tower of the label. `f^k`
    depends on the head:

    - `"shared_bottom"`: one MLP for all labels;
    - `"mmoe"`: experts that all labels share, weighted by a gate per label, see `MMoE`;
    - `"ple"`: shared experts and experts of each label, see `PLE`.

    The output of a label with `given` is a product (ESMM), as in all models, see `Label`.

    Args:
        spec: A `FeatureSpec` with one or more labels.
        backbone: Name of a model in `keras_din.MODELS` that computes `x`: `"base"`, `"pnn"`,
            `"dcn"`, `"din"`, `"dien"` or `"bst"`. Models with a linear part, a bias or counts have
            no `x` that holds all they learn.
        backbone_options: Other arguments of the backbone's builder, such as
            `{"attention_units": (80, 40)}`. Its own MLPs are replaced, with their `hidden_units`
            and `dropout`.
        head: `"shared_bottom"`, `"mmoe"` or `"ple"`.
        head_options: Arguments of the head: `units` (sizes of the layers of the bottom or of each
            expert; by default `(200,)` for the bottom, `(64,)` for an expert); `num_experts` of
            `"mmoe"`, by default 4; `num_specific_experts` per label, `num_shared_experts` and
            `num_layers` of `"ple"`, by default 1, 2 and 1.
        hidden_units: Sizes of the hidden layers of each tower.
        activation: Activation of the head and the towers, see `build_din`.
        dropout: Fraction of the hidden units of the head and the towers that training drops.
        embeddings_initializer: Initializer of the embedding tables.
        name: Name of the model.

    Returns:
        A functional `keras.Model`. Inputs and outputs are those of `build_din`.

    Raises:
        ValueError: If an argument is invalid, or the backbone adds a bias to its logit.

    Example:

    ```python
    item = kd.Categorical("item_id", 100, dim=4)
    labels = [kd.Label("click"), kd.Label("purchase", output="cvr", given="click")]
    spec = kd.FeatureSpec(target=[item], sequences=[kd.Sequence("hist", of=[item])], labels=labels)
    model = kd.build_multi_task(spec, backbone="din", head="mmoe", hidden_units=(8,))
    x = {"item_id": np.array([[2, 3]]), "hist_item_id": np.array([[4, 5, 0]])}
    outputs = model(x)  # {"ctr": (1, 2), "cvr": (1, 2)}
    ```

    Reference:
        [Ma et al., 2018](https://doi.org/10.1145/3219819.3220007) for `"mmoe"` and the shared
        bottom, [Tang et al., 2020](https://doi.org/10.1145/3383313.3412236) for `"ple"`,
        [Ma et al., 2018](https://arxiv.org/abs/1804.07931) for products.
    """
    from keras_din.models import MODELS  # This module is one of them.

    check_spec(spec)
    backbones = tuple(name for name in MODELS if name not in _WITHOUT_REPRESENTATION)
    build = MODELS[one_of("backbone", backbone, backbones)]
    backbone_options = dict(backbone_options or {})
    parameters = set(inspect.signature(build).parameters)
    known = tuple(sorted(parameters - {"spec", "name", "embeddings_initializer"}))
    for option in backbone_options:
        one_of("backbone_options", option, known)
    options = HEADS[one_of("head", head, tuple(HEADS))]
    for option in head_options or {}:
        one_of("head_options", option, tuple(options))
    hidden_units = layer_sizes("hidden_units", hidden_units)
    model = build(
        spec.without_position(), embeddings_initializer=embeddings_initializer, **backbone_options
    )
    x, mask = representation_of(model)
    options = {**options, **(head_options or {}), "activation": activation, "dropout": dropout}
    if head == "shared_bottom":
        shared = [MLP(**options, name="bottom")(x, mask=mask)] * len(spec.labels)
    else:
        layer = {"mmoe": MMoE, "ple": PLE}[head](len(spec.labels), **options, name=head)
        of_labels = layer(x, mask=mask)
        shared = [of_labels[:, :, k] for k in range(len(spec.labels))]
    logits = {
        label.name: head_logits([f_k], mask, hidden_units, activation, dropout, label=label)
        for label, f_k in zip(spec.labels, shared, strict=True)
    }
    inputs = {tensor.name: tensor for tensor in model.inputs}
    positions = None
    if spec.position is not None:
        tensor, positions = position_input(spec, spec.position)
        inputs = {name: (inputs | {spec.position.name: tensor})[name] for name in spec.inputs}
    return ctr_model(inputs, label_outputs(spec, logits, mask, positions), name=name)
