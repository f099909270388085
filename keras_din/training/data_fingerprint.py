"""The fingerprint of data, by which a run recognizes its own data."""

import json
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from keras_din.data import PreparedData


def fingerprint(data: "PreparedData") -> str:
    """Returns a checksum of the spec and rows of a `PreparedData`, without the values of bags.

    It does not depend on the shards of tables, which belong to the model. That of data of
    `load_shards` is the same for all workers and any number of them: it is that of the header of
    all shards, and of the report's `negative_rate` and `half_life`.

    Args:
        data: A `PreparedData`.

    Returns:
        Eight hexadecimal digits.

    Example:

    ```python
    from keras_din.training import fingerprint

    data = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
    fingerprint(data) == fingerprint(data)  # True
    ```
    """
    code = zlib.crc32(data.spec.with_shards(1).to_json().encode())
    if "checksum" in data.report:
        found = [data.report.get(name) for name in ("checksum", "negative_rate", "half_life")]
        return f"{zlib.crc32(json.dumps(found, allow_nan=False).encode(), code):08x}"
    for part, samples in sorted(data.parts.items()):
        code = zlib.crc32(part.encode(), code)
        for name, array in sorted(samples.arrays().items()):
            # The line in the log is not part of the content of a row.
            if isinstance(array, np.ndarray) and name != "line":
                code = zlib.crc32(name.encode(), code)
                code = zlib.crc32(np.ascontiguousarray(array).data, code)
    return f"{code:08x}"
