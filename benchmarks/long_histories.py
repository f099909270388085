"""Our side of long histories: `rank` of one user with thousands of behaviors, also when padded."""

import numpy as np
import tensorflow as tf
from electronics import CATEGORIES, ITEMS
from measuring import latencies, memory, peak_memory
from process import answer
from ranking import request

SIZES = {"item_id": ITEMS + 2, "cate_id": CATEGORIES + 2}
LONGEST = 10_000


def export(folder: str) -> dict:
    """Exports the DIN of all rows, not trained."""
    from ours import din

    import keras_din as kd

    features = [kd.Categorical(name, size, dim=64) for name, size in SIZES.items()]
    history = kd.Sequence("hist", of=features, max_length=LONGEST)
    spec = kd.FeatureSpec(target=features, sequences=[history])
    return {"version": str(kd.export(din(spec), spec, folder))}


def rank(version: str, history: int, candidates: int, seconds: float, padded: int = 0) -> dict:
    """The median latency of `rank` for one user, with so much padding before his history, and
    the memory that it takes.
    """
    signature = tf.saved_model.load(version).signatures["rank"]
    inputs = request(*SIZES.values(), 1, history, candidates)
    tensors = {
        name: tf.constant(np.pad(x, ((0, 0), (padded, 0))) if name.startswith("hist") else x)
        for name, x in inputs.items()
    }
    before = memory()
    taken = latencies(lambda: signature(**tensors)["ctr"].numpy(), seconds)
    return {"call": taken["p50"], "memory": peak_memory() - before}


if __name__ == "__main__":
    answer(export=export, rank=rank)
