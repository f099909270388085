"""Signatures give the outputs of the live model for raw values, or an error."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_din as kd
from keras_din.serving import saved_model
from keras_din.serving.graph import signatures
from keras_din.serving.graph.encoding import FeatureEncoder
from keras_din.serving.graph.order_formula import OrderFormula
from keras_din.serving.graph.signatures import order_of, scores_to_order
from keras_din.serving.sample_rows import one_candidate_per_row, sample_rows
from tests.models.shared import randomized
from tests.serving.specs import ITEM, SMALL, SPEC, through_the_pipeline
from tests.specs import ZOO, specs


def answer(model, spec, signature, rows, scratch):
    function = getattr(signatures, signature)(model, spec, FeatureEncoder(spec, scratch))
    inputs = {name: tf.constant(values) for name, values in rows.items()}
    return {name: values.numpy() for name, values in function(**inputs).items()}


@pytest.mark.parametrize("name", kd.MODELS)
@settings(max_examples=3, deadline=None)
@given(spec=specs(), seed=st.integers(0, 99))
def test_both_signatures_agree_with_pipeline_and_live_model(tmp_path_factory, name, spec, seed):
    keras.backend.clear_session()
    model = randomized(ZOO[name](spec), seed, scale=0.2)
    scratch = tmp_path_factory.mktemp("scratch")
    sample = sample_rows(spec, rows=8, candidates=2, time=(0, None)[seed % 2], seed=seed)
    x, real = through_the_pipeline(spec, sample)
    one = answer(model, spec, "serving_default", one_candidate_per_row(spec, sample.raw), scratch)
    many = answer(model, spec, "rank", sample.raw, scratch)
    np.testing.assert_allclose(one["ctr"], many["ctr"].reshape(-1), rtol=0, atol=1e-5)
    np.testing.assert_array_equal(one["ctr"][~real], 0)
    live = np.asarray(model(x, training=False))[:, 0]
    np.testing.assert_allclose(one["ctr"][real], live, rtol=0, atol=1e-5)


def test_most_recent_behaviors_of_a_long_history_are_used():
    indices = tf.constant([[3, 0, 4, 5, 0], [0, 0, 0, 0, 6], [0, 0, 0, 0, 0]])
    keep = signatures.most_recent(indices, 2).numpy()
    np.testing.assert_array_equal(indices * keep, [[0, 0, 4, 5, 0], [0, 0, 0, 0, 6], [0] * 5])


class Scores:
    """A model whose `ctr` depends on the item only: "té i" has the score `scores[i]`."""

    weights = ()

    def __init__(self, *scores):
        self.scores = tf.constant([0.7, 0.7, *scores])

    def __call__(self, x, training):
        return tf.gather(self.scores, x["item"])


def test_order(tmp_path):
    spec = kd.FeatureSpec(target=[ITEM])
    model = Scores(0.5, 0.0, 0.9, 0.5)
    rows = {"item": [["té 1", "", "té 0", "té 3", "té 2"], ["", "", "té 1", "", "?"], [""] * 5]}
    answers = answer(model, spec, "rank", rows, tmp_path)
    # Ties keep their order. A valid candidate comes before padding.
    expected = [[4, 2, 3, 0, 1], [4, 2, 0, 1, 3], [0, 1, 2, 3, 4]]
    np.testing.assert_array_equal(answers["order"], expected)
    assert answers["order"].dtype == np.int32
    np.testing.assert_allclose(answers["ctr"][0], [0, 0, 0.5, 0.5, 0.9])
    np.testing.assert_allclose(answers["ctr"][1], [0, 0, 0, 0, 0.7])
    ones = {"item": rows["item"][0]}
    ctr = answer(model, spec, "serving_default", ones, tmp_path)["ctr"]
    np.testing.assert_array_equal(ctr, answers["ctr"][0])


def test_order_of_any_scores(tmp_path):
    """A model of a user may return logits."""
    rows = {"item": [["té 1", "", "té 0", "té 3", "té 2"]]}
    model, spec = Scores(-1.9, -3.0, 2.0, -0.9), kd.FeatureSpec(target=[ITEM])
    answers = answer(model, spec, "rank", rows, tmp_path)
    np.testing.assert_array_equal(answers["order"], [[4, 3, 2, 0, 1]])
    np.testing.assert_allclose(answers["ctr"], [[-3.0, 0, -1.9, -0.9, 2.0]])


@pytest.mark.parametrize(
    "name, shape", [("din", (0, 3)), ("din", (2, 0)), ("base", (0, 3)), ("base", (2, 0))]
)
def test_no_rows_and_no_candidates(name, shape, tmp_path):
    rows = sample_rows(SPEC, rows=shape[0], candidates=shape[1]).raw
    answers = answer(ZOO[name](SPEC), SPEC, "rank", rows, tmp_path)
    assert answers["ctr"].shape == answers["order"].shape == shape


def test_the_model_runs_once_per_user(tmp_path):
    shapes = []

    def model(x, training):
        shapes.append({name: values.shape.as_list() for name, values in x.items()})
        return tf.zeros_like(x["item"], tf.float32)

    model.weights = ()
    rows = sample_rows(SPEC, rows=4, candidates=6, time=9).raw
    answer(model, SPEC, "rank", rows, tmp_path)
    (shapes,) = shapes
    assert shapes["hist_item"] == shapes["shops_shop"] == [4, 9]
    assert shapes["item"] == [4, 6]


@pytest.mark.parametrize("width", [1, 8])
def test_histories_of_different_lengths_raise(width, tmp_path):
    rows = sample_rows(SPEC, rows=4, time=9).raw
    rows["hist_shop"] = rows["hist_shop"][:, :width]
    message = "hist_shop must have the shape of hist_item"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        answer(kd.build_base(SPEC), SPEC, "rank", rows, tmp_path)


@pytest.mark.parametrize("name", ["lr", "din"])
@pytest.mark.parametrize("other", ["shop", "price"])
def test_different_numbers_of_candidates_raise(name, other, tmp_path):
    """A single value would be broadcast to all candidates."""
    rows = sample_rows(SPEC, rows=4, candidates=3, time=9).raw
    rows[other] = rows[other][:, :1]
    message = f"{other} must have the shape of item"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        answer(ZOO[name](SPEC), SPEC, "rank", rows, tmp_path)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder of a version of a small model, written without checks."""
    folder = tmp_path_factory.mktemp("written")
    model = kd.build_base(SMALL, hidden_units=(4,))
    saved_model.write(model, SMALL, folder / "version", tmp_path_factory.mktemp("scratch"))
    return str(folder / "version")


@pytest.mark.parametrize("signature", signatures.SIGNATURES)
def test_different_numbers_of_rows_raise(signature, written):
    """With one history for several candidates, the other candidates would have no history."""
    rows = sample_rows(SMALL, rows=3, candidates=1, time=4).raw
    if signature == "serving_default":
        rows = one_candidate_per_row(SMALL, rows)
    odd, messages = [], []
    for name in ("age", "hist", "shops"):  # All inputs of a sequence together.
        odd.append({key: v[:1] if key.startswith(name) else v for key, v in rows.items()})
        messages.append(rf"{name}\w* must have as many rows as item")
    loaded = tf.saved_model.load(written)
    for rows, message in zip(odd, messages, strict=True):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            loaded.signatures[signature](**{key: tf.constant(v) for key, v in rows.items()})
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        loaded = v1.saved_model.loader.load(session, ["serve"], written)
        tensors = loaded.signature_def[signature]
        for rows, message in zip(odd, messages, strict=True):
            feed = {tensors.inputs[key].name: v for key, v in rows.items()}
            with pytest.raises(tf.errors.InvalidArgumentError, match=message):
                session.run(tensors.outputs["ctr"].name, feed)


BATCH = {"item": ["té 1"], "hist_item": [["té 0"]]}
WRONG_AXES = [
    ("serving_default", {"item": [["té 1", "té 2"]]}, "item_must_have_the_axes_batch"),
    ("serving_default", {"item": "té 1"}, "item_must_have_the_axes_batch"),
    ("serving_default", {"hist_item": ["té 0"]}, "hist_item_must_have_the_axes_batch_time"),
    ("rank", {"item": ["té 1"]}, "item_must_have_the_axes_batch_candidates"),
    ("rank", {"item": [["té 1"]], "hist_item": [[["té 0"]]]}, "hist_item_must_have_the_axes"),
]


@pytest.fixture(scope="module")
def items_alone(tmp_path_factory):
    spec = kd.FeatureSpec(target=[ITEM], sequences=[kd.Sequence("hist", of=[ITEM])])
    folder = tmp_path_factory.mktemp("items alone")
    model = kd.build_base(spec, hidden_units=(4,))
    saved_model.write(model, spec, folder / "version", tmp_path_factory.mktemp("scratch"))
    return folder / "version"


@pytest.mark.parametrize("signature, rows, message", WRONG_AXES)
def test_wrong_number_of_axes_raises_with_the_name_of_the_input(
    items_alone, signature, rows, message
):
    rows = {name: np.array(values, object) for name, values in (BATCH | rows).items()}
    loaded = tf.saved_model.load(str(items_alone)).signatures[signature]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        loaded(**{name: tf.constant(values) for name, values in rows.items()})
    # A server feeds requests of any shape. `tf.function` would check the shape first.
    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph, v1.Session() as session:
        defs = v1.saved_model.loader.load(session, ["serve"], str(items_alone)).signature_def
        output = lambda info: graph.get_tensor_by_name(info.name)._as_tf_output()  # noqa: E731
        inputs, outputs = defs[signature].inputs, defs[signature].outputs
        feed = {output(inputs[name]): values for name, values in rows.items()}
        session._extend_graph()
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            session._call_tf_sessionrun(None, feed, [output(outputs["ctr"])], [], None)


@pytest.mark.parametrize(
    "text, seconds, click",
    [
        ("seconds ** 10", [2e5, 3.0, 1e9, 1e6], 0.5),  # Powers above the largest float32.
        ("click ** 10 * seconds", [1.0, 0.5, 3.0, 2.0], 1e-6),  # Below the smallest one.
        ("0 - (seconds + 1) ** -10", [2e5, 3.0, 1e9, 1e6], 0.5),
    ],
)
def test_order_of_large_powers(text, seconds, click):
    labels = [kd.Label("click"), kd.Label("seconds", loss="poisson")]
    spec = kd.FeatureSpec(target=[ITEM], labels=labels)
    outputs = {
        "ctr": tf.fill((1, 4), tf.constant(click)),
        "seconds": tf.constant([seconds], tf.float32),
    }
    scores = scores_to_order(OrderFormula(text, spec), outputs)
    order = order_of(scores, tf.fill((1, 4), True))
    np.testing.assert_array_equal(order, np.argsort(np.negative([seconds]), axis=1))
