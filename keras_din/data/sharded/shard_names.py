"""The names of shards, and the shard of each user."""

import pathlib
import re
import zlib

import numpy as np
import pandas as pd

from keras_din.checks import local_path, positive_integer
from keras_din.data.reading.columns import whole_as_integers
from keras_din.data.reading.raw_values import raw_values

_MOST = 99_999  # Names have five digits.
_NAME = re.compile(r"shard-(\d{5})-of-(\d{5})")


def number_of_shards(shards) -> int:
    """Returns `shards` as an `int`, or raises a `ValueError`."""
    shards = positive_integer("shards", shards)
    if shards > _MOST:
        raise ValueError(f"`shards` must be at most {_MOST}. Received: shards={shards}.")
    return shards


def shard_path(folder, index: int, shards: int) -> pathlib.Path:
    """Returns the folder of a shard, `folder/shard-00017-of-00064`."""
    shards = number_of_shards(shards)
    index = positive_integer("index", index, minimum=0)
    if index >= shards:
        raise ValueError(
            f"`index` must be the number of a shard, from 0 to {shards - 1}. "
            f"Received: index={index}, shards={shards}."
        )
    return local_path("folder", folder) / f"shard-{index:05d}-of-{shards:05d}"


def find_shards(folder: pathlib.Path) -> dict:
    """Returns the shards in a folder: path -> `(index, shards)`, by their names."""
    found = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if match := _NAME.fullmatch(path.name):
            found[path] = int(match[1]), int(match[2])
    return found


def shards_of_users(users, shards: int) -> np.ndarray:
    """Returns the shard of each user: `crc32(user) % shards` of the UTF-8 text of the user.

    An integer is written in decimal form. A missing user is in shard 0.

    Args:
        users: Raw values of users `(rows,)`.
        shards: The number of shards.

    Returns:
        int64 `(rows,)`.
    """
    array, missing, kind = raw_values("user", whole_as_integers(pd.Series(users)))
    codes, distinct = pd.factorize(array)
    if kind == "float":  # Some users are whole numbers.
        distinct = [int(each) if float(each).is_integer() else each for each in distinct]
    texts = (str(each).encode("utf-8", "surrogatepass") for each in distinct)
    number = np.array([zlib.crc32(text) % shards for text in texts], np.int64)
    return np.where(missing, 0, number[codes]) if len(number) else np.zeros(len(codes), np.int64)
