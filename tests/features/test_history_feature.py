"""`Match`, `LastMatch` and `HistorySize` in a `FeatureSpec`."""

import dataclasses
import json

import numpy as np
import pytest

import keras_din as kd
from keras_din.cli.inspect import _features
from keras_din.features import feature_from_entry, id_feature
from keras_din.serving.portable import index_spec
from keras_din.spec_fingerprint import differences, fingerprint

ITEM, CATE = kd.Categorical("item_id", 9), kd.Categorical("cate_id", 5)
TAGS, PRICE = kd.Bag("tags", 5), kd.Numeric("price")
AGO = kd.Elapsed("ago", boundaries=[10, 100])
SEEN = kd.Match("seen", of="item_id", in_="hist")
LAST = kd.LastMatch("last", of="cate_id", in_="hist", elapsed="ago", dim=3)
SIZE = kd.HistorySize("size", in_="hist")


def a_spec(*target, context=()):
    of = [ITEM, CATE, TAGS, PRICE]
    hist = kd.Sequence("hist", of=of, side_features=[AGO, kd.Categorical("action", 4)])
    views = kd.Sequence("views", of=[ITEM])
    return kd.FeatureSpec(context=context, target=[*of, *target], sequences=[hist, views])


def test_spec_has_no_inputs_of_them():
    spec = a_spec(SEEN, LAST, context=[SIZE])
    assert spec.inputs.keys() == a_spec().inputs.keys()
    assert spec.raw_inputs.keys() == a_spec().raw_inputs.keys()
    assert {"seen", "last", "size"} < spec.fields.keys()
    table = spec.tables["last"]
    assert (table.values, table.dim) == (spec.tables["ago"].values, 3)
    assert index_spec(spec).fields.keys() == a_spec().inputs.keys()
    assert id_feature(index_spec(spec).target).name == "item_id"


def test_json_and_repr():
    share = kd.Match("share", of="cate_id", in_="hist", measure="share")
    actions = kd.HistorySize("actions", in_="hist", of="action")
    spec = a_spec(SEEN, share, LAST, context=[SIZE, actions])
    again = kd.FeatureSpec.from_json(spec.to_json())
    assert again == spec
    assert again.tables == spec.tables
    assert repr(share) == "Match('share', of='cate_id', in_='hist', measure='share')"
    assert repr(LAST) == "LastMatch('last', of='cate_id', in_='hist', elapsed='ago', dim=3)"
    assert repr(SIZE) == "HistorySize('size', in_='hist')"


def test_entries_of_a_file_of_features():
    entry = {"type": "LastMatch", "of": "cate_id", "in_": "hist", "elapsed": "ago", "in": "target"}
    assert feature_from_entry("last", entry, dim=3) == LAST
    entry = {"type": "HistorySize", "in_": "hist", "in": ["context"]}
    assert feature_from_entry("size", entry, dim=3) == SIZE
    with pytest.raises(ValueError, match=r"`in` of the HistorySize 'size' must be some of \['con"):
        feature_from_entry("size", entry | {"in": "target"})


def test_fingerprint_has_all_but_the_width():
    text = fingerprint(a_spec(SEEN, LAST))
    assert differences(text, a_spec(SEEN, dataclasses.replace(LAST, dim=7))) == []
    other = a_spec(dataclasses.replace(SEEN, measure="count"), LAST)
    assert differences(text, other) == [
        "feature 'seen': its measure is 'seen' in the model, 'count' in the spec"
    ]
    other = a_spec(SEEN, dataclasses.replace(LAST, of="item_id"))
    assert differences(text, other) == [
        "feature 'last': its of is 'cate_id' in the model, 'item_id' in the spec"
    ]


def test_growth_refuses_other_matches():
    other = dataclasses.replace(SEEN, measure="share")
    with pytest.raises(ValueError, match=r"`measure` of feature 'seen' is 'seen' in `spec`"):
        kd.grow(kd.build_lr(a_spec(SEEN)), a_spec(SEEN), a_spec(other))


@pytest.mark.parametrize(
    "make, match",
    [
        (
            lambda: kd.Match("a", of="item_id", in_="hist", measure="sum"),
            "`measure` must be one of",
        ),
        (lambda: kd.Match("a", of=None, in_="hist"), "`of` of Match 'a' must be a name. Rec.*None"),
        (lambda: kd.Match("a", of=ITEM, in_="hist"), r"must be a name. Received: of=Categorical\("),
        (lambda: kd.HistorySize("a", in_=3), "`in_` of HistorySize 'a' must be a name"),
        (
            lambda: kd.LastMatch("a", of="item_id", in_="hist", elapsed=AGO),
            "`elapsed` of LastMatch 'a' must be a name. Received: elapsed=Elapsed",
        ),
        (
            lambda: kd.LastMatch("a", of="item_id", in_="hist", elapsed="ago", dim=0),
            "`dim` of LastMatch 'a' must be a positive integer",
        ),
        (
            lambda: a_spec(kd.Match("a", of="item_id", in_="buys")),
            r"`in_` of Match 'a' must be the name of a seq.*: \['hist', 'views'\]. Rec.*'buys'",
        ),
        (
            lambda: a_spec(kd.Match("a", of="cate_id", in_="views")),
            r"in `of` of Sequence 'views': \['item_id'\]. Received: of='cate_id'\.",
        ),
        (
            lambda: a_spec(kd.Match("a", of="tags", in_="hist")),
            r"in `of` of Sequence 'hist': \['item_id', 'cate_id'\]. Received: of='tags', a Bag\.",
        ),
        (
            lambda: a_spec(kd.Match("a", of="price", in_="hist")),
            "with one index per behavior .* Received: of='price', a Numeric",
        ),
        (
            lambda: a_spec(kd.Match("a", of="action", in_="hist")),
            "in `of` of Sequence 'hist': .* Received: of='action', a Categorical",
        ),
        (
            lambda: a_spec(context=[kd.HistorySize("a", in_="hist", of="tags")]),
            r"in Sequence 'hist': \['item_id', 'cate_id', 'ago', 'action'\]. Received: of='tags'",
        ),
        (
            lambda: a_spec(dataclasses.replace(LAST, elapsed="action")),
            r"of an Elapsed in `side_features` of Sequence 'hist': \['ago'\]. Rec.*'action'",
        ),
        (
            lambda: a_spec(dataclasses.replace(LAST, in_="views", of="item_id")),
            r"of an Elapsed in `side_features` of Sequence 'views': \[\]. Received: .*'ago'",
        ),
        (lambda: a_spec(context=[SEEN]), r"Match\(.* must be in `target`. Received: 'seen' in"),
        (lambda: a_spec(SIZE), r"HistorySize\(.* must be in `context`. Received: 'size' in `targ"),
    ],
)
def test_invalid_arguments(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_inspect_describes_them():
    actions = kd.HistorySize("actions", in_="hist", of="action")
    spec = a_spec(SEEN, LAST, context=[SIZE, actions])
    sizes = {name: f.table.values.size for name, f in spec.features.items() if f.table}
    content = {"spec": json.loads(spec.to_json()), "vocabulary_sizes": sizes}
    rows = {name: (values, *others) for name, values, *others in _features(content)}
    assert rows["seen"] == ("seen of the candidate's item_id in hist", "", "", "target")
    assert rows["last"] == ("ago of the last equal cate_id in hist", "5", "3", "target")
    assert rows["size"] == ("log(1 + number of behaviors in hist)", "", "", "context")
    assert rows["actions"][0] == "log(1 + number of distinct action in hist)"


def test_padding_of_the_table_is_kept():
    layer = kd.build_base(a_spec(LAST)).get_layer("embedding_last")
    rows = np.asarray(layer(np.array([0, 1, 2])))
    assert not rows[0].any()
    assert not rows[1].any()  # "Never" starts at 0, as an out-of-vocabulary value.
    assert rows[2].any()
