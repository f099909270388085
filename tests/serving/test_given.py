"""Exports of labels that are given another label: products, factors, and the order by a formula."""

import dataclasses
import importlib.util
import json

import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.evaluation import predict
from keras_din.factors import with_factors
from keras_din.outputs import by_output
from keras_din.serving.checks.parity import _is_order
from keras_din.serving.checks.skew import find_skew, raw_rows
from keras_din.serving.formats.litert import open_litert
from keras_din.serving.formats.onnx import open_onnx
from keras_din.serving.graph.order_formula import OrderFormula
from keras_din.serving.graph.signatures import order_of, scores_to_order
from keras_din.serving.portable import index_spec
from keras_din.serving.sample_rows import one_candidate_per_row, sample_rows
from keras_din.serving.version.description import read_description
from tests.models.shared import randomized
from tests.serving.one_process import check_exports_with

ITEM = kd.Categorical("item", vocabulary=["a", "b", "c", "d"], dim=4)
LABELS = [
    kd.Label("click"),
    kd.Label("buy", output="cvr", given="click"),
    kd.Label("pay", given="buy"),
]
SPEC = kd.FeatureSpec(
    target=[ITEM], sequences=[kd.Sequence("hist", of=[ITEM], max_length=5)], labels=LABELS
)
FORMULA = "click * (cvr_given_ctr + 0.5) ** 0.3"


@pytest.fixture(scope="module")
def model():
    built = kd.build_multi_task(SPEC, backbone="base", head_options={"units": (4,)})
    return randomized(built, scale=0.5)


@pytest.fixture(scope="module")
def version(model, tmp_path_factory, one_process):
    path = tmp_path_factory.mktemp("versions")
    with check_exports_with(one_process):
        return kd.export(model, SPEC, path, raw=True, order_by=FORMULA)


def answers(version, signature, rows):
    function = tf.saved_model.load(str(version)).signatures[signature]
    outputs = function(**{name: tf.constant(values) for name, values in rows.items()})
    return {name: values.numpy() for name, values in outputs.items()}


def test_both_signatures_have_products_and_factors(model, version):
    sample = sample_rows(SPEC, rows=6, seed=3)
    real = sample.indices["item"] != 0
    assert not real.all()
    expected = with_factors(model, SPEC)(sample.indices)
    rank = answers(version, "rank", sample.raw)
    one = answers(version, "serving_default", one_candidate_per_row(SPEC, sample.raw))
    assert (
        set(one)
        == set(SPEC.served_outputs)
        == {*("ctr", "cvr", "pay", "cvr_given_ctr", "pay_given_cvr")}
    )
    for name in SPEC.served_outputs:
        np.testing.assert_allclose(rank[name], expected[name], atol=1e-6)
        np.testing.assert_allclose(one[name].reshape(real.shape), rank[name], atol=1e-6)
        np.testing.assert_array_equal(rank[name][~real], 0)
    np.testing.assert_allclose(rank["cvr"], rank["ctr"] * rank["cvr_given_ctr"], rtol=1e-5)
    np.testing.assert_allclose(rank["pay"], rank["cvr"] * rank["pay_given_cvr"], rtol=1e-5)
    scores = rank["ctr"] * (rank["cvr_given_ctr"] + 0.5) ** 0.3
    scores = np.where(real, scores, -np.inf)
    by_order = np.take_along_axis(scores, rank["order"], axis=1)
    assert (by_order[:, 1:] <= by_order[:, :-1] + 1e-6).all()

    description = read_description(version)
    assert description["order_by"] == FORMULA
    assert set(description["outputs"]) == {"ctr", "cvr", "pay"}
    assert description["factors"]["cvr_given_ctr"] == {
        "is": "the probability of buy given click",
        "product": "cvr",
        "given": "ctr",
    }
    assert "rank/pay_given_cvr" in description["largest_difference"]
    spec = kd.FeatureSpec.from_json(json.dumps(description["spec"]))
    assert spec.factors == SPEC.factors


def test_skew_compares_factors(model, version):
    x = sample_rows(SPEC, rows=4, seed=5).indices
    batches = [(raw_rows(SPEC, x), x)]
    live = with_factors(model, SPEC).predict_on_batch
    skew = find_skew(version, SPEC, live, batches)
    assert not skew.found
    assert "rank/cvr_given_ctr" in skew.largest
    other = find_skew(
        version, SPEC, lambda x: live(x) | {"cvr_given_ctr": 0 * live(x)["ctr"]}, batches
    )
    assert other.largest["rank/cvr_given_ctr"] > 0.01
    # A live model without factors is compared by its outputs.
    assert (
        "rank/cvr_given_ctr"
        not in find_skew(version, SPEC, model.predict_on_batch, batches).largest
    )


def test_factors_are_predicted(model):
    x = sample_rows(SPEC, rows=4, candidates=2).indices
    y = {name: np.zeros((4, 2), "float32") for name in SPEC.outputs}
    dataset = tf.data.Dataset.from_tensors((x, y, (x["item"] != 0).astype("float32")))
    dataset.spec = SPEC
    found = predict(with_factors(model, SPEC), dataset).predictions
    assert set(found) == set(SPEC.served_outputs)
    dataset.spec = None
    with pytest.raises(ValueError, match="`y` must contain the labels of each output"):
        predict(with_factors(model, SPEC), dataset)


@pytest.mark.parametrize(
    "export, open_file, packages",
    [
        (kd.serving.export_onnx, open_onnx, ["tf2onnx", "onnxruntime"]),
        (kd.serving.export_litert, open_litert, ["ai_edge_litert"]),
    ],
    ids=["onnx", "litert"],
)
def test_files_have_the_factors(model, tmp_path, export, open_file, packages):
    if any(importlib.util.find_spec(name) is None for name in packages):
        pytest.skip(f"not installed: {packages}")
    score = open_file(export(model, SPEC, tmp_path / "file", raw=True))
    sample = sample_rows(index_spec(SPEC), rows=3)
    expected = with_factors(model, SPEC)(sample.indices)
    found = score(sample.raw)
    assert set(found) == set(SPEC.served_outputs)
    for name in SPEC.served_outputs:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5)


def test_weights_of_positives_are_refused(model, tmp_path):
    for given in ({"positive_weight": {"ctr": 2.0}}, {"negative_rate": 0.5}):
        with pytest.raises(ValueError, match="the odds of a product are not scaled like those"):
            kd.export(model, SPEC, tmp_path / "v", **given)
    with pytest.raises(ValueError, match="the odds of a product are not scaled like those"):
        kd.serving.export_onnx(model, SPEC, tmp_path / "v.onnx", negative_rate=0.5)
    assert not (tmp_path / "v").exists() or not list((tmp_path / "v").glob("[0-9]*"))


def test_a_score_that_is_not_finite_is_before_padding():
    """A number that a model predicts has no largest value, so a formula over it can overflow."""
    label = kd.Label("seconds", loss="weighted_logistic")
    spec = dataclasses.replace(SPEC, labels=[label])
    formula = OrderFormula("seconds ** 10", spec)
    seconds = tf.constant([[1.0, 1e35, 0.0, 2.0]])
    real = tf.constant([[True, True, False, True]])
    order = order_of(scores_to_order(formula, {"seconds": seconds}), real).numpy()
    np.testing.assert_array_equal(order, [[3, 0, 1, 2]])
    with np.errstate(over="ignore"):
        scores = formula(by_output(np.float64(seconds), spec.outputs))
    assert _is_order(order, scores, real.numpy(), 1e-5)
    for wrong in ([3, 0, 2, 1], [0, 3, 1, 2], [3, 3, 1, 2], [1, 3, 0, 2]):
        assert not _is_order(np.array([wrong]), scores, real.numpy(), 1e-5)
