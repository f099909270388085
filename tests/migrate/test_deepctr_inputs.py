"""Inputs of DeepCTR as inputs of the converted model, by hand."""

import numpy as np
import pytest

from keras_din.migrate import DeepCTRInputs

ITEM = {"name": "item", "vocabulary_size": 5, "embedding_dim": 2}
CATE = {"name": "cate", "vocabulary_size": 4, "embedding_dim": 2}
TAGS = {"sparsefeat": ITEM | {"name": "tags"}, "maxlen": 2}
SEEN = {"sparsefeat": ITEM | {"name": "seen"}, "maxlen": 2, "length_name": "seen_length"}


def history(column):
    behavior = column | {"name": f"hist_{column['name']}", "embedding_name": column["name"]}
    return {"sparsefeat": behavior, "maxlen": 3, "length_name": "seq_length"}


COLUMNS = [
    *(ITEM, CATE, history(ITEM), history(CATE), TAGS, SEEN),
    *({"name": "age", "dimension": 1}, {"name": "vector", "dimension": 2}),
]
X = {
    "item": [4, 0],
    "cate": [[3], [1]],
    "hist_item": [[4, 2, 0], [0, 0, 0]],
    "hist_cate": [[1, 0, 0], [0, 0, 0]],
    "tags": [[0, 1], [0, 0]],
    "seen": [[0, 1], [3, 3]],
    "seen_length": [[1], [2]],
    "age": [7, np.nan],
    "vector": [[1, 2], [3, 4]],
}


def converter(**arguments):
    return DeepCTRInputs(COLUMNS, history_feature_list=["item", "cate"], **arguments)


def test_indices_get_an_offset_and_padding_stays():
    x = converter(target=["age", "seen"])(X | {"seq_length": [[1], [0]]})
    expected = {
        "item": [[6], [2]],
        "cate": [[5], [3]],
        # The category of the second behavior is 0, so DeepCTR's mask excludes it.
        "hist_item": [[6, 0, 0], [0, 0, 0]],
        "hist_cate": [[3, 0, 0], [0, 0, 0]],
        "tags": [[0, 3], [0, 0]],
        # With lengths, an index of 0 within the length is a value.
        "seen": [[[2, 0]], [[5, 5]]],
        "age": [[7], [np.nan]],
        "vector": [[1, 2], [3, 4]],
    }
    assert list(x) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(x[name], values, err_msg=name)
        assert x[name].dtype == ("float32" if name in ("age", "vector") else "int32")


def test_softmax_of_an_empty_history_is_the_embedding_of_index_0():
    x = converter(att_weight_normalization=True)(X)
    np.testing.assert_array_equal(x["hist_item"], [[6, 0, 0], [2, 0, 0]])
    np.testing.assert_array_equal(x["hist_cate"], [[3, 0, 0], [2, 0, 0]])
    partial = X | {"hist_item": [[4, 2, 0], [0, 3, 0]]}
    np.testing.assert_array_equal(converter()(partial)["hist_item"][1], [0, 0, 0])
    with pytest.raises(ValueError, match=r"must be 0 in all of.*Received: row 1, and 1 rows"):
        converter(att_weight_normalization=True)(partial)


@pytest.mark.parametrize(
    "changed, text",
    [
        ({"item": [5, 0]}, "'item' must have indices from 0 to 4.*Received: 0 to 5"),
        ({"hist_item": [[-1, 2, 0], [0, 0, 0]]}, "'hist_item' must have indices from 0 to 4"),
        ({"item": [1.5, 0]}, "'item' must have integers"),
        ({"item": ["a", "b"]}, "'item' must have integers"),
        ({"item": [[1, 2], [3, 4]]}, r"'item' must have the shape \(batch,\) or"),
        ({"hist_item": [[1, 2], [3, 4]]}, r"'hist_item' must have the shape \(batch, 3\)"),
        ({"hist_item": [[1, 2, 0], [3]]}, "'hist_item' must be an array.*different lengths"),
        ({"hist_item": [[1, 2, 3]]}, "must have the same number of rows"),
        ({"item": [1]}, "must have the same number of rows"),
        ({"seen_length": [3, 1]}, "lengths from 0 to 2.*Received: 1 to 3"),
        ({"seen_length": [1]}, "one length per row of 'seen', 2. Received: 1"),
        ({"vector": [["a", "b"], ["c", "d"]]}, "'vector' must have numbers"),
        ({"colour": [1, 2]}, r"and the unknown \['colour'\]"),
    ],
)
def test_invalid_inputs(changed, text):
    with pytest.raises(ValueError, match=text):
        converter()(X | changed)


def test_values_that_are_hashed_must_have_their_type():
    hashed = [c if "sparsefeat" in c else c | {"use_hash": True} for c in COLUMNS[1:4:2]]
    behavior = COLUMNS[3]["sparsefeat"] | {"use_hash": True, "dtype": "string"}
    columns = [hashed[0] | {"dtype": "string"}, COLUMNS[3] | {"sparsefeat": behavior}]
    convert = DeepCTRInputs(columns, history_feature_list=["cate"])
    x = convert({"cate": ["tea", "0"], "hist_cate": [["tea", "0", "cup"], ["0", "0", "0"]]})
    tea, zero = x["cate"].ravel()
    assert zero == 1  # DeepCTR's row 0.
    assert x["hist_cate"][0, 0] == tea
    np.testing.assert_array_equal(x["hist_cate"] == 0, [[False, True, False], [True] * 3])
    with pytest.raises(ValueError, match="'cate' must have texts"):
        convert({"cate": [1, 2], "hist_cate": [["a", "0", "b"], ["0", "0", "0"]]})


def test_names_of_inputs():
    with pytest.raises(ValueError, match=r"none for \['seen_length'\]"):
        converter()({name: x for name, x in X.items() if name != "seen_length"})
    with pytest.raises(ValueError, match=r"`inputs` must be a dict of arrays.*Received: list"):
        converter()(list(X.values()))
