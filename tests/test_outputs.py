"""Tensors, losses and metrics by the names of a model's outputs."""

import types

import keras
import pytest

from keras_din.outputs import by_output, like_outputs, loss_of, metrics_by_output, prefixed_metrics


def test_by_output_and_like_outputs_are_inverse():
    assert by_output(3, ["ctr"]) == {"ctr": 3}
    assert list(by_output({"b": 1, "a": 2}, ["a", "b"]).items()) == [("a", 2), ("b", 1)]
    assert like_outputs({"ctr": 3}, 5) == 3
    assert like_outputs({"ctr": 3}, {"ctr": 5}) == {"ctr": 3}


def test_metrics_of_one_output_have_no_prefix():
    assert prefixed_metrics({"ctr": {"auc": 0.5}}) == {"auc": 0.5}
    assert metrics_by_output({"auc": 0.5}, ["ctr"]) == {"ctr": {"auc": 0.5}}


def test_metrics_of_several_outputs_have_prefixes():
    metrics = {"buy": {"auc": 0.5, "rows": 3}, "buy_now": {"auc": 0.6}}
    flat = prefixed_metrics(metrics)
    assert flat == {"buy_auc": 0.5, "buy_rows": 3, "buy_now_auc": 0.6}
    assert metrics_by_output(flat | {"seconds": 4}, metrics) == metrics


@pytest.mark.parametrize(
    "loss, expected",
    [
        (None, (None, None)),
        ("mse", ("mse", "mse")),
        ({"b": "mse", "a": "mae"}, ("mae", "mse")),
        ({"b": "mse"}, (None, "mse")),
        (["mae", "mse"], ("mae", "mse")),  # Keras flattens a dict of outputs by sorted names.
    ],
)
def test_loss_of_each_output(loss, expected):
    x = keras.Input((1,))
    model = keras.Model(x, {"b": x * 1, "a": x * 2})
    if loss is not None:
        model.compile("sgd", loss)
    assert (loss_of(model, "a"), loss_of(model, "b")) == expected


def test_loss_of_a_single_output_ignores_the_name():
    for loss in ("mse", ["mse"], {"probability": "mse"}):
        assert loss_of(types.SimpleNamespace(loss=loss, output=0), "ctr") == "mse"
