"""How new rows start: the ridge regression, and `grow` with the projection of a `Vector`."""

import keras
import numpy as np
import pytest

import keras_din as kd
from keras_din.data.encoding.vectors import grown_vectors
from keras_din.layers import FrozenVectors
from keras_din.new_rows import ridge
from keras_din.optimizers.row_state import row_state
from tests.models.shared import randomized

PENALTIES = 10.0 ** np.arange(-6, 4)
OLD, NEW = list(range(100, 120)), [120, 121, 122]  # Rows 2 to 21, and 22 to 24.
SIZE = 3
W, B = np.random.default_rng(1).normal(size=(2, SIZE, 4)).astype("float32")
B = B[0]


@pytest.mark.parametrize("rows, size, scale", [(60, 4, 1.0), (15, 30, 1.0), (40, 5, 1e-3)])
def test_ridge_is_the_least_penalized_sum_of_squares(rows, size, scale):
    """With the penalty that scikit-learn chose, by the normal equations."""
    rng = np.random.default_rng(rows)
    x = scale * rng.normal(3, 1, (rows, size))
    y = x @ rng.normal(size=(size, 2)) / scale + [5, -5] + rng.normal(size=(rows, 2))
    fitted = ridge(x, y)
    penalties = PENALTIES * x.var(axis=0).mean() * len(x)
    assert np.isclose(penalties, fitted.alpha_).any()
    centered = x - x.mean(axis=0)
    expected = np.linalg.solve(
        centered.T @ centered + fitted.alpha_ * np.eye(size), centered.T @ (y - y.mean(axis=0))
    )
    np.testing.assert_allclose(fitted.coef_.T, expected, rtol=1e-6)
    np.testing.assert_allclose(fitted.predict(x.mean(axis=0)[None])[0], y.mean(axis=0))


def test_ridge_finds_an_exact_map_and_no_map_of_equal_vectors():
    x = np.random.default_rng(0).normal(size=(20, SIZE))
    fitted = ridge(x, x @ W + B)
    np.testing.assert_allclose(fitted.coef_, W.T, atol=1e-4)
    np.testing.assert_allclose(fitted.intercept_, B, atol=1e-4)
    equal = ridge(np.ones((20, SIZE)), x)
    np.testing.assert_allclose(equal.predict(np.ones((1, SIZE)))[0], x.mean(axis=0))


def spec_of(items, vectors, storage="float32", capacity=40):
    item = kd.Categorical("item", vocabulary=items, capacity=capacity, dim=4)
    title = kd.Vector("title", SIZE, of="item", storage=storage)
    own = kd.Vector("query", 2)
    spec = kd.FeatureSpec(
        context=[kd.Categorical("last", table="item"), own],
        target=[item, title],
        sequences=[kd.Sequence("hist", of=[item])],
    )
    return kd.data.with_vectors(spec, {"title": vectors})


VECTORS = dict(zip(OLD + NEW, np.random.default_rng(2).normal(size=(23, SIZE)), strict=True))


def specs(storage="float32", without=(), capacity=40):
    """The spec of the old items and the grown one. `without` names items without a vector."""
    old = {item: v for item, v in VECTORS.items() if item in OLD and item not in without}
    spec = spec_of(OLD, old, storage)
    grown = spec_of([*OLD, *NEW], VECTORS, storage, capacity)  # Its vectors are replaced.
    new = {item: v for item, v in VECTORS.items() if item in NEW and item not in without}
    return spec, grown_vectors(spec, grown, {"title": new} if new else None)[0]


def model_of(spec):
    keras.utils.set_random_seed(0)
    model = randomized(kd.build_base(spec, hidden_units=()))
    (layer,) = [each for each in model.layers if isinstance(each, FrozenVectors)]
    layer.vectors.assign(spec.vectors["title"].vectors.values)
    if layer.scales is not None:
        layer.scales.assign(spec.vectors["title"].vectors.scales)
    optimizer = kd.optimizers.LazyAdam(0.1, use_ema=True)
    model.compile(optimizer, kd.losses.BinaryCrossentropy())
    optimizer.build(model.trainable_variables)
    for variable in optimizer.variables[2:]:
        variable.assign(np.full(variable.shape, 0.5))
    return model


def planted(spec):
    """A model whose item embeddings are a linear map of their vectors."""
    model = model_of(spec)
    layer = model.get_layer("embedding_item")
    layer.embeddings.assign(spec.vectors["title"].vectors.values.astype("float32") @ W + B)
    return model


def table_of(model):
    return keras.ops.convert_to_numpy(model.get_layer("embedding_item").embeddings)


@pytest.mark.parametrize("capacity", [40, 50])
def test_a_planted_map_is_found_and_known_rows_stay(capacity, capsys):
    spec, new_spec = specs(capacity=capacity)
    model = planted(spec)
    before = table_of(model)
    grown = kd.grow(model, spec, new_spec, new_rows="projection_of:title")
    assert (grown is model) == (capacity == 40)
    rows = table_of(grown)
    np.testing.assert_array_equal(rows[:22], before[:22])
    new = np.array([VECTORS[item] for item in NEW])
    np.testing.assert_allclose(rows[22:25], new @ W + B, atol=1e-4)
    layer = grown.get_layer("embedding_item")
    average, *moments = [
        keras.ops.convert_to_numpy(each.variable)
        for each in row_state(grown.optimizer)[id(layer.embeddings)]
    ]
    np.testing.assert_array_equal(average[22:25], rows[22:25])
    for moment in moments:
        np.testing.assert_array_equal(moment[22:25], np.zeros((3, 4)))
        np.testing.assert_array_equal(moment[:22], np.full((22, 4), 0.5))
    printed = capsys.readouterr().out
    assert (
        "new rows of table 'item': 3 start from the projection of 'title', fitted on 20 rows\n"
        in printed
    )


@pytest.mark.parametrize("storage", ["float32", "float16", "int8"])
def test_new_rows_are_the_predictions_of_scikit_learn(storage):
    """Fitted on rows with a count and a vector only; the others start from the initializer."""
    without, never = [103, 121], 105  # Rows 5, 23 and 7.
    spec, new_spec = specs(storage, without)
    model = model_of(spec)
    before = table_of(model)
    counts = {"item": np.where(np.arange(42) == never - 98, 0, 5)}
    rows = table_of(
        kd.grow(model, spec, new_spec, new_rows="projection_of:title", counts=counts, seed=3)
    )
    table = new_spec.vectors["title"].vectors
    vectors = table.values.astype("float64")
    if storage == "int8":
        vectors *= table.scales[:, None]
    fitted = [row for row in range(2, 22) if row + 98 not in (103, never)]
    expected = ridge(vectors[fitted], before[fitted].astype("float64"))
    np.testing.assert_allclose(rows[[22, 24]], expected.predict(vectors[[22, 24]]), rtol=1e-4)
    plain = model_of(spec)
    initial = plain.get_layer("embedding_item").initial_rows([23], seed=3)
    np.testing.assert_array_equal(rows[[23]], initial)


def test_the_rows_with_the_largest_counts_are_fitted(monkeypatch):
    spec, new_spec = specs()
    model = planted(spec)
    layer = model.get_layer("embedding_item")
    table = table_of(model)
    table[2:10] = 100.0  # Rows that are no map of their vectors, and are rarely read.
    layer.embeddings.assign(table)
    monkeypatch.setattr("keras_din.new_rows._MOST_ROWS", 12)
    counts = {"item": np.where(np.arange(42) < 10, 1, 9)}
    rows = table_of(kd.grow(model, spec, new_spec, new_rows="projection_of:title", counts=counts))
    np.testing.assert_allclose(rows[22:25], [VECTORS[i] @ W + B for i in NEW], atol=1e-3)


def test_too_few_trained_rows(capsys):
    spec, new_spec = specs()
    model = planted(spec)
    counts = {"item": np.where(np.arange(42) < 11, 1, 0)}  # Items of the rows 2 to 10.
    rows = table_of(kd.grow(model, spec, new_spec, new_rows="projection_of:title", counts=counts))
    initial = planted(spec).get_layer("embedding_item").initial_rows([22, 23, 24])
    np.testing.assert_array_equal(rows[22:25], initial)
    assert (
        "0 start from the projection of 'title', since only 9 trained rows have a vector and at "
        "least 10 must; 3 start from the initializer" in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    "new_rows, counts, message",
    [
        (
            "projection_of:item",
            None,
            r"must name a Vector with `of` .* \['title'\]. Received: .*item",
        ),
        ("projection_of:query", None, r"one of \['title'\]. Received: .*projection_of:query"),
        ("projection_of:", None, r"one of \['title'\]. Received: .*projection_of:'"),
        ("projection_of:title", {}, "for each of the 42 rows .* 'item'.*Received: no counts"),
        ("projection_of:title", {"item": np.ones(3, int)}, r"Received: int64 of shape \(3,\)"),
        ("projection_of:title", {"item": np.ones(42)}, "Received: float64 of shape"),
    ],
)
def test_invalid_projections(new_rows, counts, message):
    spec, new_spec = specs()
    model = planted(spec)
    before = table_of(model)
    with pytest.raises(ValueError, match=message):
        kd.grow(model, spec, new_spec, new_rows=new_rows, counts=counts)
    np.testing.assert_array_equal(table_of(model), before)


def test_a_spec_without_its_vectors():
    spec, _ = specs()
    from_json = kd.FeatureSpec.from_json(spec.to_json())
    with pytest.raises(ValueError, match=r"must have its vectors, since new rows .* Received"):
        kd.grow(planted(spec), from_json, from_json, new_rows="projection_of:title")
