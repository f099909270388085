"""Heads for several labels against NumPy, on each backbone."""

import dataclasses

import keras
import numpy as np
import pytest

import keras_din as kd
from keras_din.factors import with_factors
from keras_din.layers import Embedding
from tests.models.shared import SPEC, randomized
from tests.reference import sigmoid
from tests.specs import one_width, random_batch

LABELS = [kd.Label("click"), kd.Label("buy", output="cvr", given="click"), kd.Label("like")]
SEVERAL = dataclasses.replace(one_width(SPEC), labels=LABELS)
BACKBONES = ("base", "pnn", "dcn", "din", "dien", "bst")
HEADS = {
    "shared_bottom": {"units": (6,)},
    "mmoe": {"num_experts": 3, "units": (6,)},
    "ple": {"num_specific_experts": 1, "num_shared_experts": 2, "num_layers": 2, "units": (6,)},
}


def dense(layer, x):
    for each in layer.dense_layers:
        x = np.maximum(x @ each.kernel.numpy() + each.bias.numpy(), 0)
    return x


@pytest.mark.parametrize("head", HEADS)
def test_each_label_has_its_tower_on_the_head(head):
    model = kd.build_multi_task(
        SEVERAL, backbone="base", head=head, head_options=HEADS[head], hidden_units=(5,)
    )
    randomized(model, scale=0.3)
    layer = model.get_layer("bottom" if head == "shared_bottom" else head)
    x = random_batch(SEVERAL, candidates=2)
    shared = np.asarray(keras.Model(model.input, layer.output)(x))
    factors = {}
    for k, prefix in enumerate(("", "cvr_", "like_")):
        of_label = shared if head == "shared_bottom" else shared[:, :, k]
        tower = dense(model.get_layer(f"{prefix}top"), of_label)
        kernel, bias = model.get_layer(f"{prefix}logit").get_weights()
        factors[prefix] = sigmoid((tower @ kernel + bias)[:, :, 0])
    outputs = model(x)
    np.testing.assert_allclose(outputs["ctr"], factors[""], rtol=1e-4)
    np.testing.assert_allclose(outputs["cvr"], factors[""] * factors["cvr_"], rtol=1e-4)
    np.testing.assert_allclose(outputs["like"], factors["like_"], rtol=1e-4)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_head_reads_what_the_backbone_feeds_to_its_own(backbone):
    options = {"num_heads": 2} if backbone == "bst" else {}
    model = kd.build_multi_task(SEVERAL, backbone=backbone, backbone_options=options)
    own = kd.MODELS[backbone](SEVERAL, **options)
    assert model.get_layer("mmoe").input[0].shape == own.get_layer("top").input[0].shape
    tables = [layer.name for layer in own.layers if isinstance(layer, Embedding)]
    assert [layer.name for layer in model.layers if isinstance(layer, Embedding)] == tables
    outputs = with_factors(model, SEVERAL)(random_batch(SEVERAL, candidates=2))
    assert set(outputs) == set(SEVERAL.served_outputs)
    assert all(np.isfinite(values).all() for values in outputs.values())


def test_backbone_options_are_used():
    model = kd.build_multi_task(SEVERAL, backbone_options={"attention_units": (3,)})
    assert model.get_layer("interest_hist").units == (3,)
    parallel = {"structure": "parallel", "hidden_units": (7,)}
    model = kd.build_multi_task(SEVERAL, backbone="dcn", backbone_options=parallel)
    assert model.get_layer("deep").units == (7,)


@pytest.mark.parametrize(
    "options, text",
    [
        ({"backbone": "deepfm"}, "`backbone` must be one of 'base', .*backbone='deepfm'"),
        ({"backbone": "multi_task"}, "`backbone` must be one of"),
        ({"head": "moe"}, "`head` must be one of 'shared_bottom', 'mmoe', 'ple'"),
        ({"head_options": {"expert": 3}}, "`head_options` must be one of 'num_experts', 'units'"),
        ({"backbone_options": {"name": "x"}}, "`backbone_options` must be one of .*='name'"),
        ({"head_options": {"num_experts": 0}}, "`num_experts` must be a positive integer"),
    ],
)
def test_invalid_arguments(options, text):
    with pytest.raises(ValueError, match=text):
        kd.build_multi_task(SEVERAL, **options)


def test_backbone_with_a_bias_is_refused():
    one = dataclasses.replace(SPEC, labels=["click"])
    with pytest.raises(ValueError, match=r"must be computed by an MLP alone.*Received: .*'din'"):
        kd.build_multi_task(one, backbone_options={"item_bias": True})
