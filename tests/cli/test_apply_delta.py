"""`keras-din export --delta` and `keras-din apply-delta`."""

import filecmp
import pathlib
import re
import shutil

import pytest

from keras_din.cli import main
from tests.data.prepare.shared import a_day


@pytest.fixture
def run(capsys):
    """A function that runs a command and returns its exit code and what it printed."""

    def run(*words):
        code = main([*map(str, words)])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


def same(first: pathlib.Path, second: pathlib.Path) -> bool:
    names = [
        sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        for folder in (first, second)
    ]
    return names[0] == names[1] and all(
        filecmp.cmp(first / name, second / name, shallow=False) for name in names[0]
    )


def test_a_day_is_sent_as_a_delta(tmp_path, monkeypatch, run, checked_by_one_process):
    monkeypatch.chdir(tmp_path)
    for day in range(2):
        a_day(day, rows=40).to_parquet(f"{day}.parquet")
    columns = ["--user", "user", "--time", "time", "--label", "click", "--target", "item"]
    last = int(a_day(0, rows=40)["time"].iloc[-8])
    by_time = ["--split", "by-time", "--test-from", last, "--dim", "4"]
    assert run("prepare", "0.parquet", "data", *columns, *by_time)[0] == 0
    words = ["--model", "lr", "--epochs", "1", "--batch-size", "8", "--quiet"]
    assert run("train", "data", "run", *words)[0] == 0
    code, printed = run("export", "run", "din", "--delta")
    assert code == 1
    assert "`--delta` requires an earlier version" in printed
    assert run("export", "run", "din")[0] == 0
    (base,) = pathlib.Path("din").iterdir()
    shutil.copytree(base, f"server/{base.name}")

    assert run("append", "data", "1.parquet", "--max-values", "5")[0] == 0
    assert run("update", "run", "data", "--quiet")[0] == 0
    for wrong, message in {
        ("--delta", "7"): "`--delta` must be the folder of a version",
        ("--delta", "run"): "`--delta` must be the folder of a version",
        ("--delta", "--keep", "1"): f"`--keep` must be 2 or more.*--delta {base.name}",
        ("--delta", "--format", "onnx"): "Received: --delta and --format onnx",
    }.items():
        code, printed = run("export", "run", "din", *wrong)
        assert code == 1
        assert re.search(message, printed)
    code, printed = run("export", "run", "din", "--delta", "--keep", "2")
    assert code == 0, printed
    new = pathlib.Path(re.search(r"written: (.*)", printed)[1])
    delta = pathlib.Path(f"{new}.delta")
    sizes = r": [\d.]+ kB, \d+\.\d% of the [\d.]+ kB of the full version\n"
    line = f"delta {delta} from version {base.name} to version {new.name}{sizes}"
    assert re.search(line, printed), printed
    assert re.search(r"rows of '\w*item': \d+ changed, \d added, of \d+", printed)
    assert re.search(r"values of 'item': [1-9] new, [1-9] removed", printed)
    # TensorFlow Serving loads folders whose name is a number.
    assert {path.name for path in new.parent.iterdir()} == {base.name, new.name, delta.name}

    code, printed = run("apply-delta", "server", delta)
    assert code == 0
    assert re.search(line, printed)
    made = pathlib.Path("server", new.name)
    assert f"written: {made}\n" in printed
    assert same(made, new)
    assert not same(made, base)
    assert run("check-serving", "server", "data", "--run", "run")[0] == 0
    code, printed = run("apply-delta", "server", delta)
    assert code == 1
    assert f"keras-din: error: A delta from version {base.name}" in printed
