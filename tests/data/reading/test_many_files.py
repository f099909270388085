"""Which files a list, a pattern or a folder leads to."""

import os

import pytest

from keras_din.data.reading.many_files import find_files, is_many_files, partition_of


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("logs/b.csv", "logs/a.csv", "logs/c/d.csv", "other/a.csv", "one.csv"):
        write(name)
    return tmp_path


def write(name: str, text: str = "x\n1\n") -> str:
    os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)
    return name


@pytest.mark.parametrize(
    "source, files",
    [
        ("logs", ["logs/a.csv", "logs/b.csv", "logs/c/d.csv"]),
        ("logs/*.csv", ["logs/a.csv", "logs/b.csv"]),
        ("logs/*", ["logs/a.csv", "logs/b.csv", "logs/c/d.csv"]),
        ("**/*.csv", ["logs/a.csv", "logs/b.csv", "logs/c/d.csv", "one.csv", "other/a.csv"]),
        ("logs/[b]?csv", ["logs/b.csv"]),
        (["other/a.csv", "logs/b.csv"], ["logs/b.csv", "other/a.csv"]),
        (["other", "logs/c", "one.csv"], ["logs/c/d.csv", "one.csv", "other/a.csv"]),
        (["one.csv"], ["one.csv"]),
    ],
)
def test_files_are_in_the_order_of_their_names(folder, source, files, capsys):
    assert is_many_files(source)
    assert find_files(source) == files
    if isinstance(source, list):
        assert find_files(source[::-1]) == files
    assert not capsys.readouterr().out


def test_one_path_is_one_file(folder):
    write("[1].csv")
    for source in ("one.csv", "[1].csv", "none.csv", [], [1], ["one.csv", 1], None):
        assert not is_many_files(source)


def test_paths_may_be_of_pathlib(folder):
    assert find_files(folder / "logs" / "?.csv") == [str(folder / f"logs/{n}.csv") for n in "ab"]


def test_hidden_and_empty_files_are_left_out_and_printed(folder, capsys):
    hidden = ("_SUCCESS", ".b.csv.crc", "a.csv.crc", "_old/a.csv", ".cache/c", "_temporary.csv")
    for name in hidden:
        write(f"logs/{name}")
    write("logs/e.csv", "")
    assert find_files("logs") == ["logs/a.csv", "logs/b.csv", "logs/c/d.csv"]
    out = capsys.readouterr().out
    assert "left out 6 hidden or marker files: " in out
    assert "left out 1 empty file: logs/e.csv\n" in out
    for pattern in ("logs/*", "logs/**/*"):
        assert find_files(pattern) == ["logs/a.csv", "logs/b.csv", "logs/c/d.csv"]
    capsys.readouterr()
    # A shell replaces logs/* by a list. In a list, a name that begins with _ is a choice.
    names = [f"logs/{name}" for name in ("a.csv", "_SUCCESS", "a.csv.crc", "_temporary.csv")]
    assert find_files(names) == ["logs/_temporary.csv", "logs/a.csv"]
    assert "left out 2 hidden or marker files: logs/_SUCCESS, " in capsys.readouterr().out
    assert find_files("logs/_t*") == ["logs/_temporary.csv"]


@pytest.mark.parametrize(
    "source, message",
    [
        ("none*", r"A pattern must match at least one file\. Received: 'none\*'"),
        (["one.csv", "x/*"], r"A pattern must match at least one file\. Received: 'x/\*'"),
        ("nothing", r"at least one file that is not empty\. Received: 'nothing', with no file"),
        ("zero", r"Received: 'zero', with 1 hidden file and 1 empty file"),
        (["one.csv", "one.csv"], r"given once.*Received: one\.csv twice"),
        (["logs/*.csv", "logs/a.csv"], r"Received: logs/a\.csv twice"),
        (["one.csv", "link.csv"], r"link\.csv and one\.csv, which are the same file"),
        (["one.csv", "gs://bucket/a.csv"], r"path of a local file system.*gs://bucket"),
    ],
)
def test_what_raises(folder, source, message):
    os.mkdir("nothing")
    write("zero/a.csv", "")
    write("zero/_SUCCESS")
    os.symlink("one.csv", "link.csv")
    with pytest.raises(ValueError, match=message):
        find_files(source)


def test_a_file_that_does_not_exist_raises(folder):
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        find_files(["one.csv", "none.csv"])


@pytest.mark.parametrize(
    "path, columns",
    [
        ("logs/part-0.parquet", {}),
        ("logs/date=2026-11-20/hour=7/part-0.parquet", {"date": "2026-11-20", "hour": "7"}),
        ("logs/a=b=c/x=y.csv", {"a": "b=c"}),
        ("logs/city=New%20York/x.csv", {"city": "New York"}),
        ("logs/city=__HIVE_DEFAULT_PARTITION__/x.csv", {"city": ""}),
        ("logs/=b/x.csv", {}),
    ],
)
def test_columns_of_folders(path, columns):
    assert partition_of(path) == columns
    assert is_many_files(path) == bool(columns)
