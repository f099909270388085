"""Shared tables: in specs, JSON, models, counts, preparation and exports."""

import dataclasses
import json

import keras
import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.cli.show import report
from keras_din.data import (
    BehaviorLog,
    PreparedData,
    Samples,
    prepare_impressions,
    prepare_interactions,
    prepare_rows,
)
from keras_din.data.store.bags import Bags
from keras_din.embed import embed
from keras_din.features import (
    Bag,
    Bucketized,
    Categorical,
    FeatureSpec,
    Indices,
    Sequence,
    Table,
    Vocabulary,
)
from keras_din.serving.version.description import read_description
from keras_din.spec_fingerprint import differences, fingerprint

ITEM = Categorical("item", vocabulary=["a", "b", "c"], dim=3)
SPEC = FeatureSpec(
    context=[Categorical("first_item", table="item"), Bag("liked", table="item", pooling="sum")],
    target=[ITEM],
    sequences=[Sequence("hist", of=[ITEM])],
)


def test_spec_replaces_names_of_tables_by_tables():
    first, liked = SPEC.context
    assert first.table is SPEC.target[0].table is liked.table
    assert (first.dim, first.vocabulary, first.padding_value) == (3, ("a", "b", "c"), "")
    assert list(SPEC.tables) == ["item"]
    assert (
        repr(first)
        == "Categorical('first_item', table=Table('item', vocabulary=<3 strings>, dim=3))"
    )
    things = Table("things", 9, dim=2)
    spec = FeatureSpec(
        target=[Categorical("item", table=things), Categorical("other", table="things")]
    )
    assert spec.target[1].table is things
    assert FeatureSpec.from_json(SPEC.to_json()) == SPEC
    again = FeatureSpec.from_json(spec.to_json())
    assert again == spec
    assert again.target[0].table is again.target[1].table


@pytest.mark.parametrize(
    "build, text",
    [
        (
            lambda: Categorical("a", 5, table="item"),
            r"must be given `table` alone, which has .*'item' with vocabulary_size",
        ),
        (lambda: Categorical("a", table="item", dim=4), "Received: table='item' with dim"),
        (lambda: Categorical("a", table=5), "must be a `Table` or the name of a table. .*table=5"),
        (lambda: Categorical("a", table="a"), "must be the table of another feature. .*table='a'"),
        (
            lambda: FeatureSpec(target=[ITEM], context=[Categorical("a", table="items")]),
            r"`table` of Categorical 'a' must be .* a table of the spec: \['item'\]\. A `Cat",
        ),
        (
            lambda: FeatureSpec(
                target=[ITEM], context=[Categorical("a", table=Table("item", 5, dim=3))]
            ),
            r"same table must agree .* and `shards`.*'item', 5, dim=3.* and .*<3 strings>",
        ),
        (lambda: Categorical("a", table="item").dim, "must be part of a FeatureSpec, which finds"),
    ],
)
def test_invalid_tables_raise(build, text):
    with pytest.raises(ValueError, match=text):
        build()


def test_fingerprint_contains_shared_tables():
    own = FeatureSpec(
        context=[
            Categorical("first_item", vocabulary=["a", "b", "c"], dim=3),
            SPEC.context[1],
        ],
        target=[ITEM],
        sequences=SPEC.sequences,
    )
    assert differences(fingerprint(SPEC), SPEC) == []
    (how,) = differences(fingerprint(SPEC), own)
    assert how == (
        "feature 'first_item': its table is 'item' in the model, 'first_item' in the spec"
    )


def test_model_has_one_layer_per_shared_table():
    """All features look up the same rows, and all of them train the layer."""
    model = kd.build_base(SPEC)
    tables = [w for w in model.trainable_variables if getattr(w, "is_embedding_table", False)]
    assert [(table.feature, tuple(table.shape)) for table in tables] == [("item", (5, 3))]
    rows = np.arange(15, dtype="float32").reshape(5, 3)
    tables[0].assign(rows)
    x = {
        "first_item": np.array([2, 4]),
        "liked": np.array([[2, 3], [0, 0]]),
        "item": np.array([[3], [4]]),
        "hist_item": np.array([[2], [3]]),
    }
    embedded = embed(SPEC)
    fields = keras.Model(embedded.inputs, embedded.fields)
    fields.get_layer("embedding_item").embeddings.assign(rows)
    found = fields(x)
    np.testing.assert_array_equal(found["first_item"], rows[[2, 4]])
    np.testing.assert_array_equal(found["liked"], [rows[2] + rows[3], [0, 0, 0]])
    np.testing.assert_array_equal(found["item"], rows[[3, 4]][:, None])


def test_feature_counts_sums_over_the_features_of_a_table():
    log = BehaviorLog([0, 2], {"item": [2, 3]})
    samples = Samples(
        columns={
            "first_item": [4, 4],
            "liked": Bags([0, 1], [0, 2, 2], [2, 4]),
            "item": [3, 1],
        },
        history={"hist": ([0, 0], [1, 2])},
        labels={"click": [1, 0]},
        group=[0, 0],
    )
    counts = PreparedData(SPEC, {"hist": log}, {"train": samples}).feature_counts()
    assert list(counts) == ["item"]
    # 2: two in histories, one liked; 3: one history, one candidate; 4: two first, one liked.
    assert counts["item"].tolist() == [0, 1, 3, 2, 3]
    model = kd.build_lr(SPEC)
    optimizer = kd.optimizers.LazyAdam(0.1, mini_batch_aware_l2=0.1, feature_counts=counts)
    optimizer.build(model.trainable_variables)


def test_prepare_learns_a_vocabulary_from_all_features_of_a_table():
    frame = pd.DataFrame(
        {
            "user": [1, 1, 2, 2],
            "time": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"]),
            "item": ["x", "y", "x", "y"],
            "first": ["z", "z", None, "new"],
            "liked": ["x|w", "w|w", "w", ""],
            "click": [1, 0, 1, 0],
            "part": ["train", "train", "train", "test"],
        }
    )
    notice = (
        "no value in common with 'item', whose table it shares: 'z' in 'first', 'x', 'y' in 'item'"
    )
    with pytest.warns(UserWarning, match=rf"^Column 'first' has {notice}\. If they do not"):
        data = prepare_impressions(
            frame,
            user="user",
            time="time",
            label="click",
            target=["item"],
            context=[Categorical("first", table="item"), Bag("liked", table="item")],
            split="part",
            dim={"item": 2, "first": 2},
        )
    assert data.report["columns"]["first"]["notice"] == notice
    assert "notice" not in data.report["columns"]["liked"]
    line = "  first: categorical: given as a Categorical, such as 'z'; missing: 'null' 1"
    assert f"{line}; {notice}" in report(data)
    first, liked = data.spec.context
    # Counts in training: w 4, x 3, z 2, y 1.
    assert data.spec.tables == {"item": Table("item", values=Vocabulary(list("wxzy")), dim=2)}
    assert first.table is liked.table is data.spec.target[0].table
    train, test = data.parts["train"].columns, data.parts["test"].columns
    assert train["item"].tolist() == [3, 5, 3]
    assert train["first"].tolist() == [4, 4, 1]
    assert [train["liked"].values_of(row).tolist() for row in range(3)] == [[3, 2], [2, 2], [2]]
    assert test["first"].tolist() == [1]
    assert data.report["values_missing"] == {"first": 1}


def test_from_json_reads_formats_of_version_0_1():
    """Formats 1 and 2 have values in features, and `side`."""
    content = {
        "format": 2,
        "features": [
            {"type": "Categorical", "name": "item", "dim": 4, "vocabulary": ["x", "y"]},
            {"type": "Categorical", "name": "act", "dim": 2, "hash_buckets": 9, "dtype": "int64"},
            {
                "type": "Bag",
                "name": "tags",
                "dim": 2,
                "pooling": "max",
                "max_values": 5,
                "vocabulary_size": 9,
            },
            {"type": "Numeric", "name": "price", "mean": 1.5, "std": 2.0},
        ],
        "context": ["tags"],
        "target": ["item", "price"],
        "sequences": [{"name": "hist", "of": ["item"], "side": ["act"], "max_length": 7}],
    }
    item = Categorical("item", vocabulary=["x", "y"], dim=4)
    expected = FeatureSpec(
        context=[Bag("tags", 9, dim=2, pooling="max", max_values=5)],
        target=[item, kd.Numeric("price", mean=1.5, std=2.0)],
        sequences=[
            Sequence(
                "hist",
                of=[item],
                side_features=[Categorical("act", hash_buckets=9, dtype="int64", dim=2)],
                max_length=7,
            )
        ],
    )
    assert FeatureSpec.from_json(json.dumps(content)) == expected
    assert json.loads(expected.to_json())["format"] == 3


def test_from_json_raises_on_an_unknown_kind():
    text = SPEC.to_json().replace('"Bag"', '"Cloud"')
    with pytest.raises(ValueError, match="kind 'Cloud', which no imported module registers"):
        FeatureSpec.from_json(text)


def test_prepare_rows_learns_a_shared_vocabulary():
    frame = pd.DataFrame(
        {
            "item": ["x", "y", "x"],
            "seller": ["s", "y", "x"],
            "hist_item": [["y"], ["x", "s"], []],
            "hist_seller": [["x"], ["t", "t"], []],
            "click": [1, 0, 1],
        }
    )
    data = prepare_rows(
        frame, label="click", target=["item", Categorical("seller", table="item")], dim=2
    )
    # Counts in candidates and histories: x 4, y 3, t 2, s 2.
    assert data.spec.tables["item"].values == Vocabulary(["x", "y", "s", "t"])
    assert data.parts["train"].columns["seller"].tolist() == [4, 3, 2]
    assert data.behaviors["hist"].columns["seller"].tolist() == [2, 5, 5]


def test_item_may_share_the_table_of_another_column():
    frame = pd.DataFrame(
        {
            "user": [1, 1, 1, 2],
            "time": [1, 2, 3, 4],
            "item": ["x", "y", "y", "v"],
            "last": ["z", "x", "w", "z"],
            "part": ["train"] * 4,
        }
    )
    data = prepare_interactions(
        frame,
        user="user",
        time="time",
        target=[Categorical("item", table="last")],
        context=["last"],
        split="part",
        dim=2,
    )
    # The first row of a user is only history, so z is not a candidate; v is a sampled negative.
    assert set(data.spec.target[0].vocabulary) == {"v", "w", "x", "y"}
    assert data.spec.target[0].table is data.spec.context[0].table


def test_export_with_a_shared_table(tmp_path):
    """`export` compares the version on raw values with the model."""
    model = kd.build_din(SPEC, attention_units=(4,), hidden_units=(4,))
    version = kd.export(model, SPEC, tmp_path, tables="int8")
    assert [file.name for file in (version / "assets").iterdir()] == ["item.txt"]
    spec = json.loads((version / "keras_din.json").read_text())["spec"]
    assert spec["tables"] == [
        {"name": "item", "dim": 3, "vocabulary": "assets/item.txt", "dtype": "string"}
    ]
    assert FeatureSpec.from_json(json.dumps(read_description(version)["spec"])) == SPEC


def test_shards_of_a_table():
    item = Categorical("item", 9, dim=3, shards=4)
    assert repr(item) == "Categorical('item', 9, dim=3, shards=4)"
    assert dataclasses.replace(item, dim=5).table.shards == 4
    one = FeatureSpec(target=[Categorical("item", 9, dim=3)], context=[Bag("tags", table="item")])
    spec = one.with_shards({"item": 4})
    assert spec.tables["item"] == Table("item", 9, dim=3, shards=4)
    assert FeatureSpec.from_json(spec.to_json()) == spec
    assert "shards" not in one.to_json()
    assert spec.with_shards(1) == one
    assert one.with_shards(10) == one  # The table has fewer rows.
    assert spec.with_values({"item": Indices(12)}).tables["item"].shards == 4
    assert fingerprint(spec) == fingerprint(one)


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: Categorical("item", 9, shards=0), "`shards` of Categorical 'item' must be a pos"),
        (lambda: Table("item", 9, shards=10), "`shards` of Table 'item' must be at most .* 9"),
        (
            lambda: Categorical("a", table="item", shards=2),
            "must be given `table` alone.*with shards",
        ),
        (lambda: Bag("tags", shards=2), "are learned, build the model with `data.spec.with_shards"),
        (
            lambda: FeatureSpec(target=[ITEM]).with_shards({"x": 2}),
            r"`shards` must name tables of the spec: \['item'\]. Received: \['x'\]",
        ),
        (
            lambda: FeatureSpec(
                target=[ITEM], context=[Bucketized("age", boundaries=[1.0])]
            ).with_shards({"age": 2}),
            "`shards` must name tables of a Categorical or a Bag.*'age' of a Bucketized",
        ),
    ],
)
def test_invalid_shards(make, text):
    with pytest.raises(ValueError, match=text):
        make()
