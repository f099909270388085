"""Other Keras backends: their padded form gives the same numbers as TensorFlow's packed form."""

import importlib.util
import sys

import keras
import numpy as np
import pytest

import keras_din as kd
from keras_din.calibration import calibrate
from tests.backend_process import backend_process
from tests.backends_models import ACROSS_SPEC, BUILDERS
from tests.calibration.shared import arrays_of, dataset_of, model_of
from tests.models.history_spec import SPEC as HISTORY
from tests.models.history_spec import a_batch
from tests.models.shared import BAGS, SPEC, randomized
from tests.specs import ZOO, random_batch


@pytest.fixture(scope="module", params=["jax", "torch"])
def run(request):
    """Runs scripts in one process per backend: `run(script, *words)`."""
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    with backend_process(request.param) as run:
        yield run


SCRIPT = """
import sys
import numpy as np, keras, keras_din
from keras_din.losses import BinaryCrossentropy
from tests.models.history_spec import SPEC as HISTORY, a_batch
from tests.models.shared import BAGS, SPEC
from tests.backends_models import BUILDERS
assert keras.backend.backend() == sys.argv[1]
with np.load(sys.argv[2]) as arrays:
    x = {n: arrays[n] for n in SPEC.inputs}
    for name in BUILDERS:
        model = BUILDERS[name](SPEC)
        model.set_weights([arrays[f"{name}/{i}"] for i in range(len(model.weights))])
        np.testing.assert_allclose(
            model.predict_on_batch(x), arrays[f"{name}/ctr"], rtol=0, atol=1e-6, err_msg=name
        )
        if name == "popularity":  # It is counted.
            y = np.array([[1, 0]] * 4, "float32")
            keras_din.models.fit_popularity(model, (x, y), prior_strength=1.0)
            shown = x["item_id"] == x["item_id"][0, 0]
            rate = (y[shown].sum() + 0.5) / (shown.sum() + 1)
            np.testing.assert_allclose(model.predict_on_batch(x)[0, 0], rate, rtol=1e-5)
            continue
        if name in ("base", "wide_deep", "bst_of_two_blocks"):  # Parts of other models.
            continue
        model.compile("sgd", BinaryCrossentropy())  # JAX compiles it faster than Adam.
        assert np.isfinite(model.train_on_batch(x, np.ones((4, 2), "float32")))

    model = BUILDERS["din"](BAGS)
    model.set_weights([arrays[f"bags/{i}"] for i in range(len(model.weights))])
    x = {n: arrays[f"bags/{n}"] for n in BAGS.inputs}
    np.testing.assert_allclose(
        model.predict_on_batch(x), arrays["bags/ctr"], rtol=0, atol=1e-6, err_msg="bags"
    )
    model.compile("sgd", BinaryCrossentropy())
    assert np.isfinite(model.train_on_batch(x, np.ones((4, 2), "float32")))

    model = keras_din.build_deepfm(HISTORY, hidden_units=(4,))
    model.set_weights([arrays[f"history/{i}"] for i in range(len(model.weights))])
    for time in (0, 7):
        x = a_batch(time=time)
        ctr = arrays[f"history/ctr/{time}"]
        np.testing.assert_allclose(model.predict_on_batch(x), ctr, rtol=0, atol=1e-6)
    model.compile("sgd", BinaryCrossentropy())
    assert np.isfinite(model.train_on_batch(x, np.ones((6, 3), "float32")))

# A prediction that is sure and wrong costs its logit, with gradient 1, by every loss.
from keras_din.head import probability
for loss in (BinaryCrossentropy(), "binary_crossentropy", keras.losses.BinaryCrossentropy()):
    for candidates in (1, 2):
        logits = keras.Input((None,), name="x")
        logit = keras_din.layers.Bias()(keras.ops.expand_dims(logits, -1))
        model = keras_din.CTRModel({"x": logits}, probability(logit, logits > -1e8))
        model.compile(keras.optimizers.SGD(1.0), loss)
        x, y = np.full((2, candidates), 20, "float32"), np.zeros((2, candidates), "float32")
        assert float(model.train_on_batch({"x": x}, y)) == 20, loss
        np.testing.assert_allclose(model.get_weights()[0], [-1], rtol=1e-6)
        np.testing.assert_allclose(float(model.test_on_batch({"x": x}, y)), 19, rtol=1e-6)
        np.testing.assert_allclose(
            model.fit({"x": x}, y, verbose=0).history["loss"], [19], rtol=1e-6
        )

# The loss of a number is computed from its logit too, which is above the largest exponential.
from keras_din.head import label_output
logits = keras.Input((None,), name="x")
label = keras_din.Label("watch", loss="weighted_logistic")
model = keras_din.CTRModel(
    {"x": logits}, label_output(label, keras.ops.expand_dims(logits, -1), logits > -1e8)
)
model.compile("sgd", keras_din.losses.WeightedLogistic())
x, y = np.full((2, 2), 100, "float32"), np.zeros((2, 2), "float32")
assert float(model.test_on_batch({"x": x}, y)) == 100
assert np.isfinite(model.predict_on_batch({"x": x})).all()

# Keras' own words with a weight for each candidate, 0 at padding.
from tests import ctr_model_batch as c
model = c.model_of()
model.compile("sgd", "binary_crossentropy", metrics=["AUC", "accuracy"], weighted_metrics=["mse"])
batch = {"x": c.LOGITS}, c.Y, c.WEIGHT
found = model.evaluate(batch[0], batch[1], 4, 0, batch[2], return_dict=True)
again = model.test_on_batch(*batch, return_dict=True)
for name, expected in c.EXPECTED.items():
    np.testing.assert_allclose(found[name], expected, rtol=1e-5, err_msg=name)
    np.testing.assert_allclose(again[name], expected, rtol=1e-5, err_msg=name)
assert np.isfinite(model.fit(*batch[:2], sample_weight=batch[2], verbose=0).history["loss"]).all()
weights = model.get_weights()
for method in (model.fit, model.evaluate, model.train_on_batch):
    try:
        method(batch[0], c.Y[:, 0])
    except ValueError as error:
        assert "`y` must have the shape" in str(error)
    else:
        raise AssertionError
    for one, other in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
model.train_on_batch(*batch)
assert keras_din.spec_fingerprint.fingerprints_of(BUILDERS["din"](SPEC))
try:
    model.fit(__import__("pandas").DataFrame({"x": [1.0]}))
except ValueError as error:
    assert "`x` must be batches" in str(error)
else:
    raise AssertionError

# A missing number is the mean, and its gradient is finite.
numbers = keras_din.FeatureSpec(
    context=[keras_din.Numeric("age", mean=1.7e9, std=1e4)], target=[keras_din.Categorical("a", 4)]
)
model = keras_din.build_base(numbers, hidden_units=(4,))
x = {"age": np.array([np.nan, np.inf, 1.7e9], "float32"), "a": np.full((3, 1), 2, "int32")}
ctr = model.predict_on_batch(x)
assert np.isfinite(ctr).all() and (ctr == ctr[2]).all(), ctr
model.compile("adam", BinaryCrossentropy())
model.train_on_batch(x, np.ones((3, 1), "float32"))
assert all(np.isfinite(w).all() for w in model.get_weights())

# Weights of bags, also where padding has no number.
tags = keras_din.Bag("tags", 5, dim=2, weights="w")
weighted = keras_din.FeatureSpec(
    target=[keras_din.Categorical("a", 4, dim=2), tags],
    sequences=[keras_din.Sequence("hist", of=[keras_din.Categorical("a", 4, dim=2), tags])],
)
model = keras_din.build_deepfm(weighted, hidden_units=(4,))
x = {"a": np.full((2, 1), 2, "int32"), "tags": np.array([[[2, 3, 0]], [[0, 0, 0]]], "int32")}
x |= {"w": np.array([[[1, 3, np.nan]], [[9, 9, 9]]], "float32")}
x |= {"hist_" + name: values for name, values in x.items()}
model.compile("adam", BinaryCrossentropy())
model.train_on_batch(x, np.ones((2, 1), "float32"))
ctr = model.predict_on_batch(x)
assert np.isfinite(ctr).all() and all(np.isfinite(w).all() for w in model.get_weights())
layer = keras_din.layers.BagEmbedding(5, 2)
of_x = keras.ops.convert_to_numpy(layer(x["tags"], x["w"]))
table = keras.ops.convert_to_numpy(layer.embeddings)
expected = np.stack([(table[2] + 3 * table[3]) / 4, np.zeros(2)])[:, None]
np.testing.assert_allclose(of_x, expected, rtol=1e-5)
more = {name: values * 2 if name.endswith("w") else values for name, values in x.items()}
np.testing.assert_allclose(model.predict_on_batch(more), ctr, rtol=1e-5)

# Half precision: what many took gets a gradient that is summed in float32.
from keras_din import ops
class Taken(keras.layers.Layer):
    def build(self, shape):
        self.values = self.add_weight(name="values", shape=(2, 1), initializer="ones")
    def call(self, places):
        both = ops.gather_rows(self.values, places), ops.gather_positions(self.values, places)
        return keras.ops.concatenate(both, axis=-1)
for dtype in ("mixed_bfloat16", "mixed_float16"):
    places = keras.Input((), dtype="int32")
    layer = Taken(dtype=dtype)
    model = keras.Model(places, layer(places))
    model.compile(keras.optimizers.SGD(0.25), lambda y, taken: keras.ops.sum(taken) / 5000)
    model.train_on_batch(np.zeros(5000, "int32"), np.zeros(5000, "float32"))
    values = keras.ops.convert_to_numpy(layer.values)
    np.testing.assert_allclose(values, [[1 - 0.25 * 2], [1]], rtol=0.01, err_msg=dtype)
    keys = keras.ops.ones((1, 5000, 4), dtype=dtype.removeprefix("mixed_"))
    pooled = keras_din.layers.SequencePooling("mean", dtype=dtype)(keys)
    assert (keras.ops.convert_to_numpy(keras.ops.cast(pooled, "float32")) == 1).all()

# Lazy optimizers: the rule that NumPy has, on gradients that are dense here.
from keras_din.optimizers import LazyAdam, RowwiseAdagrad
from tests.optimizers import shared as t
for optimizer, expected in (
    (LazyAdam(t.RATE), t.numpy_adam),
    (LazyAdam(t.RATE, amsgrad=True), lambda w: t.numpy_adam(w, amsgrad=True)),
    (LazyAdam(t.RATE, weight_decay=0.3), lambda w: t.numpy_adam(w, decay=0.3)),
    (
        LazyAdam(t.RATE, amsgrad=True, loss_scale_factor=4.0, global_clipnorm=0.5, **t.MBA),
        lambda w: t.numpy_adam(
            w, amsgrad=True, scale=4.0, change=t.clip_rows(0.5), mini_batch_aware_l2=0.5
        ),
    ),
    (RowwiseAdagrad(t.RATE, **t.MBA), lambda w: t.numpy_adagrad(w, mini_batch_aware_l2=0.5)),
    (RowwiseAdagrad(t.RATE), t.numpy_adagrad),
    (RowwiseAdagrad(t.RATE, weight_decay=0.3), lambda w: t.numpy_adagrad(w, decay=0.3)),
):
    table = t.a_table()
    start = np.asarray(keras.ops.convert_to_numpy(table)).copy()
    for rows, values in t.batches():
        gradient = np.zeros((t.ROWS, t.DIM), "float32")
        np.add.at(gradient, rows, values)
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [table])
    end = np.asarray(keras.ops.convert_to_numpy(table))
    np.testing.assert_allclose(end, expected(start), rtol=1e-4, atol=1e-5)
"""


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """A file of weights, inputs and outputs of all models of TensorFlow."""
    x = random_batch(SPEC, candidates=2)
    arrays = dict(x)
    for name, build in BUILDERS.items():
        model = randomized(build(SPEC), scale=0.3)
        arrays |= {f"{name}/{i}": w for i, w in enumerate(model.get_weights())}
        arrays[f"{name}/ctr"] = model.predict_on_batch(x)
    x = random_batch(BAGS, candidates=2)
    model = randomized(BUILDERS["din"](BAGS), scale=0.3)
    arrays |= {f"bags/{i}": w for i, w in enumerate(model.get_weights())}
    arrays |= {f"bags/{n}": values for n, values in x.items()}
    arrays["bags/ctr"] = model.predict_on_batch(x)
    model = randomized(kd.build_deepfm(HISTORY, hidden_units=(4,)), scale=0.3)
    arrays |= {f"history/{i}": w for i, w in enumerate(model.get_weights())}
    for time in (0, 7):
        arrays[f"history/ctr/{time}"] = model.predict_on_batch(a_batch(time=time))
    path = tmp_path_factory.mktemp("expected") / "arrays.npz"
    np.savez(path, **arrays)
    return path


def test_numbers_agree_between_backends(run, expected):
    run(SCRIPT, expected)


PADDING = """
import sys
import numpy as np, keras
from keras_din import Categorical, FeatureSpec, Numeric, Sequence
from keras_din.losses import BinaryCrossentropy
from tests.specs import ZOO, random_batch
assert keras.backend.backend() == sys.argv[1]
ITEM = Categorical("item", 9, dim=4)
PRICE, TIME = Numeric("price", mean=1.7e9, std=1e4), Numeric("time", mean=1.7e9, std=1e4)
HIST = Sequence("hist", of=[ITEM, PRICE], side_features=[TIME])
SPEC = FeatureSpec(target=[ITEM, PRICE], sequences=[HIST])
NUMBERS = {"price": "item", "hist_price": "hist_item", "hist_time": "hist_item"}

def a_model(build):
    keras.utils.set_random_seed(0)
    model = build(SPEC)
    model.compile("sgd", BinaryCrossentropy())
    return model

def a_step(model, padding):
    x = random_batch(SPEC, candidates=2)
    x["item"][0, 1] = 0
    for number, index in NUMBERS.items():
        x[number] = np.where(x[index] == 0, padding, 1.7e9 + 1e4 * x[number]).astype("float32")
    before = model.get_weights()
    y = (x["item"] % 2).astype("float32")
    loss = model.train_on_batch(x, y, sample_weight=(x["item"] != 0).astype("float32"))
    assert np.isfinite(loss), (model.name, padding)
    after = model.get_weights()
    model.set_weights(before)
    return before, after

for name in sys.argv[2:]:
    options = {"auxiliary_loss_weight": 0} if name == "dien" else {}
    build = lambda spec: ZOO[name](spec, **options)
    model = a_model(build)
    before, clean = a_step(model, 1.7e9)
    for padding in (0.0, np.nan, np.inf):
        for a, b in zip(clean, a_step(model, padding)[1], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7, err_msg=f"{name} {padding}")
    keras.config.set_dtype_policy("mixed_float16")
    before, after = a_step(a_model(build), 0.0)
    keras.config.set_dtype_policy("float32")
    assert all(np.isfinite(weight).all() for weight in after), name
    assert any((a != b).any() for a, b in zip(before, after)), name  # A step was taken.
"""


WITH_PADDING = ["lr", "deepfm", "din", "dien", "bst"]


def test_values_at_padding_are_not_trained_on(run):
    """For each way to read a history. TensorFlow has the linear ones too."""
    run(PADDING, "din", "dien", "bst")


def test_values_at_padding_are_not_trained_on_by_tensorflow(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["", "tensorflow", *WITH_PADDING])
    exec(PADDING, {})


ACROSS = """
import sys
import numpy as np, keras
from tests.backends_models import ACROSS_SPEC
from tests.specs import ZOO
backend, folder, names = sys.argv[1], sys.argv[2], sys.argv[3:]
assert keras.backend.backend() == backend
with np.load(f"{folder}/x.npz") as arrays:
    x = dict(arrays)
for name in names:
    model = keras.saving.load_model(f"{folder}/{name}-tensorflow.keras")
    ctr = model.predict_on_batch(x)
    expected = np.load(f"{folder}/{name}.npy")
    np.testing.assert_allclose(ctr, expected, rtol=0, atol=1e-6, err_msg=name)
    other = ZOO[name](ACROSS_SPEC)
    other.set_weights(model.get_weights())
    other.save(f"{folder}/{name}-other.keras")
    kinds_of = lambda model: sorted(type(operation).__name__ for operation in model.operations)
    assert kinds_of(model) == kinds_of(other), name
    frozen = [w for w in other.weights if w.name in ("vectors", "scales")]
    assert len(frozen) == 3 and not any(w.trainable for w in frozen)
    before = [np.array(keras.ops.convert_to_numpy(w)) for w in frozen]
    other.compile("adam", "binary_crossentropy")
    assert np.isfinite(other.train_on_batch(x, np.ones_like(expected)))
    for a, w in zip(before, frozen, strict=True):
        np.testing.assert_array_equal(a, keras.ops.convert_to_numpy(w), err_msg=w.path)
"""


def test_files_of_tensorflow_are_loaded_by_other_backends(run, tmp_path):
    names = ["deepfm", "din"]
    x = random_batch(ACROSS_SPEC, candidates=2)
    x["position"] = np.tile(np.array([1, 2], "float32"), (len(x["item"]), 1))
    for number, index in {"hist_price": "hist_item", "hist_time": "hist_item"}.items():
        x[number] = np.where(x[index] == 0, np.nan, x[number]).astype("float32")
    x["query"][0, 1] = x["mood"][1, 0, 0] = np.inf  # Missing vectors, and padding.
    x["hist_mood"][x["hist_item"] == 0] = np.nan
    np.savez(tmp_path / "x.npz", **x)
    for name in names:
        model = randomized(ZOO[name](ACROSS_SPEC), scale=0.3)
        model.save(tmp_path / f"{name}-tensorflow.keras")
        np.save(tmp_path / f"{name}.npy", model.predict_on_batch(x))
    run(ACROSS, tmp_path, *names)
    for name in names:
        model = keras.saving.load_model(tmp_path / f"{name}-other.keras")
        np.testing.assert_allclose(
            model.predict_on_batch(x), np.load(tmp_path / f"{name}.npy"), rtol=0, atol=1e-6
        )


GROWTH = """
import sys
import numpy as np, keras, keras_din as kd
assert keras.backend.backend() == sys.argv[1]

def spec_of(items, capacity):
    item = kd.Categorical("item", vocabulary=items, capacity=capacity, dim=4)
    return kd.FeatureSpec(target=[item], sequences=[kd.Sequence("hist", of=[item])])

x = {"item": np.array([[2, 3], [3, 2]], "int32"), "hist_item": np.array([[3, 0], [2, 3]], "int32")}
new = {"item": np.array([[4, 2], [5, 2]], "int32"), "hist_item": x["hist_item"]}
y = np.array([[1, 0], [1, 0]], "float32")
spec = spec_of(["a", "b", "c"], 5)
counts = {"mini_batch_aware_l2": 0.1, "feature_counts": {"item": np.arange(7)}}
dropout = 0.3 if sys.argv[1] == "jax" else 0.0  # PyTorch has one generator for all models.
in_place, larger = spec_of(["a", "b", None, "d"], 5), spec_of(["a", "b", "e", "d"], 8)
for optimizer, new_spec in (
    (lambda: kd.optimizers.LazyAdam(0.1, **counts), in_place),
    (lambda: kd.optimizers.RowwiseAdagrad(0.1), larger),
):
    models = []
    for _ in range(2):
        keras.utils.set_random_seed(0)
        model = kd.build_din(spec, activation="dice", hidden_units=(4,), dropout=dropout)
        model.compile(optimizer(), kd.losses.BinaryCrossentropy())
        model.fit(x, y, epochs=2, verbose=0, shuffle=False)
        models.append(model)
    reference, model = models
    function = model.train_function
    grown = kd.grow(model, spec, new_spec)
    assert (grown is model) == (new_spec is in_place)
    assert grown is not model or grown.train_function is function
    table = lambda m: keras.ops.convert_to_numpy(m.get_layer("embedding_item").embeddings)
    assert (table(grown)[[4, 5]] != table(reference)[[4, 5]]).all()
    for step in range(2):
        outputs = [m.predict_on_batch(x) for m in (grown, reference)]
        np.testing.assert_allclose(*outputs, rtol=0, atol=1e-6 * step)
        rows = [table(m)[:4] for m in (grown, reference)]
        np.testing.assert_allclose(*rows, rtol=0, atol=1e-6 * step)
        for m in (grown, reference):
            m.fit(x, y, verbose=0, shuffle=False)
    before = table(grown)
    grown.fit(new, y, verbose=0)
    assert (table(grown)[[4, 5]] != before[[4, 5]]).all()
"""


def test_models_grow(run):
    run(GROWTH)


CALIBRATED = """
import sys
import numpy as np, keras, keras_din
from keras_din.calibration import calibrate
from tests.calibration.shared import arrays_of, dataset_of, model_of
assert keras.backend.backend() == sys.argv[1]
x, y = arrays_of(rows=500)
loaded = keras.saving.load_model(sys.argv[2])
expected = np.load(sys.argv[3])
# Logits from rounded probabilities differ in the last digits, and some segments are steep.
np.testing.assert_allclose(loaded.predict_on_batch(x), expected, rtol=1e-3)
own = calibrate(model_of(), dataset_of(x, y), by="tab")
np.testing.assert_allclose(own.predict_on_batch(x), expected, rtol=1e-3)
"""


def test_a_calibrated_model_is_the_same(run, tmp_path):
    x, y = arrays_of(rows=500)
    model = calibrate(model_of(), dataset_of(x, y), by="tab")
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "outputs.npy", np.asarray(model(x)))
    words = tmp_path / "model.keras", tmp_path / "outputs.npy"
    run(CALIBRATED, *words)


RANKING = """
import sys
import keras, numpy as np
from tests.losses.ranking_loops import LOSSES, ranking
import keras_din as kd

assert keras.backend.backend() == sys.argv[1]
rng = np.random.default_rng(0)
spec = kd.FeatureSpec(target=[kd.Categorical("item", 9, dim=2)])
for name, loss in LOSSES.items():
    for groups in (rng.integers(0, 5, 24), None):
        candidates = 1 if groups is not None else 3
        model = kd.build_lr(spec)
        model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
        model.compile(keras.optimizers.Adam(0.1), loss(crossentropy=0.0))
        x = {"item": rng.integers(2, 9, (24, candidates))}
        y = (rng.random((24, candidates)) < 0.4).astype("float32")
        w = rng.choice([0, 1, 2], y.shape).astype("float32")
        p = model.predict_on_batch(x).astype("float64")
        s = np.log(p / (1 - p)).ravel()
        rows = np.repeat(np.arange(24) if groups is None else groups, candidates)
        expected = ranking(name, y.ravel(), s, w.ravel(), rows)
        x |= {} if groups is None else {"_group": groups}
        np.testing.assert_allclose(model.test_on_batch(x, y, w), expected, rtol=1e-3)
        for _ in range(5):
            model.train_on_batch(x, y, w)
        assert model.test_on_batch(x, y, w) < expected
        model.fit(x, y, sample_weight=w, verbose=0)
"""


def test_losses_that_rank(run):
    run(RANKING)


SHARDS = """
import numpy as np, keras, keras_din as kd
item = kd.Categorical("item", 11, dim=3)
model = kd.build_base(kd.FeatureSpec(target=[item]), hidden_units=())
counts = {"mini_batch_aware_l2": 0.1, "feature_counts": {"item": np.arange(11)}}
optimizer = kd.optimizers.LazyAdamW(0.05, weight_decay=0.1, clipnorm=0.1, **counts)
model.compile(optimizer, kd.losses.BinaryCrossentropy())
optimizer.build(model.trainable_variables)
several = kd.with_shards(model, 3)
x = {"item": np.array([[0, 3], [5, 3], [7, 1]])}
for each in (model, several):
    for _ in range(2):
        each.train_on_batch(x, np.eye(3, 2, dtype="float32"))
tables = [each.get_layer("embedding_item").read_rows() for each in (model, several)]
np.testing.assert_allclose(*tables, rtol=1e-5, atol=1e-6)
"""


@pytest.mark.slow
def test_training_of_shards_equals_that_of_one_variable(run):
    run(SHARDS)
