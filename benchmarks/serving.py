"""Our side of serving: a SavedModel that answers `rank` in process, as a server would call it."""

import numpy as np
import tensorflow as tf
from electronics import CATEGORIES, ITEMS
from measuring import latencies
from process import answer
from ranking import request

SIZES = {"item_id": ITEMS + 2, "cate_id": CATEGORIES + 2}


def word(name: str, index) -> str:
    """The raw value of an index: a letter and 9 digits."""
    return f"{name[0]}{index:09d}"


def export(folder: str, raw: bool = False) -> dict:
    """Exports the DIN of all rows, not trained; it takes indices, or strings if `raw`."""
    from ours import din

    import keras_din as kd

    features = []
    for name, size in SIZES.items():
        if raw:
            values = {"vocabulary": [word(name, index) for index in range(2, size)]}
        else:
            values = {"vocabulary_size": size}
        features.append(kd.Categorical(name, dim=64, **values))
    history = kd.Sequence("hist", of=features, max_length=1000)
    spec = kd.FeatureSpec(target=features, sequences=[history])
    return {"version": str(kd.export(din(spec), spec, folder))}


def rank(
    version: str, users: int, history: int, candidates: int, seconds: float, raw: bool = False
) -> dict:
    """The latencies of `rank` on tensors that are there."""
    signature = tf.saved_model.load(version).signatures["rank"]
    inputs = request(*SIZES.values(), users, history, candidates)
    if raw:
        inputs = {
            name: np.vectorize(lambda index, name=name: word(name[-7:], index))(values)
            for name, values in inputs.items()
        }
    tensors = {name: tf.constant(values) for name, values in inputs.items()}
    return latencies(lambda: signature(**tensors)["ctr"].numpy(), seconds)


if __name__ == "__main__":
    answer(export=export, rank=rank)
