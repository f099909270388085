"""Factors of products as outputs of a model."""

import dataclasses

import pytest

import keras_din as kd
from keras_din.embed import embed
from keras_din.factors import with_factors
from keras_din.head import ctr_head, ctr_model
from tests.models.shared import ITEM, SPEC

GIVEN = [kd.Label("click"), kd.Label("buy", output="cvr", given="click")]


def test_model_without_products_is_unchanged():
    spec = dataclasses.replace(SPEC, labels=["click", "buy"])
    model = kd.build_base(spec)
    assert with_factors(model, spec) is model


def test_features_may_have_the_name_of_a_factor():
    spec = kd.FeatureSpec(context=[kd.Numeric("cvr_given_ctr")], target=[ITEM], labels=GIVEN)
    model = with_factors(kd.build_base(spec), spec)
    assert list(model.output) == ["ctr", "cvr", "cvr_given_ctr"]
    assert "cvr_given_ctr" in [tensor.name for tensor in model.inputs]


def test_model_without_its_product_is_refused():
    spec = kd.FeatureSpec(target=[ITEM], labels=GIVEN)
    x = embed(spec)
    heads = {
        name: ctr_head([x.target], x.target_mask, (4,), label=kd.Label(name, output=name))
        for name in spec.outputs
    }
    model = ctr_model(x.inputs, heads, "plain")
    with pytest.raises(ValueError, match=r"must be a product.*outputs \['cvr'\] have no factor"):
        with_factors(model, spec)
