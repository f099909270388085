"""`keras-din check-serving` finds planted skew and sets the exit status."""

import json
import shutil
import warnings

import keras
import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.cli import main
from keras_din.data import PreparedData
from keras_din.serving import saved_model
from keras_din.training import train


def a_log(rows=600, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "user": rng.integers(20, size=rows),
            "item": [f"i{item}" for item in rng.integers(12, size=rows)],
            "age": rng.normal(30, 5, rows),
            "time": np.arange(rows),
            "request": np.arange(rows) // 3,
            "click": rng.integers(2, size=rows),
        }
    ).assign(user=lambda log: log["request"] % 20, age=lambda log: 20.5 + log["user"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Prepared data, a run, and a version that was exported without the check in a process."""
    folder = tmp_path_factory.mktemp("check serving")
    columns = {"user": "user", "time": "time", "label": "click", "request": "request"}
    data = kd.data.prepare_impressions(a_log(), **columns, target=["item"], context=["age"], dim=4)
    data.save(folder / "data")
    words = {"model": "base", "options": {"hidden_units": [8]}, "epochs": 1, "verbose": 0}
    run = train(data, folder / "run", **words, batch_size=64)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The warning about missing warm-up requests.
        patch.setattr(saved_model, "check_parity", lambda *arguments: {})
        kd.export(run.model, run.spec, folder / "din")
    return folder


def check(folder, capsys, *words, version=None):
    words = [version or folder / "din", *words, "--run", folder / "run"]
    code = main(["check-serving", *map(str, words)])
    return code, capsys.readouterr()


def swapped(folder, tmp_path):
    """A copy of the version with two items of the vocabulary swapped."""
    (version,) = (folder / "din").iterdir()
    version = shutil.copytree(version, tmp_path / "1")
    file = version / "assets" / "item.txt"
    first, second, *others = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join([second, first, *others]), encoding="utf-8")
    return version, first, second


def test_check_with_prepared_data(folder, tmp_path, capsys, stderr_is_terminal):
    assert PreparedData.load(folder / "data").parts["test"].request is not None
    code, printed = check(folder, capsys, folder / "data")
    assert code == 0, printed.err
    assert "the version and the live model give the same predictions" in printed.out
    code, printed = check(folder, capsys, folder / "data", "--part", "train", "--rows", "7")
    assert code == 0
    assert f"7 rows of {folder / 'data'}" in printed.out

    version, first, second = swapped(folder, tmp_path)
    code, printed = check(folder, capsys, folder / "data", "--json", version=version)
    assert code == 1
    assert f"{version} and " in printed.err
    assert "  hist_item: " in printed.err
    assert (
        f"{first!r} is 3 served, 2 in training" in printed.err
        or f"{second!r} is 2 served" in printed.err
    )
    sentence = f"item: vocabulary is another; first at index 2: '{second}' in the"
    assert sentence in printed.err
    report = json.loads(printed.out)
    assert report["is_same"] is False
    assert report["spec"][0].startswith(sentence)
    found = report["inputs"]["hist_item"]
    assert (found["raw"], found["served"], found["pipeline"]) in ((first, 3, 2), (second, 2, 3))
    assert report["worst"][0]["output"] == "ctr"


def test_check_with_rows_of_a_file(folder, tmp_path, capsys):
    rows = pd.DataFrame(
        {
            "age": [25.0, None, 31.0],
            "item": ["i3", "never seen", None],
            "hist_item": [["i1", None, "i2"], [], None],
        }
    )
    rows.to_parquet(tmp_path / "rows.parquet")
    code, printed = check(folder, capsys, tmp_path / "rows.parquet")
    assert code == 0, printed
    assert "3 rows of" in printed.out
    assert "without a value: 1 of 'age', replaced by the mean" in printed.out
    words = [str(folder / "run"), str(tmp_path / "rows.parquet"), str(tmp_path / "ctr.csv")]
    assert main(["predict", *words]) == 0
    assert "without a value: 1 of 'age', replaced by the mean" in capsys.readouterr().out
    assert pd.read_csv(tmp_path / "ctr.csv")["ctr"].between(0, 1).all()

    code, printed = check(folder, capsys, folder / "data", "--history-separator", "^")
    assert code == 1
    assert "`--history-separator` require a file of rows. Received: the folder" in printed.err
    # The same rows as text.
    text = rows.assign(hist_item=["i1^^i2", None, None])
    text.to_csv(tmp_path / "rows.csv", index=False, sep=";")
    words = ["--sep", ";", "--history-separator", "^"]
    code, printed = check(folder, capsys, tmp_path / "rows.csv", *words)
    assert code == 0, printed
    assert "3 rows of" in printed.out
    version, first, _ = swapped(folder, tmp_path)
    rows.loc[2, "item"] = first
    rows.to_parquet(tmp_path / "rows.parquet")
    code, printed = check(folder, capsys, tmp_path / "rows.parquet", version=version)
    assert code == 1
    assert f"  item: 1 in 1 row; in row 2 {first!r} is 3 served, 2 in training" in printed.out


def test_other_weights_are_found(folder, tmp_path, capsys):
    (version,) = (folder / "din").iterdir()
    data = PreparedData.load(folder / "data")
    other = train(
        data,
        tmp_path / "run",
        model="base",
        options={"hidden_units": [8]},
        epochs=1,
        batch_size=32,
        seed=5,
        verbose=0,
    )
    words = [version, folder / "data", "--run", other.folder]
    assert main(["check-serving", *map(str, words)]) == 1
    printed = capsys.readouterr().out
    assert "where it is largest\n  row " in printed
    assert "the weights may be those of another model" in printed


def test_mixed_precision_is_compared_in_float32(folder, tmp_path, capsys, monkeypatch):
    data = PreparedData.load(folder / "data")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        options = {"hidden_units": [8], "attention_units": [4]}
        words = {"options": options, "epochs": 1, "batch_size": 64, "verbose": 0}
        run = train(data, tmp_path / "run", **words)
    finally:
        keras.config.set_dtype_policy("float32")
    monkeypatch.setattr(saved_model, "check_parity", lambda *arguments: {})
    monkeypatch.setattr(saved_model, "write_warmup", lambda *arguments: {"file": ""})
    version = kd.export(run.model, run.spec, tmp_path / "din")
    words = [version, folder / "data", "--run", run.folder]
    assert main(["check-serving", *map(str, words)]) == 0
    assert "the version and the live model give the same predictions" in capsys.readouterr().out


def test_invalid_arguments_fail(folder, tmp_path, capsys):
    code, printed = check(folder, capsys, folder / "data", version=tmp_path)
    assert code == 1
    assert "must be a folder that `export` wrote" in printed.err
    code, printed = check(folder, capsys, folder / "data", "--rows", "0")
    assert code == 1
    assert "`rows` must be a positive integer" in printed.err
