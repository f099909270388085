"""The files of precomputed vectors in a folder of prepared data."""

import pathlib

import numpy as np

from keras_din.features import FeatureSpec, VectorTable

_FOLDER = "vectors"


def save_vectors(folder: pathlib.Path, spec: FeatureSpec) -> None:
    """Writes the vectors of a spec: `vectors/{name}.npy`, and the scales of int8 vectors.

    Raises:
        ValueError: If a `Vector` has a checksum and no vectors, as in a spec from JSON.
    """
    for name, feature in spec.vectors.items():
        if feature.vectors is None and feature.checksum is not None:
            raise ValueError(
                f"Vector {name!r} must have its vectors to be saved. Received: {feature!r}."
            )
        if feature.vectors is not None:
            (folder / _FOLDER).mkdir(exist_ok=True)
            np.save(folder / _FOLDER / f"{name}.npy", feature.vectors.values, allow_pickle=False)
            if feature.vectors.scales is not None:
                np.save(folder / _FOLDER / f"{name}.scales.npy", feature.vectors.scales)


def load_vectors(folder: pathlib.Path, spec: FeatureSpec) -> FeatureSpec:
    """Returns a spec from JSON with the vectors of `save_vectors`, which are memory-mapped."""
    tables = {}
    for name, feature in spec.vectors.items():
        if feature.checksum is not None:
            values = np.load(folder / _FOLDER / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            scales = None
            if feature.storage == "int8":
                scales = np.load(folder / _FOLDER / f"{name}.scales.npy", allow_pickle=False)
            tables[name] = VectorTable(values, scales, feature.checksum)
    return spec.with_vectors(tables) if tables else spec
