"""A process of its own: scores rows with TensorFlow alone, as a server would.

Arguments: folder of the SavedModel, name of the signature, rows (.npz), where `ctr` goes (.npy).
"""

import json
import sys

import numpy as np
import tensorflow as tf


def main(folder: str, signature: str, rows_path: str, ctr_path: str) -> None:
    score = tf.saved_model.load(folder).signatures[signature]
    with np.load(rows_path, allow_pickle=False) as rows:
        ctr = score(**{name: tf.constant(rows[name]) for name in rows.files})["ctr"]
    np.save(ctr_path, ctr.numpy(), allow_pickle=False)
    # TensorFlow may open Keras by itself (its lazy `tf.keras`); ours it must not know.
    print(json.dumps({"modules": [m for m in ("keras_din",) if m in sys.modules]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
