"""LR, Wide & Deep, PNN, DeepFM and DCN on random specs, against their equations in NumPy."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_din as kd
from keras_din import build_lr
from keras_din.features import Bag, Categorical, FeatureSpec, Numeric, Sequence
from tests.models.shared import SPEC, float_tensors_of_length, pad, randomized, score
from tests.models.values import values_of
from tests.ops.cross_hash_by_hand import by_hand
from tests.reference import cross_network, dice, read, sigmoid
from tests.specs import for_contract, one_width, random_batch, specs

build_dcn, build_deepfm = for_contract(kd.build_dcn), for_contract(kd.build_deepfm)
build_pnn, build_wide_deep = for_contract(kd.build_pnn), for_contract(kd.build_wide_deep)


def embeddings(model, spec, values, pooling):
    """Returns input name -> vector; behaviors are pooled."""
    found = {}
    for name, info in spec.inputs.items():
        f = info.feature
        table = None
        width = 1
        if not isinstance(f, Numeric):
            table, width = table_of(model, f"embedding_{f.name}"), f.dim
        found[name] = pool([read(f, table, v) for v in values[name]], pooling, width)
    return found


def table_of(model, name):
    """Returns a table. A model has its layer only if the table is used."""
    return model.get_layer(name).embeddings.numpy()


def pool(vectors, pooling, width):
    if not vectors:
        return np.zeros(width)
    return {"mean": np.mean, "sum": np.sum}[pooling](vectors, axis=0)


def linear(model, spec, values, pooling):
    total = 0
    for name, info in spec.inputs.items():
        layer = model.get_layer(f"weight_{name}")
        if isinstance(info.feature, Numeric):
            weights = [read(info.feature, None, v) * layer.kernel.numpy()[0] for v in values[name]]
        elif isinstance(info.feature, Bag):
            table = layer.embeddings.numpy()[:, 0]
            of_bags = [[table[i] for i in v if i != 0] for v in values[name]]
            mean = info.feature.pooling == "mean"
            weights = [sum(w) / max(len(w), 1) if mean else sum(w) for w in of_bags]
        else:
            weights = [layer.embeddings.numpy()[v, 0] for v in values[name]]
        total += np.sum(weights) / (max(len(weights), 1) if pooling == "mean" else 1)
    return total


def crosses_of(model, spec, crosses, values, pooling, buckets):
    total = 0
    for names in crosses:
        table = table_of(model, f"weight_{'_x_'.join(names)}")
        behaviors = [name for name in names if spec.inputs[name].role == "behavior"]
        count = len(values[behaviors[0]]) if behaviors else 1
        weights = []
        for j in range(count):
            one = [int(values[n][j if n in behaviors else 0]) for n in names]
            weights.append(table[by_hand(one, buckets), 0])
        total += np.sum(weights) / (max(count, 1) if pooling == "mean" else 1)
    return total


def mlp(layer, h):
    for dense, activation in zip(layer.dense_layers, layer.activations, strict=True):
        h = h @ dense.kernel.numpy() + dense.bias.numpy()
        weights = (activation.alpha, activation.moving_mean, activation.moving_variance)
        h = dice(h, *[w.numpy() for w in weights])
    return h


def logit(model, h):
    layer = model.get_layer("logit")
    return (h @ layer.kernel.numpy() + layer.bias.numpy())[0]


def head(model, vectors):
    return logit(model, mlp(model.get_layer("top"), np.concatenate(vectors)))


def fields(model, spec, found):
    """Returns the fields of the row and of the candidate."""

    def field(name, info):
        if isinstance(info.feature, Numeric):
            return found[name] @ model.get_layer(f"vector_{info.feature.name}").kernel.numpy()
        return found[name]

    inputs = spec.inputs.items()
    row_fields = [field(n, info) for n, info in inputs if info.role != "target"]
    return row_fields, [field(n, info) for n, info in inputs if info.role == "target"]


def compare(model, spec, seed, expected):
    """Checks a model against `expected(values)`, the logit of one candidate."""
    x = random_batch(spec, seed, batch=3, candidates=2, time=seed % 6)
    out = np.asarray(model(x))
    for row, candidate in np.ndindex(3, 2):
        ctr = sigmoid(expected(values_of(spec, x, row, candidate)))
        np.testing.assert_allclose(out[row, candidate], ctr, rtol=1e-4, atol=1e-5)


def on_random_specs(test):
    seeds = given(spec=specs(), seed=st.integers(0, 999))
    return settings(max_examples=3, deadline=None)(seeds(test))


def pooling_of(seed):
    return ("mean", "sum")[seed % 2]


@on_random_specs
def test_lr_matches_numpy(spec, seed):
    keras.backend.clear_session()
    pooling = pooling_of(seed)
    model = randomized(build_lr(spec, pooling=pooling), seed)
    bias = model.get_layer("bias").bias.numpy()[0]
    compare(model, spec, seed, lambda v: linear(model, spec, v, pooling) + bias)


def some_crosses(spec, seed):
    """Returns pairs and one triple of inputs that may be crossed."""
    inputs = {n: i for n, i in spec.inputs.items() if isinstance(i.feature, Categorical)}
    rng = np.random.default_rng(seed)
    possible = [
        names
        for names in [*itertools.permutations(inputs, 2), *itertools.combinations(inputs, 3)]
        if len({inputs[name].sequence for name in names} - {None}) <= 1
    ]
    rng.shuffle(possible)
    return possible[:3]


@on_random_specs
def test_wide_deep_matches_numpy(spec, seed):
    keras.backend.clear_session()
    pooling, crosses = pooling_of(seed), [tuple(map(str, c)) for c in some_crosses(spec, seed)]
    model = build_wide_deep(
        spec, crosses=crosses, cross_buckets=50, pooling=pooling, hidden_units=(4, 3)
    )
    model = randomized(model, seed)

    def expected(values):
        deep = head(model, list(embeddings(model, spec, values, pooling).values()))
        wide = linear(model, spec, values, pooling)
        return deep + wide + crosses_of(model, spec, crosses, values, pooling, 50)

    compare(model, spec, seed, expected)


@on_random_specs
def test_pnn_matches_numpy(spec, seed):
    keras.backend.clear_session()
    spec, pooling = one_width(spec), pooling_of(seed)
    product = ("inner", "outer", "both")[seed % 3]
    model = build_pnn(spec, product=product, pooling=pooling, hidden_units=(4, 3))
    model = randomized(model, seed, scale=0.3)

    def expected(values):
        row_fields, candidate_fields = fields(model, spec, embeddings(model, spec, values, pooling))
        z = row_fields + candidate_fields
        pairs = [
            *itertools.combinations(row_fields, 2),
            *itertools.product(row_fields, candidate_fields),
            *itertools.combinations(candidate_fields, 2),
        ]
        p = []
        if product != "outer":
            p.append([left @ right for left, right in pairs])
        if product != "inner":
            p.append(sum(np.outer(i, j) for i, j in itertools.product(z, z)).reshape(-1))
        return head(model, z + p)

    compare(model, spec, seed, expected)


@on_random_specs
def test_deepfm_matches_numpy(spec, seed):
    keras.backend.clear_session()
    spec, pooling = one_width(spec), pooling_of(seed)
    model = randomized(build_deepfm(spec, pooling=pooling, hidden_units=(4, 3)), seed, scale=0.3)

    def expected(values):
        row_fields, candidate_fields = fields(model, spec, embeddings(model, spec, values, pooling))
        z = row_fields + candidate_fields
        second_order = sum(left @ right for left, right in itertools.combinations(z, 2))
        return linear(model, spec, values, pooling) + second_order + head(model, z)

    compare(model, spec, seed, expected)


@on_random_specs
def test_dcn_matches_numpy(spec, seed):
    keras.backend.clear_session()
    structure, pooling = ("stacked", "parallel")[seed % 2], pooling_of(seed // 2)
    options = ({}, {"cross_ranks": (2, None)}, {"cross_ranks": (3, 2), "num_experts": 2})[seed % 3]
    options |= {"structure": structure, "pooling": pooling}
    model = build_dcn(spec, hidden_units=(4, 3), **options)
    model = randomized(model, seed, scale=0.3)

    def expected(values):
        x_0 = np.concatenate(list(embeddings(model, spec, values, pooling).values()))
        x_l = cross_network(model.get_layer("cross"), x_0)
        if structure == "stacked":
            return head(model, [x_l])
        return logit(model, np.concatenate([x_l, mlp(model.get_layer("deep"), x_0)]))

    compare(model, spec, seed, expected)


CROSSES = [("segment", "cate_id"), ("hist_item_id", "item_id"), ("hist_action", "segment")]


def crossing(**options):
    return build_wide_deep(SPEC, crosses=CROSSES, cross_buckets=60, hidden_units=(4,), **options)


def test_crosses_ignore_padding_and_stay_packed(tmp_path):
    model = randomized(crossing())
    x = random_batch(SPEC, candidates=2)
    plain = score(model, x)
    padded = score(model, pad(x, (2, 1), (0, 1)))
    np.testing.assert_allclose(padded[:, :2], plain, rtol=1e-5)
    np.testing.assert_array_equal(padded[:, 2], 0)

    empty = {n: v[:, :0] if SPEC.inputs[n].role == "behavior" else v for n, v in x.items()}
    assert np.isfinite(score(model, empty)).all()

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(score(loaded, x), plain)

    time = 211
    long = random_batch(SPEC, batch=7, time=time)
    signature = {n: tf.TensorSpec(v.shape, v.dtype) for n, v in long.items()}

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(x, training=True))
        tables = [w for w in model.trainable_weights if "embeddings" in w.path]
        gradients = tape.gradient(loss, [table.value for table in tables])
        assert all(isinstance(gradient, tf.IndexedSlices) for gradient in gradients)
        return [gradient.values for gradient in gradients]

    graph = step.get_concrete_function(signature).graph
    assert float_tensors_of_length(graph, time, 7) == []


def test_batch_with_as_many_candidates_as_rows():
    """With known sizes, Keras adds `(n, 1, 1)` to `(n, n, 1)` as a bias of the second axis."""
    model = randomized(crossing())
    x = random_batch(SPEC, batch=3, candidates=3)
    together = model.predict_on_batch(x)
    np.testing.assert_allclose(model(x), together, rtol=1e-5)
    for row in range(3):
        alone = model({name: values[row : row + 1] for name, values in x.items()})
        np.testing.assert_allclose(alone[0], together[row], rtol=1e-5)


def test_cross_of_history_and_candidate_is_learned():
    """A click if the candidate is in the history, learned by the wide part only."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    item = Categorical("item", 12, dim=1)
    spec = FeatureSpec(target=[item], sequences=[Sequence("hist", of=[item])])
    hist = rng.integers(2, 12, (4000, 4)).astype("int32")
    target = np.where(rng.random(4000) < 0.5, hist[:, 0], rng.integers(2, 12, 4000))
    label = (hist == target[:, None]).any(1).astype("float32")[:, None]
    x = {"item": target[:, None].astype("int32"), "hist_item": hist}
    model = build_wide_deep(spec, crosses=[("hist_item", "item")], hidden_units=())
    for layer in model.layers:
        layer.trainable = "weight" in layer.name
    model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy", metrics=["AUC"])
    model.fit(x, label, batch_size=256, epochs=4, verbose=0)
    assert model.get_metrics_result()["AUC"] > 0.95


def test_cross_treats_index_out_of_range_as_out_of_vocabulary():
    model = randomized(crossing())
    x = random_batch(SPEC, candidates=2)
    strange, oov = ({n: v.copy() for n, v in x.items()} for _ in range(2))
    strange["item_id"][0, 0], oov["item_id"][0, 0] = 40, 1
    strange["segment"][1], oov["segment"][1] = -3, 1
    np.testing.assert_array_equal(score(model, strange), score(model, oov))


@pytest.mark.parametrize(
    "crosses, text",
    [
        (3, "`crosses` must be a list of lists of names. Received: crosses=3"),
        (["segment"], "must be a list of two or more .* Received: 'segment'"),
        ([("segment",)], r"must be a list of two .* Received: \('segment',\)"),
        ([("segment", "segment")], "must be a list of two or more Categorical inputs"),
        (
            [["segment", ["item_id"]]],
            r"list of two .* Received: \['segment', \['item_id'\]\]",
        ),
        ([["segment", 3]], "must be a list of two or more Categorical inputs"),
        ([("segment", "age")], "two or more Categorical inputs.*from segment, item_id, .*'age'"),
        ([("segment", "tab")], "Received: .'segment', 'tab'"),
        ([("segment", "item_id")] * 2, "`crosses` must be distinct"),
    ],
)
def test_invalid_crosses(crosses, text):
    with pytest.raises(ValueError, match=text):
        build_wide_deep(SPEC, crosses=crosses)


def test_cross_of_two_sequences_is_refused():
    item = Categorical("item", 9)
    sequences = [Sequence("clicks", of=[item]), Sequence("carts", of=[item])]
    spec = FeatureSpec(target=[item], sequences=sequences)
    with pytest.raises(ValueError, match="of at most one sequence"):
        build_wide_deep(spec, crosses=[("clicks_item", "carts_item")])


@pytest.mark.parametrize("build", [build_pnn, build_deepfm])
def test_embeddings_of_different_widths_are_refused(build):
    with pytest.raises(
        ValueError, match=r"must have the same `dim`.* segment dim=3, item_id dim=8"
    ):
        build(SPEC)


def test_invalid_options():
    with pytest.raises(ValueError, match="`product` must be one of 'inner', 'outer', 'both'"):
        build_pnn(SPEC, product="cross")
    with pytest.raises(ValueError, match=r"`cross_ranks` must be a list .*: cross_ranks=3"):
        build_dcn(SPEC, cross_ranks=3)
    text = "`cross_ranks` must be integers if .* Received: .*None.*, num_experts=2"
    with pytest.raises(ValueError, match=text):
        build_dcn(SPEC, cross_ranks=(4, None), num_experts=2)
    with pytest.raises(ValueError, match="`structure` must be one of 'stacked', 'parallel'"):
        build_dcn(SPEC, structure="serial")
    with pytest.raises(ValueError, match="`cross_buckets` must be a positive integer"):
        build_wide_deep(SPEC, cross_buckets=0)
