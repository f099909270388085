"""The check before a version is published: a process without Keras scores it the same."""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

from keras_din.feature_spec import Categorical, FeatureSpec
from keras_din.serving import parity_process

TOLERANCE = 1e-5


def sample_rows(spec: FeatureSpec, rows: int = 64, seed: int = 0) -> dict:
    """Rows of every kind for `serving_default`: any index, empty, short and long histories.

    Padding stands anywhere; some indices are out of range.
    """
    rng = np.random.default_rng(seed)
    time = min(200, 10 + max((sequence.max_length for sequence in spec.sequences), default=0))
    masks = {
        sequence.name: rng.random((rows, time)) < np.linspace(0, 1, rows)[:, None]
        for sequence in spec.sequences
    }
    inputs = {}
    for name, info in spec.inputs.items():
        shape = (rows, time) if info.role == "behaviour" else (rows,)
        if isinstance(info.feature, Categorical):
            values = rng.integers(1, info.feature.vocabulary_size + 3, shape)
        else:
            values = rng.normal(info.feature.mean, info.feature.std, shape).astype(np.float32)
        if info.role == "behaviour":
            values = (values * masks[info.sequence.name]).astype(values.dtype)
        inputs[name] = values
    return inputs


def score_in_another_process(folder, rows: dict, signature: str = "serving_default") -> np.ndarray:
    """The `ctr` that a Python process with TensorFlow alone gets from the SavedModel in `folder`.

    Raises:
        RuntimeError: With that process' own words when it fails.
    """
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        np.savez(scratch / "rows.npz", **rows)
        script = parity_process.__file__
        paths = [folder, signature, scratch / "rows.npz", scratch / "ctr.npy"]
        done = subprocess.run(
            # Isolated: neither the current folder nor the user's settings change what is run.
            [sys.executable, "-I", script, *map(str, paths)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(
                f"A process with TensorFlow alone could not score {str(folder)!r}:\n"
                + done.stderr[-4000:]
            )
        loaded = json.loads(done.stdout.splitlines()[-1])["modules"]
        if loaded:
            raise RuntimeError(f"The SavedModel must not need {', '.join(loaded)} to be scored.")
        return np.load(scratch / "ctr.npy", allow_pickle=False)


def check_parity(folder, spec: FeatureSpec, live) -> float:
    """The largest difference between `live(rows)` and the SavedModel in `folder`.

    Raises:
        RuntimeError: When it is above 1e-5 or not a number.
    """
    rows = sample_rows(spec)
    difference = float(np.abs(score_in_another_process(folder, rows) - live(rows)).max())
    if not difference <= TOLERANCE:
        raise RuntimeError(
            f"The SavedModel must score as the live model does, within {TOLERANCE:g}. "
            f"The largest difference was {difference:g}; nothing is published."
        )
    return difference
