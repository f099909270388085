"""The models that are compared between backends."""

from functools import partial

from keras_din import Categorical, FeatureSpec, Numeric, Sequence
from tests.specs import ZOO

BUILDERS = ZOO | {"bst_of_two_blocks": partial(ZOO["bst"], num_blocks=2)}


ACROSS_ITEM = Categorical("item", 9, dim=4)


ACROSS_PRICE = Numeric("price", mean=1.0, std=2.0)


ACROSS_SPEC = FeatureSpec(
    target=[ACROSS_ITEM, ACROSS_PRICE],
    sequences=[
        Sequence(
            "hist",
            of=[ACROSS_ITEM, ACROSS_PRICE],
            side_features=[Numeric("time", mean=2.0, std=0.5)],
        )
    ],
)
