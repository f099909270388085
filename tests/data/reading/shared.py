"""A log in one table or several files, and what must be equal when it is prepared."""

import gzip
import pathlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet

from keras_din.data import PreparedData

WORDS: dict = {"user": "user", "time": "time", "label": "click", "context": "device"}
WORDS |= {"target": ["item", "price", "tags"], "bags": "tags", "max_bad": 0.5}
WORDS["split"] = lambda user, position, count, time: position * 0  # All rows are for training.


def a_log(rows: int = 60) -> pd.DataFrame:
    """Users, and most of their times, occur in several files."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "user": rng.choice(["ann", "bob", "cem", "007"], rows),
            "item": rng.choice(["tea", "pot", "cup", "jug", "pan"], rows),
            "price": rng.choice([3.5, 20.25, 4.125], rows),
            "device": rng.integers(7, 10, rows),
            "tags": rng.choice(["a|b", "b", "c|a"], rows),
            "time": np.sort(rng.integers(0, rows // 4, rows)) + 1_700_000_000,
            "click": rng.integers(0, 2, rows),
        }
    )


def write(path: pathlib.Path, frame: pd.DataFrame) -> pathlib.Path:
    """Writes a frame in the format that the name of the file tells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    if ".csv" in path.name:
        content = frame.to_csv(index=False).encode()
        if path.suffix == ".gz":
            content = gzip.compress(content)
        elif path.suffix == ".zst":
            with pa.CompressedOutputStream(str(path), "zstd") as file:
                file.write(content)
            return path
        path.write_bytes(content)
    elif path.suffix == ".parquet":
        pa.parquet.write_table(table, path)
    elif path.suffix == ".orc":
        pa.orc.write_table(table, path)
    else:
        pa.feather.write_feather(table, str(path))
    return path


def write_days(folder, frame, names=("a", "b", "c"), end=".csv") -> list:
    """Writes consecutive rows to files, whose names are in the order of the rows."""
    rows = np.array_split(np.arange(len(frame)), len(names))
    return [write(folder / f"{name}{end}", frame.iloc[r]) for name, r in zip(names, rows, strict=1)]


def check_equal(data: PreparedData, expected: PreparedData) -> None:
    """Checks that prepared data is equal except for places of rows."""
    assert data.spec == expected.spec
    assert data.spec.to_json() == expected.spec.to_json()
    for name, log in expected.behaviors.items():
        check_arrays(data.behaviors[name].arrays(), log.arrays())
    assert list(data.parts) == list(expected.parts)
    for name, samples in expected.parts.items():
        arrays = [
            {k: v for k, v in s.arrays().items() if k != "line"}
            for s in (data.parts[name], samples)
        ]
        check_arrays(*arrays)
    if expected.users is not None:
        pd.testing.assert_index_equal(data.users, expected.users)
    reports = [dict(data.report), dict(expected.report)]
    for counts in reports:
        counts.pop("files", None)
        for facts in counts["rows_aside"].values():
            facts.pop("first_line", None)
            facts.pop("first_file", None)
    assert reports[0] == reports[1]
    columns = ["line", "file"]
    bad = [each.bad_rows.drop(columns=columns, errors="ignore") for each in (data, expected)]
    pd.testing.assert_frame_equal(*bad, check_dtype=False)


def check_arrays(found: dict, expected: dict) -> None:
    assert list(found) == list(expected)
    for name, values in expected.items():
        if isinstance(values, np.ndarray):
            np.testing.assert_array_equal(found[name], values, name)
        else:  # Bags.
            for field in ("place", "offsets", "values"):
                np.testing.assert_array_equal(getattr(found[name], field), getattr(values, field))
