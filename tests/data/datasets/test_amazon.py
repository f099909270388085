"""The published files: records become a log, and invalid lines are kept aside."""

import ast
import gzip
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_din.data import LeaveOneOut, load_amazon
from keras_din.data.datasets.amazon import k_core_rows, read_categories, read_reviews

DAY = 86_400


def review(user, item, day, **others):
    record = {"reviewerID": user, "asin": item, "reviewText": 'it\'s "good" \u2026'}
    return json.dumps({**record, "overall": 5.0, "unixReviewTime": day * DAY, **others})


def item(asin, *path, **others):
    record = {"asin": asin, "description": 'It\'s a "thing"', "price": 9.99}
    return repr({**record, "categories": [["Other", "Wrong"], list(path)], **others})


def write(path, lines):
    content = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    path.write_bytes(gzip.compress(content))
    return path


REVIEWS = [
    review("ann", "B1", 5),
    review("bob", "B2", 3),
    review("ann", "B3", 5),
    review("ann", "B2", 2),
    review("bob", "B4", 3),
    review("bob", "B1", 4),
    review("ann", "B4", 9),
    review("eve", "B5", 9),
]
META = [
    item("B2", "Toys", "Games"),
    item("B9", "Toys", "Nobody bought it"),
    item("B1", "Toys", "Balls"),
    item("B3", "Toys", "Balls"),
    json.dumps({"asin": "B4", "categories": [["Toys", "Games"]]}),
    "{'categories': [['Books']], 'asin': 'B5'}",
]


def load(tmp_path, reviews=REVIEWS, meta=META, **arguments):
    return load_amazon(
        write(tmp_path / "reviews_Toys_5.json.gz", reviews),
        write(tmp_path / "meta_Toys.json.gz", meta),
        **arguments,
    )


def raw(data, name, index):
    return [(None, None, *data.spec.features[name].vocabulary)[i] for i in index]


def test_protocol_of_the_paper(tmp_path):
    data = load(tmp_path, split=LeaveOneOut(valid=0))
    assert [feature.name for feature in data.spec.target] == ["item_id", "category"]
    log = data.behaviors["hist"]
    rows = []
    for part, samples in data.parts.items():
        start, end = samples.history["hist"]
        for i in range(0, len(samples), 2):
            history = raw(data, "item_id", log.columns["item_id"][start[i] : end[i]])
            rows.append(
                (part, history, *raw(data, "item_id", samples.columns["item_id"][i : i + 1]))
            )
            assert samples.label[i : i + 2].tolist() == [1, 0]
    # Reviews of one day keep the order of the file. Items of the test only are out-of-vocabulary.
    assert rows == [
        ("train", ["B2"], "B1"),
        ("train", ["B2", "B1"], "B3"),
        ("train", ["B2"], "B4"),
        ("test", ["B2", "B1", "B3"], "B4"),
        ("test", ["B2", "B4"], "B1"),
    ]
    assert data.report["users_with_one_behavior"] == 1
    assert data.report["items"] == 5  # Without B9, which nobody bought.
    assert len(data.bad_rows) == 0
    categories = raw(data, "category", log.columns["category"])
    assert categories[:-1] == ["Games", "Balls", "Balls", "Games", "Games", "Games", "Balls"]


def test_negatives_are_not_items_of_the_user(tmp_path):
    data = load(tmp_path, seed=3)
    assert set(data.parts) == {"train", "valid", "test"}
    bought = {0: {"B1", "B2", "B3", "B4"}, 1: {"B1", "B2", "B4"}}
    for samples in data.parts.values():
        negatives = raw(data, "item_id", samples.columns["item_id"][1::2])
        for user, negative in zip(samples.group[1::2], negatives, strict=True):
            assert negative not in bought[user]


def test_invalid_reviews_are_bad_rows(tmp_path):
    path = write(
        tmp_path / "reviews.json.gz",
        [
            REVIEWS[0],
            "",
            "{'reviewerID': 'ann', 'asin': 'B1', 'unixReviewTime': 1}",
            '{"reviewerID": "ann", "asin":',
            review("ann", None, 1),
            review("", "B1", 1),
            review("ann", "B1", 1, unixReviewTime="1"),
            review("ann", "B1", 1, unixReviewTime=True),
            review("ann", "B1", 10**9),
            review("ann", "B1", 1, unixReviewTime=float("nan")),
            review("ann", "\ud800", 1),
            "[" * 100_000,
            '["ann", "B1", 1]',
            "x" * 300_000,
            b'{"reviewerID": "\xe9", "asin": "B2", "unixReviewTime": 5}',
        ],
    )
    frame, bad = read_reviews(path)
    assert frame.index.tolist() == [1, 15]
    assert frame["user_id"].tolist() == ["ann", "\ufffd"]
    assert frame["ts"].tolist() == [5 * DAY, 5]
    no_time = "'unixReviewTime' is not seconds since 1970"
    assert list(zip(bad["line"], map(str, bad["reason"]), strict=True)) == [
        (3, "not readable as JSON: {'reviewerID': 'ann', 'asin': 'B1', 'unixReviewTime': 1}"),
        (4, 'not readable as JSON: {"reviewerID": "ann", "asin":'),
        (5, "'asin' is missing"),
        (6, "'reviewerID' is missing"),
        (7, no_time),
        (8, no_time),
        (9, no_time),
        (10, no_time),
        (11, "'asin' is not UTF-8"),
        (12, "not readable as JSON: " + "[" * 80),
        (13, 'not readable as JSON: ["ann", "B1", 1]'),
        (14, "longer than 262,144 bytes"),
    ]


def test_invalid_items_are_bad_rows(tmp_path):
    made = tmp_path / "made"
    lines = [
        META[0],
        item("B2", "Second"),
        item("B9", "Not wanted"),
        f"{{'asin': open({str(made)!r}, 'w'), 'categories': [['x']]}}",
        f"__import__('pathlib').Path({str(made)!r}).touch()",
        "{'asin': 'B1', 'categories': []}",
        "{'asin': 'B1', 'categories': [[]]}",
        "{'asin': 'B1', 'categories': 5}",
        "{'asin': 'B1', 'categories': [['x', None]]}",
        "{'asin': 'B1'}",
        "{'categories': [['x']]}",
        "{'asin': 'B1', 'categories': {[]: 1}}",
        "{'asin': 'B1', 'categories': [['\\ud800']]}",
        "{'asin': 'B9', " + "1+" * 130_000,  # Longer than the limit of a line.
        "{'title': 'x', 'asin': 'B1', 'x': " + "1+" * 100_000 + "1}",
        "[" * 200_000,
        "-" * 200_000 + "1",
        "not " * 50_000,
        "a" + "()" * 100_000,
        "{'asin': 'B3', 'title': '\\d', 'categories': [[u'Caf\\xe9']]}",
        b"{'asin': 'B1', 'title': '\xe9', 'categories': [['Good']]}",
    ]
    frame, bad = read_categories(write(tmp_path / "meta.json.gz", lines), {"B1", "B2", "B3"})
    assert not made.exists()
    assert frame["item_id"].tolist() == ["B2", "B3", "B1"]
    assert frame["category"].tolist() == ["Games", "Caf\xe9", "Good"]
    assert frame.index.tolist() == [1, 20, 21]
    kinds = [reason.kind for reason in bad["reason"]]
    unreadable, no_path = "not readable as JSON or a literal", "'categories' is not a list of paths"
    assert list(zip(bad["line"], kinds, strict=True)) == [
        (2, "the item occurs twice"),
        (4, unreadable),
        (5, unreadable),
        (6, no_path),
        (7, no_path),
        (8, no_path),
        (9, "'categories' is missing"),
        (10, no_path),
        (11, "'asin' is missing"),
        (12, unreadable),
        (13, "'categories' is not UTF-8"),
        *[(line, unreadable) for line in range(15, 20)],
    ]


def test_bad_lines_are_reported(tmp_path):
    reviews = [*REVIEWS[:3], "{", "{ ", *REVIEWS[3:], review("ann", None, 1)]
    data = load(tmp_path, reviews, [*META[:2], "{", *META[2:]], max_bad=0.2)
    assert data.bad_rows.to_dict("list") == {
        "line": [4, 5, 11, 3],
        "reason": [
            "not readable as JSON: {",
            "not readable as JSON: {",
            "'asin' is missing",
            "not readable as JSON or a literal: {",
        ],
        "file": ["reviews", "reviews", "reviews", "meta"],
    }
    assert data.report["rows"] == 11
    assert data.report["rows_kept"] == 8
    assert data.report["rows_aside"] == {
        "not readable as JSON": {"rows": 2, "first_line": 4},
        "'asin' is missing": {"rows": 1, "first_line": 11},
    }
    assert data.report["items_table"] == {"rows": 5, "rows_aside": 1, "rows_not_found": 0}
    assert load(tmp_path, reviews, max_bad=0.2).bad_rows["file"].tolist() == ["reviews"] * 3
    assert load(tmp_path, meta=["{", *META], max_bad=0.2).bad_rows["file"].tolist() == ["meta"]
    with pytest.raises(ValueError, match=r"2 of 11 .*: not readable as JSON; .* `max_bad=0\.19`"):
        load(tmp_path, reviews)
    with pytest.raises(ValueError, match=r"rows of `items` may .*Received: 1 of 6 rows"):
        load(tmp_path, meta=["{", *META])
    same = load(tmp_path)
    np.testing.assert_array_equal(
        data.parts["train"].columns["item_id"], same.parts["train"].columns["item_id"]
    )


def test_item_without_a_category(tmp_path):
    data = load(tmp_path, meta=META[1:])
    assert data.report["items_table"]["rows_not_found"] == 2
    assert data.report["values_missing"]["category"] > 0


def test_no_good_line_raises(tmp_path):
    with pytest.raises(ValueError, match=r"items that were reviewed\. .*which has none\."):
        load(tmp_path, meta=META[1:2])
    with pytest.raises(ValueError, match=r"none; line 2: 'categories' is not a list of paths\."):
        load(tmp_path, meta=[META[1], "{'asin': 'B1'}", "{"])
    with pytest.raises(ValueError, match=r"at least one good row.*'not readable as JSON'"):
        load(tmp_path, ["{"])
    with pytest.raises(ValueError, match="at least one good row"):
        load(tmp_path, [], k_core=5)
    with pytest.raises(ValueError, match="`k_core` must be a positive integer"):
        load(tmp_path, k_core=0)


def test_truncated_file_raises(tmp_path):
    load(tmp_path)
    path = tmp_path / "reviews_Toys_5.json.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"must be complete.*Truncated compressed stream"):
        load_amazon(path, tmp_path / "meta_Toys.json.gz")


def test_k_core(tmp_path):
    # B3 and B5 have one review. Without them, eve has none and the others have two or more.
    more = [review(user, item_, 1) for user in ("kim", "lee") for item_ in ("B6", "B1")]
    data = load(tmp_path, [*REVIEWS, *more], k_core=2, split=LeaveOneOut(valid=0))
    assert data.report["rows_outside_core"] == 2
    assert data.report["rows_kept"] == 10
    assert data.report["items"] == 4


PAIRS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=40)


@given(PAIRS, st.integers(1, 4))
def test_k_core_matches_repeated_removal(pairs, k):
    left = list(enumerate(pairs))
    while True:
        users, items = [u for _, (u, _) in left], [i for _, (_, i) in left]
        fewer = [row for row in left if users.count(row[1][0]) >= k and items.count(row[1][1]) >= k]
        if len(fewer) == len(left):
            break
        left = fewer
    user, item_ = (
        np.array([pair[side_features] for pair in pairs], np.int64) for side_features in (0, 1)
    )
    assert np.flatnonzero(k_core_rows(user, item_, k)).tolist() == [row for row, _ in left]


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@given(NAMES, st.text(max_size=20), st.booleans())
def test_names_are_unchanged(tmp_path_factory, name, title, as_json):
    record = {"title": title, "asin": "B1", "categories": [["x"], ["y", name]]}
    line = json.dumps(record) if as_json else repr(record)
    assert ast.literal_eval(repr(record)) == record
    path = tmp_path_factory.mktemp("meta") / "meta.json"
    path.write_bytes(line.encode("utf-8", "replace"))
    frame, bad = read_categories(path, {"B1"})
    assert frame["category"].tolist() == [name]
    assert not len(bad)
