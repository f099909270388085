"""The growth of a spec: rows by hand, and differences that are not growth."""

import numpy as np
import pytest

from keras_din.features import (
    Bag,
    Categorical,
    FeatureSpec,
    HashBuckets,
    Label,
    Numeric,
    Sequence,
    Table,
    Vocabulary,
)
from keras_din.spec_growth import spec_growth


def spec_of(entries=("a", "b"), capacity=4, table=None, **changes):
    values = {"vocabulary": entries, "capacity": capacity} if table is None else table
    item = Categorical("item", **values, dim=changes.pop("dim", 2))
    fields = {
        "context": [Numeric("age", mean=1.0), Bag("tags", 5), Categorical("first", table="item")],
        "target": [item, Categorical("city", hash_buckets=4)],
        "sequences": [Sequence("hist", of=[item], max_length=7)],
    }
    return FeatureSpec(**(fields | changes))


def rows_of(growth):
    return [np.flatnonzero(mask).tolist() for mask in (growth.kept, growth.new, growth.removed)]


@pytest.mark.parametrize(
    "old, new, size, expected",
    [
        (Vocabulary(["a", "b"]), Vocabulary(["a", "b"]), 4, ([2, 3], [], [])),
        (Vocabulary(["a", "b"]), Vocabulary(["a", "b", "c"]), 5, ([2, 3], [4], [])),
        (Vocabulary(["a"], capacity=3), Vocabulary(["a", "b"], capacity=3), 5, ([2], [3], [])),
        (
            Vocabulary(["a", "b", "c"], capacity=4),
            Vocabulary([None, "d", "c"], capacity=6),
            8,
            ([4], [3], [2]),
        ),
        # A removed value comes back, at an index of its own.
        (
            Vocabulary([None, 5], capacity=2),
            Vocabulary([7, None], capacity=2),
            4,
            ([], [2], [3]),
        ),
        (Vocabulary([7, 5, 6], capacity=3), Vocabulary([7], capacity=3), 5, ([2], [], [3, 4])),
        (HashBuckets(3), HashBuckets(3), 5, ([2, 3, 4], [], [])),
    ],
)
def test_rows_of_values(old, new, size, expected):
    specs = [
        FeatureSpec(target=[Categorical("item", 5)], context=[Categorical("x", table=table)])
        for table in (Table("t", values=old), Table("t", values=new))
    ]
    growth = spec_growth(*specs)
    assert rows_of(growth["t"]) == list(expected)
    assert (growth["t"].old_size, growth["t"].size) == (old.size, size)
    assert rows_of(growth["item"]) == [[2, 3, 4], [], []]


def test_values_that_left_and_came_back_in_between():
    def spec(entries):
        return FeatureSpec(target=[Categorical("item", vocabulary=entries, capacity=5)])

    changed = {"item": np.array([False, False, True, True, False, True, True])}
    before, after = spec(["a", "b", "c", "d", None]), spec(["a", "d", "c", None, "b"])
    growth = spec_growth(before, after, changed)
    assert rows_of(growth["item"]) == [[4], [2, 3, 6], [5]]
    changed["item"][3] = False  # "b" has moved, and not left.
    with pytest.raises(ValueError, match="index of 'b' in table 'item' is 3 in `spec`, 6 in"):
        spec_growth(before, after, changed)


def test_rows_of_indices():
    growth = spec_growth(
        spec_of(table={"vocabulary_size": 4}), spec_of(table={"vocabulary_size": 6})
    )
    assert rows_of(growth["item"]) == [[2, 3], [4, 5], []]
    assert growth["item"].old_size == 4


CITY = Categorical("city", hash_buckets=4)
AGE, TAGS, FIRST = spec_of().context


@pytest.mark.parametrize(
    "new_spec, message",
    [
        (spec_of(dim=3), "`dim` of table 'item' is 2 in `spec`, 3 in `new_spec`"),
        (spec_of(["b", "a"]), "the index of 'b' in table 'item' is 3 in `spec`, 2 in `new_spec`"),
        (spec_of([None, None, "a"]), "the index of 'a' in table 'item' is 2 in `spec`, 4 in"),
        (spec_of(capacity=3), "the capacity of table 'item' is 4 in `spec`, 3 in `new_spec`"),
        (spec_of([1, 2]), "`dtype` of table 'item' is 'string' in `spec`, 'int64' in `new_spec`"),
        (spec_of(table={"vocabulary_size": 9}), "`values` of table 'item' is 'vocabulary' in"),
        (spec_of(context=[AGE, TAGS]), "feature 'first' is missing in `new_spec`"),
        (
            spec_of(context=[AGE, TAGS, FIRST, Numeric("more")]),
            "feature 'more' is missing in `spec`",
        ),
        (
            spec_of(context=[Numeric("age", mean=1.5), TAGS, FIRST]),
            "`mean` of feature 'age' is 1.0 in `spec`, 1.5 in `new_spec`",
        ),
        (
            spec_of(context=[Numeric("age", mean=1, transform="log1p"), TAGS, FIRST]),
            "`transform` of feature 'age' is None in `spec`, 'log1p' in `new_spec`",
        ),
        (
            spec_of(context=[AGE, Categorical("tags", 5), FIRST]),
            "`type` of feature 'tags' is 'Bag' in `spec`, 'Categorical' in `new_spec`",
        ),
        (
            spec_of(context=[AGE, Bag("tags", 5, pooling="sum"), FIRST]),
            "`pooling` of feature 'tags' is 'mean' in `spec`, 'sum' in `new_spec`",
        ),
        (
            spec_of(context=[AGE, Bag("tags", 4), FIRST]),
            "`vocabulary_size` of table 'tags' is 5 in `spec`, 4 in `new_spec`",
        ),
        (
            spec_of(context=[AGE, TAGS, Categorical("first", 5)]),
            "`table` of feature 'first' is 'item' in `spec`, 'first' in `new_spec`",
        ),
        (
            spec_of(context=[TAGS, AGE, FIRST]),
            r"`context` of the spec is \['age', 'tags', 'first'\]",
        ),
        (
            spec_of(target=[spec_of().target[0], Categorical("city", hash_buckets=5)]),
            "`values` of table 'city' is .*hash_buckets=4.* in `spec`, .*hash_buckets=5",
        ),
        (
            spec_of(sequences=[Sequence("hist", of=[spec_of().target[0]])]),
            "`max_length` of sequence 'hist' is 7 in `spec`, 100 in `new_spec`",
        ),
        (
            spec_of(sequences=[Sequence("hist", of=[spec_of().target[0], CITY], max_length=7)]),
            r"`of` of sequence 'hist' is \['item'\] in `spec`, \['item', 'city'\] in `new_spec`",
        ),
        (spec_of(sequences=[]), "sequence 'hist' is missing in `new_spec`"),
        (spec_of(labels=[Label("buy")]), "`labels` of the spec is .*click.*buy"),
        (3, "`new_spec` must be a FeatureSpec. Received: new_spec=3"),
    ],
)
def test_differences_that_are_not_growth_are_refused(new_spec, message):
    with pytest.raises(ValueError, match=message):
        spec_growth(spec_of(), new_spec)


def test_value_of_padding_must_not_change():
    """Clients would still send 0 at padding positions, and it would be an item."""
    with pytest.raises(
        ValueError, match=r"padding of table 'item' is 0 in .* -1 in .*: leave 0 out"
    ):
        spec_growth(spec_of([7]), spec_of([7, 0]))


def test_all_differences_are_listed():
    with pytest.raises(
        ValueError, match=r"must be `spec` with .*; feature 'age' .*; feature 'tags' is missing"
    ):
        spec_growth(spec_of(), spec_of(context=[FIRST]))


def test_mean_and_std_may_be_given_or_not():
    spec, new_spec = (
        spec_of(context=[feature]) for feature in (Numeric("a", mean=0), Numeric("a"))
    )
    assert set(spec_growth(spec, new_spec)) == set(spec.tables)


def test_one_entry_of_long_fields_is_named():
    knots = list(range(20))
    specs = [
        spec_of(context=[Numeric("a", transform="quantile", knots=each)])
        for each in (knots, [*knots[:19], 21])
    ]
    with pytest.raises(
        ValueError, match=r"`knots\[19\]` of feature 'a' is 19.0 in `spec`, 21.0 in"
    ):
        spec_growth(*specs)
