"""A spec with all features that a model computes from a history, and random batches of it."""

import numpy as np

import keras_din as kd

SIZES = {"item": 9, "cate": 5}
BUCKETS = 4
MATCHES = {
    "seen": kd.Match("seen", of="item", in_="hist"),
    "count": kd.Match("count", of="cate", in_="hist", measure="count"),
    "share": kd.Match("share", of="cate", in_="hist", measure="share"),
    "last": kd.LastMatch("last", of="cate", in_="hist", elapsed="ago", dim=4),
}
FACTS = {
    "length": kd.HistorySize("length", in_="hist"),
    "cates": kd.HistorySize("cates", in_="hist", of="cate"),
}


def a_spec(sizes=SIZES, matches=MATCHES, facts=FACTS):
    item, cate = (kd.Categorical(name, sizes[name], dim=4) for name in ("item", "cate"))
    ago = kd.Elapsed("ago", dim=4, boundaries=[1, 2, 3])
    return kd.FeatureSpec(
        context=[*facts.values(), kd.Categorical("segment", 5, dim=4)],
        target=[item, cate, *matches.values()],
        sequences=[kd.Sequence("hist", of=[item, cate], side_features=[ago])],
    )


SPEC = a_spec()


def a_batch(seed=0, rows=6, candidates=3, time=7, real=0.7):
    """Indices with unknown ones. At padding positions only the item is 0."""
    rng = np.random.default_rng(seed)
    draw = lambda low, high, *shape: rng.integers(low, high, (rows, *shape)).astype("int32")  # noqa: E731
    batch = {
        "segment": draw(1, 5),
        "item": draw(0, SIZES["item"] + 2, candidates),
        "cate": draw(0, SIZES["cate"] + 2, candidates),
        "hist_item": draw(1, SIZES["item"] + 2, time),
        "hist_cate": draw(0, SIZES["cate"] + 2, time),
        "hist_ago": draw(2, BUCKETS + 2, time),
    }
    batch["hist_item"][rng.random((rows, time)) >= real] = 0
    return batch
