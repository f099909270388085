"""Loads the folder of prepared data, or of its shards, that a command names."""

from keras_din.checks import local_path


def load_data(folder, index: int = 0, workers: int = 1):
    """Loads prepared data, or into memory all shards of a log, of several workers those of one.

    Args:
        folder: The folder of `keras-din prepare`, with or without `--shards`.
        index: The number of the worker, from 0.
        workers: The number of workers that train together.

    Returns:
        A `PreparedData`.

    Raises:
        FileNotFoundError: If the folder has no prepared data.
        ValueError: If there are more workers than shards.
    """
    from keras_din.data import PreparedData, load_shards
    from keras_din.data.prepare.prepared_data import SHARDS_HEADER

    if not (local_path("folder", folder) / SHARDS_HEADER).is_file():
        return PreparedData.load(folder)
    return load_shards(folder, index, workers)
