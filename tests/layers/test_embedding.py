"""The embedding: padding, out-of-vocabulary, sparse gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.layers import Embedding
from keras_din.trace_context import tracing
from tests.layers.contract import check_layer


def table_of(layer):
    return layer.embeddings.numpy()


def test_padding_gives_zeros_and_a_mask():
    layer = Embedding(5, 2)
    indices = np.array([[2, 0], [0, 4]], "int32")
    out = layer(indices)
    table = table_of(layer)
    np.testing.assert_array_equal(out, [[table[2], [0, 0]], [[0, 0], table[4]]])
    np.testing.assert_array_equal(layer.compute_mask(indices), indices != 0)
    np.testing.assert_array_equal(out._keras_mask, indices != 0)


@pytest.mark.parametrize("index", [5, 1000, -1, -5])
def test_index_out_of_range_is_out_of_vocabulary(index):
    layer = Embedding(5, 2)
    out = layer(np.array([index], "int32"))
    np.testing.assert_array_equal(out[0], table_of(layer)[1])


def test_out_of_vocabulary_row_starts_at_zero():
    keras.utils.set_random_seed(0)
    layer = Embedding(5, 3)
    np.testing.assert_array_equal(layer(np.array([1, 7, -1], "int32")), np.zeros((3, 3)))
    keras.utils.set_random_seed(0)
    same = keras.initializers.get("uniform")((5, 3))
    np.testing.assert_array_equal(table_of(layer)[2:], same[2:])
    chosen = np.arange(15, dtype="float32").reshape(5, 3)
    given = Embedding(5, 3, lambda shape, dtype: keras.ops.convert_to_tensor(chosen, dtype))
    given.build()
    np.testing.assert_array_equal(table_of(given), chosen)


def test_new_value_after_training_without_new_values():
    item = kd.Categorical("item", vocabulary=["a", "b"], dim=4)
    model = kd.build_base(kd.FeatureSpec(target=[item]), hidden_units=(4,))
    model.compile("adam", kd.losses.BinaryCrossentropy())
    x = {"item": np.array([[2], [3]], "int32")}
    model.fit(x, np.array([[1], [0]], "float32"), epochs=3, verbose=0)
    (table,) = (layer for layer in model.layers if isinstance(layer, Embedding))
    np.testing.assert_array_equal(table_of(table)[1], np.zeros(4))


def test_gradient_is_sparse_and_zero_for_padding():
    layer = Embedding(5, 2)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(np.array([2, 0, 2], "int32")) ** 2)
    gradient = tape.gradient(loss, layer.embeddings.value)
    assert isinstance(gradient, tf.IndexedSlices)
    dense = tf.convert_to_tensor(gradient).numpy()
    np.testing.assert_allclose(dense[2], 4 * table_of(layer)[2], rtol=1e-6)
    np.testing.assert_array_equal(dense[[0, 1, 3, 4]], 0)


def test_graph_never_reads_the_whole_table():
    layer = Embedding(5, 2)
    graph = tf.function(layer).get_concrete_function(tf.TensorSpec((None,), tf.int32)).graph
    kinds = {operation.type for operation in graph.get_operations()}
    assert "ResourceGather" in kinds
    assert "ReadVariableOp" not in kinds


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
)
def test_all_integer_dtypes(dtype, training):
    layer = Embedding(300, 2)
    rows = [0, 2, 1, 100]
    layer.build()
    out = layer(np.array([rows], dtype), training=training)
    table = layer.embeddings.numpy()
    np.testing.assert_array_equal(out, [[[0, 0], *table[rows[1:]]]])
    np.testing.assert_array_equal(out._keras_mask, [[False, True, True, True]])
    if np.iinfo(dtype).max > 300:  # Large values must not wrap around to another row.
        out = layer(np.array([300, np.iinfo(dtype).max], dtype), training=training)
        np.testing.assert_array_equal(out, table[[1, 1]])
    if dtype in ("uint64", "int64"):
        np.testing.assert_array_equal(layer(np.array([2**32 + 5], dtype)), table[[1]])


def test_contract(tmp_path):
    check_layer(Embedding(5, 2), {"indices": np.array([[1, 0, 4]], "int32")}, tmp_path)


@pytest.mark.parametrize(
    "arguments, text",
    [
        ((0, 2), "`vocabulary_size` must be a positive integer. Received: vocabulary_size=0"),
        ((1, 4), "`vocabulary_size` must be at least 2: .* Received: vocabulary_size=1"),
        ((np.array([5, 5]), 2), "`vocabulary_size` must be a positive integer"),
        ((5, -3), "`dim` must be a positive integer. Received: dim=-3"),
        ((5, 2.5), "`dim` must be a positive integer. Received: dim=2.5"),
    ],
)
def test_invalid_arguments(arguments, text):
    with pytest.raises(ValueError, match=text):
        Embedding(*arguments)


def test_regularizer_works_and_warns():
    with pytest.warns(UserWarning, match=r"reads the whole table .* `mini_batch_aware_l2` .*'l2'"):
        layer = Embedding(5, 2, "ones", embeddings_regularizer="l2")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(np.array([2, 0], "int32"))) + sum(layer.losses)
    gradient = tape.gradient(loss, layer.embeddings.value)
    assert not isinstance(gradient, tf.IndexedSlices)
    l2 = 0.01  # The default of Keras: `l2 * sum(w^2)`.
    np.testing.assert_allclose(loss, 2 + l2 * 10, rtol=1e-6)
    expected = np.full((5, 2), 2 * l2) + np.eye(5)[:, 2:3]
    np.testing.assert_allclose(gradient, expected, rtol=1e-6)
    with pytest.warns(UserWarning, match="`embeddings_regularizer` reads the whole table"):
        again = Embedding.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert layer.get_config()["embeddings_regularizer"]["class_name"] == "L2"


def test_shared_initializer_gives_different_values():
    initializer = keras.initializers.RandomNormal(stddev=0.01)
    tables = [Embedding(20, 4, initializer) for _ in range(2)]
    first, second = (table(np.arange(20)) for table in tables)
    assert not np.allclose(first[1:], second[1:])
    assert isinstance(tables[0].embeddings_initializer, keras.initializers.RandomNormal)


def test_table_has_the_name_of_its_feature():
    for layer, feature in (
        (Embedding(5, 2, feature="item", name="table"), "item"),
        (Embedding(5, 2, name="table"), "table"),
    ):
        layer.build()
        assert layer.embeddings.feature == feature
        assert Embedding.from_config(layer.get_config()).feature == feature


def test_numpy_integers_as_sizes():
    assert Embedding(np.int64(5), np.int32(2)).get_config()["vocabulary_size"] == 5
    assert keras.saving.serialize_keras_object(Embedding(np.int64(5), 2))


def test_padding_is_zeroed_in_place_in_inference():
    layer = Embedding(5, 2)
    layer.build()
    indices = tf.constant([[0, 2, 7], [3, 0, 0]])

    @tf.function
    def embeddings(indices):
        return layer(indices)

    operations = embeddings.get_concrete_function(indices).graph.get_operations()
    copies = [o for o in operations if o.type == "SelectV2" and o.outputs[0].dtype.is_floating]
    assert not copies
    np.testing.assert_array_equal(embeddings(indices), layer(indices, training=True))
    with tracing(form="static"):
        np.testing.assert_array_equal(layer(indices), embeddings(indices))


def sharded_pair(rows=11, shards=4, **options):
    """Returns a layer with one variable, and one with several and the same values."""
    one = Embedding(rows, 3, **options)
    several = Embedding(rows, 3, shards=shards, **options)
    for layer in (one, several):
        layer.build()
    several.assign_rows(None, table_of(one))
    return one, several


@pytest.mark.parametrize("form", ["native", "static", "portable"])
@pytest.mark.parametrize("shards", [2, 4, 11])
def test_shards_equal_one_variable(shards, form):
    one, several = sharded_pair(shards=shards)
    indices = np.random.default_rng(shards).integers(-2, 14, (5, 4))
    with tracing(form=form):
        np.testing.assert_array_equal(several(indices), one(indices))
        ragged = tf.RaggedTensor.from_row_lengths(tf.constant([3, 0, 13]), [2, 0, 1])
        np.testing.assert_array_equal(several(ragged).values, one(ragged).values)
        assert several(indices[:0]).shape == (0, 4, 3)


def test_rows_of_shards():
    _, layer = sharded_pair()
    layer.assign_rows([9, 0, 6], np.arange(9).reshape(3, 3))
    np.testing.assert_array_equal(layer.embedding_shards[1][2], [0, 1, 2])
    np.testing.assert_array_equal(layer.read_rows([6, 9]), [[6, 7, 8], [0, 1, 2]])
    np.testing.assert_array_equal(layer.read_rows()[[9, 0, 6]], np.arange(9).reshape(3, 3))


def test_step_on_shards_is_sparse_and_reads_no_shard():
    layer = Embedding(103, 3, shards=4)

    @tf.function
    def step(indices):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(indices, training=True) ** 2)
        return tape.gradient(loss, [each.value for each in layer.embedding_shards])

    concrete = step.get_concrete_function(tf.TensorSpec((None,), tf.int32))
    operations = {operation.type for operation in concrete.graph.get_operations()}
    assert "ResourceGather" in operations
    assert "ReadVariableOp" not in operations
    gradients = step(tf.constant([6, 2, 6, 0], tf.int32))  # Padding is row 0 of shard 0.
    assert all(isinstance(each, tf.IndexedSlices) for each in gradients)
    assert [each.indices.numpy().tolist() for each in gradients] == [[0], [], [1, 0, 1], []]
    np.testing.assert_array_equal(gradients[0].values, np.zeros((1, 3)))


def test_initial_values_of_shards():
    keras.utils.set_random_seed(0)
    layers = [Embedding(400, 8, "glorot_uniform", shards=shards) for shards in (4, 4, 1)]
    for layer in layers:
        layer.build()
    several, again, one = (layer.read_rows() for layer in layers)
    np.testing.assert_array_equal(several[1], 0)
    assert np.unique(several).size > 390 * 8  # Each shard has values of its own.
    assert not np.allclose(several, again)
    limit = np.sqrt(6 / (400 + 8))  # Of the whole table, not of a shard.
    for values in (several, one):
        assert 0.99 * limit < np.abs(values).max() <= limit
    seeded = [Embedding(9, 2, keras.initializers.RandomNormal(seed=3), shards=3) for _ in "ab"]
    for layer in seeded:
        layer.build()
    np.testing.assert_array_equal(*(layer.read_rows() for layer in seeded))
    constant = Embedding(5, 2, "ones", shards=2)
    constant.build()
    np.testing.assert_array_equal(constant.read_rows(), 1)


@pytest.mark.parametrize("saved, loaded", [(1, 4), (4, 1), (3, 2)])
def test_weights_of_another_number_of_shards(saved, loaded, tmp_path):
    def model(shards):
        indices = keras.Input((None,), dtype="int32")
        return keras.Model(indices, Embedding(11, 3, shards=shards, name="table")(indices))

    first, second = model(saved), model(loaded)
    first.save_weights(tmp_path / "all.weights.h5")
    second.load_weights(tmp_path / "all.weights.h5")
    tables = (each.get_layer("table").read_rows() for each in (first, second))
    np.testing.assert_array_equal(*tables)


def test_contract_of_shards(tmp_path):
    layer = Embedding(5, 2, shards=3, embeddings_initializer="glorot_normal")
    check_layer(layer, {"indices": np.array([[1, 0, 4]], "int32")}, tmp_path)


@pytest.mark.parametrize(
    "options, text",
    [
        ({"shards": 0}, "`shards` must be a positive integer. Received: shards=0"),
        ({"shards": 6}, "`shards` must be at most the number of rows, 5. Received: shards=6"),
        (
            {"shards": 2, "embeddings_initializer": "orthogonal"},
            "`embeddings_initializer` of a table with `shards` must be .* `assign_rows`",
        ),
    ],
)
def test_invalid_shards(options, text):
    with pytest.raises(ValueError, match=text):
        Embedding(5, 2, **options)


def test_regularizer_of_shards():
    with pytest.warns(UserWarning, match="reads the whole table"):
        one, several = sharded_pair(embeddings_regularizer="l2")
    np.testing.assert_allclose(sum(several.losses), sum(one.losses), rtol=1e-6)
    with pytest.raises(ValueError, match="of a table with `shards` must be 'l1', 'l2' or 'l1_l2'"):
        Embedding(5, 2, shards=2, embeddings_regularizer="orthogonal_regularizer")
