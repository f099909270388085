"""`predict`, `evaluate` and `Evaluation`: metrics, schedule, monitor, logs and traces."""

import copy
import csv
import gc
import math
import pathlib
import subprocess
import sys
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_din import evaluation, metrics
from keras_din.evaluation import Evaluation, evaluate, predict
from keras_din.evaluation.traces import TRACES
from keras_din.losses import BinaryCrossentropy

# Item 0 is clicked, items 1 to 3 are not; each user saw 0 and one of the others. When item `i`
# scores `i` and item 0 scores `s`, the GAUC is the share of the others below `s`.
ITEMS = np.array([[0, 1], [0, 2], [0, 3]]).reshape(-1, 1)
CLICKS = np.array([[1, 0]] * 3, "float32").reshape(-1, 1)
USERS = np.array([[5, 5], [6, 6], [7, 7]]).reshape(-1)


class Scores(keras.layers.Layer):
    """The score of an item; counts how often it is traced."""

    traces = 0

    def build(self, _):
        self.table = self.add_weight(shape=(4,), initializer="zeros")

    def call(self, items):
        self.traces += 1
        return keras.ops.sigmoid(keras.ops.take(self.table, items))


def item_model(item_0=0.5, metrics=("AUC",), run_eagerly=True, **options):
    """A model of four weights. Its steps run eagerly, because tracing `fit` takes longer."""
    inputs = keras.Input((None,), dtype="int32", name="item")
    model = keras.Model(inputs, Scores(name="scores")(inputs))
    set_item_0(model, item_0)
    model.compile(
        keras.optimizers.SGD(0.0),
        "binary_crossentropy",
        metrics=list(metrics),
        run_eagerly=run_eagerly,
        **options,
    )
    return model


def set_item_0(model, score):
    model.get_layer("scores").table.assign([score, 1, 2, 3])


def score_of_item_0(model):
    return float(model.get_layer("scores").table[0])


def item_data(batch_size=4, groups=USERS):
    dataset = tf.data.Dataset.from_tensor_slices((ITEMS, CLICKS)).batch(batch_size)
    dataset.groups = groups
    return dataset


def training_data(batches=2):
    return tf.data.Dataset.from_tensor_slices((ITEMS[:2], CLICKS[:2])).repeat(batches).batch(2)


class Script(keras.callbacks.Callback):
    """Instead of an optimizer: at the end of epoch `i` item 0 scores `scores[i]`."""

    def __init__(self, scores):
        super().__init__()
        self.scores = scores

    def on_epoch_end(self, epoch, logs=None):
        set_item_0(self.model, self.scores[epoch])


def fit(model, *callbacks, data=None, epochs=1, **options):
    return model.fit(
        training_data() if data is None else data,
        epochs=epochs,
        callbacks=list(callbacks),
        shuffle=False,
        **{"verbose": 0, **options},
    )


# predict and evaluate


@pytest.mark.parametrize("score, gauc", [(0.5, 0), (1, 1 / 6), (1.5, 1 / 3), (3.5, 1)])
def test_evaluate_by_hand(score, gauc):
    result = evaluate(item_model(score), item_data())
    assert result["gauc"] == pytest.approx(gauc, abs=1e-12)
    p = 1 / (1 + np.exp(-np.array([score, 1, 2, 3])))[ITEMS[:, 0]]
    assert result == pytest.approx(metrics.all_metrics(CLICKS, p, USERS), rel=1e-6)


def test_predict_removes_padding_and_keeps_the_order():
    x = np.array([[0, 1, 0], [2, 0, 0], [3, 0, 1]])
    y = np.array([[1, 0, 0], [0, 0, 0], [0, 1, 0]], "float32")
    weight = np.array([[1, 1, 0], [0.5, 0, 0], [0, 0, 2]], "float32")
    dataset = tf.data.Dataset.from_tensor_slices((x, y, weight)).batch(2)
    found = predict(item_model(0.5), dataset)
    expected = 1 / (1 + np.exp(-np.array([0.5, 1, 2, 1])))
    np.testing.assert_allclose(found.predictions, expected, rtol=1e-6)
    np.testing.assert_array_equal(found.labels, [1, 0, 0, 0])
    np.testing.assert_array_equal(found.sizes, [2, 1, 1])
    assert found.predictions.dtype == found.labels.dtype == np.float32


def test_each_candidate_counts_in_the_group_of_its_row():
    # Users 5 and 6 in three rows: the second row of 6 has padding that would win.
    x = np.array([[0, 1, 2], [0, 3, 3], [2, 0, 3]])
    y = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0]], "float32")
    weight = np.array([[1, 1, 1], [1, 1, 0], [1, 1, 0]], "float32")
    dataset = tf.data.Dataset.from_tensor_slices((x, y, weight)).batch(2)
    result = evaluate(item_model(2.5), dataset, groups=[5, 6, 6])
    # 5: 2 of 2 pairs, 3 samples. 6: positives 2.5 and 2.5, negatives 3 and 2: 2 of 4, 4 samples.
    assert result["gauc"] == pytest.approx((3 * 1 + 4 * 0.5) / 7, rel=1e-12)
    assert result["rows"] == 7
    assert "gauc" not in evaluate(item_model(2.5), dataset)


def test_given_groups_replace_groups_of_the_dataset():
    names = np.array(["a", "a", "b", "b", "b", "b"])
    result = evaluate(item_model(2.5), item_data(), groups=names)
    # "b": both positives beat 2, none beats 3.
    assert result["gauc"] == pytest.approx((2 * 1 + 4 * 0.5) / 6, rel=1e-12)
    assert "gauc" not in evaluate(item_model(2.5), item_data(groups=None))


def test_labels_and_weights_may_have_one_axis():
    dataset = tf.data.Dataset.from_tensor_slices((ITEMS, CLICKS[:, 0], [1.0, 0, 1, 1, 1, 1]))
    found = predict(item_model(), dataset.batch(4))
    np.testing.assert_array_equal(found.sizes, [1, 0, 1, 1, 1, 1])
    np.testing.assert_array_equal(found.labels, [1, 1, 0, 1, 0])


def test_evaluate_by_request_and_by_sample_agree():
    import keras_din as kd
    from keras_din.data import BehaviorLog, Samples, dataset

    item = kd.Categorical("item", 50, dim=4)
    spec = kd.FeatureSpec(target=[item], sequences=[kd.Sequence("hist", of=[item])])
    rng = np.random.default_rng(0)
    log = BehaviorLog(np.arange(0, 101, 5), {"item": rng.integers(2, 50, 100)})
    request = np.repeat(np.arange(40), rng.integers(1, 5, 40))
    user = request // 2
    rows = len(request)
    samples = Samples(
        columns={"item": rng.integers(2, 50, rows)},
        history={"hist": (5 * user, 5 * user + 1 + request % 5)},
        labels=rng.integers(0, 2, rows),
        group=user,
        request=request,
    )
    model = kd.build_base(spec, hidden_units=(4,))
    by_sample, by_request = (
        evaluate(model, dataset(spec, {"hist": log}, samples, 16, by_request=by_request))
        for by_request in (False, True)
    )
    assert by_sample == pytest.approx(by_request, rel=1e-4)
    assert by_sample["groups"] > 10


def test_different_lengths_and_candidates_share_one_trace():
    rng = np.random.default_rng(0)
    hist = keras.Input((None,), dtype="int32", name="hist")
    item = keras.Input((None,), dtype="int32", name="item")
    layer = Scores(name="scores")
    interest = keras.ops.sum(layer(hist), axis=1, keepdims=True)
    model = keras.Model([hist, item], layer(item) / (1 + interest))

    def batch():
        rows, candidates, time = rng.integers(1, 9), rng.integers(1, 5), rng.integers(0, 30)
        x = {
            "hist": rng.integers(0, 4, (rows, time)),
            "item": rng.integers(0, 4, (rows, candidates)),
        }
        y = rng.integers(0, 2, (rows, candidates))
        return x, y, np.ones((rows, candidates))

    ints = tf.TensorSpec((None, None), tf.int32)
    dataset = tf.data.Dataset.from_generator(
        lambda: (batch() for _ in range(50)),
        output_signature=({"hist": ints, "item": ints}, ints, ints),
    )
    layer.traces = 0
    found = predict(model, dataset)
    assert layer.traces == 2  # The model has it twice.
    assert found.sizes.max() == 4
    assert found.sizes.sum() == len(found.labels)


def test_evaluation_callback_traces_once_and_does_not_change_metrics_of_keras():
    traces, histories = [], []
    for callbacks in ([], [Evaluation(item_data(), evaluate_freq=1)]):
        model = item_model(run_eagerly=False)
        model.get_layer("scores").traces = 0
        script = Script([1.5, 2.5, 3.5, 0.5])
        histories.append(fit(model, script, *callbacks, epochs=4).history)
        traces.append(model.get_layer("scores").traces)
    assert traces[1] == traces[0] + 1
    for name in ("loss", "AUC"):
        assert histories[1][name] == histories[0][name]


def test_datasets_of_the_same_element_spec_share_one_trace():
    """The first call traces; later calls do not."""
    model = item_model(run_eagerly=False)
    layer = model.get_layer("scores")
    layer.traces = 0
    first = evaluate(model, item_data())
    assert layer.traces == 1
    set_item_0(model, 2.5)
    assert evaluate(model, item_data(batch_size=2))["gauc"] > first["gauc"]
    predict(model, item_data())
    assert layer.traces == 1
    fit(model, epochs=1)
    trained = layer.traces
    fit(model, Evaluation(item_data(), evaluate_freq=1))
    evaluate(model, item_data())
    assert layer.traces == trained  # `fit` itself had its own.
    matrix = tf.data.Dataset.from_tensors((ITEMS.reshape(3, 2), CLICKS.reshape(3, 2)))
    for _ in range(2):
        predict(model, matrix)  # Inputs of another spec.
        predict(model, item_data())
    assert layer.traces == trained + 1


def test_changed_model_is_traced_again():
    model = item_model(run_eagerly=False)
    layer = model.get_layer("scores")
    evaluate(model, item_data())
    layer.call = lambda items: 1 - Scores.call(layer, items)
    model.compile("sgd", "binary_crossentropy")
    assert evaluate(model, item_data())["gauc"] == 1  # Item 0 had the lowest score.


def test_quantized_model_is_traced_again():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    x = np.array([[0.1, 0.7, -1.0], [1.0, 0.3, 0.2]], "float32")
    dataset = tf.data.Dataset.from_tensors((x, np.ones((2, 1), "float32")))
    before = predict(model, dataset).predictions
    model.get_layer(index=1).quantize("int8")
    found = predict(model, dataset).predictions
    assert (found != before).all()
    np.testing.assert_allclose(found, np.ravel(model(x)), rtol=1e-6)


def test_traces_are_limited_and_freed_with_their_model(monkeypatch):
    monkeypatch.setattr("keras_din.evaluation.traces._MAX_TRACES", 2)
    model = item_model()
    for size in (1, 2, 3, 4):
        evaluate(model, tf.data.Dataset.from_tensors((ITEMS[:size], CLICKS[:size])))
    kept = vars(model)[TRACES]
    assert [trace.spec.shape[0] for trace in kept] == [3, 4]
    alive = [weakref.ref(model), *(weakref.ref(trace.function) for trace in kept)]
    del model, kept
    gc.collect()
    assert [reference() for reference in alive] == [None] * 3


def test_saved_and_copied_models_have_no_traces(tmp_path):
    model = item_model(2.5)
    expected = evaluate(model, item_data())
    model.save_weights(tmp_path / "all.weights.h5")
    other = item_model()
    other.load_weights(tmp_path / "all.weights.h5")
    assert evaluate(other, item_data()) == expected
    clone = keras.models.clone_model(model)
    assert TRACES not in vars(clone)
    assert not any("keras_din" in name for name in model._trackable_children("savedmodel"))


@pytest.mark.parametrize(
    "dataset, message",
    [
        (
            tf.data.Dataset.range(3),
            r"`dataset` must be a tf.data.Dataset of .*y, sample_weight\)\. Received: a dataset",
        ),
        (
            np.zeros((2, 3)),
            r"`dataset` must be a tf.data.Dataset of \(x, .* Received: a ndarray",
        ),
        (
            item_data().repeat(),
            r"`dataset` must be finite. Received: a dataset that repeats forever",
        ),
        (
            item_data().take(0),
            r"`dataset` must have at least one batch. Received: an empty dataset",
        ),
        (
            tf.data.Dataset.from_tensors((ITEMS[:2], CLICKS[:3])),
            r"The model's output and `y` must have the same shape. Received: \(2, 1\) and \(3, 1\)",
        ),
        (
            tf.data.Dataset.from_tensors((ITEMS, {"y": CLICKS})),
            r"`y` must contain the labels of each output .*: one tensor and a dict of \['y'",
        ),
        (
            tf.data.Dataset.from_tensors((ITEMS, CLICKS[:, :, None])),
            r"`y` must be one tensor \(batch, candidates\) or \(batch,\). Received: ",
        ),
    ],
)
def test_invalid_datasets_raise(dataset, message):
    with pytest.raises(ValueError, match=message):
        predict(item_model(), dataset)


class Batches(keras.utils.PyDataset):
    """Batches as Keras reads them."""

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return ITEMS, CLICKS


@pytest.mark.parametrize(
    "batches",
    [
        lambda: iter(item_data()),
        lambda: item_data().as_numpy_iterator(),
        lambda: (batch for batch in item_data()),
        lambda: list(item_data()),
        Batches,
    ],
    ids=["iterator", "NumPy iterator", "generator", "list", "PyDataset"],
)
def test_other_batches_are_refused_with_the_remedy(batches):
    kind = type(batches()).__name__
    message = (
        r"`dataset` must be a tf\.data\.Dataset of \(x, y\) .* not an iterator of it\. For other "
        rf"batches, pass `tf\.data\.Dataset\.from_generator\(.*Received: a {kind}\."
    )
    for call in (
        lambda: predict(item_model(), batches()),
        lambda: evaluate(item_model(), batches()),
        lambda: Evaluation(batches()),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("groups", [USERS[:4], USERS[:, None]])
def test_invalid_groups_raise(groups):
    message = "`groups` must have one entry for each row of the dataset. Received: groups of shape"
    with pytest.raises(ValueError, match=message):
        evaluate(item_model(), item_data(), groups)


def test_missing_groups_raise_before_training():
    message = "`groups` must be all integers or all strings, .* Received: None in row 2"
    with pytest.raises(ValueError, match=message):
        Evaluation(item_data(), groups=["a", "a", None, "b", "c", "c"])


def test_model_with_a_list_of_outputs_raises():
    inputs = keras.Input((1,), dtype="int32")
    model = keras.Model(inputs, [keras.layers.Identity()(inputs)] * 2)
    with pytest.raises(ValueError, match="The model's output must be one tensor"):
        predict(model, item_data())


# Schedule of evaluations


def steps(callback):
    return [entry["step"] for entry in callback.history]


def test_evaluation_runs_before_training_and_after_each_epoch():
    callback = Evaluation(item_data())
    fit(item_model(), callback, epochs=2)
    assert steps(callback) == [0, 2, 4]
    assert [entry["epoch"] for entry in callback.history] == [None, 1, 2]
    fit(item_model(), callback := Evaluation(item_data(), before_training=False), epochs=2)
    assert steps(callback) == [2, 4]


def test_evaluation_runs_every_few_steps_and_after_each_epoch():
    callback = Evaluation(item_data(), evaluate_freq=3)
    fit(item_model(), callback, data=training_data(7), epochs=2)
    assert steps(callback) == [0, 3, 6, 7, 9, 12, 14]


def test_step_at_the_end_of_an_epoch_is_evaluated_once():
    callback = Evaluation(item_data(), evaluate_freq=2)
    fit(item_model(), callback, data=training_data(4), epochs=2)
    assert steps(callback) == [0, 2, 4, 6, 8]


def test_evaluation_with_steps_per_execution():
    callback = Evaluation(item_data(), evaluate_freq=4)
    fit(
        item_model(run_eagerly=False, steps_per_execution=3),
        callback,
        data=training_data(10),
        epochs=2,
    )
    # Executions end after 3, 6, 9, 10 and 13, 16, 19, 20.
    assert steps(callback) == [0, 6, 9, 10, 13, 16, 20]


def test_second_training_continues_steps_and_resets_history():
    model, callback = item_model(3.5), Evaluation(item_data())
    fit(model, callback)
    assert (steps(callback), callback.best, callback.best_step) == ([0, 2], 1, 0)
    set_item_0(model, 1.5)
    fit(model, callback)
    assert (steps(callback), callback.best_step) == ([2, 4], 2)
    assert callback.best == pytest.approx(1 / 3)


# Logs and other callbacks


def gaucs(*scores):
    return pytest.approx([math.floor(score) / 3 for score in scores], rel=1e-12)


def test_metrics_are_in_the_history_and_logs():
    seen = []
    later = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(dict(logs)))
    history = fit(item_model(), Script([1.5, 3.5]), Evaluation(item_data()), later, epochs=2)
    assert history.history["val_gauc"] == gaucs(1.5, 3.5)
    added = {f"val_{name}" for name in ("gauc", "auc", "logloss", "ne", "calibration", "ece")}
    assert set(history.history) == {"loss", "AUC"} | added
    assert [logs["val_gauc"] for logs in seen] == gaucs(1.5, 3.5)
    assert all(type(logs[name]) is float for logs in seen for name in added)


def test_logs_with_another_prefix_and_without_groups():
    callback = Evaluation(item_data(groups=None), prefix="test/", monitor="test/auc")
    history = fit(item_model(metrics=()), callback, validation_data=item_data()).history
    assert set(history) == {"loss", "val_loss"} | {
        f"test/{name}" for name in ("auc", "logloss", "ne", "calibration", "ece")
    }


def test_early_stopping_on_gauc():
    stop = keras.callbacks.EarlyStopping(
        monitor="val_gauc", mode="max", patience=1, restore_best_weights=True
    )
    model = item_model()
    script = Script([1.5, 3.5, 2.5, 3.6, 3.7])
    history = fit(model, script, Evaluation(item_data()), stop, epochs=5)
    assert history.history["val_gauc"] == gaucs(1.5, 3.5, 2.5)
    assert score_of_item_0(model) == 3.5


def test_model_checkpoint_saves_the_best_epoch(tmp_path):
    path = tmp_path / "best.weights.h5"
    checkpoint = keras.callbacks.ModelCheckpoint(
        path, monitor="val_gauc", mode="max", save_best_only=True, save_weights_only=True
    )
    model = item_model()
    fit(model, Script([1.5, 3.5, 2.5]), Evaluation(item_data()), checkpoint, epochs=3)
    assert score_of_item_0(model) == 2.5
    model.load_weights(path)
    assert score_of_item_0(model) == 3.5


def test_reduce_learning_rate_and_csv(tmp_path):
    reduce = keras.callbacks.ReduceLROnPlateau(
        monitor="val_gauc", mode="max", patience=1, factor=0.1
    )
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    model = item_model()
    model.optimizer.learning_rate = 1e-9
    fit(model, Script([2.5, 1.5]), Evaluation(item_data()), reduce, log, epochs=2)
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-10)
    with open(tmp_path / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_gauc"]) for row in rows] == gaucs(2.5, 1.5)


def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    board = keras.callbacks.TensorBoard(tmp_path)
    fit(item_model(), Script([1.5, 2.5]), Evaluation(item_data()), board, epochs=2)
    (path,) = (tmp_path / "validation").glob("*")
    values = [
        float(tf.make_ndarray(value.tensor))
        for record in tf.data.TFRecordDataset(str(path))
        for value in tf.compat.v1.Event.FromString(record.numpy()).summary.value
        if value.tag == "epoch_gauc"
    ]
    np.testing.assert_allclose(values, [1 / 3, 2 / 3], rtol=1e-6)


def test_best_weights_are_restored():
    model = item_model()
    callback = Evaluation(item_data(), monitor="val_gauc", restore_best_weights=True)
    fit(model, Script([1.5, 3.5, 3.7, 2.5]), callback, epochs=4)
    assert score_of_item_0(model) == 3.5  # Of equal evaluations the first.
    assert (callback.best, callback.best_step) == (1, 4)


def test_best_weights_of_a_step_or_before_training_are_restored(capsys):
    class Steps(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            set_item_0(self.model, [2.5, 1.5, 3.5, 1.5][batch])

    options = {"evaluate_freq": 1, "monitor": "val_gauc", "restore_best_weights": True}
    model, callback = item_model(0.5), Evaluation(item_data(), **options)
    fit(model, Steps(), callback, data=training_data(4))
    assert [entry["gauc"] for entry in callback.history] == gaucs(0.5, 1.5, 3.5, 1.5, 1.5)
    assert score_of_item_0(model) == 3.5
    assert callback.best_step == 2
    assert "weights before training" not in capsys.readouterr().out
    for verbose in (True, False):
        before = Evaluation(
            item_data(), monitor="val_gauc", restore_best_weights=True, verbose=verbose
        )
        fit(model, Script([1.5]), before)
        assert score_of_item_0(model) == 3.5
        notice = (
            "No evaluation during training has a better 'val_gauc' than 1 before it, so the "
            "weights before training were chosen. Train longer, or with another learning rate.\n"
        )
        assert capsys.readouterr().out.endswith(notice) == verbose


def test_evaluation_after_swap_ema_weights():
    """Averages are evaluated, kept, and become the weights of the model."""

    class Weights(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            set_item_0(self.model, [1.5, 5.5, 0.7, 4.5, 0.5][epoch])

    model = item_model()
    sgd = keras.optimizers.SGD(0.0, use_ema=True, ema_momentum=0.5)
    model.compile(sgd, "binary_crossentropy")
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    options = {"before_training": False, "monitor": "val_gauc", "restore_best_weights": True}
    callback = Evaluation(item_data(), **options)
    stop = keras.callbacks.EarlyStopping(monitor="val_gauc", mode="max", patience=2)
    one_step = training_data(1)
    fit(model, swap, Weights(), callback, stop, data=one_step, epochs=5)
    # Averages: 1.5, (1.5 + 5.5) / 2, (3.5 + 0.7) / 2, (2.1 + 4.5) / 2, when it stops.
    assert [entry["gauc"] for entry in callback.history] == gaucs(1.5, 3.5, 2.1, 3.3)
    assert score_of_item_0(model) == 3.5


@pytest.mark.parametrize("steps_per_epoch", [1, 5])
def test_use_ema_evaluates_and_keeps_averages(steps_per_epoch):
    """Training continues with the trained weights."""
    own = []

    class Weights(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            own.append(score_of_item_0(self.model))
            set_item_0(self.model, [1.5, 5.5, 0.7, 4.5, 0.5][len(own) - 1])

    model = item_model(0.5)
    sgd = keras.optimizers.SGD(0.0, use_ema=True, ema_momentum=0.5)
    model.compile(sgd, "binary_crossentropy")
    options = {"monitor": "val_gauc", "restore_best_weights": True, "use_ema": True}
    callback = Evaluation(item_data(), evaluate_freq=1, **options)
    data, epochs = training_data(steps_per_epoch), 5 // steps_per_epoch
    fit(model, callback, Weights(), data=data, epochs=epochs)
    # Before the first step there is no average. Then 1.5, (1.5 + 5.5) / 2, (3.5 + 0.7) / 2, ...
    found = [entry["gauc"] for entry in callback.history]
    assert found == gaucs(0.5, 1.5, 3.5, 2.1, 3.3, 1.9)
    assert own == pytest.approx([0.5, 1.5, 5.5, 0.7, 4.5])
    assert callback.best_step == 2
    assert score_of_item_0(model) == 3.5


def test_use_ema_without_averages_raises():
    with pytest.raises(
        ValueError, match=r"`use_ema` must be used with an optimizer that has use_ema=True\."
    ):
        fit(item_model(), Evaluation(item_data(), use_ema=True))


def test_weights_are_not_restored_by_default():
    model = item_model()
    callback = Evaluation(item_data(), monitor="val_gauc")
    fit(model, Script([3.5, 1.5]), callback, epochs=2)
    assert score_of_item_0(model) == 1.5
    assert (callback.best, callback.best_step) == (1, 2)


def test_monitor_logloss_selects_the_lowest():
    model = item_model(-5.0)
    callback = Evaluation(item_data(), monitor="val_logloss", restore_best_weights=True)
    fit(model, Script([2.5, 3.5, 0.5]), callback, epochs=3)
    assert score_of_item_0(model) == 3.5
    assert callback.best == min(entry["logloss"] for entry in callback.history)


def test_monitor_gauc_then_logloss():
    """Within the noise of the highest GAUC the lower logloss is best, else the higher GAUC."""
    model = item_model(0.5)
    callback = Evaluation(item_data(), restore_best_weights=True)
    fit(model, Script([3.5, 3.7, 3.2, 1.5]), callback, epochs=4)
    lowest = min(entry["logloss"] for entry in callback.history[1:4])
    assert callback.history[2]["logloss"] == lowest
    assert (callback.best, callback.best_step, callback.best_epoch) == (1, 4, 2)
    assert score_of_item_0(model) == pytest.approx(3.7)


def test_default_monitor_is_logloss_if_there_is_no_gauc(capsys):
    callback = Evaluation(item_data(groups=np.arange(6)), restore_best_weights=True, verbose=False)
    model = item_model(3.5)
    for _ in range(2):  # Each training selects its monitor again.
        fit(model, Script([1.5, 3.0, 0.5]), callback, epochs=3)
        assert capsys.readouterr().out == (
            "No group of the dataset has both labels 0 and 1, so training monitors the logloss. "
            "The dataset has 6 rows, for which gauc is undefined.\n"
        )
        assert callback.monitor == "val_logloss"
        lowest = min(callback.history, key=lambda entry: entry["logloss"])
        assert (callback.best, callback.best_epoch) == (lowest["logloss"], lowest["epoch"])
        assert math.isnan(callback.history[-1]["gauc"])
    fit(model, callback, Evaluation(item_data(), verbose=False))  # Here the GAUC is defined.
    assert capsys.readouterr().out.count("training monitors the logloss") == 1
    fit(model, Evaluation(item_data(groups=np.arange(6))))
    assert "  gauc -  auc 1.0000  logloss " in capsys.readouterr().out


@pytest.mark.parametrize("monitor", ["val_gauc_then_logloss", "val_gauc", "val_auc", "val_ne"])
def test_undefined_given_monitor_raises(monitor):
    needs = "groups of `dataset`" if "gauc" in monitor else "a `dataset`"
    message = f"`monitor='{monitor}'` must be used with {needs} with both labels .*: 3 rows,"
    clicked = tf.data.Dataset.from_tensor_slices((ITEMS[::2], CLICKS[::2])).batch(4)
    with pytest.raises(ValueError, match=message):
        fit(item_model(), Evaluation(clicked, groups=USERS[::2], monitor=monitor))


def test_loss_is_the_mean_since_the_previous_evaluation():
    class Steps(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            set_item_0(self.model, batch)

    callback = Evaluation(item_data(), evaluate_freq=2)
    history = fit(item_model(), callback, Steps(), data=training_data(5), epochs=2)

    def losses(*batches):
        each = [np.log1p(np.exp(-batch)) / 2 + np.log1p(np.exp(1.0)) / 2 for batch in batches]
        return pytest.approx(np.mean(each), rel=1e-5)

    assert "loss" not in callback.history[0]
    found = [entry["loss"] for entry in callback.history[1:]]
    assert steps(callback) == [0, 2, 4, 5, 6, 8, 10]
    assert found == [losses(0, 1), losses(2, 3), losses(4), losses(0), losses(1, 2), losses(3, 4)]
    assert history.history["loss"] == [losses(0, 1, 2, 3, 4)] * 2


@pytest.mark.parametrize("evaluate_freq", ["epoch", 2])
def test_loss_is_the_training_loss_with_validation_data(evaluate_freq):
    """The validation of Keras resets the mean loss before the end of the epoch."""

    class Steps(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            set_item_0(self.model, batch)

    alone, beside = (Evaluation(item_data(), evaluate_freq=evaluate_freq) for _ in range(2))
    fit(
        item_model(run_eagerly=evaluate_freq == "epoch"),
        alone,
        Steps(),
        data=training_data(5),
        epochs=2,
    )
    options = {"data": training_data(5), "epochs": 2, "validation_data": item_data()}
    history = fit(
        item_model(run_eagerly=evaluate_freq == "epoch"), beside, Steps(), **options
    ).history
    assert history["val_loss"] != pytest.approx(history["loss"], rel=0.01)
    losses = [entry.get("loss") for entry in alone.history]
    assert [entry.get("loss") for entry in beside.history] == losses
    if evaluate_freq == "epoch":
        assert losses[1:] == history["loss"]


def test_loss_is_missing_if_another_callback_evaluates_the_model():
    class Another(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.evaluate(item_data(), verbose=0)

    callback = Evaluation(item_data())
    history = fit(item_model(), Another(), callback, epochs=2).history
    assert [entry["loss"] for entry in callback.history[1:]] == history["loss"]
    callback = Evaluation(item_data(), evaluate_freq=2)
    fit(item_model(), Another(), callback, data=training_data(3))
    assert ["loss" in entry for entry in callback.history] == [False, True, False]


def test_printed_lines(capsys):
    callback = Evaluation(item_data(), evaluate_freq=2)
    fit(item_model(1.5), callback, data=training_data(3))
    loss = (math.log1p(math.exp(-1.5)) + math.log1p(math.exp(1.0))) / 2
    logloss = sum(math.log1p(math.exp(s)) for s in (-1.5, -1.5, -1.5, 1, 2, 3)) / 6
    line = f"gauc 0.3333  auc 0.3333  logloss {logloss:.4f}"
    assert capsys.readouterr().out.splitlines() == [
        f"step 0  {line}",
        f"step 2  loss {loss:.4f}  {line}",
        f"step 3  loss {loss:.4f}  {line}",
    ]
    fit(item_model(), Evaluation(item_data(), verbose=False))
    assert capsys.readouterr().out == ""
    fit(item_model(), Evaluation(item_data(), evaluate_freq=1), verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert (
        sum(line.startswith("step ") for line in lines) == 3
    )  # Not on the line of the progress bar.


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"evaluate_freq": 0},
            r'`evaluate_freq` must be "epoch" or a positive integer. Received: evaluate_freq=0\.',
        ),
        ({"evaluate_freq": "step"}, r"`evaluate_freq` must be .* Received: evaluate_freq='step'\."),
        (
            {"monitor": "gauc"},
            r"`monitor` must be one of 'val_gauc_then_logloss', 'val_gauc', .*Received: monitor='g",
        ),
    ],
)
def test_invalid_options_raise(options, message):
    with pytest.raises(ValueError, match=message):
        Evaluation(item_data(), **options)


def test_gauc_without_groups_raises():
    for options in ({}, {"monitor": "val_gauc"}):
        refused = '`monitor="val_gauc.*"` must be used with groups: .*Received: groups=None'
        with pytest.raises(ValueError, match=refused):
            Evaluation(item_data(groups=None), **options)
    assert Evaluation(item_data(groups=None), groups=USERS).best is None


def test_deep_copy_is_independent():
    """KerasTuner copies callbacks for each trial."""
    first = Evaluation(item_data(), evaluate_freq=1, monitor="val_gauc", restore_best_weights=True)
    fit(item_model(3.5), first)
    model, second = item_model(0.5), copy.deepcopy(first)
    assert second.dataset is first.dataset
    assert second.groups is first.groups
    history = fit(model, Script([2.5]), second).history
    assert history["val_gauc"] == gaucs(2.5)
    assert (steps(first), first.best, first.best_step) == ([0, 1, 2], 1, 0)
    assert (steps(second), second.best_step) == ([0, 1, 2], 2)
    assert score_of_item_0(model) == 2.5
    callbacks = copy.deepcopy([first, keras.callbacks.EarlyStopping(monitor="val_gauc")])
    assert callbacks[0].history == first.history
    assert callbacks[0].history is not first.history


REPLICAS = """
import sys

import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras

from keras_din.data import synthetic_log
from keras_din.evaluation import Evaluation
from keras_din.training import train

ITEMS = np.array([[0, 1], [0, 2], [0, 3]])
CLICKS = np.array([[1, 0]] * 3, "float32")
SCORES = [1.5, 5.5, 0.7, 4.5]
dataset = tf.data.Dataset.from_tensor_slices((ITEMS, CLICKS)).batch(2)


class Weights(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        table = np.array([[SCORES[batch]], [1], [2], [3]])
        self.model.trainable_variables[0].assign(table)


with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    inputs = keras.Input((2,), dtype="int32")
    scores = keras.layers.Reshape((2,))(keras.layers.Embedding(4, 1)(inputs))
    model = keras.Model(inputs, keras.layers.Activation("sigmoid")(scores))
    sgd = keras.optimizers.SGD(0.0, use_ema=True, ema_momentum=0.5)
    model.compile(sgd, "binary_crossentropy")
assert model.distribute_strategy.num_replicas_in_sync == 2
options = {"before_training": False, "monitor": "val_auc"}
options |= {"use_ema": True, "restore_best_weights": True}
evaluation = Evaluation(dataset, 1, groups=[5, 6, 7], **options)
training = tf.data.Dataset.from_tensor_slices((ITEMS[:2], CLICKS[:2])).repeat(4).batch(2)
model.fit(training, callbacks=[evaluation, Weights()], shuffle=False, verbose=0)
assert [entry["step"] for entry in evaluation.history] == [1, 2, 3, 4]
# The averages of item 0 are 1.5, (1.5 + 5.5) / 2, (3.5 + 0.7) / 2, (2.1 + 4.5) / 2.
gaucs = [entry["gauc"] for entry in evaluation.history]
np.testing.assert_allclose(gaucs, [1 / 3, 1, 2 / 3, 1])
cost = np.log1p(np.exp([1.0, 2.0])).sum()  # Of items 1 and 2.
losses = [(2 * np.log1p(np.exp(-score)) + cost) / 4 for score in SCORES]
np.testing.assert_allclose([e["loss"] for e in evaluation.history], losses, rtol=1e-5)
assert evaluation.best_step == 2
np.testing.assert_allclose(model.get_weights()[0][0], 3.5, rtol=1e-6)

data = synthetic_log(30, 8, interests=2, categories=5, held_out=2, dim=2)
with model.distribute_strategy.scope():
    run = train(data, sys.argv[1], model="lr", epochs=1, ema_momentum=0.5, verbose=0)
assert run.result["best_step"] in (0, 1)
"""


def test_evaluation_under_distribution(tmp_path):
    """Two replicas with half a batch each give the results of one replica."""
    done = subprocess.run(
        [sys.executable, "-c", REPLICAS, str(tmp_path / "run")],
        cwd=pathlib.Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_evaluation_names_are_exported():
    import keras_din as kd

    assert kd.evaluation is evaluation
    assert kd.Evaluation is Evaluation
    assert kd.evaluate is evaluate


def two_outputs():
    """`ctr` is the sigmoid of the item, and `cvr` that of minus the item."""
    item = keras.Input((None,), dtype="int32", name="item")
    ctr = Scores(name="scores")(item)
    model = keras.Model(item, {"cvr": 1 - ctr, "ctr": ctr})
    set_item_0(model, 0)
    return model


BOUGHT = np.array([1, 0, 0, 1, 1, 0], "float32").reshape(-1, 1)


def data_of_two_labels(groups=USERS):
    labels = {"ctr": CLICKS, "cvr": BOUGHT}
    dataset = tf.data.Dataset.from_tensor_slices((ITEMS, labels)).batch(4)
    dataset.groups = groups
    return dataset


def test_each_output_is_evaluated_with_its_label():
    model, dataset = two_outputs(), data_of_two_labels()
    p = 1 / (1 + np.exp(-ITEMS[:, 0].astype("float64")))
    found = predict(model, dataset)
    np.testing.assert_allclose(found.predictions["cvr"], 1 - p, rtol=1e-6)
    np.testing.assert_array_equal(found.labels["cvr"], BOUGHT[:, 0])
    result = evaluate(model, dataset)
    assert result["ctr_gauc"] == 0  # Item 0 is clicked and scores least, for each user.
    # In `cvr` item 0 scores most: right for the first and the last user.
    assert result["cvr_gauc"] == pytest.approx(2 / 3)
    bought = BOUGHT[:, 0]
    logloss = -np.mean(np.where(bought == 1, np.log(1 - p), np.log(p)))
    assert result["cvr_logloss"] == pytest.approx(logloss, rel=1e-6)
    assert result["cvr_rows"] == 6
    assert set(result) == {f"{output}_{name}" for output in ("ctr", "cvr") for name in NAMES}


NAMES = {"gauc", "auc", "logloss", "ne", "calibration", "ece", "rows", "groups", "groups_left_out"}


def test_positive_weight_of_one_output_is_undone_for_this_output():
    model, dataset = two_outputs(), data_of_two_labels()
    plain = evaluate(model, dataset)
    weighted = BinaryCrossentropy(positive_weight=3)
    model.compile("sgd", {"ctr": BinaryCrossentropy(), "cvr": weighted})
    result = evaluate(model, dataset)
    assert result["ctr_logloss"] == plain["ctr_logloss"]
    p = 1 / (1 + np.exp(-ITEMS[:, 0].astype("float64")))
    p = (1 - p) / (1 - p + 3 * p)
    expected = -np.mean(np.where(BOUGHT[:, 0] == 1, np.log(p), np.log(1 - p)))
    assert result["cvr_logloss"] == pytest.approx(expected, rel=1e-6)
    assert evaluate(model, dataset, raw=True)["cvr_logloss"] == plain["cvr_logloss"]


def test_monitor_with_the_name_of_an_output(capsys):
    model, dataset = two_outputs(), data_of_two_labels()
    model.compile(keras.optimizers.SGD(0.0), "binary_crossentropy")
    for monitor, output in (("val_logloss", "ctr"), ("val_cvr_logloss", "cvr")):
        callback = Evaluation(dataset, monitor=monitor)
        logs = model.fit(dataset, callbacks=[callback], verbose=0, shuffle=False).history
        result = evaluate(model, dataset)
        assert callback.best == result[f"{output}_logloss"]
        assert logs["val_cvr_gauc"] == [result["cvr_gauc"]]
    assert f"cvr_gauc {result['cvr_gauc']:.4f}" in capsys.readouterr().out


def test_remedies_name_the_logloss_of_the_monitored_output():
    with pytest.raises(ValueError, match=r'groups: .* or monitor="val_cvr_logloss"\. Received'):
        Evaluation(data_of_two_labels(groups=None), monitor="val_cvr_gauc")
    model = two_outputs()
    model.compile("sgd", "binary_crossentropy")
    labels = {"ctr": CLICKS, "cvr": 0 * BOUGHT}
    dataset = tf.data.Dataset.from_tensors((ITEMS, labels))
    callback = Evaluation(dataset, groups=USERS, monitor="val_cvr_auc")
    with pytest.raises(ValueError, match=r"pass monitor='val_cvr_logloss', or a larger"):
        model.fit(dataset, callbacks=[callback], verbose=0, shuffle=False)


def test_labels_of_other_outputs_raise():
    labels = {"ctr": CLICKS, "like": CLICKS}
    dataset = tf.data.Dataset.from_tensors((ITEMS, labels))
    with pytest.raises(
        ValueError, match=r"`y` must contain the labels of each output .* a dict of"
    ):
        predict(two_outputs(), dataset)
