"""DIN's options against their equations in NumPy, and the network of the authors' code."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_din import Categorical, FeatureSpec, Sequence, build_din, export
from keras_din.models.din import AUTHORS
from tests.models.shared import SPEC, randomized
from tests.reference import sigmoid
from tests.specs import random_batch

ITEM, CATE = Categorical("item_id", 20, dim=4), Categorical("cate_id", 9, dim=4)
ELECTRONICS = FeatureSpec(target=[ITEM, CATE], sequences=[Sequence("hist", of=[ITEM, CATE])])


def dense(x, layer):
    return x @ layer.kernel.numpy().astype("float64") + layer.bias.numpy()


def frozen_batch_normalization(x, layer, mean=0, variance=1, epsilon=1e-3):
    return layer.kernel.numpy() * (x - mean) / np.sqrt(variance + epsilon) + layer.bias.numpy()


def network_of_the_authors(model, item, cate, hist_item, hist_cate):
    """Computes the ctr of one user and one candidate like `din/model.py` of the authors."""
    layer = model.get_layer
    items = layer("embedding_item_id").embeddings.numpy()
    cates = layer("embedding_cate_id").embeddings.numpy()
    attention, top = layer("interest_hist"), layer("top")
    i = np.concatenate([items[item], cates[cate]])
    keys = np.concatenate([items[hist_item], cates[hist_cate]], axis=1)
    queries = np.tile(i, (len(keys), 1))
    x = np.concatenate([queries, keys, queries - keys, queries * keys], axis=1)
    x = sigmoid(dense(x, attention))
    x = sigmoid(dense(x, attention.mlp.dense_layers[0]))
    x = dense(x, attention.score)[:, 0] / np.sqrt(keys.shape[1])
    hist = np.exp(x) @ keys / np.exp(x).sum()
    u = dense(frozen_batch_normalization(hist, layer("affine_hist")), layer("dense_hist"))
    x = frozen_batch_normalization(np.concatenate([i, u, u * i]), layer("affine"))
    x = sigmoid(dense(x, top.dense_layers[0]))
    x = sigmoid(dense(x, top.dense_layers[1]))
    item_b = layer("item_bias").embeddings.numpy()[item]
    return sigmoid(dense(x, layer("logit")) + item_b)[0]


@pytest.mark.parametrize("training", [False, True])
def test_authors_network_matches_numpy(training):
    model = randomized(build_din(ELECTRONICS, **AUTHORS))
    x = random_batch(ELECTRONICS, batch=6, candidates=3, time=7, real=0.8)
    out = np.asarray(model(x, training=training))
    for row in range(6):
        real = x["hist_item_id"][row] != 0
        history = x["hist_item_id"][row][real], x["hist_cate_id"][row][real]
        for candidate in range(3):
            target = x["item_id"][row, candidate], x["cate_id"][row, candidate]
            expected = network_of_the_authors(model, *target, *history)
            np.testing.assert_allclose(out[row, candidate], expected, rtol=1e-4, atol=1e-6)


def test_authors_network_has_the_sizes_of_their_code():
    item, cate = Categorical("item_id", 63_001, dim=64), Categorical("cate_id", 801, dim=64)
    spec = FeatureSpec(target=[item, cate], sequences=[Sequence("hist", of=[item, cate])])
    model = build_din(spec, **AUTHORS)
    attention = (4 * 128 * 80 + 80) + (80 * 40 + 40) + (40 + 1)
    interest = 2 * 128 + (128 * 128 + 128)
    top = 2 * 384 + (384 * 80 + 80) + (80 * 40 + 40) + (40 + 1)
    tables = (64 + 1) * 63_001 + 64 * 801
    assert model.count_params() == attention + interest + top + tables
    assert len(model.trainable_weights) == len(model.weights)


def test_authors_network_has_the_initial_values_of_their_code():
    layer = build_din(ELECTRONICS, **AUTHORS).get_layer
    limit = np.sqrt(6 / (20 + 4))
    assert 0.8 * limit < np.abs(layer("embedding_item_id").embeddings).max() <= limit
    np.testing.assert_array_equal(layer("item_bias").embeddings, np.zeros((20, 1)))
    for name in "affine", "affine_hist":
        np.testing.assert_array_equal(layer(name).kernel, np.ones(layer(name).kernel.shape))
        np.testing.assert_array_equal(layer(name).bias, np.zeros(layer(name).bias.shape))


def test_product_of_interest_and_query():
    # A side feature of one unit makes the interest wider: [i, u, i * u] has 2 + 3 + 2 units.
    item, action = Categorical("item", 4, dim=2), Categorical("action", 4, dim=1)
    spec = FeatureSpec(target=[item], sequences=[Sequence("h", of=[item], side_features=[action])])
    options = {"hidden_units": (), "interaction": "product", "item_bias": True}
    model = build_din(spec, **options)
    model.get_layer("embedding_item").embeddings.assign([[0, 0], [0, 0], [2, -1], [3, 5]])
    model.get_layer("embedding_action").embeddings.assign([[0], [0], [7], [0]])
    model.get_layer("item_bias").embeddings.assign([[0], [0], [0.5], [9]])
    model.get_layer("logit").kernel.assign(np.array([[1, 2, 3, 4, 5, 6, 7]]).T / 100)
    # One behavior has the weight 1: i = [2, -1], u = [3, 5, 7], i * u = [6, -5].
    x = {"item": np.array([[2]]), "h_item": np.array([[3]]), "h_action": np.array([[2]])}
    logit = (2 - 2 + 9 + 20 + 35 + 36 - 35) / 100 + 0.5
    np.testing.assert_allclose(model(x), [[sigmoid(logit)]], rtol=1e-6)


@pytest.mark.parametrize("interaction, width", [("concat", 5), ("product", 7)])
def test_width_of_the_top_mlp(interaction, width):
    item, action = Categorical("item", 4, dim=2), Categorical("action", 4, dim=1)
    spec = FeatureSpec(target=[item], sequences=[Sequence("h", of=[item], side_features=[action])])
    model = build_din(spec, interaction=interaction)
    assert model.get_layer("top").dense_layers[0].kernel.shape == (width, 200)


def test_item_bias_is_of_the_first_categorical():
    model = build_din(SPEC, item_bias=True)
    assert model.get_layer("item_bias").embeddings.shape == (40, 1)
    assert model.get_layer("item_bias").embeddings.feature == "item_id"
    assert "item_bias" not in [layer.name for layer in build_din(SPEC).layers]


def test_only_rows_of_the_batch_get_a_gradient():
    model = build_din(ELECTRONICS, **AUTHORS)
    x = random_batch(ELECTRONICS, batch=2, candidates=2)
    biases = model.get_layer("item_bias").embeddings.value
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(x, training=True))
    gradient = tape.gradient(loss, biases)
    assert isinstance(gradient, tf.IndexedSlices)
    assert set(gradient.indices.numpy()) == set(x["item_id"].ravel())


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_gradients_of_many_behaviors_in_half_precision(dtype):
    """Scores of equal behaviors must get zero gradient, also with half precision."""
    spec = FeatureSpec(target=[ITEM], sequences=[Sequence("hist", of=[ITEM])])
    x = {"item_id": np.array([[2]]), "hist_item_id": np.full((1, 1000), 3)}
    results = []
    for policy in ("float32", dtype):
        keras.mixed_precision.set_dtype_policy(policy)
        try:
            model = randomized(build_din(spec, attention_units=(4,), activation="dice"), scale=0.3)
            with tf.GradientTape() as tape:
                score = model(x)[0, 0]
            layer = model.get_layer("interest_hist")
            weights = [model.get_layer("embedding_item_id").embeddings.value, layer.kernel.value]
            of_table, of_kernel = map(tf.convert_to_tensor, tape.gradient(score, weights))
        finally:
            keras.mixed_precision.set_dtype_policy("float32")
        largest = np.abs(of_table).max()
        np.testing.assert_allclose(of_kernel / largest, np.zeros(of_kernel.shape), atol=1e-5)
        results.append(of_table / largest)
    np.testing.assert_allclose(*results, atol=0.05)


@pytest.mark.parametrize("options", [AUTHORS, {"interaction": "product", "item_bias": True}])
def test_exported_version_matches_the_model(checked_by_one_process, tmp_path, options):
    """`export` itself compares the SavedModel with the live model."""
    model = randomized(build_din(SPEC, **options), scale=0.2)
    assert (export(model, SPEC, tmp_path) / "saved_model.pb").is_file()


def test_several_sequences_and_no_sequence():
    both = FeatureSpec(
        target=[ITEM, CATE],
        sequences=[Sequence("a", of=[ITEM]), Sequence("b", of=[ITEM, CATE])],
    )
    for spec, width in ((both, 8 + 4 + 8 + 4 + 8), (FeatureSpec(target=[ITEM, CATE]), 8)):
        model = build_din(spec, **AUTHORS)
        assert model.get_layer("top").dense_layers[0].kernel.shape == (width, 80)
        assert model.get_layer("affine").kernel.shape == (width,)
        assert np.isfinite(model.predict_on_batch(random_batch(spec))).all()


def test_invalid_arguments():
    with pytest.raises(ValueError, match="`interaction` must be one of 'concat', 'product'"):
        build_din(SPEC, interaction="sum")
    with pytest.raises(ValueError, match=r"`item_bias` must be one of True, False.*'False'"):
        build_din(SPEC, item_bias="False")
    with pytest.raises(ValueError, match=r"`attention_units` must be a list .*attention_units=-3"):
        build_din(SPEC, attention_units=-3)
    with pytest.raises(ValueError, match="`attention_units` must hold at least one layer"):
        build_din(SPEC, attention_units=())
    with pytest.raises(ValueError, match=r"`weight_normalization` must be .*'scaled'.*'softmax'"):
        build_din(SPEC, weight_normalization="softmax")
