"""The models that are compared between backends."""

from functools import partial

import numpy as np

from keras_din import Bucketized, Categorical, FeatureSpec, Numeric, Position, Sequence, Vector
from keras_din.features import VectorTable
from tests.specs import ZOO

BUILDERS = ZOO | {"bst_of_two_blocks": partial(ZOO["bst"], num_blocks=2)}


ACROSS_ITEM = Categorical("item", 9, dim=4)


ACROSS_PRICE = Numeric("price", mean=0.5, std=0.3, transform="quantile", knots=[-2, 0, 0, 1, 3])


# Different storages: float16 of the candidate and of behaviors, int8 of behaviors.
ACROSS_TITLE = Vector(
    "title",
    3,
    of="item",
    project_to=2,
    vectors=VectorTable(np.arange(27).reshape(9, 3).astype("float16") / 8),
)


ACROSS_IMAGE = Vector(
    "image",
    2,
    of="item",
    storage="int8",
    vectors=VectorTable(np.arange(18).reshape(9, 2).astype("int8"), np.full(9, 0.1, "float32")),
)


ACROSS_MOOD = Vector("mood", 2, project_to=3)  # One per candidate and behavior.


ACROSS_POSITION = Position("position", size=3)


ACROSS_SPEC = FeatureSpec(
    context=[Vector("query", 3)],
    target=[ACROSS_ITEM, ACROSS_PRICE, ACROSS_TITLE, ACROSS_MOOD, ACROSS_POSITION],
    sequences=[
        Sequence(
            "hist",
            of=[ACROSS_ITEM, ACROSS_PRICE, ACROSS_TITLE, ACROSS_MOOD],
            side_features=[
                Numeric("time", mean=1.0, std=0.5, transform="log1p"),
                Numeric("dwell", mean=1.0, std=0.5, transform="clip", limits=(-1, 2)),
                ACROSS_IMAGE,
                Bucketized("size", boundaries=[0, 1, 2, 5], dim=4),
            ],
        )
    ],
)
