"""The state of optimizers by rows of a table."""

import keras
import numpy as np
import pytest

import keras_din as kd
from keras_din.layers import Embedding
from keras_din.optimizers.row_state import copy_state, row_state

ROWS, DIM = 7, 7  # As many rows as columns, so that the shape does not tell which are rows.
COUNTS = {"mini_batch_aware_l2": 0.1, "feature_counts": {"item": np.arange(ROWS)}}
OPTIMIZERS = {
    "LazyAdam": lambda: kd.optimizers.LazyAdam(amsgrad=True, use_ema=True),
    "counts": lambda: kd.optimizers.LazyAdamW(**COUNTS),
    "RowwiseAdagrad": lambda: kd.optimizers.RowwiseAdagrad(0.1),
    "float16": lambda: keras.optimizers.LossScaleOptimizer(kd.optimizers.LazyAdam(**COUNTS)),
    "SGD": keras.optimizers.SGD,
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "Adam": keras.optimizers.Adam,
    "Ftrl": keras.optimizers.Ftrl,
    "Adafactor": keras.optimizers.Adafactor,
    "RMSprop": lambda: keras.optimizers.RMSprop(centered=True, momentum=0.9),
    "accumulation": lambda: keras.optimizers.Adam(gradient_accumulation_steps=2),
}
# The names of the variables of a table, and the initial value of a row. None: that of the table.
EXPECTED = {
    "LazyAdam": [("average", None), ("momentum", 0), ("velocity", 0), ("velocity_hat", 0)],
    "counts": [("feature_counts", 1), ("momentum", 0), ("velocity", 0)],
    "RowwiseAdagrad": [("accumulator", 0.1)],
    "float16": [("feature_counts", 1), ("momentum", 0), ("velocity", 0)],
    "SGD": [],
    "momentum": [("momentum", 0)],
    "Adam": [("momentum", 0), ("velocity", 0)],
    "Ftrl": [("accumulator", 0.1), ("linear", 0)],
    "Adafactor": [("embeddings", 0), ("velocity", 0)],
    "RMSprop": [("velocity", 0), ("momentum", 0), ("average_gradient", 0)],
    "accumulation": [("gradient_accumulator", 0), ("momentum", 0), ("velocity", 0)],
}


def variables_of(rows=ROWS):
    keras.utils.set_random_seed(0)
    tables = [Embedding(rows, DIM, feature="item"), Embedding(3, 2, feature="other")]
    for table in tables:
        table.build()
    kernel = keras.Variable(np.ones((DIM, ROWS), "float32"))
    return [tables[0].embeddings, kernel, tables[1].embeddings]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_variables_and_initial_values(name):
    variables = variables_of()
    optimizer = OPTIMIZERS[name]()
    optimizer.build(variables)
    state = row_state(optimizer)
    assert state.keys() == {id(variables[0]), id(variables[2])}
    assert len(state[id(variables[2])]) == len(EXPECTED[name])
    found = state[id(variables[0])]
    for (variable, initial), (end, expected) in zip(found, EXPECTED[name], strict=True):
        assert variable.name.endswith(end)
        assert variable.shape[0] == ROWS
        if expected is None:
            assert initial is None
        else:
            np.testing.assert_array_equal(initial, np.full(np.shape(initial), np.float32(expected)))


@pytest.mark.parametrize("name", ["LazyAdam", "float16", "Adafactor", "RowwiseAdagrad"])
def test_state_is_copied_to_larger_tables(name):
    rng = np.random.default_rng(0)
    variables = variables_of()
    optimizer = OPTIMIZERS[name]()
    optimizer.build(variables)
    for variable in optimizer.variables:
        variable.assign(rng.integers(1, 9, variable.shape))
    larger = type(optimizer).from_config(optimizer.get_config())
    larger.build(variables_of(ROWS + 2))
    copy_state(optimizer, larger)
    grown = 0
    for old, new in zip(optimizer.variables, larger.variables, strict=True):
        old, new = np.asarray(old), np.asarray(new)
        if old.shape != new.shape:
            grown += 1
            np.testing.assert_array_equal(new[ROWS:], np.zeros((2, *new.shape[1:])))
            new = new[:ROWS]
        np.testing.assert_array_equal(new, old)
    assert grown == len(EXPECTED[name])
    # An optimizer with counts can be applied.
    inner = getattr(larger, "inner_optimizer", larger)
    assert not getattr(inner, "_lacks_feature_counts", False)
