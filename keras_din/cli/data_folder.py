"""Loads the folder of prepared data, or of its shards, that a command names."""

from keras_din.checks import local_path


def load_data(folder, workers: int = 1):
    """Loads prepared data, or all shards of a log into memory.

    Args:
        folder: The folder of `keras-din prepare`, with or without `--shards`.
        workers: The number of workers that train together.

    Returns:
        A `PreparedData`.

    Raises:
        FileNotFoundError: If the folder has no prepared data.
        ValueError: If several workers read shards.
    """
    from keras_din.data import PreparedData, load_shards
    from keras_din.data.prepare.prepared_data import SHARDS_HEADER

    if not (local_path("folder", folder) / SHARDS_HEADER).is_file():
        return PreparedData.load(folder)
    if workers > 1:
        raise ValueError(
            "Several workers of `keras-din train` must have data that was prepared without "
            "`--shards`. In Python, each worker loads its own shards with `kd.data.load_shards`. "
            f"Received: {workers} workers and the shards in {folder}."
        )
    return load_shards(folder)
