"""Our side of serving: a SavedModel that answers `rank` in process, as a server would call it."""

import numpy as np
import tensorflow as tf
from electronics import CATEGORIES, ITEMS
from measuring import latencies_in_turn
from peers.saved_model import caller
from process import answer
from ranking import request, tiled

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
    version: str, words: str, peers: dict, users: int, history: int, candidates: int, seconds: float
) -> dict:
    """The latencies of `rank` and of peers on tensors that are there, in turn.

    Args:
        version: Ours, which takes indices.
        words: Ours, which takes strings.
        peers: Name -> folder of a SavedModel that repeats the history.
        users: Rows of a request.
        history: Behaviors of a row.
        candidates: Candidates of a row.
        seconds: About how long each is called.
    """
    inputs = request(*SIZES.values(), users, history, candidates)
    raw = {
        name: np.vectorize(lambda index, name=name: word(name[-7:], index))(values)
        for name, values in inputs.items()
    }
    calls = {"indices": ranker(version, inputs), "strings": ranker(words, raw)}
    calls |= {name: caller(folder, tiled(inputs)) for name, folder in peers.items()}
    return latencies_in_turn(calls, seconds)


def ranker(version: str, inputs: dict):
    """A function without arguments that ranks once."""
    loaded = tf.saved_model.load(version)
    tensors = {name: tf.constant(values) for name, values in inputs.items()}
    return lambda: loaded.signatures["rank"](**tensors)["ctr"].numpy()


if __name__ == "__main__":
    answer(export=export, rank=rank)
