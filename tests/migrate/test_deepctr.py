"""Converted models against the logits that DeepCTR 0.9.4 itself has computed."""

import keras
import numpy as np
import pytest

from keras_din import Bag, Categorical, Numeric, Vector
from keras_din.data.encoding.lookup import to_indices
from keras_din.layers import Dice
from keras_din.logits import logits_of
from tests.migrate.stored import CASES, arrays, converted, inputs_of, weights_of
from tests.reference import sigmoid

# Both libraries compute in float32. Logits of a few units have a rounding error of a few 1e-7.
TOLERANCE = {"rtol": 1e-6, "atol": 1e-6}


@pytest.mark.parametrize("name", CASES)
def test_logits_equal_those_of_deepctr(name):
    model, _, convert = converted(name)
    outputs = model(convert(inputs_of(name)))
    np.testing.assert_allclose(outputs, arrays(name)["outputs"], **TOLERANCE)
    if name != "prelu":  # A number, whose output is the logit.
        np.testing.assert_allclose(logits_of(outputs), arrays(name)["logits"], **TOLERANCE)
    np.testing.assert_allclose(np.std(arrays(name)["logits"]), 1, rtol=1e-5)  # They differ.


def test_spec_has_the_columns():
    spec = converted("dice", target=["price"]).spec
    assert [(type(f), f.name) for f in spec.context] == [
        (Categorical, "user_id"),
        (Bag, "tags"),
        (Vector, "vector"),
    ]
    assert [(type(f), f.name) for f in spec.target] == [
        (Numeric, "price"),
        (Categorical, "item_id"),
        (Categorical, "cate_id"),
    ]
    (history,) = spec.sequences
    assert [f.name for f in history.of] == ["item_id", "cate_id"]
    assert history.max_length == 4
    assert spec.tables["item_id"].values.size == 7 + 2
    assert not any(feature.to_learn for feature in spec.features.values())


def test_tables_are_shared_and_have_an_offset():
    model, spec, _ = converted("softmax")
    assert spec.features["bought"].table == spec.tables["item_id"]
    table = model.get_layer("embedding_item_id").embeddings
    # Of columns that share a table, DeepCTR has the layer of the last sequence.
    np.testing.assert_array_equal(
        table[2:], weights_of("softmax")["sparse_seq_emb_bought/embeddings:0"]
    )
    np.testing.assert_array_equal(table[:2], np.zeros((2, 3)))


def test_columns_of_the_candidate_and_vocabularies():
    """Raw values with the indices of DeepCTR, and a saved model with several candidates."""
    words = {"item_id": [None, *"abcdef"], "user_id": ["ann", "bob"]}
    model, spec, convert = converted("dice", target=["price", "vector"], vocabularies=words)
    x = convert(inputs_of("dice"))
    assert x["vector"].shape == (8, 1, 2)
    np.testing.assert_allclose(logits_of(model(x)), arrays("dice")["logits"], **TOLERANCE)
    values = spec.tables["item_id"].values
    assert dict(zip(*values.known, strict=True))[1 + 2] == "a"
    assert (values.size, spec.tables["user_id"].values.size) == (9, 5)


def test_raw_values_have_the_hash_of_deepctr():
    """Data sets and exported versions hash raw values to the indices of `convert`."""
    _, spec, convert = converted("hash")
    raw, x = inputs_of("hash"), convert(inputs_of("hash"))
    for name, padding in (("user_id", None), ("item_id", 0), ("cate_id", "0")):
        values, indices = raw[name].ravel(), x[name].ravel()
        assert (indices[values == padding] == 1).all()  # DeepCTR's row 0, which it does not hash.
        expected = to_indices(spec.features[name], values[values != padding])
        np.testing.assert_array_equal(indices[values != padding], expected)


def test_saved_model_and_frozen_table(tmp_path):
    columns = [dict(column) for column in CASES["linear"]["columns"]]
    assert columns[1]["name"] == "user_id"
    columns[1]["trainable"] = False
    model, _, convert = converted("linear", feature_columns=columns)
    assert "embedding_user_id" not in [w.path.split("/")[0] for w in model.trainable_weights]
    model.save(tmp_path / "din.keras")
    loaded = keras.saving.load_model(tmp_path / "din.keras")
    x = convert(inputs_of("linear"))
    np.testing.assert_array_equal(loaded(x), model(x))


def test_small_variances_and_moving_averages():
    """DeepCTR adds 1e-9 to the variance of Dice, and `Dice` 1e-8."""
    weights = weights_of("dice")
    (name,) = (n for n in weights if "/dnn/dice/batch" in n and n.endswith("moving_variance:0"))
    weights[name] = np.array([0, 1e-9, 1e-6, 1], "float32")
    dice = converted("dice", weights=weights).model.get_layer("interest_hist").first_activation
    x = np.array([[1e-5, -2e-5, 3e-4, 2]])
    mean = weights[name.replace("variance", "mean")].astype("float64")
    alpha = weights[name.partition("batch")[0] + "dice_alpha:0"].astype("float64")
    dice.moving_mean.assign(mean * 0)
    p = sigmoid(x / np.sqrt(weights[name].astype("float64") + 1e-9))
    np.testing.assert_allclose(dice(x), p * x + (1 - p) * alpha * x, rtol=1e-5)
    # The averages do not start anew: one more step changes them by 1 - momentum = 0.01.
    assert isinstance(dice, Dice)
    dice(np.ones((2, 4)), training=True)
    np.testing.assert_allclose(dice.moving_mean, np.full(4, 0.01), rtol=1e-5)


@pytest.mark.parametrize(
    "name, arguments, text",
    [
        ("dice", {"att_activation": "sigmoid"}, "`att_activation` must be that .* those of dice"),
        ("linear", {"att_activation": "dice"}, "those of an activation without weights"),
        ("prelu", {"dnn_activation": "relu"}, "weights are those of prelu"),
        ("dice", {"dnn_activation": "hard_sigmoid"}, "an activation with an equal form"),
        ("dice", {"task": "multiclass"}, "`task` must be one of 'binary', 'regression'"),
        ("dice", {"att_weight_normalization": "scaled"}, "must be one of True, False"),
        ("dice", {"dnn_dropout": 2}, "`dnn_dropout` must be a number in"),
        ("dice", {"vocabularies": {"cate_id": 5}}, "must be a list of raw values. Received: 5"),
        ("dice", {"target": ["colour"]}, "`target` must be a list of names of columns"),
        ("dice", {"target": "price"}, "`target` must be a list of names of columns"),
        ("dice", {"vocabularies": {"age": [1]}}, "`vocabularies` must be a dict"),
        ("hash", {"vocabularies": {"cate_id": ["a"]}}, "must not have 'cate_id', whose raw values"),
        ("dice", {"vocabularies": {"cate_id": range(5)}}, "at most one value per index.*4"),
    ],
)
def test_invalid_arguments(name, arguments, text):
    with pytest.raises(ValueError, match=text):
        converted(name, **arguments)


def test_weights_must_agree_with_columns():
    columns = [dict(column) for column in CASES["linear"]["columns"]]
    with pytest.raises(ValueError, match=r"with the shapes .*'sparse_emb_user_id': \(3, 2\)"):
        converted("linear", feature_columns=[columns[0], *columns[2:]])
    without_price = [column for column in columns if column.get("name") != "price"]
    with pytest.raises(ValueError, match=r"inputs of width 8.*kernel \(9, 1\)"):
        converted("linear", feature_columns=without_price)


def test_attention_without_an_equal_form():
    weights = weights_of("linear")
    (unit,) = {n.partition("/dnn")[0] for n in weights if "/dnn/" in n}
    prelu = weights | {f"{unit}/dnn/p_re_lu/alpha:0": np.tile(np.array([0.1, 0.2, 0.3]), (4, 1))}
    model = converted("linear", weights=prelu, att_activation="PReLU").model
    alpha = model.get_layer("interest_hist").first_activation.alpha
    np.testing.assert_allclose(alpha, [0.1, 0.2, 0.3])
    prelu[f"{unit}/dnn/p_re_lu/alpha:0"] = np.arange(12.0).reshape(4, 3)
    with pytest.raises(ValueError, match="PReLU must have equal weights at all positions"):
        converted("linear", weights=prelu, att_activation="PReLU")
    without = {n: v for n, v in weights.items() if "/dnn/" not in n}
    with pytest.raises(ValueError, match="`att_hidden_size` must have at least one layer"):
        converted("linear", weights=without)
