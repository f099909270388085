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
        ValueError: If there are more workers than shards, or if a process alone loads what one of
            several workers has saved.
    """
    from keras_din.data import PreparedData, load_shards
    from keras_din.data.prepare.prepared_data import SHARDS_HEADER

    if (local_path("folder", folder) / SHARDS_HEADER).is_file():
        return load_shards(folder, index, workers)
    data = PreparedData.load(folder)
    if workers == 1 and data.worker[1] > 1:
        raise ValueError(
            "The data must have the rows of all users: name the folder of all shards (`--data`). "
            f"Received: {folder}, the rows of one of {data.worker[1]} workers."
        )
    return data
