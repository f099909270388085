"""`CTRModel`: Keras' losses and metrics on candidates, losses from logits, errors."""

import copy

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

import keras_din as kd
from keras_din.evaluation import predict
from keras_din.head import probability
from keras_din.layers import Bias
from keras_din.losses import BinaryCrossentropy
from tests.ctr_model_batch import (
    BCE,
    EACH,
    LABELS,
    LOGITS,
    MSE,
    REAL,
    WEIGHT,
    WEIGHTS,
    P,
    Y,
    model_of,
)


def as_dataset(*arrays):
    """Returns batches with an unknown number of candidates."""
    x, *others = arrays
    import tensorflow as tf  # Imported here, because other backends import this file.

    elements = ({"x": x}, *others)
    spec = tf.nest.map_structure(lambda a: tf.TensorSpec((None,) * a.ndim, a.dtype), elements)
    dataset = tf.data.Dataset.from_generator(lambda: [elements], output_signature=spec)
    return dataset.apply(tf.data.experimental.assert_cardinality(1))


def evaluated(model, *arrays):
    return model.evaluate(as_dataset(*arrays), verbose=0, return_dict=True)


@pytest.mark.parametrize(
    "loss, expected",
    [
        ("binary_crossentropy", BCE),
        ("bce", BCE),
        ("crossentropy", BCE),
        (keras.losses.binary_crossentropy, BCE),
        (keras.losses.BinaryCrossentropy(), BCE),
        ([keras.losses.BinaryCrossentropy(name="x")], BCE),
        (keras.losses.BinaryCrossentropy(reduction="sum"), BCE * len(EACH)),
        (keras.losses.BinaryCrossentropy(reduction="mean_with_sample_weight"), None),
        (BinaryCrossentropy(), None),
        ("mse", MSE / len(EACH)),
        (keras.losses.MeanSquaredError(reduction="sum"), MSE),
        (lambda y, p: keras.ops.mean(keras.ops.square(y - p), axis=-1), MSE / len(EACH)),
    ],
)
def test_losses_weight_candidates_and_ignore_padding(loss, expected):
    if expected is None:
        expected = (WEIGHTS * EACH).sum() / WEIGHTS.sum()
    model = model_of()
    model.compile("sgd", loss, run_eagerly=loss != "binary_crossentropy")  # One graph is enough.
    found = evaluated(model, LOGITS, Y, WEIGHT)["loss"]
    assert found == pytest.approx(expected, rel=1e-5)
    wide = [np.pad(a, ((0, 2), (0, 3))) for a in (LOGITS, Y, WEIGHT)]
    assert evaluated(model, *wide)["loss"] == pytest.approx(expected, rel=1e-5)


def test_label_smoothing_and_names_are_kept():
    loss = keras.losses.BinaryCrossentropy(label_smoothing=0.2, name="smooth")
    model = model_of()
    model.compile("sgd", loss, run_eagerly=True)
    assert model.loss.get_config() == loss.get_config()
    smooth = LABELS * 0.8 + 0.1
    each = -(smooth * np.log(P) + (1 - smooth) * np.log(1 - P))
    expected = (WEIGHTS * each).mean()
    assert evaluated(model, LOGITS, Y, WEIGHT)["loss"] == pytest.approx(expected, rel=1e-5)


def test_metrics_ignore_padding_and_weighted_metrics_use_weights():
    model = model_of()
    model.compile(
        "sgd",
        "binary_crossentropy",
        metrics=["AUC", "accuracy", "binary_crossentropy", keras.metrics.Precision()],
        weighted_metrics=[keras.metrics.AUC(name="w_auc"), keras.metrics.BinaryAccuracy("w_acc")],
    )
    found = evaluated(model, LOGITS, Y, WEIGHT)
    sure = P > 0.5
    assert found["AUC"] == pytest.approx(roc_auc_score(LABELS, P), abs=1e-6)
    assert found["accuracy"] == pytest.approx(accuracy_score(LABELS, sure))
    assert found["binary_crossentropy"] == pytest.approx(log_loss(LABELS, P), rel=1e-5)
    assert found["precision"] == pytest.approx(LABELS[sure].mean())
    by_weight = {"sample_weight": WEIGHTS}
    assert found["w_auc"] == pytest.approx(roc_auc_score(LABELS, P, **by_weight), abs=1e-6)
    assert found["w_acc"] == pytest.approx(accuracy_score(LABELS, sure, **by_weight))


def test_without_weights_every_candidate_counts():
    model = model_of()
    model.compile("sgd", "binary_crossentropy", metrics=["AUC", "accuracy"], run_eagerly=True)
    found = evaluated(model, LOGITS, Y)
    p = 1 / (1 + np.exp(-LOGITS.astype("float64").ravel()))
    assert found["loss"] == pytest.approx(log_loss(Y.ravel(), p), rel=1e-5)
    assert found["AUC"] == pytest.approx(roc_auc_score(Y.ravel(), p), abs=1e-6)
    assert found["accuracy"] == pytest.approx(accuracy_score(Y.ravel(), p > 0.5))


@pytest.mark.parametrize("y", [Y[:, 0], Y[:, :1]])
@pytest.mark.parametrize("weight", [WEIGHT[:, 0], WEIGHT[:, :1]])
def test_pointwise_labels_and_weights(y, weight):
    """Labels and weights `(batch,)` and `(batch, 1)`, as arrays and as a dataset."""
    model = model_of()
    words = {"metrics": ["AUC"], "weighted_metrics": ["accuracy"], "run_eagerly": y.ndim == 1}
    model.compile("sgd", "binary_crossentropy", **words)
    p = 1 / (1 + np.exp(-LOGITS[:, 0].astype("float64")))
    each = -np.log(np.where(Y[:, 0] == 1, p, 1 - p))
    for found in (
        evaluated(model, LOGITS[:, :1], y, weight),
        model.evaluate({"x": LOGITS[:, :1]}, y, 4, 0, weight, return_dict=True),
    ):
        assert found["loss"] == pytest.approx((WEIGHT[:, 0] * each).mean(), rel=1e-5)
        assert found["AUC"] == pytest.approx(roc_auc_score(Y[:, 0], p), abs=1e-6)


def test_labels_and_weights_may_change_their_rank():
    """TensorFlow traces `(n,)` and `(n, 1)` as one function, in which the rank is unknown."""
    model = model_of()
    model.compile("sgd", "mse", metrics=["mae"])
    p = 1 / (1 + np.exp(-LOGITS[:, 0].astype("float64")))
    expected = (WEIGHT[:, 0] * (Y[:, 0] - p) ** 2).mean()
    for columns in (0, slice(0, 1), 0):
        y, weight = Y[:, columns], WEIGHT[:, columns]
        found = model.test_on_batch({"x": LOGITS[:, :1]}, y, weight, return_dict=True)
        assert found["loss"] == pytest.approx(expected, rel=1e-5)
        model.reset_metrics()
    with pytest.raises((ValueError, tf_error()), match="shape"):  # 4 labels of 16 candidates.
        model.test_on_batch({"x": LOGITS}, Y[:, 0], WEIGHT[:, 0])


def test_one_weight_per_request():
    model = model_of()
    model.compile("sgd", "mse", run_eagerly=True)
    weight = np.array([1, 2, 0.5, 3], "float32")
    p = 1 / (1 + np.exp(-LOGITS))
    expected = (weight[:, None] * (Y - p) ** 2).mean()
    assert evaluated(model, LOGITS, Y, weight)["loss"] == pytest.approx(expected, rel=1e-5)


def test_class_weight_is_refused():
    model = model_of()
    model.compile("sgd", "binary_crossentropy", run_eagerly=True)
    weight, x, y = {0: 2.0, 1: 40.0}, {"x": LOGITS[:, :1]}, Y[:, :1]
    refused = r"`class_weight` must be None.*positive_weight=20\).*Received: class_weight=\{0: 2.0"
    for train in (
        lambda: model.fit(x, y, class_weight=weight),
        lambda: model.fit(x, y, 4, 1, 0, None, 0.0, None, True, weight),
        lambda: model.fit(as_dataset(LOGITS, Y), class_weight=weight),
        lambda: model.train_on_batch(x, y, class_weight=weight),
        lambda: model.train_on_batch(x, y, None, weight),
    ):
        with pytest.raises(ValueError, match=refused):
            train()
    model.fit(x, y, 4, 1, 0, class_weight=None)
    assert set(model.train_on_batch(x, y, return_dict=True)) == {"loss"}


def test_labels_of_another_shape_are_refused():
    model = model_of()
    model.compile("sgd", "binary_crossentropy")
    with pytest.raises(ValueError, match=r"`y` must have the shape .*\(4, 1\) and \(4, 4\)"):
        model.test_on_batch({"x": LOGITS}, Y[:, 0])
    x = keras.Input((1,), name="x")
    one_candidate = kd.CTRModel({"x": x}, keras.ops.sigmoid(x))
    one_candidate.compile("sgd", "mse")
    with pytest.raises(tf_error(), match="Incompatible shapes"):  # Keras would broadcast.
        evaluated(one_candidate, LOGITS[:, :1], Y)


def test_requests_of_different_sizes_with_standard_keras_losses():
    """From a log to `fit`, with standard Keras names of losses and metrics."""
    keras.utils.set_random_seed(0)  # The tolerance below does not hold for all seeds.
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 5, 40)
    log = pd.DataFrame({"request": np.repeat(np.arange(40), sizes)})
    log = log.assign(
        user=log["request"] % 7,
        item=[f"i{i}" for size in sizes for i in rng.permutation(9)[:size]],
        time=log["request"],
        click=rng.integers(2, size=len(log)),
    )
    columns = {"user": "user", "time": "time", "label": "click", "request": "request"}
    data = kd.data.prepare_impressions(log, **columns, target=["item"], dim=2)
    model = kd.build_base(data.spec, hidden_units=(4,))
    model.compile("adam", "binary_crossentropy", metrics=["AUC", "accuracy"])
    wanted = {"batch_size": 8, "by_request": True}
    history = model.fit(
        data.dataset("train", **wanted),
        validation_data=data.dataset("train", **wanted),
        shuffle=False,
        verbose=0,
    ).history
    metrics = kd.evaluate(model, data.dataset("train", **wanted))
    found = kd.evaluation.predict(model, data.dataset("train", **wanted))
    sure = found.predictions > 0.5
    assert history["val_accuracy"][0] == pytest.approx(accuracy_score(found.labels, sure))
    assert abs(history["val_AUC"][0] - metrics["auc"]) < 0.05  # Keras' AUC has 200 thresholds.
    # Keras averages over batches, which differ in their number of candidates.
    one = model.evaluate(data.dataset("train", 40, by_request=True), verbose=0, return_dict=True)
    assert one["loss"] == pytest.approx(metrics["logloss"], rel=1e-5)


@pytest.mark.parametrize(
    "loss", [BinaryCrossentropy(), "binary_crossentropy", keras.losses.BinaryCrossentropy()]
)
@pytest.mark.parametrize("logit", [20.0, 200.0])
@pytest.mark.parametrize("candidates", [1, 2])
def test_loss_of_confident_wrong_prediction_is_its_logit(loss, logit, candidates):
    model = model_of()
    model.compile(keras.optimizers.SGD(1.0), loss)
    x = {"x": np.full((1, candidates), logit, "float32")}
    assert float(model.train_on_batch(x, np.zeros((1, candidates)))) == logit
    assert model.get_weights()[0] == pytest.approx([-1.0], rel=1e-6)
    model.reset_metrics()  # Keras 3.12 does not do that in `test_on_batch`.
    assert float(model.test_on_batch(x, np.zeros((1, candidates)))) == pytest.approx(logit - 1)


def test_saved_cloned_and_copied_models_train_on(tmp_path):
    x, loss = {"x": LOGITS}, "binary_crossentropy"
    model = model_of()
    model.compile("adam", loss, metrics=["AUC"], run_eagerly=True)
    model.train_on_batch(x, Y, WEIGHT)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    expected = model.test_on_batch(x, Y, WEIGHT, return_dict=True)["loss"]
    for other in (loaded, clone, copy.deepcopy(model)):
        assert type(other) is kd.CTRModel
        assert type(other.optimizer) is keras.optimizers.Adam
        other.reset_metrics()
        found = other.test_on_batch(x, Y, WEIGHT, return_dict=True)
        assert found["loss"] == pytest.approx(float(expected), abs=0.1)
        assert "AUC" in found
    assert int(loaded.optimizer.iterations) == 1
    np.testing.assert_array_equal(loaded.optimizer.variables[2], model.optimizer.variables[2])


def test_half_precision_loss_is_scaled_and_computed_from_logits():
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        model = model_of()
        model.compile(keras.optimizers.SGD(1.0), "binary_crossentropy")
        model.optimizer.build(model.trainable_variables)
        loss = model.train_on_batch({"x": np.array([[20.0]], "float32")}, np.zeros((1, 1)))
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert type(model.optimizer).__name__ == "LossScaleOptimizer"
    assert float(loss) == 20
    assert model.get_weights()[0] == pytest.approx([-1.0], rel=1e-3)


def test_plain_keras_model_is_loaded_and_trained(tmp_path):
    """A model saved by an older version has no CTRModel class."""
    x = keras.Input((None,), name="x")
    ctr = keras.layers.Activation("sigmoid", dtype="float32", name="ctr")(
        Bias()(keras.ops.expand_dims(x, -1))[..., 0]
    )
    old = keras.Model({"x": x}, ctr)
    old.compile("sgd", BinaryCrossentropy(), run_eagerly=True)
    old.save(tmp_path / "old.keras")
    loaded = keras.saving.load_model(tmp_path / "old.keras")
    assert type(loaded) is type(old)
    logits = {"x": np.array([[20.0]], "float32")}
    assert float(loaded.train_on_batch(logits, np.zeros((1, 1)))) == 20
    new = kd.CTRModel(loaded.input, loaded.output)
    np.testing.assert_array_equal(new.predict_on_batch(logits), loaded.predict_on_batch(logits))


@pytest.mark.parametrize("name", ["model.h5", "model.hdf5"])
def test_saving_to_hdf5_is_refused(tmp_path, name):
    model = model_of()
    with pytest.raises(ValueError, match=r"`filepath` must end in \.keras.*save_weights.*model"):
        model.save(tmp_path / name)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match=r"`filepath` must end in \.keras"):
        keras.saving.save_model(model, tmp_path / name)
    model.save_weights(tmp_path / "model.weights.h5")


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_tables_and_prepared_data_are_refused_with_the_remedy(method):
    model = model_of()
    model.compile("sgd", "mse")
    frame = pd.DataFrame({"x": [1.0], "click": [1]})
    use = getattr(model, method)
    with pytest.raises(ValueError, match=r"`x` must be batches.*pandas\.DataFrame.*rows_dataset\("):
        use(frame)
    data = prepared()
    with pytest.raises(ValueError, match=r'PreparedData\. Pass `data\.dataset\("train", shuffle'):
        use(data)
    with pytest.raises(ValueError, match="`dataset` must be one part of the data"):
        kd.evaluate(model, data)
    with pytest.raises(ValueError, match=r"`validation_data` must be one part"):
        model.fit({"x": LOGITS}, Y, validation_data=data)


def test_iterators_and_lists_of_batches_are_refused():
    """Keras reads generators and a `PyDataset`, but none of these."""
    model = model_of()
    model.compile("sgd", "mse", run_eagerly=True)
    batch, dataset = ({"x": LOGITS}, Y), as_dataset(LOGITS, Y)
    iterator = "must be a dataset, .* not an iterator of it. Received: an iterator, "
    batches = r"must be a dataset or arrays\. .*from_generator\(lambda: .* Received: a .* of 2 batc"
    for use in (model.fit, model.evaluate, model.predict):
        for x in (iter(dataset), dataset.as_numpy_iterator(), zip([1], [2], strict=True)):
            with pytest.raises(ValueError, match=f"`x` {iterator}{type(x).__name__}"):
                use(x)
        for x in ([batch, batch], (batch, batch)):
            with pytest.raises(ValueError, match=f"`x` {batches}"):
                use(x)
    with pytest.raises(ValueError, match=f"`validation_data` {iterator}"):
        model.fit(*batch, validation_data=iter(dataset))
    model.fit((batch for _ in range(2)), steps_per_epoch=2, verbose=0, shuffle=False)


def test_missing_labels_are_refused():
    model = model_of()
    model.compile("sgd", "mse")
    for use in (lambda x: model.fit(x, verbose=0), model.test_on_batch):
        with pytest.raises(ValueError, match=r"`y` must be given: .* Received: no labels"):
            use({"x": LOGITS})


def model_of_two():
    """Builds a model whose logits are the inputs for `ctr` and their negation for `cvr`."""
    x = keras.Input((None,), name="x")
    logit = Bias(name="bias", dtype="float32")(keras.ops.expand_dims(x, -1))
    outputs = {
        "ctr": probability(logit, x > -np.inf),
        "cvr": probability(-logit, x > -np.inf, "cvr"),
    }
    return kd.CTRModel({"x": x}, outputs, name="model")


Y_2 = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 1], [1, 1, 1, 1]], "float32")
LABELS_2 = Y_2[REAL].astype("float64")
BCE_2 = (WEIGHTS * -np.log(np.where(LABELS_2 == 1, 1 - P, P))).sum() / len(EACH)


@pytest.mark.parametrize(
    "loss", [{"ctr": "binary_crossentropy", "cvr": "binary_crossentropy"}, "bce"]
)
@pytest.mark.parametrize(
    "metrics",
    [
        {"ctr": [keras.metrics.AUC(name="AUC")], "cvr": ["accuracy"]},
        [keras.metrics.AUC(name="AUC"), "accuracy"],
    ],
)
def test_each_output_has_its_loss_weight_and_metrics(loss, metrics):
    model = model_of_two()
    model.compile("sgd", loss, loss_weights={"ctr": 2.0, "cvr": 0.5}, metrics=metrics)
    found = evaluated(model, LOGITS, {"ctr": Y, "cvr": Y_2}, WEIGHT)
    assert found["loss"] == pytest.approx(2 * BCE + 0.5 * BCE_2, rel=1e-5)
    assert found["ctr_loss"] == pytest.approx(BCE, rel=1e-5)
    assert found["cvr_loss"] == pytest.approx(BCE_2, rel=1e-5)
    assert found["ctr_AUC"] == pytest.approx(roc_auc_score(LABELS, P), abs=1e-3)
    assert found["cvr_accuracy"] == pytest.approx(accuracy_score(LABELS_2, P < 0.5))


def test_weighted_metrics_of_several_outputs():
    model = model_of_two()
    model.compile("sgd", "bce", weighted_metrics=["mse"], run_eagerly=True)
    found = evaluated(model, LOGITS, {"ctr": Y, "cvr": Y_2}, WEIGHT)
    assert found["ctr_mse"] == pytest.approx(MSE / WEIGHTS.sum(), rel=1e-5)
    error = (WEIGHTS * (LABELS_2 - (1 - P)) ** 2).sum() / WEIGHTS.sum()
    assert found["cvr_mse"] == pytest.approx(error, rel=1e-5)


def test_compile_raises_the_errors_of_losses_and_metrics():
    """They need no batch."""
    model = model_of_two()
    with pytest.raises(ValueError, match=r"`loss` of a model with several outputs must be one"):
        model.compile("sgd", ["bce", "mse"])
    with pytest.raises(ValueError, match="a_metric"):
        model.compile("sgd", "bce", metrics=["a_metric"])
    with pytest.raises(ValueError, match="a_loss"):
        model_of().compile("sgd", "a_loss")


def test_right_labels_train_after_an_error_of_wrong_labels():
    expected, model = model_of_two(), model_of_two()
    for each in (expected, model):
        each.compile(keras.optimizers.Adam(0.1), "bce", metrics=["mse"])
    other_names, other_shape = {"ctr": Y, "like": Y}, {"ctr": Y, "cvr": Y[:, 0]}
    for name, wrong in (
        ("fit", other_shape),
        ("evaluate", other_names),
        ("train_on_batch", other_shape),
        ("test_on_batch", Y),
    ):
        words = {"verbose": 0} if name in ("fit", "evaluate") else {}
        with pytest.raises(ValueError, match="`y` must"):
            getattr(model, name)({"x": LOGITS}, wrong, **words)
        for each in (expected, model):
            getattr(each, name)({"x": LOGITS}, {"ctr": Y, "cvr": Y_2}, **words)
    np.testing.assert_array_equal(model.get_weights()[0], expected.get_weights()[0])


def test_right_labels_train_after_an_error_in_a_graph():
    """The shapes of these batches are unknown in the graph, so its first step fails."""
    model = model_of()
    model.compile("adam", "bce", metrics=["mse"])
    with pytest.raises(tf_error(), match="shape"):
        model.fit(as_dataset(LOGITS, Y[:, 0]), verbose=0, shuffle=False)
    model.fit(as_dataset(LOGITS, Y), verbose=0, shuffle=False)


def tf_error():
    import tensorflow as tf

    return tf.errors.InvalidArgumentError


def test_right_inputs_are_predicted_after_an_error_of_wrong_inputs():
    model = model_of()
    expected = model_of().predict({"x": LOGITS}, verbose=0)
    wrong = {"x": LOGITS[0]}
    for predict_with in (model.predict_on_batch, lambda x: model.predict(x, verbose=0)):
        with pytest.raises(ValueError, match=r"incompatible|shape|rank"):
            predict_with(wrong)
        np.testing.assert_allclose(predict_with({"x": LOGITS}), expected)


def test_an_optimizer_survives_a_step_that_fails_after_it():
    def failing(y_true, y_pred):
        raise ValueError("This metric fails.")

    model, optimizer = model_of(), keras.optimizers.Adam(0.1)
    model.compile(optimizer, "mse", metrics=[failing])
    with pytest.raises(ValueError, match="This metric fails"):
        model.fit({"x": LOGITS}, Y, verbose=0)
    model.compile(optimizer, "mse", metrics=["mae"])
    model.fit({"x": LOGITS}, Y, verbose=0)
    assert int(optimizer.iterations) == 1


def test_losses_of_several_outputs_have_their_own_divisor():
    """Keras' loss divides by the number of real candidates, ours by the sum of weights."""
    model = model_of_two()
    model.compile(
        "sgd", {"ctr": "binary_crossentropy", "cvr": BinaryCrossentropy()}, run_eagerly=True
    )
    found = evaluated(model, LOGITS, {"ctr": Y, "cvr": Y_2}, WEIGHT)
    assert found["ctr_loss"] == pytest.approx(BCE, rel=1e-5)
    assert found["cvr_loss"] == pytest.approx(BCE_2 * len(EACH) / WEIGHTS.sum(), rel=1e-5)


def test_model_with_several_outputs_is_saved_and_trains_on(tmp_path):
    model = model_of_two()
    losses = {"ctr": BinaryCrossentropy(3.0), "cvr": BinaryCrossentropy()}
    model.compile("sgd", losses, loss_weights={"ctr": 1.0, "cvr": 0.5}, run_eagerly=True)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    y = {"ctr": Y, "cvr": Y_2}
    for each in (model, again):
        each.fit(as_dataset(LOGITS, y, WEIGHT), verbose=0, shuffle=False)
    np.testing.assert_array_equal(model.get_weights()[0], again.get_weights()[0])
    assert again.loss["ctr"].positive_weight == 3


def test_labels_must_have_the_names_of_the_outputs():
    model = model_of_two()
    model.compile("sgd", "binary_crossentropy", run_eagerly=True)
    with pytest.raises(ValueError, match=r"`y` must be a dict .* \['ctr', 'cvr'\]\. Received: one"):
        evaluated(model, LOGITS, Y)
    with pytest.raises(ValueError, match=r"`y` must be a dict .* Received: labels of the outputs"):
        evaluated(model, LOGITS, {"ctr": Y, "like": Y})
    model = model_of()
    model.compile("sgd", "binary_crossentropy", run_eagerly=True)
    with pytest.raises(ValueError, match=r"`y` must be one tensor, .*labels of the outputs"):
        evaluated(model, LOGITS, {"a": Y, "b": Y})


def prepared():
    users, items = np.divmod(np.arange(12), 3)
    log = pd.DataFrame({"user": users, "item": items + 1, "time": items, "click": items % 2})
    columns = {"user": "user", "time": "time", "label": "click", "target": ["item"]}
    return kd.data.prepare_impressions(log, **columns, split=kd.data.LeaveOneOut(valid=0))


@pytest.mark.parametrize("outputs", [2, 3])
def test_invalid_outputs(outputs):
    x = keras.Input((None,), name="x")
    wrong = [x, x] if outputs == 2 else keras.ops.expand_dims(x, -1)
    with pytest.raises(ValueError, match=r"`outputs` of a CTRModel must be one tensor `\(batch"):
        kd.CTRModel({"x": x}, wrong)


def test_downsampled_data_requires_the_rate_in_the_loss():
    """Otherwise its effect could not be undone, and predictions would be too high."""
    log = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
    data = log.downsample_negatives(0.5).downsample_negatives(0.5)
    model = kd.models.build_lr(data.spec)
    remedy = r"must have the rate .*BinaryCrossentropy\(negative_rate=0.25\)`.* Received: "
    dataset = data.dataset("train", shuffle=True)
    for rate in (None, 1.0, 0.5):
        model.compile("sgd", BinaryCrossentropy(negative_rate=rate), run_eagerly=True)
        with pytest.raises(ValueError, match=f"{remedy}.* a loss of negative_rate={rate}"):
            model.fit(dataset, shuffle=False, verbose=0)
        with pytest.raises(ValueError, match=f"{remedy}.* a loss of negative_rate={rate}"):
            model.fit(dataset.take(2).prefetch(1), shuffle=False, verbose=0)
    model.compile("sgd", "binary_crossentropy", run_eagerly=True)
    with pytest.warns(UserWarning, match=f"{remedy}.* the loss binary_crossentropy"):
        model.fit(dataset, shuffle=False, verbose=0)
    model.fit(log.dataset("train"), shuffle=False, verbose=0)
    model.compile(
        "sgd", BinaryCrossentropy(3.0, negative_rate=data.negative_rate), run_eagerly=True
    )
    model.fit(dataset, shuffle=False, verbose=0)


def test_data_and_models_as_wrong_arguments():
    data = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
    dataset, model = data.dataset("train"), kd.models.build_popularity(data.spec)
    prepared = "must be one part of the data, in batches. Received: a PreparedData. Pass"
    a_model = "must be batches of the model's inputs, .*Received: the model 'popularity'"
    no_model = "`model` must be a Keras model"
    for call, message in (
        (lambda: kd.models.fit_popularity(model, data), f"`train` {prepared}"),
        (lambda: kd.models.fit_popularity(model, dataset, data), f"`valid` {prepared}"),
        (lambda: kd.models.fit_popularity(dataset, model), no_model),
        (lambda: kd.models.fit_popularity(model, model), f"`train` {a_model}"),
        (
            lambda: kd.evaluate(dataset, model),
            f"{no_model}, followed by the dataset. Received: a .*Data",
        ),
        (lambda: predict(data, model), no_model),
        (lambda: kd.evaluate(model, data), f"`dataset` {prepared}"),
        (lambda: kd.evaluate(model, model), f"`dataset` {a_model}"),
        (lambda: kd.Evaluation(data), f"`dataset` {prepared}"),
        (lambda: kd.Evaluation(model), f"`dataset` {a_model}"),
        (lambda: model.evaluate(model), f"`x` {a_model}"),
        (lambda: kd.Evaluation("valid"), "`dataset` must be batches of .*Received: 'valid'"),
        (lambda: model.predict("log.csv"), "`x` must be batches of .*Received: 'log.csv'"),
        (
            lambda: model.predict({"item_id": [1, 2]}),
            "`x` must have arrays or tensors: .*Received: a list for 'item_id'",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            call()
