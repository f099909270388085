"""Trains small models on one and on two replicas, and compares them.

`python -m tests.two_replicas CASE ...`. A process of its own, since devices cannot be split later.
"""
# ruff: noqa: E402

import sys

import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})

import keras

import keras_din as kd
from keras_din.data import BehaviorLog, Samples, dataset
from keras_din.optimizers import LazyAdam, LazyAdamW, RowwiseAdagrad

ITEMS, ROWS, BATCH = 53, 17, 8  # The last batch has one row, and the second replica none of it.
COUNTS = {"item": np.arange(ITEMS)}
TWO = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
L2 = {"mini_batch_aware_l2": 0.5, "feature_counts": COUNTS}
SMALL = {"hidden_units": (3,), "dropout": 0.0}


def batches(several_labels=False, weights=True, first_epoch=0, shards=1):
    """Returns the spec and shuffled batches, in which few items are in both halves of a batch."""
    item = kd.Categorical("item", ITEMS, dim=8, shards=shards)
    labels = [kd.Label("click")]
    if several_labels:
        labels += [kd.Label("watched", loss="mse")]
    history = kd.Sequence("hist", of=[item], max_length=5)
    spec = kd.FeatureSpec(target=[item], sequences=[history], labels=labels)
    rng = np.random.default_rng(0)
    log = BehaviorLog([0, 60], {"item": rng.integers(1, ITEMS, 60)})
    start = rng.integers(0, 50, ROWS)
    values = {"click": rng.integers(0, 2, ROWS).astype("float32")}
    if several_labels:
        values["watched"] = np.where(rng.random(ROWS) < 0.4, np.nan, rng.random(ROWS))
    samples = Samples(
        {"item": rng.integers(1, ITEMS, ROWS)},
        {"hist": (start, start + rng.integers(0, 8, ROWS))},
        values,
        np.arange(ROWS),
        weight=rng.integers(0, 4, ROWS) if weights else None,
    )
    return spec, dataset(spec, {"hist": log}, samples, BATCH, shuffle=True, first_epoch=first_epoch)


def base(spec):
    return kd.build_base(spec, **SMALL)


def learned(spec):
    model = base(spec)
    return kd.CTRModel(model.input, model.output, model.name, label_weights="uncertainty")


def din(spec):
    return kd.build_din(
        spec, attention_units=(3,), activation="dice", weight_normalization=False, **SMALL
    )


# Name -> (builder, optimizer, arguments of `batches`, other loss).
CASES = {
    "base": (base, lambda: LazyAdam(0.05, clipnorm=0.05, use_ema=True, **L2), {}, None),
    # Averages of weights read whole tables.
    "no_averages": (base, lambda: LazyAdam(0.05, clipnorm=0.05, **L2), {}, None),
    # 3 variables of 18, 18 and 17 rows.
    "shards": (base, lambda: LazyAdam(0.05, clipnorm=0.05, **L2), {"shards": 3}, None),
    "labels": (learned, lambda: LazyAdam(0.05), {"several_labels": True}, None),
    "keras_loss": (base, lambda: LazyAdam(0.05), {}, "binary_crossentropy"),
    "din": (din, lambda: LazyAdamW(0.05, weight_decay=0.1, global_clipnorm=0.1, **L2), {}, None),
    "dien": (
        lambda spec: kd.build_dien(spec, auxiliary_loss_weight=0.0, **SMALL),
        lambda: RowwiseAdagrad(0.05, clipvalue=0.02, **L2),
        {"weights": False},
        None,
    ),
    "bst": (
        lambda spec: kd.build_bst(spec, num_heads=2, **SMALL),
        lambda: LazyAdam(0.05, amsgrad=True, loss_scale_factor=8.0),
        {},
        None,
    ),
}


def train(name, scope, initial=None):
    """Returns the initial weights, the variables after two epochs, and the history."""
    build, optimizer, options, loss = CASES[name]
    spec, rows = batches(**options)
    with scope:
        model = build(spec)
        loss = loss or kd.losses.losses_of_labels(spec.labels)
        model.compile(optimizer(), loss, metrics=None if len(spec.labels) > 1 else ["AUC"])
    if initial is not None:
        model.set_weights(initial)
    initial = model.get_weights()
    history = model.fit(rows, epochs=2, shuffle=False, verbose=0).history
    variables = {v.path: keras.ops.convert_to_numpy(v) for v in model.variables}
    variables |= {v.path: keras.ops.convert_to_numpy(v) for v in model.optimizer.variables}
    return initial, list(variables.items()), history


def compare(name):
    # With other weights, a gradient may be so near 0 that its rounding decides a step of Adam.
    keras.utils.set_random_seed(0)
    initial, one, of_one = train(name, tf.distribute.get_strategy().scope())
    _, two, of_two = train(name, TWO.scope(), initial)
    assert any(np.abs(value).max() > 0 for _, value in one)
    for (path, value), (_, other) in zip(one, two, strict=True):
        np.testing.assert_allclose(other, value, rtol=1e-5, atol=1e-5, err_msg=path)
    for metric in of_one:
        # Keras weighs the loss of its own classes by the rows of each replica.
        if metric != "loss" or CASES[name][3] is None:
            np.testing.assert_allclose(of_two[metric], of_one[metric], rtol=1e-5, err_msg=metric)


def whole_reads(name):
    """Returns the operations of a step on two replicas that read a whole table."""
    build, optimizer, options, _ = CASES[name]
    spec, rows = batches(**options)
    with TWO.scope():
        model = build(spec)
        model.compile(optimizer(), kd.losses.BinaryCrossentropy())
        model.optimizer.build(model.trainable_variables)
    step = tf.function(lambda data: TWO.run(model.train_step, args=(data,)))
    graph = step.get_concrete_function(next(iter(rows))).graph
    graphs = [graph] + [g.graph for g in graph._functions.values() if hasattr(g, "graph")]
    reads = [op for g in graphs for op in g.get_operations() if op.type == "ReadVariableOp"]
    gathers = [op for g in graphs for op in g.get_operations() if op.type == "ResourceGather"]
    assert len(gathers) >= 2 * 2, "The lookups of two replicas must be in the graph."
    sizes = [ITEMS] if "shards" not in options else [17, 18]
    return [op.name for op in reads if op.outputs[0].shape[:1] in ([size] for size in sizes)]


if __name__ == "__main__":
    for case in sys.argv[1:]:
        if case.startswith("reads:"):
            found = whole_reads(case.removeprefix("reads:"))
            assert not found, found
        else:
            compare(case)
        print("passed", case, flush=True)
