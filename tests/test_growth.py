"""`grow`: known rows keep all that was learned, new rows start again, all else is refused."""

import dataclasses

import keras
import numpy as np
import pytest

import keras_din as kd
from keras_din.layers import Embedding
from keras_din.models import MODELS
from keras_din.optimizers.row_state import row_state
from keras_din.spec_fingerprint import fingerprint, fingerprints_of
from tests.models.shared import randomized

OLD = {"item": ["a", "b", "c", "d"], "cate": [7, 5]}
NEW = {"item": ["a", "b", None, "e", "f"], "cate": [7, 5, 6]}  # "c" is removed, "d" is replaced.
SPARE = {"item": 97, "cate": 95}
LARGER = {"item": 100, "cate": 95}
ITEM_ROWS, CATE_ROWS = 99, 97  # With the two reserved rows. Nothing else has these sizes.
KEPT = {ITEM_ROWS: [0, 1, 2, 3], CATE_ROWS: [0, 1, 2, 3]}
# Indices of values that are kept. Index 1 is out-of-vocabulary.
ITEMS, CATES = np.array([1, 2, 3]), np.array([1, 2, 3])


def spec_of(values, capacity):
    item, cate = (
        kd.Categorical(name, vocabulary=entries, capacity=capacity[name], dim=4)
        for name, entries in values.items()
    )
    return kd.FeatureSpec(
        context=[kd.Categorical("last", table="item"), kd.Numeric("age", mean=1.0)],
        target=[item, cate, kd.Bag("tags", table="cate")],
        sequences=[kd.Sequence("hist", of=[item, cate])],
    )


def batch(seed=0, rows=6, candidates=2, time=4):
    """Rows of known values."""
    rng = np.random.default_rng(seed)
    draw = lambda values, *shape: rng.choice(values, (rows, *shape)).astype("int32")  # noqa: E731
    return {
        "last": draw(ITEMS),
        "age": rng.normal(size=rows).astype("float32"),
        "item": draw(ITEMS, candidates),
        "cate": draw(CATES, candidates),
        "tags": draw(CATES, candidates, 3),
        "hist_item": draw([0, *ITEMS], time),
        "hist_cate": draw(CATES, time),
    }


def labels(x, seed=0):
    return np.random.default_rng(seed).integers(0, 2, x["item"].shape).astype("float32")


SMALL = {
    "hidden_units": (4,),
    "activation": "dice",
    "attention_units": (4,),
    "dropout": 0.5,
    "pooling": "mean",
    "crosses": [("hist_item", "cate"), ("last", "item")],
    "cross_buckets": 50,
}
OPTIMIZERS = {
    "LazyAdam": lambda: kd.optimizers.LazyAdam(0.1, use_ema=True, global_clipnorm=1.0),
    "LazyAdamW": lambda: kd.optimizers.LazyAdamW(0.1, weight_decay=0.1),
    "RowwiseAdagrad": lambda: kd.optimizers.RowwiseAdagrad(0.1),
    "Adam": lambda: keras.optimizers.Adam(0.1),
}


def trained(name, spec, optimizer="LazyAdam", **options):
    """A model after a step. Two calls give equal models."""
    keras.utils.set_random_seed(0)
    builder = MODELS[name]
    known = builder.__kwdefaults__
    options = {key: value for key, value in SMALL.items() if key in known} | options
    model = builder(spec, **options)
    if name == "popularity":
        x = batch()
        kd.models.fit_popularity(model, (x, labels(x)), prior_strength=2.0)
        return model
    loss = kd.losses.BinaryCrossentropy()
    model.compile(OPTIMIZERS[optimizer](), loss, metrics=["AUC"], run_eagerly=True)
    step(model, 0)
    return model


def step(model, seed):
    x = batch(seed)
    model.train_on_batch(x, labels(x, seed))


def outputs(model, seed=9):
    return np.asarray(model(batch(seed)))


def state_of(model):
    """All variables as arrays, in the order of the layers."""
    variables = model.variables + getattr(getattr(model, "optimizer", None), "variables", [])
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def table_of(model, name="embedding_item"):
    return np.asarray(model.get_layer(name).embeddings)


def assert_kept(model, expected):
    """Rows of kept values and everything that is no row are equal, bit by bit."""
    for after, before in zip(state_of(model), expected, strict=True):
        kept = KEPT.get(before.shape[0], ...) if before.ndim else ...
        np.testing.assert_array_equal(after[kept], before[kept])


CAPACITIES = {"in_place": (SPARE, SPARE), "resized": (SPARE, LARGER)}


def check_growth(name, how, optimizer="LazyAdam"):
    """Compares a model that grows with one that does not: outputs, state and a further step."""
    spec, new_spec = map(spec_of, (OLD, NEW), CAPACITIES[how])
    reference, model = trained(name, spec, optimizer), trained(name, spec, optimizer)
    expected = state_of(reference)
    grown = kd.grow(model, spec, new_spec)
    assert (grown is model) == (how == "in_place")
    assert type(grown) is kd.CTRModel
    assert fingerprints_of(grown) == [fingerprint(new_spec)]
    assert_kept(grown, expected)
    np.testing.assert_array_equal(outputs(grown), outputs(reference))
    if grown is not model:
        assert fingerprints_of(model) == [fingerprint(spec)]
        for found, before in zip(state_of(model), expected, strict=True):
            np.testing.assert_array_equal(found, before)
    if name != "popularity":
        for each in (grown, reference):
            step(each, 5)
    assert_kept(grown, state_of(reference))
    np.testing.assert_array_equal(outputs(grown), outputs(reference))
    return grown


# In place, rows of tables change, which is the same in all models.
IN_PLACE = ["din", "dien", "lr", "popularity", "wide_deep"]


@pytest.mark.parametrize(
    "name, how",
    [*((name, "resized") for name in MODELS), *((name, "in_place") for name in IN_PLACE)],
)
def test_known_values_keep_outputs_and_state(name, how):
    check_growth(name, how)


@pytest.mark.parametrize("how", CAPACITIES)
@pytest.mark.parametrize("optimizer", ["LazyAdamW", "RowwiseAdagrad", "Adam"])
def test_state_of_optimizers_is_kept(optimizer, how):
    grown = check_growth("lr", how, optimizer)
    assert int(grown.optimizer.iterations) == 2


@pytest.mark.parametrize("larger", [SPARE, LARGER])
def test_growth_of_shards_equals_that_of_one_variable(larger):
    specs = [spec_of(OLD, SPARE), spec_of(NEW, larger)]
    groups = np.full(larger["item"] + 2, -1)
    groups[:7] = [3, 3, 3, 3, 9, 3, 9]
    counts = {"item": np.arange(ITEM_ROWS)}
    keywords = {"use_ema": True, "mini_batch_aware_l2": 0.1, "feature_counts": counts}
    one = base_of(specs[0], kd.optimizers.LazyAdam(0.1, **keywords))
    several = kd.with_shards(one, {"item": 3, "cate": 4})
    grown = [kd.grow(m, *specs, new_rows={"item": groups}, seed=2) for m in (one, several)]
    assert (grown[1] is several) == (larger is SPARE)
    assert grown[1].get_layer("embedding_item").shards == 3
    for found, expected in zip(
        state_of(kd.with_shards(grown[1], 1)), state_of(grown[0]), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def grown_rows(model, spec, new_spec, **options):
    """The rows of items after growth, and the entries of the optimizer's variables."""
    layer = kd.grow(model, spec, new_spec, **options).get_layer("embedding_item")
    state = row_state(model.optimizer)[id(layer.embeddings)] if model.compiled else ()
    return np.asarray(layer.embeddings), [np.asarray(each.variable) for each in state]


def base_of(spec, optimizer=None, **options):
    keras.utils.set_random_seed(0)
    model = randomized(kd.build_base(spec, hidden_units=(), **options))
    if optimizer is not None:
        model.compile(optimizer, kd.losses.BinaryCrossentropy())
        optimizer.build(model.trainable_variables)
        for variable in optimizer.variables[2:]:
            variable.assign(np.full(variable.shape, 0.5))
    return model


def test_new_rows_start_from_the_initializer_and_without_state():
    spec, new_spec = spec_of(OLD, SPARE), spec_of(NEW, SPARE)
    counts = {"item": np.arange(ITEM_ROWS)}
    optimizer = kd.optimizers.LazyAdam(
        0.1, use_ema=True, mini_batch_aware_l2=0.1, feature_counts=counts
    )
    model = base_of(spec, optimizer)
    table = table_of(model)
    rows, (feature_counts, average, *moments) = grown_rows(model, spec, new_spec)
    changed = [4, 5, 6]  # The removed value, the replaced one, the appended one.
    assert np.flatnonzero((rows != table).any(axis=1)).tolist() == changed
    assert (np.abs(rows[changed]) <= 0.05).all()  # "uniform".
    assert len(np.unique(rows[changed])) == 12
    np.testing.assert_array_equal(average[changed], rows[changed])
    np.testing.assert_array_equal(feature_counts[changed], [1, 1, 1])
    for each in (average, feature_counts, *moments):
        others = np.delete(each, changed, axis=0)
        np.testing.assert_array_equal(others, np.full(others.shape, 0.5))
    for each in moments:
        np.testing.assert_array_equal(each[changed], np.zeros((3, 4)))


@pytest.mark.parametrize(
    "initializer", ["uniform", "glorot_uniform", keras.initializers.Constant(3)]
)
def test_new_rows_do_not_depend_on_the_order_of_growth(initializer):
    one = spec_of(OLD, SPARE)
    two = spec_of({**OLD, "item": [*OLD["item"], "e"]}, SPARE)
    three = spec_of({**OLD, "item": [*OLD["item"], "e", "f"]}, SPARE)
    model = base_of(one, embeddings_initializer=initializer)
    grown_rows(model, one, two, seed=5)
    rows, _ = grown_rows(model, two, three, seed=5)
    model = base_of(one, embeddings_initializer=initializer)
    np.testing.assert_array_equal(grown_rows(model, one, three, seed=5)[0], rows)
    model = base_of(one, embeddings_initializer=initializer)
    others, _ = grown_rows(model, one, three)
    is_constant = not isinstance(initializer, str)
    assert (others[6:8] == (3 if is_constant else rows[6:8])).all() == is_constant
    np.testing.assert_array_equal(others[:6], rows[:6])


def test_values_that_keep_coming_and_leaving_without_capacity():
    sizes = {"item": None, "cate": None}
    spec = spec_of(OLD, sizes)
    new_spec = spec_of({"item": ["a", "b", "c", "d", "e"], "cate": [7, 5, 6]}, sizes)
    model = base_of(spec, keras.optimizers.Adam())
    grown = kd.grow(model, spec, new_spec)
    assert table_of(grown).shape == (7, 4)
    assert table_of(grown, "embedding_cate").shape == (5, 4)
    np.testing.assert_array_equal(table_of(grown)[:6], table_of(model))
    assert (np.abs(table_of(grown)[6]) > 0).any()
    assert grown.optimizer.variables[2].shape[0] in (7, 5)


def test_groups_of_new_rows_by_hand():
    spec, new_spec = spec_of(OLD, SPARE), spec_of({**NEW, "item": ["a", "b", "c", "e", "f"]}, SPARE)
    new_spec = spec_of({"item": ["a", "b", "c", "e", "f", "g"], "cate": [7, 5]}, SPARE)
    groups = np.full(ITEM_ROWS, -1)
    groups[:8] = [3, 3, 3, 3, 9, 3, -1, 4]  # "e" is like "a" and "b". None is like "g".
    model = base_of(spec, keras.optimizers.Adam())
    table = table_of(model)
    plain, _ = grown_rows(base_of(spec), spec, new_spec)
    rows, (momentum, _) = grown_rows(model, spec, new_spec, new_rows={"item": groups})
    np.testing.assert_allclose(rows[5], (table[2] + table[3]) / 2, rtol=1e-6)
    np.testing.assert_array_equal(rows[6:8], plain[6:8])
    np.testing.assert_array_equal(
        np.delete(rows, [5, 6, 7], axis=0), np.delete(table, [5, 6, 7], 0)
    )
    np.testing.assert_array_equal(momentum[5:8], np.zeros((3, 4)))


def test_growth_within_the_capacity_is_not_traced_again():
    traces = []

    @keras.saving.register_keras_serializable("test_growth")
    class Traced(kd.losses.BinaryCrossentropy):
        def call(self, y_true, y_pred):
            traces.append("loss")
            return super().call(y_true, y_pred)

    spec, new_spec = spec_of(OLD, SPARE), spec_of(NEW, SPARE)
    model = base_of(spec)
    model.compile(kd.optimizers.LazyAdam(0.1), Traced())
    x = batch()
    model.fit(x, labels(x), batch_size=6, verbose=0)
    traced, function = list(traces), model.train_function
    model.fit(x, labels(x), batch_size=6, verbose=0)
    grown = kd.grow(model, spec, new_spec)
    x["item"][:, 0] = 6  # A new value.
    before = table_of(grown)
    grown.fit(x, labels(x), batch_size=6, verbose=0)
    assert grown.train_function is function
    assert traces == traced
    assert (table_of(grown)[6] != before[6]).all()


def test_new_items_of_popularity_have_the_click_rate_of_all():
    spec, new_spec = spec_of(OLD, SPARE), spec_of(NEW, LARGER)
    grown = kd.grow(trained("popularity", spec), spec, new_spec)
    y = labels(batch())
    ctr = np.asarray(grown({**batch(), "item": np.full((6, 2), 6, "int32")}))
    np.testing.assert_allclose(ctr, np.full((6, 2), y.mean()), rtol=1e-5)


def test_all_that_has_the_size_of_a_table_grows():
    spec, new_spec = spec_of(OLD, SPARE), spec_of(NEW, LARGER)
    model = kd.build_wide_deep(spec, hidden_units=(4,), crosses=SMALL["crosses"], cross_buckets=50)
    grown = kd.grow(randomized(model), spec, new_spec)
    rows = {
        layer.name: layer.vocabulary_size for layer in grown.layers if hasattr(layer, "feature")
    }
    items = {name: size for name, size in rows.items() if size == ITEM_ROWS + 3}
    assert items.keys() == {
        *("embedding_item", "weight_item", "weight_last", "weight_hist_item"),
        *("known_last_last_x_item", "known_item_last_x_item", "known_hist_item_hist_item_x_cate"),
    }
    assert set(rows.values()) == {ITEM_ROWS + 3, CATE_ROWS, 52}
    # The last row has its own crosses, and is not out-of-vocabulary.
    x = {name: values[:1] for name, values in batch().items()}
    last, unknown = ({**x, "item": np.full((1, 2), i, "int32")} for i in (ITEM_ROWS + 2, 1))
    weights = keras.Model(grown.inputs, grown.get_layer("weight_last_x_item").output)
    assert (np.asarray(weights(last)) != np.asarray(weights(unknown))).all()


def test_files_and_new_training_after_growth(tmp_path):
    spec, new_spec = spec_of(OLD, SPARE), spec_of(NEW, LARGER)
    grown = kd.grow(trained("lr", spec), spec, new_spec)
    grown.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for found, expected in zip(state_of(loaded), state_of(grown), strict=True):
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match=r"`spec` must have the features that .* 'item'"):
        kd.grow(loaded, spec, new_spec)
    again = kd.grow(loaded, new_spec, spec_of({**NEW, "cate": [7, 5, 6, 4]}, LARGER))
    assert again is loaded


def test_models_that_are_not_compiled_or_not_trained():
    spec, new_spec = spec_of(OLD, SPARE), spec_of(NEW, LARGER)
    model = base_of(spec)
    assert not kd.grow(model, spec, new_spec).compiled
    counts = {"item": np.ones(ITEM_ROWS, int)}
    lazy = kd.optimizers.LazyAdam(mini_batch_aware_l2=0.1, feature_counts=counts)
    model.compile(lazy, "binary_crossentropy")
    grown = kd.grow(model, spec, new_spec)
    x = batch()
    assert np.isfinite(grown.train_on_batch(x, labels(x)))


def test_layers_of_other_models():
    """Layers of a user, also in a model within a model; a table of another feature stays."""
    spec, new_spec = spec_of(OLD, SPARE), spec_of(NEW, LARGER)

    class Double(keras.layers.Layer):  # Not registered.
        supports_masking = True

        def call(self, x):
            return 2 * x

    item = keras.Input((None,), dtype="int32", name="item")
    inner_input = keras.Input((None,), dtype="int32")
    table = Embedding(ITEM_ROWS, 1, feature="item", name="inner_table")
    inner = keras.Model(inner_input, Double()(table(inner_input)))
    logits = inner(item) + Embedding(5, 1, name="other")(item)
    ctr = kd.layers.ClickProbability()(keras.ops.squeeze(logits, -1))
    model = kd.CTRModel({"item": item}, ctr, spec=spec)
    grown = kd.grow(model, spec, new_spec)
    sizes = {w.path.split("/")[-2]: w.shape[0] for w in grown.weights}
    assert sizes == {"inner_table": ITEM_ROWS + 3, "other": 5}
    x = {"item": batch()["item"]}
    np.testing.assert_array_equal(grown(x), model(x))
    assert fingerprints_of(grown) == [fingerprint(new_spec)]
    plain = keras.Model({"item": item}, ctr)
    with pytest.warns(UserWarning, match="has no fingerprint of its spec"):
        kd.grow(plain, spec, new_spec)


SPEC, NEW_SPEC = spec_of(OLD, SPARE), spec_of(NEW, SPARE)


@pytest.mark.parametrize(
    "new_rows, message",
    [
        ("mean", "`new_rows` must be 'initializer', .*'cate'.* Received: new_rows='mean'"),
        ({"last": np.zeros(ITEM_ROWS, int)}, r"from \['item', 'cate'\]. Received: .*'last'"),
        ({"item": np.zeros(4, int)}, r"each of the 99 rows .* Received: int64 of shape \(4,\)"),
        ({"item": np.zeros(ITEM_ROWS)}, "`new_rows` of table 'item' .* Received: float64"),
    ],
)
def test_invalid_new_rows(new_rows, message):
    model = base_of(SPEC)
    before = state_of(model)
    with pytest.raises(ValueError, match=message):
        kd.grow(model, SPEC, NEW_SPEC, new_rows=new_rows)
    assert fingerprints_of(model) == [fingerprint(SPEC)]
    for found, expected in zip(state_of(model), before, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"last": np.zeros(ITEM_ROWS, bool)}, r"\(99,\) for 'last', not one of \['item', 'cate'\]"),
        ({"item": np.zeros(4, bool)}, r"one bool per row .* \(4,\) for 'item', which has 99 rows"),
        ({"item": np.zeros(ITEM_ROWS)}, "`changed` must be a dict.* Received: float64 of shape"),
    ],
)
def test_invalid_changed_rows(changed, message):
    with pytest.raises(ValueError, match=message):
        kd.grow(base_of(SPEC), SPEC, NEW_SPEC, changed=changed)


def test_invalid_models():
    with pytest.raises(ValueError, match=r"`model` must be a functional keras.Model. Received: 3"):
        kd.grow(3, SPEC, NEW_SPEC)
    with pytest.raises(ValueError, match="must be `spec` with vocabularies that have grown"):
        kd.grow(base_of(SPEC), SPEC, dataclasses.replace(SPEC, context=SPEC.context[:1]))
    item = keras.Input((None,), dtype="int32", name="item")
    logits = Embedding(5, 1, feature="item", name="small")(item)
    ctr = kd.layers.ClickProbability()(keras.ops.squeeze(logits, -1))
    with pytest.raises(ValueError, match=r"'small' of table 'item' .* 99. Received: 5 rows"):
        kd.grow(kd.CTRModel({"item": item}, ctr, spec=SPEC), SPEC, NEW_SPEC)
