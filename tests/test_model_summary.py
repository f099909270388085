"""The summary of a model: parts, their parameters, and Keras' own arguments."""

import keras
import numpy as np
import pytest

import keras_din as kd
from keras_din.model_parts import Part, model_parts

ITEM = kd.Categorical("item", 60, dim=4)
SHOP = kd.Categorical("shop", 20, dim=4)
PRICE = kd.Numeric("price", transform="log1p")
NAMES = ("segment", "city", "device", "language")
SPEC = kd.FeatureSpec(  # 20 features of most kinds.
    context=[
        *(kd.Categorical(name, 9, dim=4) for name in NAMES),
        kd.Numeric("age"),
        kd.Numeric("visits"),
        kd.Calendar("hour_of_day", dim=4),
        kd.HistorySize("behaviors", in_="hist"),
        kd.Bag("interests", 30, dim=4),
        kd.Vector("query", size=3, project_to=2),
    ],
    target=[
        ITEM,
        SHOP,
        kd.Categorical("second_shop", table="shop"),
        PRICE,
        kd.Numeric("stock"),
        kd.Bucketized("rating", boundaries=[2, 3], dim=4),
        kd.Match("seen", of="shop", in_="hist"),
    ],
    sequences=[
        kd.Sequence(
            "hist",
            of=[ITEM, SHOP, PRICE],
            side_features=[
                kd.Categorical("action", 5, dim=4),
                kd.Elapsed("ago", dim=4, boundaries=[60, 3600]),
                kd.Calendar("day_of_week", dim=4),
            ],
        )
    ],
)


def printed(model, **arguments):
    texts = []
    assert model.summary(print_fn=texts.append, **arguments) is None
    (text,) = texts
    return [line.rstrip() for line in text.rstrip("\n").splitlines()]


def is_of_layers(lines):
    return lines[1].startswith("┏")  # The table of Keras.


def totals(lines):
    return [line for line in lines if "params:" in line]


@pytest.fixture(scope="module")
def din():
    return kd.build_din(SPEC, attention_units=(8,), hidden_units=(8,))


def test_parts_of_din(din):
    context = [Part("context", name, "Categorical", "9 x 4", 36, True) for name in NAMES]
    parts = model_parts(din)
    params = din.get_layer("interest_hist").count_params()
    attention = "interest_hist", "AttentionSequencePoolingLayer", "(None, None, 21)", params, True
    assert parts == [
        *context,
        Part("context", "age, visits", "Numeric", "", 0, None),
        Part("context", "hour_of_day", "Calendar", "26 x 4", 104, True),
        Part("context", "behaviors", "HistorySize", "", 0, None),
        Part("context", "interests", "Bag", "30 x 4", 120, True),
        Part("context", "query", "Vector", "", 6, True),
        Part("target", "item", "Categorical", "60 x 4", 240, True),
        Part("target", "shop", "Categorical", "20 x 4", 80, True),
        Part("target", "second_shop", "Categorical", "table of shop", 0, None),
        Part("target", "price, stock", "Numeric", "", 0, None),
        Part("target", "rating", "Bucketized", "5 x 4", 20, True),
        Part("target", "seen", "Match", "", 0, None),
        Part("behaviors of hist", "item, shop, price", "as in target", "", 0, None),
        Part("behaviors of hist", "action", "Categorical", "5 x 4", 20, True),
        Part("behaviors of hist", "ago", "Elapsed", "5 x 4", 20, True),
        Part("behaviors of hist", "day_of_week", "Calendar", "9 x 4", 36, True),
        Part("layers", *attention),
        # Context 4 x 4 + 2 + 4 + 1 + 4 + 2, target 3 x 4 + 2 + 4 + 1, and the interest of 9 + 12.
        Part("layers", "top", "MLP", "(None, None, 8)", (29 + 19 + 21 + 1) * 8, True),
        Part("layers", "logit", "EinsumDense", "(None, None, 1)", 9, True),
        Part("layers", "ctr", "ClickProbability", "(None, None)", 0, None),
        Part("layers", f"{len(SPEC.inputs)} inputs", parts[-1].kind, "", 0, None),
    ]
    assert parts[-1].kind.endswith(" operations")


@pytest.mark.parametrize("name", kd.MODELS)
def test_summary_of_each_model(name):
    model = kd.MODELS[name](SPEC)
    lines = printed(model)
    assert len(lines) <= 40
    of_layers = printed(model, by_layer=True)
    assert len(of_layers) > 2 * len(lines)
    assert totals(lines) == totals(of_layers)
    parts = model_parts(model)
    assert sum(part.params for part in parts) == model.count_params()
    # All weights of features are in their rows.
    names = [part.name for part in parts if part.section == "layers"]
    prefixes = ("embedding_", "weight_", "vector_", "vectors_", "project_")
    assert not [each for each in names if each.startswith(prefixes)]
    assert {part.section for part in parts} == {"context", "target", "behaviors of hist", "layers"}


def test_summary_has_a_row_per_part_and_the_totals_of_keras(din):
    lines = printed(din)
    assert lines[0] == 'Model: "din"'
    assert lines[1].startswith("Feature or layer  ")
    assert lines[1].endswith("  Params")
    assert "  hour_of_day" in lines[9]
    assert lines[9].split() == ["hour_of_day", "Calendar", "26", "x", "4", "104"]
    assert totals(lines)[0].startswith(f" Total params: {din.count_params():,} (")
    assert max(map(len, lines)) <= 80


def test_arguments_of_keras(din, capsys):
    full = printed(din, by_layer=True)
    assert is_of_layers(full)
    assert full == printed(din, expand_nested=True)
    ranged = printed(din, layer_range=["top", "ctr"])
    assert is_of_layers(ranged)
    assert len(ranged) < len(full)
    assert is_of_layers(printed(din, positions=[0.3, 0.6, 0.7, 1.0]))
    trainable = printed(din, show_trainable=True)
    assert not is_of_layers(trainable)
    assert "Trainable" in trainable[1]
    narrow, wide = (printed(din, line_length=width) for width in (60, 120))
    assert max(map(len, narrow)) <= 60
    assert len(wide) < len(narrow)
    assert any("AttentionSequencePoolingLayer" in line for line in wide)
    din.summary()
    assert capsys.readouterr().out.splitlines()[0].rstrip() == 'Model: "din"'
    with pytest.raises(ValueError, match=r"`by_layer` must be True with \['layer_range'\]"):
        din.summary(layer_range=["top", "ctr"], by_layer=False)
    with pytest.raises(ValueError, match="`by_layer` must be"):
        din.summary(by_layer="yes")


def test_frozen_layers_and_optimizer_of_a_loaded_model(tmp_path):
    spec = kd.FeatureSpec(target=[ITEM, SHOP])
    model = kd.build_base(spec, hidden_units=())
    model.save(tmp_path / "base.keras")
    loaded = keras.saving.load_model(tmp_path / "base.keras")
    assert model_parts(loaded) == model_parts(model)
    loaded.get_layer("embedding_item").trainable = False
    loaded.compile(kd.optimizers.LazyAdam(), kd.losses.BinaryCrossentropy())
    loaded.optimizer.build(loaded.trainable_variables)
    lines = printed(loaded, show_trainable=True)
    of_tables = [line.split() for line in lines if "Categorical" in line]
    assert [words[-1] for words in of_tables] == ["N", "Y"]
    assert totals(lines) == totals(printed(loaded, by_layer=True))
    assert len(totals(lines)) == 4


def test_several_labels_with_learned_weights_and_a_position():
    item = kd.Categorical("item", 5, dim=2, shards=2)
    labels = [kd.Label("click"), kd.Label("buy", output="cvr", given="click")]
    spec = kd.FeatureSpec(target=[item, kd.Position("place", size=5)], labels=labels)
    model = kd.build_multi_task(spec, backbone="base", hidden_units=(3,))
    model = kd.CTRModel(model.input, model.output, label_weights="uncertainty")
    parts = {part.name: part for part in model_parts(model)}
    assert parts["item"].size == "5 x 2 in 2 shards"
    assert parts["place"] == Part("target", "place", "Position", "", 4, True)
    assert {"mmoe", "top", "cvr_top", "cvr_given_ctr", "cvr"} <= set(parts)
    (weights,) = (part for part in parts.values() if part.kind == "UncertaintyWeights")
    assert weights.params == 2
    assert sum(part.params for part in parts.values()) == model.count_params()


def test_models_of_users():
    price = keras.Input((None,), name="price")
    inner = keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(1)], name="inner")
    tied = keras.layers.Dense(1, name="tied")
    x = keras.ops.expand_dims(price, -1)
    logits = keras.ops.squeeze(tied(tied(inner(x))), -1)
    model = kd.CTRModel({"price": price}, kd.layers.ClickProbability(name="ctr")(logits))
    parts = model_parts(model)
    assert [(part.name, part.params) for part in parts[:-1]] == [
        ("inner", 6 + 4),
        ("tied", 2),
        ("ctr", 0),
    ]
    extra = model.add_weight(shape=(2, 3), name="extra")
    assert Part("layers", "other weights", "", "", 6, True) in model_parts(model)
    assert extra.shape == (2, 3)
    # A model of ours as a layer of another one, which has inputs of its own.
    inner = kd.build_lr(kd.FeatureSpec(target=[ITEM], sequences=[kd.Sequence("hist", of=[ITEM])]))
    inputs = {name: keras.Input((None,), name=f"my_{name}") for name in ("item", "hist_item")}
    model = kd.CTRModel({tensor.name: tensor for tensor in inputs.values()}, inner(inputs))
    parts = model_parts(model)
    assert [(part.section, part.params) for part in parts] == [("layers", 121), ("layers", 0)]
    many = [kd.Numeric(f"n{i}") for i in range(9)]
    x = kd.embed.embed(kd.FeatureSpec(target=[ITEM], context=many))
    ctr = kd.head.ctr_head([*x.context, x.target], x.target_mask, hidden_units=())
    model = kd.CTRModel(x.inputs, ctr)
    assert model_parts(model)[0].name == "n0, n1, n2, n3, n4, n5, and 3 more"
    np.testing.assert_equal(sum(p.params for p in model_parts(model)), model.count_params())
