"""The models that are compared between backends."""

from functools import partial

from keras_din import Bucketized, Categorical, FeatureSpec, Numeric, Sequence
from tests.specs import ZOO

BUILDERS = ZOO | {"bst_of_two_blocks": partial(ZOO["bst"], num_blocks=2)}


ACROSS_ITEM = Categorical("item", 9, dim=4)


ACROSS_PRICE = Numeric("price", mean=0.5, std=0.3, transform="quantile", knots=[-2, 0, 0, 1, 3])


ACROSS_SPEC = FeatureSpec(
    target=[ACROSS_ITEM, ACROSS_PRICE],
    sequences=[
        Sequence(
            "hist",
            of=[ACROSS_ITEM, ACROSS_PRICE],
            side_features=[
                Numeric("time", mean=1.0, std=0.5, transform="log1p"),
                Numeric("dwell", mean=1.0, std=0.5, transform="clip", limits=(-1, 2)),
                Bucketized("size", boundaries=[0, 1, 2, 5], dim=4),
            ],
        )
    ],
)
