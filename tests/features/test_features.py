"""Features and specs: names, tables, errors and the JSON form."""

import ast
import dataclasses
import enum
import pathlib
import pickle
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given

from keras_din import checks, features, html_table
from keras_din.features import Bag, Categorical, FeatureSpec, Numeric, Sequence
from tests.specs import specs

ITEM = Categorical("item_id", 63_003, dim=64)
CATE = Categorical("cate_id", 803, dim=64)


def full_spec():
    return FeatureSpec(
        context=[Categorical("segment", 32, dim=8), Numeric("age", mean=40, std=12.5)],
        target=[ITEM, CATE, Numeric("price")],
        sequences=[
            Sequence("hist", of=[ITEM, CATE], side_features=[Numeric("dwell")], max_length=50),
            Sequence("cart", of=[ITEM]),
        ],
    )


def test_inputs_are_named_by_feature_and_by_sequence_and_feature():
    inputs = full_spec().inputs
    assert list(inputs) == [
        *("segment", "age", "item_id", "cate_id", "price"),
        *("hist_item_id", "hist_cate_id", "hist_dwell", "cart_item_id"),
    ]
    assert inputs["segment"].role == "context"
    assert inputs["price"].role == "target"
    assert inputs["hist_cate_id"] == (CATE, "behavior", full_spec().sequences[0])


def test_features_lists_each_feature_once():
    assert list(full_spec().features) == [
        *("segment", "age", "item_id", "cate_id", "price", "dwell")
    ]


def test_repr_is_short():
    assert repr(ITEM) == "Categorical('item_id', 63003, dim=64)"
    words = Categorical("word", vocabulary=["a", "b"])
    assert repr(words) == "Categorical('word', vocabulary=<2 strings>, dim=16)"
    assert repr(Numeric("age", mean=40, std=12.5)) == "Numeric('age', mean=40, std=12.5)"
    assert "Sequence('hist', of=[item_id, cate_id], side_features=[dwell], max_length=50)," in repr(
        full_spec()
    )


def test_categorical_takes_size_vocabulary_or_hash_buckets(tmp_path):
    assert Categorical("a", 5).vocabulary_size == 5
    assert Categorical("a", 5).dtype is None
    words = Categorical("a", vocabulary=["x", "y"])
    assert (words.vocabulary_size, words.dtype) == (4, "string")
    ids = Categorical("a", vocabulary=np.array([7, -3]))
    assert (ids.vocabulary, ids.vocabulary_size, ids.dtype) == ((7, -3), 4, "int64")
    hashed = Categorical("a", hash_buckets=10)
    assert (hashed.vocabulary_size, hashed.dtype) == (12, "string")
    (tmp_path / "words.txt").write_text("x\ny\n", encoding="utf-8")
    assert Categorical("a", vocabulary=tmp_path / "words.txt") == words
    (tmp_path / "ids.txt").write_text("7\n-3\n", encoding="utf-8")
    assert Categorical("a", vocabulary=str(tmp_path / "ids.txt"), dtype="int64") == ids


def test_dataclasses_replace_changes_values_and_dim():
    words = Categorical("a", vocabulary=["x", "y"])
    hashed = Categorical("a", hash_buckets=10, dtype="int64")
    replace = dataclasses.replace
    assert replace(words, dim=3) == Categorical("a", vocabulary=["x", "y"], dim=3)
    assert replace(words, vocabulary=["z"]) == Categorical("a", vocabulary=["z"])
    assert replace(words, vocabulary=[5, 6, 7]) == Categorical("a", vocabulary=[5, 6, 7])
    assert replace(words, vocabulary=None, hash_buckets=7) == Categorical("a", hash_buckets=7)
    ids = replace(Categorical("a", vocabulary=[1]), hash_buckets=7)
    assert ids == Categorical("a", hash_buckets=7, dtype="int64")
    assert replace(words, vocabulary=None, vocabulary_size=9) == Categorical("a", 9)
    assert replace(hashed, hash_buckets=20) == Categorical("a", hash_buckets=20, dtype="int64")
    bag = Bag("a", vocabulary=["x"], pooling="max")
    assert replace(bag, vocabulary=["y", "z"]) == Bag("a", vocabulary=["y", "z"], pooling="max")
    assert Categorical("a", words.vocabulary_size) == Categorical("a", 4)
    assert replace(pickle.loads(pickle.dumps(words)), vocabulary=["z"]).vocabulary_size == 3
    # A new argument replaces the values. The other attributes do not change.
    assert replace(words, vocabulary_size=9, dim=4) == Categorical("a", 9, dim=4)
    assert replace(hashed, vocabulary=["x"]) == Categorical("a", vocabulary=["x"])
    with pytest.raises(ValueError, match="must be given exactly one of"):
        replace(words, vocabulary_size=9, hash_buckets=9)


class Color(str, enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    "values",
    [
        np.array(["red", "blue"]),
        [np.str_("red"), np.str_("blue")],
        np.array([b"red", b"blue"]),
        [np.bytes_(b"red"), "blue"],
        [Color.RED, "blue"],
        pd.array(["red", "blue"], dtype="string"),
        pd.Index(["red", "blue"]),
        pd.Series(["red", "blue"], dtype="category"),
        pa.array(["red", "blue"]),
        pa.chunked_array([["red"], ["blue"]]),
        pa.array([b"red", b"blue"]),
    ],
)
def test_vocabulary_accepts_strings_of_other_libraries(values):
    feature = Categorical("color", vocabulary=values)
    assert feature == Categorical("color", vocabulary=["red", "blue"])
    assert {type(value) for value in feature.vocabulary} == {str}


@pytest.mark.parametrize(
    "values",
    [
        np.array([7, 5], np.uint8),
        pd.array([7, 5], dtype="Int64"),
        pd.Index([7, 5]),
        pa.array([7, 5]),
        pa.chunked_array([[7], [5]]),
    ],
)
def test_vocabulary_accepts_integers_of_other_libraries(values):
    feature = Categorical("code", vocabulary=values)
    assert feature == Categorical("code", vocabulary=[7, 5])
    assert {type(value) for value in feature.vocabulary} == {int}


@pytest.mark.parametrize("values", [[b"\xff"], [np.bool_(True)], [True], pa.array(["a", None])])
def test_vocabulary_of_other_types_raises(values):
    with pytest.raises(ValueError, match="must contain only strings or only integers"):
        Categorical("a", vocabulary=values)


def test_vocabulary_file_may_start_with_a_byte_order_mark(tmp_path):
    (tmp_path / "words.txt").write_text("x\ny\n", encoding="utf-8-sig")
    assert Categorical("a", vocabulary=tmp_path / "words.txt").vocabulary == ("x", "y")
    (tmp_path / "ids.txt").write_text("7\n-3\n", encoding="utf-8-sig")
    assert Categorical("a", vocabulary=tmp_path / "ids.txt", dtype="int64").vocabulary == (7, -3)


@given(specs())
def test_json_round_trip(spec):
    again = FeatureSpec.from_json(spec.to_json())
    assert again == spec
    assert FeatureSpec.from_json("\ufeff" + spec.to_json()) == spec
    assert list(again.inputs) == list(spec.inputs)


def test_bag_has_the_arguments_of_a_categorical_pooling_and_max_values():
    genres = Bag("genres", vocabulary=["a", "b"], dim=4, pooling="max", max_values=3)
    assert (genres.vocabulary_size, genres.dtype, genres.dim) == (4, "string", 4)
    expected = "Bag('genres', vocabulary=<2 strings>, dim=4, pooling='max', max_values=3)"
    assert repr(genres) == expected
    assert (Bag("tags", 9).pooling, Bag("tags", 9).max_values) == ("mean", 20)
    assert not isinstance(genres, Categorical)
    assert Bag("item_id", 63_003, dim=64) != ITEM
    spec = FeatureSpec(
        context=[Bag("tags", hash_buckets=5)],
        target=[genres, ITEM],
        sequences=[Sequence("hist", of=[genres, ITEM], side_features=[Bag("marks", 9)])],
    )
    again = FeatureSpec.from_json(spec.to_json())
    assert again == spec
    assert FeatureSpec.from_json("\ufeff" + spec.to_json()) == spec
    assert again.target[0] is again.sequences[0].of[0]


def test_features_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ITEM.dim = 3


def test_from_json_raises_on_invalid_text():
    for text in ("{}", "nonsense", '{"format": 99}', "[]"):
        with pytest.raises(
            ValueError,
            match=r"A FeatureSpec must be read from the JSON text of `to_json`\. Received: ",
        ):
            FeatureSpec.from_json(text)


@pytest.mark.parametrize(
    "build, text",
    [
        (lambda: Categorical("", 5), "The name of a Categorical must consist of ASCII letters"),
        (lambda: Categorical("a b", 5), "Received: name='a b'"),
        (lambda: Categorical("_a", 5), "start with a letter"),
        (lambda: Categorical(3, 5), "Received: name=3"),
        (
            lambda: Categorical("class", 5),
            "not be a keyword of Python or 'self', .* Received: name='class'",
        ),
        (lambda: Numeric("self"), "The name of a Numeric .* Received: name='self'"),
        (lambda: Categorical("a", vocabulary={"x", "y"}), "in the order of their .* Received: set"),
        (lambda: Categorical("a", vocabulary=b"xy"), "must be a list of values.* Received: bytes"),
        (lambda: Categorical("a", vocabulary=5), "must be a list of values.* Received: int"),
        (
            lambda: FeatureSpec(target=[ITEM], context=[Numeric("Item_id")]),
            r"more than the case of letters.* \['Item_id', 'item_id'\]",
        ),
        (lambda: Categorical("a", 5, dim=-3), "must be a positive integer. Received: dim=-3"),
        (lambda: Categorical("a", 5, dim=True), "must be a positive integer"),
        (lambda: Categorical("a", 5.0), "`vocabulary_size` of .* must be a positive integer"),
        (lambda: Categorical("a", 2), "must be at least 3.* Received: vocabulary_size=2"),
        (lambda: Categorical("a"), "must be given exactly one of"),
        (lambda: Categorical("a", 5, hash_buckets=5), "must be given exactly one of"),
        (lambda: Categorical("a", hash_buckets=0), "`hash_buckets` of .* positive integer"),
        (lambda: Categorical("a", 5, dtype="string"), "with `vocabulary_size` the values are"),
        (lambda: Categorical("a", hash_buckets=5, dtype="float"), "'string' or 'int64'"),
        (lambda: Categorical("a", vocabulary=[]), "must not be empty"),
        (lambda: Categorical("a", vocabulary=["x", "x"]), "each value once. Received: 'x' twice"),
        (lambda: Categorical("a", vocabulary=["x", ""]), "must not contain the empty string"),
        (lambda: Categorical("a", vocabulary=["x", 3]), "only strings or only integers"),
        (lambda: Categorical("a", vocabulary=[1.5]), "Received: values of type float"),
        (lambda: Categorical("a", vocabulary=[2**63]), "must contain 64-bit integers"),
        (
            lambda: Categorical("a", vocabulary=[1], dtype="string"),
            "must be the type of the vocabulary",
        ),
        (lambda: Bag("a b", 5), "The name of a Bag must consist of ASCII letters"),
        (lambda: Bag("a", 5, vocabulary=["x"]), "Bag 'a' must be given exactly one of"),
        (lambda: Bag("a", 5, pooling="x"), "`pooling` must be one of 'mean', 'sum', 'max'. .*'x'"),
        (lambda: Bag("a", 5, max_values=0), "`max_values` of Bag 'a' must be a positive integer"),
        (lambda: Sequence("hist", of=[Bag("a", 5)]), "must contain at least one Categorical"),
        (lambda: FeatureSpec(target=[Bag("a", 5)]), "must contain at least one Categorical"),
        (
            lambda: FeatureSpec(target=[ITEM], context=[Bag("item_id", 63_003, dim=64)]),
            "inputs must be unique. Received: 'item_id' twice",
        ),
        (lambda: Numeric("a", std=0), "finite and positive number. Received: std=0"),
        (lambda: Numeric("a", mean=float("nan")), "must be a finite number"),
        (lambda: Numeric("a", mean="x"), "must be a finite number. Received: mean='x'"),
        (lambda: Sequence("hist", of=[]), "must contain at least one Categorical"),
        (lambda: Sequence("hist", of=[Numeric("a")]), "must contain at least one Categorical"),
        (lambda: Sequence("hist", of=ITEM), "`of` of Sequence 'hist' must be a list"),
        (
            lambda: Sequence("hist", of=["item_id"]),
            "must contain features, objects of .*Bag",
        ),
        (lambda: Sequence("hist", of=[ITEM, ITEM]), "must be unique. Received: 'item_id' twice"),
        (lambda: Sequence("hist", of=[ITEM], max_length=0), "positive integer.*max_length=0"),
        (lambda: FeatureSpec(target=[]), "`target` of .* must contain at least one Categorical"),
        (lambda: FeatureSpec(target=[Numeric("a")]), "must contain at least one Categorical"),
        (lambda: FeatureSpec(target=[ITEM], sequences=[ITEM]), "must contain `Sequence` objects"),
        (
            lambda: FeatureSpec(target=[ITEM], sequences=[Sequence("hist", of=[CATE])]),
            "must contain features of `target`: .item_id.. Received: .*cate_id",
        ),
        (
            lambda: FeatureSpec(
                target=[ITEM], sequences=[Sequence("hist", of=[Categorical("item_id", 9)])]
            ),
            "must contain features of `target`",
        ),
        (
            lambda: FeatureSpec(target=[ITEM], context=[ITEM]),
            "inputs must be unique.*'item_id' twice",
        ),
        (
            lambda: FeatureSpec(
                target=[ITEM],
                context=[Categorical("hist_item_id", 5)],
                sequences=[Sequence("hist", of=[ITEM])],
            ),
            "inputs must be unique. Received: 'hist_item_id' twice",
        ),
        (
            lambda: FeatureSpec(target=[ITEM], sequences=[Sequence("hist", of=[ITEM])] * 2),
            "names of the sequences must be unique. Received: 'hist' twice",
        ),
        (
            lambda: FeatureSpec(
                target=[ITEM],
                sequences=[
                    Sequence("hist", of=[ITEM], side_features=[Categorical("act", 5)]),
                    Sequence("cart", of=[ITEM], side_features=[Categorical("act", 6)]),
                ],
            ),
            "Features with the same name must be equal",
        ),
    ],
)
def test_invalid_arguments_raise(build, text):
    with pytest.raises(ValueError, match=text):
        build()


def test_vocabulary_file_with_text_raises_for_int64(tmp_path):
    (tmp_path / "ids.txt").write_text("7\nx\n", encoding="utf-8")
    with pytest.raises(ValueError, match="must contain one integer per line"):
        Categorical("a", vocabulary=tmp_path / "ids.txt", dtype="int64")


def imported(file) -> set:
    """Returns the modules that a file imports, at any depth."""
    names = set()
    for node in ast.walk(ast.parse(pathlib.Path(file).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
    return names


def test_features_import_only_the_standard_library():
    """NumPy is imported where arrays are converted, not with the module."""
    files = list(pathlib.Path(features.__file__).parent.glob("*.py"))
    names = set().union(*map(imported, files))
    found = {name.split(".")[0] for name in names} - sys.stdlib_module_names
    assert found == {"keras_din", "numpy"}
    at_import = [line for file in files for line in file.read_text().splitlines()]
    assert not [line for line in at_import if line.startswith(("import numpy", "from numpy"))]
    ours = {name for name in names if name.startswith("keras_din.")}
    assert {name for name in ours if not name.startswith("keras_din.features.")} == {
        "keras_din.checks",
        "keras_din.html_table",
    }
    for module in (checks, html_table):
        of_module = {name.split(".")[0] for name in imported(module.__file__)}
        assert of_module <= sys.stdlib_module_names


@pytest.mark.parametrize(
    "feature",
    [
        Categorical("a", 5),
        Categorical("a", vocabulary=["x", "y"]),
        Categorical("a", vocabulary=[7, 8]),
        Categorical("a", hash_buckets=5, dtype="int64"),
        Bag("a", vocabulary=["x", "y"], pooling="sum"),
    ],
)
def test_dataclasses_replace_changes_dim(feature):
    wider = dataclasses.replace(feature, dim=64)
    assert wider.dim == 64
    assert dataclasses.replace(wider, dim=feature.dim) == feature
