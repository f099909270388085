"""Vectors in the order of indices: means, storages, growth and wrong keys."""

import dataclasses

import numpy as np
import pytest

import keras_din as kd
from keras_din.data import with_vectors
from keras_din.data.encoding.vectors import grown_vectors

ITEMS = ["tea", "pot", "cup"]
TITLES = {"pot": [1.0, -2.0], "tea": [0.5, 0.25], "mug": [9.0, 9.0]}
MEAN = [0.75, -0.875]


def spec_of(items=ITEMS, capacity=None, **options):
    values = {"vocabulary": items, "capacity": capacity}
    if isinstance(items, int):
        values = {"vocabulary_size": items}
    item = kd.Categorical("item", **values, dim=2)
    return kd.FeatureSpec(target=[item, kd.Vector("title", 2, of="item", **options)])


def table(spec):
    vectors = spec.features["title"].vectors
    values = vectors.values.astype("float32")
    return values if vectors.scales is None else values * vectors.scales[:, None]


def test_vectors_are_in_the_order_of_indices(capsys):
    spec = with_vectors(spec_of(capacity=4), {"title": TITLES})
    # Padding, unknown items, tea, pot, cup without a vector, and a spare row.
    np.testing.assert_array_equal(table(spec), [[0, 0], MEAN, [0.5, 0.25], [1, -2], MEAN, MEAN])
    assert spec.features["title"].vectors.storage == "float16"
    printed = "without a vector 'title': 1 of 3 values of 'item'; they have the mean vector"
    assert printed in capsys.readouterr().out


def test_indices_are_keys():
    vectors = np.array([[7, 7], [7, 7], [1, 2], [3, 4]], "float32")
    spec = with_vectors(spec_of(4), {"title": vectors})
    np.testing.assert_array_equal(table(spec), [[0, 0], [2, 3], [1, 2], [3, 4]])
    spec = with_vectors(spec_of([30, 20]), {"title": {20: [1, 2], 30: [3, 4]}})
    np.testing.assert_array_equal(table(spec), [[0, 0], [2, 3], [3, 4], [1, 2]])


@pytest.mark.parametrize(
    "storage, error", [("float32", 0), ("float16", 2**-11), ("int8", 0.5 / 127)]
)
def test_errors_of_storages(storage, error):
    exact = np.random.default_rng(0).normal(size=(40_000, 2)).astype("float32")
    spec = with_vectors(spec_of(40_000, storage=storage), {"title": exact})
    found = table(spec)[2:]
    scale = np.abs(exact[2:])
    if storage == "int8":
        scale = scale.max(axis=1, keepdims=True)
    # Below 6e-5, numbers in float16 have a fixed step.
    assert (np.abs(found - exact[2:]) <= error * scale * 1.0001 + (error > 0) * 2**-25).all()
    assert (found != exact[2:]).any() == (error > 0)
    np.testing.assert_allclose(table(spec)[1], exact[2:].mean(axis=0), rtol=0.01, atol=1e-6)


@pytest.mark.parametrize(
    "vectors, message",
    [
        ({"tea": [1.0, np.nan]}, "of 'title' must be finite numbers.*nan of 'tea'"),
        ({"tea": [1.0, 0.0], "pot": [np.inf, 0.0]}, "must be finite numbers.*inf of 'pot'"),
        ({"tea": [1.0, 70_000.0]}, "at most 65504.*storage='float16'.*70000 of 'tea'"),
        ({7: [1.0, 2.0]}, "type of 'item', text.*different ids. Received: integers, such as 7"),
        ({"x": [1.0, 2.0]}, "keys that are values of 'item'.*none in common, such as 'x'"),
        ({}, "at least one row"),
        ({"tea": None}, "at least one row"),
        ({"tea": [1.0]}, "must have the size 2"),
    ],
)
def test_invalid_vectors(vectors, message):
    with pytest.raises(ValueError, match=message):
        with_vectors(spec_of(), {"title": vectors})


def test_text_is_not_a_key_of_integers():
    with pytest.raises(ValueError, match=r"type of 'item', integers.*text, such as '007'"):
        with_vectors(spec_of([7, 8]), {"title": {"007": [1.0, 2.0]}})


@pytest.mark.parametrize(
    "vectors, message",
    [
        ({}, r"vectors of each Vector with `of`, \['title'\].*vectors of \[\]"),
        (None, r"vectors of each Vector with `of`, \['title'\]"),
        ({"title": TITLES, "item": TITLES}, r"no other feature.*\['title', 'item'\]"),
        ("titles.parquet", "must be a dict: name of a Vector.*Received: str"),
    ],
)
def test_names_of_vectors(vectors, message):
    with pytest.raises(ValueError, match=message):
        with_vectors(spec_of(), vectors)


@pytest.mark.parametrize("storage", ["float32", "int8"])
def test_growth_keeps_vectors_of_known_items(storage, capsys):
    # An exact table in int8 too: the largest number of each row is a multiple of 127.
    vectors = {"tea": [127, 1], "pot": [254, 2], "cup": [127, 3]}
    old = with_vectors(spec_of(storage=storage), {"title": vectors})
    before = table(old)
    grown = old.with_values({"item": kd.features.Vocabulary(["tea", None, "jug", "lid"], None, 5)})
    assert grown.features["title"].vectors is None
    new, report = grown_vectors(old, grown, {"title": {"jug": [127, 5], "tea": [1, 1]}})
    # "tea" keeps its vector, "cup" was replaced, and "lid" has none.
    expected = [before[0], before[1], [127, 1], before[1], [127, 5], before[1], before[1]]
    np.testing.assert_array_equal(table(new), expected)
    assert report == {"vectors": {"title": {"new_items": 2, "new_items_without_vector": 1}}}
    assert "1 of 2 new values of 'item'" in capsys.readouterr().out

    new, report = grown_vectors(old, grown, None)
    np.testing.assert_array_equal(table(new)[4], before[1])
    assert report["vectors"]["title"]["new_items_without_vector"] == 2
    with pytest.raises(ValueError, match=r"must name Vector features.*Received: \['tilte'\]"):
        grown_vectors(old, grown, {"tilte": vectors})
    lacking = old.with_vectors({"title": None})
    with pytest.raises(ValueError, match="must have its vectors before data is appended"):
        grown_vectors(lacking, grown, None)


def test_specs_without_vectors_grow_as_before():
    spec = dataclasses.replace(spec_of(), target=spec_of().target[:1])
    assert grown_vectors(spec, spec, None) == (spec, {})
