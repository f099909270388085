"""The file of types and features that `keras-din prepare --spec` reads."""

import json
import os
import pathlib

from keras_din.atomic_write import atomic_file
from keras_din.checks import local_path

FEATURES = "features.json"  # In the folder of prepared data.


def save_entries(entries: dict, file: str | os.PathLike) -> None:
    """Writes name -> type or entry as a JSON file that `keras-din prepare --spec` reads."""
    lines = [
        f" {json.dumps(name, allow_nan=False)}: {json.dumps(entry, allow_nan=False)}"
        for name, entry in entries.items()
    ]
    with atomic_file(pathlib.Path(local_path("file", file))) as partial:
        partial.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
