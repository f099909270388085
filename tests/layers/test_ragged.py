"""Ragged tensors: each layer gives the same result as for padded rows."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_din.layers import (
    AttentionSequencePoolingLayer,
    BagEmbedding,
    BehaviorTransformer,
    Embedding,
    InterestEvolution,
    InterestExtractor,
    PackSequence,
    RaggedToDense,
    SequencePooling,
)

LENGTHS = [3, 0, 5, 1]
MASK = np.arange(5) < np.array(LENGTHS)[:, None]
# Layers of behaviors and a candidate, and layers of behaviors only.
LAYERS = {
    "attention": lambda: AttentionSequencePoolingLayer((6, 3)),
    "attention_units": lambda: AttentionSequencePoolingLayer((6,), "relu", False),
    "transformer": lambda: BehaviorTransformer(2),
    "two_blocks": lambda: BehaviorTransformer(2, num_blocks=2),
    "gru_type": lambda: InterestEvolution(3),
    "mean": lambda: SequencePooling("mean"),
    "sum": lambda: SequencePooling("sum"),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


def inputs():
    rng = np.random.default_rng(0)
    query = tf.constant(rng.normal(size=(4, 2, 4)), "float32")
    keys = tf.constant(rng.normal(size=(4, 5, 4)), "float32")
    return query, keys, tf.RaggedTensor.from_tensor(keys, lengths=LENGTHS)


def called(layer, query, *behaviors, **masks):
    alone = isinstance(layer, SequencePooling)
    return layer(*behaviors, **masks) if alone else layer(query, *behaviors, **masks)


@every_layer
def test_ragged_behaviors_match_padded_ones(name):
    query, keys, ragged = inputs()
    layer = LAYERS[name]()
    expected = called(layer, query, keys, keys_mask=MASK)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(called(layer, query, ragged), expected, atol=1e-6)
    # The mask marks some of these behaviors as padding.
    some = MASK & (np.arange(5) != 1)
    expected = called(layer, query, keys, keys_mask=some)
    mask = tf.RaggedTensor.from_tensor(some, lengths=LENGTHS)
    for keys_mask in (mask, some, np.pad(some, ((0, 0), (0, 2)))):
        out = called(layer, query, ragged, keys_mask=keys_mask)
        np.testing.assert_allclose(out, expected, atol=1e-6)
    # The mask may be ragged also if behaviors are padded or packed.
    for behaviors in (keys, PackSequence()(keys, some)):
        out = called(layer, query, behaviors, keys_mask=mask)
        np.testing.assert_allclose(out, expected, atol=1e-6)


@every_layer
def test_ragged_batch_without_behaviors(name):
    query, keys, ragged = inputs()
    layer = LAYERS[name]()
    expected = called(layer, query, keys, keys_mask=np.zeros_like(MASK))
    nothing = tf.RaggedTensor.from_row_lengths(ragged.values[:0], [0] * 4)
    np.testing.assert_allclose(called(layer, query, nothing), expected, atol=1e-6)


@every_layer
def test_ragged_gradients_and_graph_without_padded_copy(name):
    query, keys, ragged = inputs()
    layer = LAYERS[name]()
    called(layer, query, ragged)

    @tf.function
    def gradient(query, values):
        behaviors = ragged.with_values(values)
        with tf.GradientTape() as tape:
            tape.watch(values)
            loss = tf.reduce_sum(called(layer, query, behaviors, training=True) ** 2)
        return tape.gradient(loss, values)

    with tf.GradientTape() as tape:
        tape.watch(keys)
        loss = tf.reduce_sum(called(layer, query, keys, keys_mask=MASK, training=True) ** 2)
    expected = tf.convert_to_tensor(tape.gradient(loss, keys))[MASK]
    np.testing.assert_allclose(gradient(query, ragged.values), expected, rtol=1e-4, atol=1e-5)
    graph = gradient.get_concrete_function(query, ragged.values).graph
    padded = [
        tensor.name
        for operation in graph.get_operations()
        for tensor in operation.outputs
        if operation.type == "RaggedTensorToTensor" and tensor.dtype.is_floating
    ]
    assert padded == []


def test_states_of_ragged_behaviors_are_ragged():
    _, keys, ragged = inputs()
    layer = InterestExtractor(3, auxiliary_loss_weight=0)
    expected = layer(keys, keys_mask=MASK)
    states = layer(ragged)
    assert states.row_lengths().numpy().tolist() == LENGTHS
    np.testing.assert_allclose(states.to_tensor(), expected, atol=1e-6)
    some = MASK & (np.arange(5) != 1)
    states = layer(ragged, keys_mask=some)
    assert states.row_lengths().numpy().tolist() == LENGTHS
    np.testing.assert_allclose(states.to_tensor(), layer(keys, keys_mask=some), atol=1e-6)


def test_pack_sequence_of_ragged_values():
    _, keys, ragged = inputs()
    some = MASK & (np.arange(5) != 1)
    np.testing.assert_array_equal(PackSequence()(ragged, some), np.asarray(keys)[some])
    indices = np.arange(20).reshape(4, 5)
    ragged = tf.RaggedTensor.from_tensor(indices, lengths=LENGTHS)
    mask = tf.RaggedTensor.from_tensor(some, lengths=LENGTHS)
    np.testing.assert_array_equal(PackSequence()(ragged, mask), indices[some])
    bags = tf.ragged.constant([[[1, 2], []], [], [[3], [4, 5]], [[6]]])
    packed = PackSequence()(
        bags, np.array([[True, False], [False] * 2, [False, True], [True, False]])
    )
    assert packed.to_list() == [[1, 2], [4, 5], [6]]


def test_embeddings_of_ragged_indices():
    indices = np.array([[3, 0, 9], [0, 0, 0], [2, 1, 0]], "int32")
    ragged = tf.RaggedTensor.from_tensor(indices, lengths=[3, 0, 2])
    layer = Embedding(5, 4)
    expected = np.asarray(layer(indices))
    out = layer(ragged)
    assert out.row_lengths().numpy().tolist() == [3, 0, 2]
    np.testing.assert_array_equal(out.to_tensor(), expected)
    np.testing.assert_array_equal(layer(ragged, training=True).to_tensor(), expected)
    # The ragged mask marks the 0 between other indices as padding.
    mean = SequencePooling()
    np.testing.assert_allclose(mean(out), (mean(layer(indices))), atol=1e-7)
    bags = BagEmbedding(5, 4)
    np.testing.assert_array_equal(bags(ragged), bags(indices))


def test_functional_model_with_ragged_inputs(tmp_path):
    item = Embedding(9, 4, name="item")
    hist = keras.Input((None,), ragged=True, dtype="int32", name="hist")
    target = keras.Input((), dtype="int32", name="target")
    query = item(target)
    interest = AttentionSequencePoolingLayer()(query, item(hist))
    ctr = keras.layers.Dense(1, "sigmoid")(keras.ops.concatenate([query, interest], axis=-1))
    model = keras.Model({"hist": hist, "target": target}, ctr)
    indices = np.array([[3, 4, 5], [0, 0, 0], [7, 0, 0]], "int32")
    x = {"hist": tf.RaggedTensor.from_tensor(indices, padding=0), "target": tf.constant([2, 3, 4])}
    before = np.asarray(model(x))
    model.compile("adam", "binary_crossentropy")
    assert np.isfinite(model.fit(x, np.ones((3, 1)), verbose=0).history["loss"]).all()
    out = model.predict(x, verbose=0)
    assert np.abs(out - before).max() > 1e-5
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(x), out, rtol=1e-6)


def test_ragged_to_dense_keeps_other_tensors():
    numbers = tf.constant([[1.0, 2.0]])
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        layer = RaggedToDense()
        out = layer({"numbers": numbers, "bags": tf.ragged.constant([[[1, 2], []], [[3]]])})
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert out["numbers"] is numbers
    np.testing.assert_array_equal(out["bags"], [[[1, 2], [0, 0]], [[3, 0], [0, 0]]])
    symbols = {
        "indices": keras.Input((None,), dtype="int32"),
        "numbers": keras.Input((None,), dtype="float32"),
    }
    for name, symbol in layer(symbols).items():
        assert (symbol.dtype, symbol.shape) == (symbols[name].dtype, symbols[name].shape)
    assert RaggedToDense.from_config(layer.get_config()).autocast is False


def test_mask_longer_than_its_tensor_raises():
    values = np.array([[1, 2], [3, 4]])
    mask = np.array([[True, True, True], [True, False, False]])
    with pytest.raises(tf.errors.InvalidArgumentError, match="indices"):
        PackSequence()(values, mask)
    np.testing.assert_array_equal(PackSequence()(values, mask & [True, True, False]), [1, 2, 3])
    with pytest.raises(tf.errors.InvalidArgumentError, match="reshape"):
        PackSequence()(values[..., None], mask)
