"""Groups reach the losses of a `CTRModel`: datasets, arrays, requests, several labels."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.evaluation import predict
from keras_din.head import probability
from keras_din.layers import Bias
from tests.losses.ranking_loops import LOSSES, ranking

every_loss = pytest.mark.parametrize("name", LOSSES)


QUIET = {"verbose": 0, "shuffle": False}


def of(name, **arguments):
    return LOSSES[name](**{"crossentropy": 0.0, **arguments})


def model_of(loss, outputs=("ctr",), **arguments):
    """A compiled model whose input is the logit."""
    x = keras.Input((None,), name="x")
    ctr = {}
    for output in outputs:
        logit = Bias(name=f"bias_{output}", dtype="float32")(keras.ops.expand_dims(x, -1))
        ctr[output] = probability(logit, x > -np.inf, output)
    model = kd.CTRModel({"x": x}, ctr if len(ctr) > 1 else ctr["ctr"])
    model.compile(keras.optimizers.SGD(0.1), loss, **arguments)
    return model


def a_batch(rows=24, candidates=1):
    rng = np.random.default_rng(0)
    shape = (rows, candidates)
    x = {"x": rng.normal(0, 2, shape).astype("float32"), "_group": rng.integers(0, 5, rows)}
    y = (rng.random(shape) < 0.4).astype("float32")
    return x, y, rng.choice([0, 1, 2], shape).astype("float32")


def expected_of(name, x, y, w, groups=None):
    groups = x["_group"] if groups is None else groups
    groups = np.repeat(groups, y.shape[1])
    return ranking(name, y.ravel(), x["x"].ravel().astype("float64"), w.ravel(), groups)


@every_loss
@pytest.mark.parametrize("candidates", [1, 3])
def test_groups_of_arrays(name, candidates):
    x, y, w = a_batch(candidates=candidates)
    model = model_of(of(name))
    expected = expected_of(name, x, y, w)
    assert model.test_on_batch(x, y, w) == pytest.approx(expected, rel=1e-5)
    words = {"verbose": 0, "batch_size": 24}
    assert model.evaluate(x, y, sample_weight=w, **words) == pytest.approx(expected, rel=1e-5)
    without = {"x": x["x"]}
    np.testing.assert_array_equal(model.predict(x, verbose=0), model.predict(without, verbose=0))
    history = model.fit(x, y, sample_weight=w, shuffle=False, epochs=3, **words).history
    assert history["loss"][0] == pytest.approx(expected, rel=1e-5)


@every_loss
def test_rows_are_requests_without_groups(name):
    x, y, w = a_batch(candidates=3)
    x.pop("_group")
    expected = expected_of(name, x, y, w, np.arange(24))
    assert model_of(of(name)).test_on_batch(x, y, w) == pytest.approx(expected, rel=1e-5)


def test_one_row_per_column_of_groups():
    x, y, w = a_batch()
    expected = expected_of("jrc", x, y, w)
    x["_group"] = x["_group"][:, None]
    assert model_of(of("jrc")).test_on_batch(x, y, w) == pytest.approx(expected, rel=1e-5)


@every_loss
def test_batches_by_user_of_a_log(name):
    data = kd.data.synthetic_log(30, 20, interests=2, categories=4, held_out=5, dim=2)
    keras.utils.set_random_seed(0)
    model = kd.build_lr(data.spec)
    model.compile(kd.optimizers.LazyAdam(0.05), LOSSES[name](crossentropy=1.0))
    rows = data.dataset("train", 64, shuffle=True, batch_by="user")
    valid = data.dataset("valid", 64, batch_by="user")
    history = model.fit(rows, validation_data=valid, epochs=4, verbose=0, shuffle=False).history
    assert history["loss"][-1] < history["loss"][0]
    # The loss of validation, from the predictions.
    scores = predict(model, valid)
    p, y = scores.predictions.astype("float64"), scores.labels
    total = 0.0
    for start in range(0, len(p), 64):
        part = slice(start, start + 64)
        s, ones = np.log(p[part] / (1 - p[part])), np.ones(len(p[part]))
        plain = -np.log(np.where(y[part] == 1, p[part], 1 - p[part])).mean()
        rank = ranking(name, y[part], s, ones, valid.groups[part])
        total += (plain + rank) * len(p[part]) / len(p)
    assert history["val_loss"][-1] == pytest.approx(total, rel=1e-4)
    by_user, plain = (kd.evaluate(model, rows) for rows in (valid, data.dataset("valid")))
    assert by_user["gauc"] == pytest.approx(plain["gauc"])


def test_fit_traces_once():
    data = kd.data.synthetic_log(30, 8, interests=2, categories=4, held_out=1, dim=2)
    model = kd.build_lr(data.spec)
    model.compile("sgd", kd.losses.PairwiseLogistic(crossentropy=1.0))
    calls = []
    loss_of = model.loss.losses_of
    model.loss.losses_of = lambda batch: calls.append(1) or loss_of(batch)
    model.fit(data.dataset("train", 7, batch_by="user"), epochs=2, **QUIET)
    assert len(calls) == 1


def test_each_output_has_its_loss():
    x, y, w = a_batch()
    other = 1 - y
    losses = {"ctr": of("jrc"), "cvr": kd.losses.BinaryCrossentropy()}
    model = model_of(losses, ("ctr", "cvr"), loss_weights={"cvr": 0.5})
    found = model.test_on_batch(x, {"ctr": y, "cvr": other}, w, return_dict=True)
    p = 1 / (1 + np.exp(-x["x"].astype("float64")))
    each = -np.log(np.where(other == 1, p, 1 - p))
    expected = expected_of("jrc", x, y, w) + 0.5 * (w * each).sum() / w.sum()
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    both = model_of(of("pairwise_logistic"), ("ctr", "cvr"))
    expected = sum(expected_of("pairwise_logistic", x, each, w) for each in (y, other))
    found = both.test_on_batch(x, {"ctr": y, "cvr": other}, w, return_dict=True)
    assert found["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16"])
def test_mixed_precision(policy):
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        data = kd.data.synthetic_log(30, 8, interests=2, categories=4, held_out=1, dim=2)
        model = kd.build_base(data.spec, hidden_units=(4,))
        model.compile("adam", kd.losses.JRC())
        rows = data.dataset("train", 64, shuffle=True, batch_by="user")
        history = model.fit(rows, epochs=2, verbose=0, shuffle=False).history
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert np.isfinite(history["loss"]).all()


@every_loss
def test_saved_model_has_the_loss(name, tmp_path):
    x, y, w = a_batch()
    model = model_of(LOSSES[name](0.5, crossentropy=2.0, negative_rate=0.1))
    model.train_on_batch(x, y, w)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.loss.get_config() == model.loss.get_config()
    assert loaded.test_on_batch(x, y, w) == pytest.approx(model.test_on_batch(x, y, w))


def test_rows_without_groups_are_an_error():
    data = kd.data.synthetic_log(10, 8, interests=2, categories=4, held_out=1, dim=2)
    model = kd.build_lr(data.spec)
    model.compile("sgd", kd.losses.JRC())
    by_user, plain = data.dataset("train", batch_by="user"), data.dataset("train")
    error = r"The loss 'jrc' .* groups. Pass `data.dataset\(\"train\", .* Received: rows of one"
    x, y = next(iter(plain))
    for call in (
        lambda: model.fit(plain, **QUIET),
        lambda: model.fit(by_user, validation_data=plain, **QUIET),
        lambda: model.fit(by_user, validation_data=(x, y), **QUIET),
        lambda: model.fit(dict(x), y, **QUIET),
        lambda: model.evaluate(plain, verbose=0),
        lambda: model.train_on_batch(x, y),
        lambda: model.test_on_batch(x, y),
        lambda: model.compute_loss(x, y, model(x)),
    ):
        with pytest.raises(ValueError, match=error):
            call()
    model.fit(by_user, **QUIET)
    x, y, _ = a_batch(candidates=3)
    model_of(of("jrc")).fit({"x": x["x"]}, y, **QUIET)


def test_batches_of_unknown_shape_without_groups_are_an_error():
    class Rows(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            x, y, _ = a_batch()
            return {"x": x["x"]}, y

    with pytest.raises(ValueError, match="rows of one candidate must have groups"):
        model_of(of("jrc"), run_eagerly=True).fit(Rows(), **QUIET)


@pytest.mark.parametrize(
    "groups", [np.zeros(24, "float32"), np.zeros((24, 2), int), np.array(["a"] * 24)]
)
def test_groups_must_be_integers_per_row(groups):
    x, y, _ = a_batch()
    with pytest.raises(ValueError, match=r"The groups `x\['_group'\]` must be integers"):
        model_of(of("jrc")).train_on_batch(x | {"_group": groups}, y)


def test_mapped_dataset_keeps_its_spec():
    data = kd.data.synthetic_log(10, 8, interests=2, categories=4, held_out=1, dim=2)
    model = kd.build_lr(data.spec)
    model.compile("sgd", kd.losses.JRC())
    rows = data.dataset("train", 64).map(
        lambda x, y: (x | {"_group": tf.zeros(tf.shape(y)[:1], tf.int32)}, y)
    )
    assert kd.dataset_facts.spec_of(rows) is data.spec
    model.fit(rows, **QUIET)
