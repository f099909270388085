"""Makes the files of `deepctr_0_9_4`: models of DeepCTR with random weights, and their logits.

They are stored, because DeepCTR requires Keras 2. To make them again, in an environment of their
own with Python 3.11:

    pip install 'tensorflow-cpu==2.15.*' requests && pip install --no-deps deepctr==0.9.4
    python tests/migrate/make_deepctr_fixtures.py
"""

import json
import pathlib

import numpy as np
import requests
import tensorflow as tf


def no_network(*args, **kwargs):
    raise OSError("no network")


requests.get = no_network  # An import of DeepCTR asks PyPI for the newest version.

import deepctr  # noqa: E402
from deepctr.feature_column import DenseFeat, SparseFeat, VarLenSparseFeat  # noqa: E402
from deepctr.models import DIN  # noqa: E402

FOLDER = pathlib.Path(__file__).parent / "deepctr_0_9_4"
ROWS = 8


def history(name, size, dim, **fields):
    shared = SparseFeat(f"hist_{name}", size, embedding_dim=dim, embedding_name=name)
    return VarLenSparseFeat(shared, maxlen=4, **fields)


def hashed_history(column, dtype):
    return column._replace(sparsefeat=column.sparsefeat._replace(use_hash=True, dtype=dtype))


ITEM, CATE = SparseFeat("item_id", 7, embedding_dim=3), SparseFeat("cate_id", 4, embedding_dim=2)
HISTORY = [history("item_id", 7, 3, length_name="seq_length"), history("cate_id", 4, 2)]
TAGS = VarLenSparseFeat(SparseFeat("tags", 5, embedding_dim=2), maxlen=3)
PRELU = tf.keras.layers.PReLU

# Name -> feature columns, and the arguments of `DIN`.
CASES = {
    # Softmax with empty histories, Dice and batch normalization in the network, groups, and a
    # second history that shares a table and is pooled up to its length.
    "softmax": (
        [
            SparseFeat("user_id", 3, embedding_dim=2, group_name="users"),
            *(ITEM, CATE),
            SparseFeat("segment", 3, embedding_dim=1, group_name="users"),
            *HISTORY,
            VarLenSparseFeat(
                SparseFeat("bought", 7, embedding_dim=3, embedding_name="item_id"),
                maxlen=3,
                combiner="sum",
                length_name="bought_length",
            ),
        ],
        {
            "dnn_hidden_units": (5, 4),
            "dnn_activation": "dice",
            "dnn_use_bn": True,
            "att_hidden_size": (4, 3),
            "att_activation": "sigmoid",
            "att_weight_normalization": True,
        },
    ),
    # The defaults of DIN, numbers between the other columns, and a pooled sequence.
    "dice": (
        [
            *(DenseFeat("price", 1), SparseFeat("user_id", 3, embedding_dim=2), ITEM, TAGS),
            *HISTORY,
            *(CATE, DenseFeat("vector", 2)),
        ],
        {"dnn_hidden_units": (5, 4), "att_hidden_size": (4, 3)},
    ),
    # One feature, PReLU, a maximum, and a number as label.
    "prelu": (
        [ITEM, TAGS._replace(combiner="max"), HISTORY[0]],
        {
            "dnn_hidden_units": (4,),
            "dnn_activation": PRELU,
            "att_hidden_size": (3,),
            "att_activation": "sigmoid",
            "task": "regression",
        },
    ),
    # Values that are hashed: integers with 0 as padding, and texts, of which "0" is padding.
    "hash": (
        [
            SparseFeat("user_id", 5, embedding_dim=2, use_hash=True),
            ITEM._replace(use_hash=True, dtype="int64"),
            CATE._replace(use_hash=True, dtype="string"),
            hashed_history(HISTORY[0], "int64"),
            hashed_history(HISTORY[1], "string"),
            VarLenSparseFeat(
                SparseFeat("tags", 5, embedding_dim=2, use_hash=True, dtype="string"),
                maxlen=3,
                length_name="tags_length",
            ),
        ],
        {
            "dnn_hidden_units": (5,),
            "att_hidden_size": (4,),
            "att_activation": "sigmoid",
            "att_weight_normalization": True,
        },
    ),
    # No hidden layer in the network.
    "linear": (
        [ITEM, SparseFeat("user_id", 3, embedding_dim=2), DenseFeat("price", 1), HISTORY[0]],
        {"dnn_hidden_units": (), "att_hidden_size": (3,), "att_activation": "tanh"},
    ),
}


def fields_of(column):
    """Returns the fields of a column as JSON values, as the documentation does."""
    fields = column._asdict()
    fields.pop("embeddings_initializer", None)
    return {k: fields_of(v) if hasattr(v, "_asdict") else v for k, v in fields.items()}


def last_layers(model):
    """Returns the names of the last layers: the sum without a bias, and the bias and sigmoid."""
    names = [weight.name.split("/")[0] for weight in model.weights[-2:]]
    assert [name.rstrip("_0123456789") for name in names] == ["dense", "prediction_layer"]
    return names


def random_inputs(columns, rng):
    """Returns indices of all rows of the tables, among them 0, and histories with padding."""
    inputs = {}
    for column in columns:
        if isinstance(column, DenseFeat):
            inputs[column.name] = rng.normal(size=(ROWS, column.dimension)).astype("float32")
        elif isinstance(column, SparseFeat):
            inputs[column.name] = rng.integers(0, column.vocabulary_size, (ROWS, 1))
        else:
            shape = (ROWS, column.maxlen)
            inputs[column.name] = rng.integers(0, column.vocabulary_size, shape)
            if column.combiner == "max":
                inputs[column.name][:, 0] = 1  # DeepCTR's maximum of no values is -1e9.
            if column.length_name is not None:
                inputs[column.length_name] = rng.integers(0, column.maxlen + 1, (ROWS, 1))
    for name, values in inputs.items():
        if name.startswith("hist_"):
            values[:2] = 0  # Two empty histories.
    for column in columns:
        if getattr(column, "dtype", None) == "string":
            inputs[column.name] = inputs[column.name].astype(str)
    return {n: v.astype("int32") if v.dtype.kind == "i" else v for n, v in inputs.items()}


def main():
    FOLDER.mkdir(exist_ok=True)
    described = {"deepctr": deepctr.__version__, "tensorflow": tf.__version__, "cases": {}}
    for seed, (name, (columns, options)) in enumerate(CASES.items()):
        rng = np.random.default_rng(seed)
        names = [column.name for column in columns]
        queries = [name for name in names if f"hist_{name}" in names]
        model = DIN(columns, queries, **options)
        for weight in model.weights:
            values = rng.normal(size=weight.shape) * 0.6
            weight.assign(np.abs(values) + 0.3 if "variance" in weight.name else values)
        stored = random_inputs(columns, rng)
        inputs = {n: tf.constant(v) for n, v in stored.items()}
        dense, prediction = (model.get_layer(n) for n in last_layers(model))
        of_dense = tf.keras.Model(model.inputs, dense.output)
        # Logits with a standard deviation of 1.
        dense.set_weights([dense.get_weights()[0] / of_dense(inputs).numpy().std()])
        logits = of_dense(inputs).numpy() + prediction.get_weights()[0]
        weights = dict(zip([w.name for w in model.weights], model.get_weights(), strict=True))
        np.savez_compressed(
            FOLDER / f"{name}.npz",
            logits=logits,
            outputs=model(inputs).numpy(),
            **{f"weights {key}": value for key, value in weights.items()},
            **{f"inputs {key}": value for key, value in stored.items()},
        )
        options = {k: "PReLU" if v is PRELU else v for k, v in options.items()}
        described["cases"][name] = {
            "columns": [fields_of(column) for column in columns],
            "history_feature_list": queries,
            "options": options,
        }
        print(name, np.round(logits[:, 0], 3))
    (FOLDER / "cases.json").write_text(json.dumps(described) + "\n")


if __name__ == "__main__":
    main()
