"""Feature columns of DeepCTR as named tuples, dicts and JSON, and those without an equal form."""

import collections
import json

import pytest

from keras_din.migrate.deepctr_columns import read_columns

SparseFeat = collections.namedtuple(
    "SparseFeat",
    "name vocabulary_size embedding_dim use_hash vocabulary_path dtype embeddings_initializer "
    "embedding_name group_name trainable",
    defaults=(4, False, None, "int32", object(), None, "default_group", True),
)
VarLenSparseFeat = collections.namedtuple(
    "VarLenSparseFeat",
    "sparsefeat maxlen combiner length_name weight_name weight_norm",
    defaults=("mean", None, None, True),
)
DenseFeat = collections.namedtuple(
    "DenseFeat", "name dimension dtype transform_fn", defaults=(1, "float32", None)
)
ITEM = SparseFeat("item", 5, 3)
HIST = VarLenSparseFeat(SparseFeat("hist_item", 5, 3, embedding_name="item"), 4)


def read(*columns, names=("item",)):
    return read_columns(columns, list(names))


def test_named_tuples_and_json_are_read_alike(tmp_path):
    columns = [DenseFeat("age"), ITEM, HIST, SparseFeat("user", 9)]
    fields = [c._asdict() | {"embeddings_initializer": None} for c in columns]
    fields[2]["sparsefeat"] = fields[2]["sparsefeat"]._asdict() | {"embeddings_initializer": None}
    path = tmp_path / "columns.json"
    path.write_text(json.dumps(fields))
    assert read(*columns) == read_columns(str(path), ["item"]) == read_columns(path, ["item"])
    # Tables, then the history, then numbers.
    assert read(*columns).widths() == {"item": 3, "user": 4, "hist": 3, "age": 1}


def test_groups_are_side_by_side():
    """DeepCTR concatenates the columns group after group, in the order of their first columns."""
    cate, user = SparseFeat("cate", 4, 1, group_name="a"), SparseFeat("user", 3, group_name="b")
    behavior = SparseFeat("hist_cate", 4, 1, embedding_name="cate", group_name="a")
    columns = read(
        user,
        ITEM,
        cate,
        SparseFeat("city", 2, group_name="b"),
        HIST,
        VarLenSparseFeat(behavior, 4),
        names=("cate", "item"),
    )
    assert [column.name for column in columns.sparse] == ["user", "city", "item", "cate"]
    assert columns.queries == ("item", "cate")


def test_the_last_sequence_defines_a_shared_table():
    seen = VarLenSparseFeat(SparseFeat("seen", 8, 3, embedding_name="item"), 2)
    (table,) = read(ITEM, HIST, seen).tables.values()
    assert (table.layer, table.column.vocabulary_size) == ("sparse_seq_emb_seen", 8)
    (table,) = read(ITEM, seen, HIST).tables.values()
    assert (table.layer, table.column.vocabulary_size) == ("sparse_seq_emb_hist_item", 5)


def test_hashes_of_a_table_must_agree():
    hashed, behavior = ITEM._replace(use_hash=True), HIST.sparsefeat._replace(use_hash=True)
    history = HIST._replace(sparsefeat=behavior)
    (table,) = read(hashed, history).tables.values()
    assert (table.hash_buckets, table.offset) == (4, 1)  # DeepCTR keeps the row of 0.
    last = hashed._replace(name="last", embedding_name="item")
    with pytest.raises(ValueError, match=r"'item': 'int64 to 4 buckets, 0 is kept'.*5 buckets"):
        read(hashed, history, last)
    with pytest.raises(ValueError, match=r"hashed in the same way.*'hist_item': 'not hashed'"):
        read(hashed, HIST)
    text = hashed._replace(dtype="string")
    with pytest.raises(ValueError, match="hashed in the same way"):
        read(text, history)


@pytest.mark.parametrize(
    "columns, text",
    [
        ([ITEM, HIST, ITEM], "different names. Received: 'item' twice"),
        ([ITEM], "must have a SparseFeat 'item' and a VarLenSparseFeat 'hist_item'"),
        ([HIST], "must have a SparseFeat 'item' and a VarLenSparseFeat 'hist_item'"),
        (
            [ITEM._replace(use_hash=True, vocabulary_path="words.csv"), HIST],
            "`vocabulary_path` of SparseFeat 'item' must be None.*Received: 'words.csv'",
        ),
        ([ITEM._replace(use_hash=True, dtype="float32"), HIST], "`dtype` of SparseFeat 'item'"),
        ([ITEM._replace(use_hash=True, vocabulary_size=1), HIST], "at least 2 with use_hash"),
        ([ITEM._replace(embedding_dim="auto"), HIST], "`embedding_dim` of SparseFeat 'item'"),
        ([ITEM._replace(embedding_name="other"), HIST], "'item' and 'hist_item' must share a"),
        ([ITEM, HIST, DenseFeat("x", 1, "float32", abs)], "`transform_fn` of DenseFeat 'x'"),
        ([ITEM, HIST, DenseFeat("x", 0)], "`dimension` of DenseFeat 'x'"),
        ([ITEM, HIST, DenseFeat(7)], "`name` of a DenseFeat must be a text"),
        ([ITEM, HIST._replace(maxlen=None)], "`maxlen` of VarLenSparseFeat 'hist_item'"),
        ([ITEM, HIST._replace(combiner="min")], "`combiner` of VarLenSparseFeat"),
        ([ITEM, HIST, {"name": "x"}], "must have the fields of a SparseFeat"),
        ([ITEM, HIST, "x"], "must be a SparseFeat, VarLenSparseFeat or DenseFeat"),
        (
            [ITEM, HIST, VarLenSparseFeat(SparseFeat("tags", 4), 2, weight_name="w")],
            "`weight_name` of VarLenSparseFeat 'tags' must be None.*Received: weight_name='w'",
        ),
    ],
)
def test_columns_without_an_equal_form(columns, text):
    with pytest.raises(ValueError, match=text):
        read(*columns)


def test_the_history_must_have_the_order_of_the_candidate():
    cate = SparseFeat("cate", 4, 3)
    of_cate = VarLenSparseFeat(SparseFeat("hist_cate", 4, 3, embedding_name="cate"), 4)
    with pytest.raises(ValueError, match=r"in the order of `feature_columns`.*'hist_cate', 'hist_"):
        read(ITEM, cate, of_cate, HIST, names=("item", "cate"))
    with pytest.raises(ValueError, match=r"the same `maxlen`.*'hist_item': 4, 'hist_cate': 5"):
        read(ITEM, cate, HIST, of_cate._replace(maxlen=5), names=("item", "cate"))


def test_invalid_lists(tmp_path):
    with pytest.raises(ValueError, match="`history_feature_list` must be a list of at least one"):
        read(ITEM, HIST, names=())
    with pytest.raises(ValueError, match="`history_feature_list` must be a list"):
        read_columns([ITEM, HIST], "item")
    with pytest.raises(ValueError, match=r"`feature_columns` must be a list.*Received: NoneType"):
        read_columns(None, ["item"])
    path = tmp_path / "columns.json"
    path.write_text("[{")
    with pytest.raises(ValueError, match="must be the path of a JSON file"):
        read_columns(path, ["item"])
