"""`ProductLogits`: the logit of a product of two probabilities."""

import numpy as np

from keras_din.layers import ProductLogits
from tests.layers.contract import check_layer

A = np.random.default_rng(0).normal(size=(2, 3)).astype("float32")
B = np.random.default_rng(1).normal(size=(2, 3)).astype("float32")


def test_contract(tmp_path):
    found = check_layer(ProductLogits("cvr_given_ctr"), {"given": A, "logits": B}, tmp_path)
    product = 1 / (1 + np.exp(-A)) / (1 + np.exp(-B))
    np.testing.assert_allclose(found, np.log(product / (1 - product)), rtol=1e-5)


def test_factor_is_saved():
    layer = ProductLogits("cvr_given_ctr")
    assert ProductLogits.from_config(layer.get_config()).factor == "cvr_given_ctr"
