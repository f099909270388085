"""The model contract: properties of all models in `MODELS`."""

import dataclasses
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_din import MODELS, Bag, CTRModel, FeatureSpec, Numeric, Sequence
from keras_din.layers import Embedding
from keras_din.losses import BinaryCrossentropy
from keras_din.metrics import auc
from keras_din.optimizers import LazyAdam
from keras_din.serving.graph.float32_layers import traced_once
from keras_din.spec_fingerprint import fingerprint, fingerprints_of
from tests.models.shared import (
    BAGS,
    CATE,
    ITEM,
    OPTIONS,
    SPEC,
    compiled,
    float_tensors_of_length,
    pad,
    randomized,
    score,
    training_loss,
)
from tests.specs import TRAINED, ZOO, random_batch, specs

BUILDERS = ZOO | {
    name: partial(ZOO["din"], name=name, **options) for name, options in OPTIONS.items()
}
every_model = pytest.mark.parametrize("name", BUILDERS)
every_trained_model = pytest.mark.parametrize("name", [*TRAINED, *OPTIONS])
# For properties that the options of DIN cannot change.
without_options = pytest.mark.parametrize("name", ZOO)
trained_without_options = pytest.mark.parametrize("name", TRAINED)


@every_model
def test_inputs_are_a_dict_and_outputs_are_probabilities(name):
    """Both in a graph of unknown sizes, as in `fit` and exports, and eagerly."""
    model = randomized(BUILDERS[name](SPEC), scale=0.2)
    assert isinstance(model, keras.Model)
    assert model.name == name
    assert sorted(tensor.name for tensor in model.inputs) == sorted(SPEC.inputs)
    graph = traced_once(model)
    for candidates, time in ((1, 5), (3, 5), (3, 0), (4, 30)):
        x = random_batch(SPEC, candidates=candidates, time=time)
        out = score(model, x)
        assert out.shape == (4, candidates)
        assert out.dtype == np.float32
        assert ((out > 0) & (out < 1)).all()
        np.testing.assert_allclose(graph(x), out, rtol=1e-5)


@every_model
def test_candidates_are_scored_independently(name):
    model = randomized(BUILDERS[name](SPEC))
    # As many candidates as rows, so that a sum over the wrong axis has the right shape.
    x = random_batch(SPEC, batch=3, candidates=3)
    together = score(model, x)
    for i in range(3):
        one = {n: v[:, i : i + 1] if SPEC.inputs[n].role == "target" else v for n, v in x.items()}
        alone = score(model, one)[:, 0]
        np.testing.assert_allclose(alone, together[:, i], rtol=1e-5, atol=1e-7)


@every_model
def test_padding_changes_nothing_at_inference(name):
    model = randomized(BUILDERS[name](SPEC))
    x = random_batch(SPEC, candidates=2)
    plain = score(model, x)
    for where in ((3, 0), (0, 3), (2, 1)):
        padded = pad(x, where, (0, 1))
        out = score(model, padded)
        np.testing.assert_allclose(out[:, :2], plain, rtol=1e-5)
        np.testing.assert_array_equal(out[:, 2], 0)


@every_trained_model
def test_padding_changes_nothing_in_training(name):
    from keras_din.losses import BinaryCrossentropy

    x = random_batch(SPEC, candidates=2, batch=6)
    y = np.random.default_rng(1).integers(0, 2, (6, 2)).astype("float32")
    results = []
    for padded in (False, True):
        keras.utils.set_random_seed(0)  # For the random numbers of training.
        # With larger weights, models that multiply inputs diverge, and rounding errors too.
        model = randomized(BUILDERS[name](SPEC), scale=0.3)
        model.compile(keras.optimizers.SGD(0.05), BinaryCrossentropy(), run_eagerly=True)
        if padded:
            data = (pad(x, (2, 5), (0, 3)), np.pad(y, ((0, 0), (0, 3))))
            weight = np.pad(np.ones_like(y), ((0, 0), (0, 3)))
        else:
            data, weight = (x, y), np.ones_like(y)
        for _ in range(3):
            model.train_on_batch(*data, sample_weight=weight)
        results.append(model.get_weights())
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@every_trained_model
def test_empty_histories_are_finite_and_trainable(name):
    model = BUILDERS[name](SPEC)
    # As graphs they run in `test_one_trace_for_all_lengths`.
    model.compile("adam", "binary_crossentropy", run_eagerly=True)
    for time in (0, 3):
        x = random_batch(SPEC, time=time, real=0)
        assert np.isfinite(model(x)).all()
        assert np.isfinite(model.train_on_batch(x, np.ones((4, 1), "float32")))
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@every_model
def test_keras_save_and_load(name, tmp_path):
    model = randomized(BUILDERS[name](SPEC))
    x = random_batch(SPEC, candidates=2)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(score(loaded, x), score(model, x))
    assert type(loaded) is type(model) is CTRModel
    assert fingerprints_of(loaded) == [fingerprint(SPEC)]
    model.save_weights(tmp_path / "model.weights.h5")
    fresh = BUILDERS[name](SPEC)
    fresh.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(score(fresh, x), score(model, x))


# Names of layers, and of operations that Keras numbers.
NAMES = (
    *("ctr", "padded", "top", "logit", "bias", "item_bias", "cross", "deep", "affine", "dense"),
    *("embedding_item_id", "weight_item_id", "standardize_ctr", "pack_hist", "pooled_hist"),
    *("interest_hist", "extractor_hist", "where", "squeeze", "add", "not_equal", "ctr_"),
)


@without_options
def test_features_may_have_names_of_layers(name, tmp_path):
    features = [Numeric(n) for n in NAMES[2:]]
    spec = FeatureSpec(
        context=[Numeric("ctr"), *features[::2]],
        target=[ITEM, Numeric("padded"), *features[1::2]],
        sequences=[Sequence("hist", of=[ITEM]), Sequence("weights_hist", of=[ITEM])],
    )
    keras.backend.clear_session()
    model = randomized(BUILDERS[name](spec), scale=0.1)
    assert sorted(tensor.name for tensor in model.inputs) == sorted(spec.inputs)
    assert model.output_names == ["ctr__"]
    x = random_batch(spec, candidates=2)
    out = score(model, x)
    model.save(tmp_path / "model.keras")
    keras.backend.clear_session()
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(score(loaded, x), out)
    model.summary(print_fn=lambda line: None)


@every_model
def test_layers_are_renamed_only_on_conflict(name):
    names = [layer.name for layer in BUILDERS[name](SPEC).layers if layer.name not in SPEC.inputs]
    assert names[-1] == "ctr"
    assert not [name for name in names if name.endswith("_")]


@pytest.mark.parametrize("name", MODELS)
def test_embeddings_initializer_is_used(name):
    model = ZOO[name](SPEC, embeddings_initializer="ones")
    tables = [weight for weight in model.weights if "embeddings" in weight.path]
    # The tables of linear parts start at 0, if a model has other tables.
    tables = [table for table in tables if table.path.startswith("embedding_")] or tables
    assert all((table.numpy() == 1).all() for table in tables)


@every_trained_model
def test_mixed_precision_ends_in_float32(name):
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        model = BUILDERS[name](SPEC)
        model.compile("sgd", "binary_crossentropy", run_eagerly=True)
        out = score(model, random_batch(SPEC))
        loss = model.train_on_batch(random_batch(SPEC), np.ones((4, 1), "float32"))
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert out.dtype == np.float32
    assert np.isfinite(loss)


@every_trained_model
def test_double_precision(name):
    keras.mixed_precision.set_dtype_policy("float64")
    try:
        model = BUILDERS[name](SPEC)
        model.compile(LazyAdam(), "binary_crossentropy", run_eagerly=True)
        loss = model.train_on_batch(random_batch(SPEC), np.ones((4, 1), "float32"))
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert np.isfinite(loss)


@every_model
def test_large_numbers_in_half_precision(name):
    """Numbers in context, target and behaviors that half precision cannot represent."""
    price = Numeric("price", mean=1e5, std=5e4)
    ts = Numeric("ts", mean=1.7e9, std=1e6)
    spec = FeatureSpec(
        context=[ts],
        target=[ITEM, price],
        sequences=[Sequence("hist", of=[ITEM], side_features=[price])],
    )
    x = random_batch(spec, candidates=2, real=1.0)
    for n, info in spec.inputs.items():
        if isinstance(info.feature, Numeric):
            x[n] = (info.feature.mean + info.feature.std * x[n]).astype("float32")
    results = []
    for policy in ("float32", "mixed_float16"):
        keras.mixed_precision.set_dtype_policy(policy)
        try:
            results.append(score(randomized(BUILDERS[name](spec), scale=0.1), x))
        finally:
            keras.mixed_precision.set_dtype_policy("float32")
    np.testing.assert_allclose(*results, atol=2e-3)


@every_trained_model
def test_nan_and_large_numbers_at_padding_in_half_precision(name):
    """Padding 0 is 85,000 standard deviations from the mean of times: infinite in float16."""
    ts = Numeric("ts", mean=1.7e9, std=2e4)
    spec = FeatureSpec(
        target=[ITEM, ts], sequences=[Sequence("hist", of=[ITEM], side_features=[ts])]
    )
    x = random_batch(spec, candidates=3, real=1.0)
    for n in ("ts", "hist_ts"):
        x[n] = (ts.mean + ts.std * x[n]).astype("float32")
    for real, number in (("item_id", "ts"), ("hist_item_id", "hist_ts")):
        x[real][:, -1] = x[number][:, -1] = 0
    weight = (x["item_id"] != 0).astype("float32")
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        model = BUILDERS[name](spec)
        with tf.GradientTape() as tape:
            loss = BinaryCrossentropy()(np.ones_like(weight), model(x, training=True), weight)
            loss += sum(model.losses)
        gradients = tape.gradient(loss, model.trainable_variables)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    gradients = [getattr(gradient, "values", gradient) for gradient in gradients]
    values = [loss, *gradients, *model.weights]
    assert all(np.isfinite(keras.ops.convert_to_numpy(value)).all() for value in values)


@pytest.mark.parametrize(
    "name, options, text",
    [
        ("din", {"weight_normalization": "sclaed"}, "`weight_normalization` must be one of"),
        ("din", {"attention_units": [0]}, "`attention_units` must be a list of positive integers"),
        ("base", {"pooling": "max"}, "`pooling` must be one of 'mean', 'sum'"),
        ("lr", {"pooling": "max"}, "`pooling` must be one of 'mean', 'sum'"),
        ("wide_deep", {"pooling": 3}, "`pooling` must be one of 'mean', 'sum'"),
        ("pnn", {"pooling": "x"}, "`pooling` must be one of 'mean', 'sum'"),
        ("deepfm", {"pooling": "x"}, "`pooling` must be one of 'mean', 'sum'"),
        ("dcn", {"pooling": "x"}, "`pooling` must be one of 'mean', 'sum'"),
        ("dien", {"gru_type": "GRU"}, "`gru_type` must be one of"),
        (
            "dien",
            {"auxiliary_loss_weight": -3},
            "`auxiliary_loss_weight` must be a number, 0 or more",
        ),
        ("bst", {"num_heads": 0}, "`num_heads` must be a positive integer"),
    ],
)
def test_arguments_are_checked_without_a_sequence(name, options, text):
    with pytest.raises(ValueError, match=text):
        MODELS[name](FeatureSpec(target=[ITEM]), **options)


@every_trained_model
def test_gradients_of_tables_stay_sparse(name):
    model = BUILDERS[name](SPEC)
    with tf.GradientTape() as tape:
        loss = training_loss(model, random_batch(SPEC))
    tables = [w for w in model.trainable_weights if "embeddings" in w.path]
    assert tables
    for table, gradient in zip(tables, tape.gradient(loss, [t.value for t in tables]), strict=True):
        assert isinstance(gradient, tf.IndexedSlices), table.path


def batches(lengths):
    """Returns batches with these lengths of history. The last batch has fewer rows."""

    def elements():
        for i, length in enumerate(lengths):
            rows = 3 if i == len(lengths) - 1 else 4
            x = random_batch(SPEC, seed=i, time=length, batch=rows)
            yield x, np.ones((rows, 1), "float32")

    x, _ = next(elements())
    signature = (
        {n: tf.TensorSpec([None] * v.ndim, v.dtype) for n, v in x.items()},
        tf.TensorSpec((None, 1), tf.float32),
    )
    dataset = tf.data.Dataset.from_generator(elements, output_signature=signature)
    return dataset.apply(tf.data.experimental.assert_cardinality(len(lengths)))


@trained_without_options
def test_one_trace_for_all_lengths(name):
    model = BUILDERS[name](SPEC)
    traces = []
    step = model.train_step
    model.train_step = lambda data: traces.append(1) or step(data)
    compiled(model)
    assert not model.jit_compile
    lengths = np.random.default_rng(0).integers(0, 30, 60)
    assert 0 in lengths
    history = model.fit(batches(lengths), verbose=0, shuffle=False)
    assert np.isfinite(history.history["loss"]).all()
    assert len(traces) == 1


def ragged(x):
    """Returns inputs of `BAGS` with padding at the end, and the same as ragged tensors."""
    padded, tensors = {}, {}
    lengths = np.array([3, 0, 5, 1])
    for n, v in x.items():
        info = BAGS.inputs[n]
        if info.role == "behavior":
            long = np.arange(v.shape[1]) < lengths[:, None]
            v = v * long.reshape(long.shape + (1,) * (v.ndim - 2))
        padded[n], tensors[n] = v, tf.constant(v)
        if isinstance(info.feature, Bag):
            tensors[n] = tf.RaggedTensor.from_tensor(v, padding=0, ragged_rank=v.ndim - 1)
        if info.role == "behavior":
            rows = [row[:length] for row, length in zip(tensors[n], lengths, strict=True)]
            tensors[n] = tf.ragged.stack(rows)
    return padded, tensors


@every_model
def test_ragged_inputs_match_padded_ones(name):
    """Histories, bags, and bags in histories."""
    model = randomized(BUILDERS[name](BAGS), scale=0.3)
    x, tensors = ragged(random_batch(BAGS, candidates=2, real=1.0))
    assert sum(isinstance(tensor, tf.RaggedTensor) for tensor in tensors.values()) == 5
    np.testing.assert_allclose(model(tensors), model(x), rtol=1e-5)


@pytest.mark.parametrize("name", ["lr", "din"])  # One model without and one with embeddings.
def test_training_on_ragged_inputs(name):
    model = randomized(BUILDERS[name](BAGS), scale=0.3)
    x, tensors = ragged(random_batch(BAGS, candidates=2, real=1.0))
    dataset = tf.data.Dataset.from_tensor_slices((tensors, np.ones((4, 2), "float32"))).batch(3)
    before = model.predict(dataset, verbose=0)
    np.testing.assert_allclose(before, score(model, x), rtol=1e-5)
    traces = []
    step = model.train_step
    model.train_step = lambda data: traces.append(1) or step(data)
    compiled(model)
    history = model.fit(dataset, epochs=2, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert len(traces) == 1
    assert np.abs(model.predict(dataset, verbose=0) - before).max() > 0


@every_trained_model
def test_no_padded_float_tensor(name):
    batch, time = 7, 211  # Sizes that are unique in the graph.
    spec = FeatureSpec(
        context=SPEC.context, target=SPEC.target, sequences=[Sequence("hist", of=[ITEM, CATE])]
    )
    model = BUILDERS[name](spec)
    signature = {
        n: tf.TensorSpec(v.shape, v.dtype)
        for n, v in random_batch(spec, batch=batch, time=time).items()
    }

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            loss = training_loss(model, x)
        return [tf.convert_to_tensor(g) for g in tape.gradient(loss, model.trainable_variables)]

    graph = step.get_concrete_function(signature).graph
    assert float_tensors_of_length(graph, time, batch) == []
    # Counter-check: a padded model has such tensors.
    padded = tf.function(lambda x: tf.gather(tf.zeros((40, 8)), x["hist_item_id"]))
    assert float_tensors_of_length(padded.get_concrete_function(signature).graph, time, batch)


@without_options
@settings(max_examples=4, deadline=None)
@given(spec=specs(), seed=st.integers(0, 99))
def test_random_specs_give_finite_outputs(name, spec, seed):
    keras.backend.clear_session()
    model = randomized(BUILDERS[name](spec), seed)
    x = random_batch(spec, seed, candidates=2, time=seed % 4)
    out = np.asarray(model(x))
    assert out.shape == (4, 2)
    assert np.isfinite(out).all()


@every_model
def test_bags_ignore_padding(name):
    """Padding of bags in context, target and behaviors changes nothing."""
    model = randomized(BUILDERS[name](BAGS), scale=0.3)
    x = random_batch(BAGS, candidates=2)
    plain = score(model, x)
    for time, values in (((0, 2), (1, 0)), ((1, 0), (0, 3))):
        paddings = {"context": ((0, 0),), "target": ((0, 0),) * 2, "behavior": ((0, 0), time)}
        padded = {}
        for n, v in x.items():
            info = BAGS.inputs[n]
            of_bag = (values,) if isinstance(info.feature, Bag) else ()
            padded[n] = np.pad(v, (*paddings[info.role], *of_bag))
        np.testing.assert_allclose(score(model, padded), plain, rtol=1e-5)
    graph = traced_once(model)
    np.testing.assert_allclose(graph(x), plain, rtol=1e-5)
    for empty in ({"values_of_a_bag": 0}, {"time": 0, "values_of_a_bag": 0}, {"real": 0}):
        assert np.isfinite(graph(random_batch(BAGS, **empty))).all()
    if name != "popularity":
        genres = {n: np.roll(v, 1, axis=0) if n == "genres" else v for n, v in x.items()}
        assert np.abs(score(model, genres) - plain).max() > 1e-4
    if name not in TRAINED and name not in OPTIONS:
        return
    with tf.GradientTape() as tape:
        loss = training_loss(model, x)
    tables = [w.value for w in model.trainable_weights if "embeddings" in w.path]
    for gradient in tape.gradient(loss, tables):
        assert isinstance(gradient, tf.IndexedSlices)
        assert np.isfinite(gradient.values).all()


@pytest.mark.parametrize("name", ["lr", "din"])  # One model without and one with embeddings.
def test_no_padded_float_tensor_of_bags(name):
    time, values = 211, 223  # Sizes that are unique in the graph.
    model = BUILDERS[name](BAGS)
    batch = random_batch(BAGS, batch=7, time=time, values_of_a_bag=values)
    signature = {n: tf.TensorSpec(v.shape, v.dtype) for n, v in batch.items()}

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            loss = training_loss(model, x)
        return [tf.convert_to_tensor(g) for g in tape.gradient(loss, model.trainable_variables)]

    graph = step.get_concrete_function(signature).graph
    for size in (time, values, 7 * values, 7 * time):
        assert float_tensors_of_length(graph, size, 7) == []


@pytest.mark.parametrize("name", [name for name in BUILDERS if name not in ("popularity", "lr")])
def test_fits_a_planted_signal(name):
    """A click if the candidate's category is in the history; a linear model cannot learn it."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    rows, time = 8000, 4
    spec = FeatureSpec(target=[CATE], sequences=[Sequence("hist", of=[CATE])])
    hist = rng.integers(2, 12, (rows, time)).astype("int32")
    hits = rng.random(rows) < 0.5
    target = np.where(hits, hist[:, 0], rng.integers(2, 12, rows)).astype("int32")
    label = (hist == target[:, None]).any(1).astype("float32")[:, None]
    x = {"cate_id": target[:, None], "hist_cate_id": hist}
    options = {}
    if name == "dien":  # Gates and attention learn slowly from small embeddings.
        options = {"embeddings_initializer": keras.initializers.RandomNormal(stddev=0.5)}
    model = compiled(BUILDERS[name](spec, **options), keras.optimizers.Adam(5e-3))
    for _ in range(8):
        model.fit(x, label, batch_size=256, verbose=0)
        # Uses batch statistics, because there are too few steps for moving averages of Dice.
        reached = auc(label[:, 0], np.asarray(model(x, training=True))[:, 0])
        if reached > 0.95:
            break
    assert reached > 0.95


@without_options
def test_spec_must_be_a_feature_spec(name):
    with pytest.raises(ValueError, match=r"`spec` must be a FeatureSpec\. Received: spec=3"):
        BUILDERS[name](3)


@pytest.mark.parametrize("name", [name for name in MODELS if name not in ("popularity", "lr")])
@pytest.mark.parametrize("units", [-3, [0], None, "8"])
def test_errors_name_the_argument(name, units):
    options = [{}, {"structure": "parallel"}] if name == "dcn" else [{}]
    for option in options:
        with pytest.raises(ValueError, match="`hidden_units` must be a list of positive integers"):
            ZOO[name](SPEC, hidden_units=units, **option)


@pytest.mark.parametrize("name", MODELS)
def test_at_most_ten_arguments(name):
    import inspect

    parameters = inspect.signature(MODELS[name]).parameters.values()
    assert len(parameters) <= 10
    kinds = {p.kind for p in list(parameters)[1:]}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}


OF_ONE_LABEL = ("deepfm", "lr", "popularity", "wide_deep")


@pytest.mark.parametrize("name", [name for name in MODELS if name not in OF_ONE_LABEL])
def test_one_head_per_label(name):
    """Each output has its own head on shared embeddings. The first head keeps its layer names."""
    spec = dataclasses.replace(SPEC, labels=["click", "buy"])
    model, one = ZOO[name](spec), ZOO[name](SPEC)
    assert set(model.output) == {"ctr", "buy"}
    tables = [layer.name for layer in model.layers if isinstance(layer, Embedding)]
    assert tables == [layer.name for layer in one.layers if isinstance(layer, Embedding)]
    names = {layer.name for layer in model.layers} - {layer.name for layer in one.layers}
    assert "buy_logit" in names
    outputs = model.predict_on_batch(random_batch(spec, candidates=2))
    assert not np.allclose(outputs["ctr"], outputs["buy"])


@pytest.mark.parametrize("name", OF_ONE_LABEL)
def test_models_for_one_label_raise_for_several(name):
    spec = dataclasses.replace(SPEC, labels=["click", "buy"])
    message = r"must (be of|have) a spec with one label\. Received: labels \['click', 'buy'\]"
    with pytest.raises(ValueError, match=message):
        ZOO[name](spec)
