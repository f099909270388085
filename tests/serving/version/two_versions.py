"""Two version folders with random bytes, as deltas read them."""

import json
import pathlib

import numpy as np

from keras_din.serving.version.delta_file import write_delta


def write_version(folder: pathlib.Path, files: dict) -> pathlib.Path:
    """Writes files, name -> bytes, to a new folder. Without a `saved_model.pb` one is added."""
    (folder / "assets").mkdir(parents=True)
    for name, content in ({"saved_model.pb": b"a graph"} | files).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def two_versions(parent: pathlib.Path) -> tuple:
    """Returns the folders of version 5 and version 7, which has more rows and other files."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(3000, 16)).astype(np.float32)
    grown = np.concatenate([table, rng.normal(size=(10, 16)).astype(np.float32)])
    grown[rng.choice(3000, 30)] += 1e-3
    others = rng.bytes(5000)
    base = {
        "variables/data": table.tobytes() + others,
        "keras_din.json": json.dumps({"number": 5}).encode(),
        "same": rng.bytes(100),
        "removed/file": b"1",
        "empty": b"",
        "filled": b"",
    }
    new = base | {
        "variables/data": grown.tobytes() + others,
        "keras_din.json": json.dumps({"number": 7}).encode(),
        "assets.extra/more": b"2",
        "filled": b"3",
        "emptied": b"",
    }
    del new["removed/file"]
    return write_version(parent / "5", base), write_version(parent / "7", new)


def fake_delta(file: pathlib.Path, base: pathlib.Path, new: pathlib.Path) -> pathlib.Path:
    """Writes a delta of folders that are no SavedModels, so without counts."""
    facts = {"base": int(base.name), "version": int(new.name), "bytes_of_version": 1}
    write_delta(file, base, new, facts | {"tables": {}, "values": {}})
    return file


def contents(folder: pathlib.Path) -> dict:
    """Returns the bytes of all files, and `None` for folders, by their paths."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }
