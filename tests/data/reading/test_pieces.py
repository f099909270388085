"""Tables of several files: the same data as one table, places of bad rows, types that differ."""

import pathlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from keras_din.cli.show import report
from keras_din.data import (
    LastFraction,
    PreparedData,
    prepare_impressions,
    prepare_interactions,
    prepare_rows,
)
from keras_din.data.encoding.features import csv_hints
from keras_din.data.reading import pieces
from keras_din.data.reading.columns import to_plain_series
from keras_din.data.reading.source import as_source, to_frame
from keras_din.data.reading.table import read_table
from keras_din.features import Categorical
from tests.data.reading.shared import WORDS, a_log, check_equal, write, write_days

ENDS = [".csv", ".csv.gz", ".csv.zst", ".parquet", ".arrow", ".orc"]


@pytest.mark.parametrize("end", ENDS)
def test_several_files_are_one_table_in_any_order(tmp_path, end):
    log = a_log()
    log.loc[[7, 33], "click"] = 5
    files = write_days(tmp_path / "days", log, end=end)
    whole = write(tmp_path / f"log{end}", log)
    words = WORDS | {"split": LastFraction(0.2, 0.2)}
    expected = prepare_impressions(whole, **words)
    assert expected.report["rows_out_of_order"] == 0
    for source in (files, files[::-1], str(tmp_path / "days"), str(tmp_path / "days" / "*")):
        data = prepare_impressions(source, **words)
        check_equal(data, expected)
        assert [facts["rows"] for facts in data.report["files"]] == [20, 20, 20]
        assert [facts["file"] for facts in data.report["files"]] == list(map(str, files))
    if ".csv" not in end:  # The report of a CSV file shows how numbers are written in it.
        check_equal(prepare_impressions(log, **words), expected)


def test_interactions_and_prior_history_and_tables_of_items(tmp_path):
    log, words = a_log(), {"user": "user", "time": "time", "target": ["item", "color"], "seed": 3}
    items = pd.DataFrame({"item": ["tea", "pot", "cup", "jug", "pan", "mug"]})
    items["color"] = list("abcabc")
    files = write_days(tmp_path / "log", log, end=".parquet")
    of_items = write_days(tmp_path / "items", items, "xy", end=".csv")
    expected = prepare_interactions(log, items=items, **words)
    check_equal(prepare_interactions(files[::-1], items=of_items, **words), expected)
    words = WORDS | {"target": ["item"], "context": (), "bags": ()}
    earlier = log[["user", "item"]].iloc[:9]
    expected = prepare_impressions(log, **words, prior_history={"hist": earlier})
    prior = {"hist": write_days(tmp_path / "prior", earlier, end=".csv.gz")}
    check_equal(prepare_impressions(files, **words, prior_history=prior), expected)


@pytest.mark.parametrize("end", [".csv", ".parquet"])
def test_rows_that_contain_histories(tmp_path, end):
    log = a_log(12).assign(hist_item=["tea|pot", "", "cup"] * 4)
    words = {"label": "click", "target": "item", "separator": "|", "max_bad": 0.5}
    expected = prepare_rows(log, **words)
    if end == ".parquet":
        log["hist_item"] = [cell.split("|") if cell else [] for cell in log["hist_item"]]
        words["separator"] = None
        expected.report["histories"]["separator"] = None
    files = write_days(tmp_path, log, end=end)
    check_equal(prepare_rows({"train": files[::-1]}, **words), expected)


def test_lines_count_through_all_files(tmp_path):
    log = a_log(9)
    files = write_days(tmp_path, log)
    frame, _ = read_table(files, ["time"])
    assert frame.index.tolist() == [2, 3, 4, 6, 7, 8, 10, 11, 12]
    data = prepare_impressions(files, **WORDS)
    assert [facts["lines_before"] for facts in data.report["files"]] == [0, 4, 8]
    lines = data.parts["train"].line
    assert sorted(lines) == frame.index.tolist()
    data = prepare_impressions(write_days(tmp_path / "p", log, end=".parquet"), **WORDS)
    assert [facts["lines_before"] for facts in data.report["files"]] == [0, 3, 6]
    assert sorted(data.parts["train"].line) == list(range(9))


CSV = {
    "a.csv": b"user,item,time,click\nann,tea,1700000000,1\n\nann,pot\nann,cup,1700000001,0\n",
    "b.csv": b"user,item,time,click\n",
    "c.csv": b'user,item,time,click\nbob,"a\nb",1700000000,1\nbob,\xff,1700000002,0\n'
    b"bob,tea,soon,0\nbob,pot,1700000003,7\nbob,tea,1700000009,1\n",
}


def test_bad_rows_have_their_file_and_line(tmp_path):
    for name, content in CSV.items():
        (tmp_path / name).write_bytes(content)
    words = {"user": "user", "time": "time", "target": "item", "label": "click", "max_bad": 0.9}
    data = prepare_impressions(tmp_path, **words, split=lambda u, p, c, t: p * 0)
    bad = data.bad_rows
    assert list(bad.columns[:3]) == ["line", "reason", "file"]
    assert [pathlib.Path(file).name for file in bad["file"]] == ["a.csv", "c.csv", "c.csv", "c.csv"]
    assert bad["line"].tolist() == [4, 4, 5, 6]
    reasons = ["2 fields, not 4: ann,pot", "'item' is not UTF-8", "'time' is not a time"]
    assert bad["reason"].tolist() == [*reasons, "'click' is neither 0 nor 1"]
    facts = data.report["rows_aside"]["'time' is not a time"]
    assert facts == {
        "rows": 1,
        "first_line": 5,
        "first_file": str(tmp_path / "c.csv"),
        "first_value": "'soon'",
    }
    assert [f["rows"] for f in data.report["files"]] == [3, 0, 5]
    assert sorted(data.parts["train"].line) == [2, 5, 7, 12]
    data.save(tmp_path.parent / "data")
    loaded = PreparedData.load(tmp_path.parent / "data").bad_rows
    columns = ["line", "reason", "file"]
    pd.testing.assert_frame_equal(loaded[columns], bad[columns], check_dtype=False)


def test_an_own_column_file_is_renamed(tmp_path):
    log = a_log(6).assign(file="x", click=[0, 1, 2, 0, 1, 0])
    files = write_days(tmp_path, log, "ab", end=".parquet")
    bad = prepare_impressions(files, **WORDS | {"context": "file"}).bad_rows
    assert bad["file"].tolist() == [str(files[0])]
    assert bad["file_"].tolist() == ["x"]


@pytest.mark.parametrize(
    "column, values, words, message",
    [
        ("click", [0, 1, 0, 1, 0, 9], {"strict": True}, r"Received in line 4 of .*b\.csv: 'click'"),
        ("click", [0, 1, 0, 1, 0, 9], {"max_bad": 0}, r"the first is 9 in line 4 of .*b\.csv\."),
        (
            "price",
            ["1.5", "2.5", "3", "4", "1x", "7"],
            {"numeric": "price"},
            r"'1x' in line 3 of .*b\.",
        ),
        ("price", [1, 2, 3, None, 5, 6], {}, r"no value in line 2 of .*b\.csv\."),
        ("time", [1.7e9, 1.7e9, 1.7e9, 1.7e9, 1.7e9, 0], {"max_bad": 0}, r"line 4 of .*b\.csv"),
    ],
)
def test_errors_name_file_and_line(tmp_path, column, values, words, message):
    files = write_days(tmp_path, a_log(6).assign(**{column: values}), "ab")
    with pytest.raises(ValueError, match=message):
        prepare_impressions(files, **WORDS | words)


def test_errors_of_values_name_file_and_row(tmp_path):
    log = a_log(6).assign(device=[1.0, 2.0, 3.0, 4.0, 2.5, 1.0])
    files = write_days(tmp_path, log, "ab", end=".parquet")
    for feature in (Categorical("device", vocabulary=[1, 2]), Categorical("device", 3)):
        with pytest.raises(ValueError, match=r"Received: .* in line 1 of .*b\.parquet"):
            prepare_impressions(files, **WORDS | {"context": [feature]})
    log = a_log(6).assign(tags=[[], [], [], [], [1.0], [2.0]])
    files = write_days(tmp_path / "bags", log, "ab", end=".parquet")
    with pytest.raises(ValueError, match=r"1\.0.*\] in line 1 of .*b\.parquet"):
        prepare_impressions(files, **WORDS | {"bags": ()})


def test_types_of_csv_columns_are_decided_over_all_files(tmp_path):
    columns = {
        "ids": ["7", "8", "007", "9"],
        "times": ["2026-11-20", "2026-11-21", "2026-11-22T10:00:00Z", "2026-11-23"],
        "days": ["2026-11-20", "2026-11-21", "2026-11-22 10:00:00", "NA"],
        "gaps": ["NA", "", "2026-11-22", "2026-11-23"],
        "prices": ["7", "8", "1.5", "-"],
    }
    log = pd.DataFrame(columns)
    whole, _ = read_table(write(tmp_path / "log.csv", log), list(columns))
    files = write_days(tmp_path / "days", log, "ab")
    frame, _ = read_table(files, list(columns))
    for name in columns:
        values = to_plain_series(frame[name]).reset_index(drop=True)
        pd.testing.assert_series_equal(
            values, whole[name].reset_index(drop=True), check_dtype=False
        )
    assert frame["ids"].tolist() == columns["ids"]
    assert pd.api.types.is_datetime64_any_dtype(frame["days"].dtype)
    data = [
        prepare_impressions(
            source,
            user="ids",
            time="times",
            target="ids",
            label="prices",
            max_bad=0.9,
            label_map={7: 0, 8: 1, 1.5: 1},
            split=lambda u, p, c, t: p * 0,
        )
        for source in (tmp_path / "log.csv", files[::-1])
    ]
    check_equal(*data)


I32, I64, U8, U64 = pa.int32(), pa.int64(), pa.uint8(), pa.uint64()
TEXT = pa.string()


@pytest.mark.parametrize(
    "one, other, values",
    [
        (pa.array([1], I32), pa.array([2], I64), [1, 2]),
        (pa.array([1], U8), pa.array([-2], I32), [1, -2]),
        (pa.array([1], U64), pa.array([2], U8), [1, 2]),
        (pa.nulls(1), pa.array([2], I64), [None, 2]),
        (pa.array(["a"]), pa.nulls(1), ["a", None]),
        (pa.array(["a"]), pa.array(["b"], pa.large_string()), ["a", "b"]),
        (pa.array(["a"]).dictionary_encode(), pa.array(["b"]), ["a", "b"]),
        (pa.array([b"a"]), pa.array(["b"]), ["a", "b"]),
        (pa.array([b"a"], pa.large_binary()), pa.array([b"b"]), ["a", "b"]),
        (pa.array([[1]]), pa.array([[2]], pa.large_list(I32)), [(1,), (2,)]),
        (pa.array([1], pa.decimal128(5, 0)), pa.array([2], pa.decimal128(9, 0)), [1, 2]),
        (pa.array([0], pa.date32()), pa.array([1], pa.timestamp("us")), None),
        (pa.array([0], pa.timestamp("ms")), pa.array([1000], pa.timestamp("ns")), None),
        (pa.array([0], pa.timestamp("s", "UTC")), pa.array([1], pa.timestamp("s", "+01:00")), None),
    ],
)
def test_types_that_are_widened(tmp_path, one, other, values):
    for name, column in (("a", one), ("b", other)):
        pa.parquet.write_table(pa.table({"x": column}), tmp_path / f"{name}.parquet")
    frame, _ = read_table(tmp_path, ["x"], {"x": None})
    if values is None:
        assert pd.api.types.is_datetime64_any_dtype(frame["x"].dtype)
        assert frame["x"].notna().all()
    else:
        assert [None if pd.isna(v) is True else v for v in frame["x"]] == values


@pytest.mark.parametrize(
    "one, other, message",
    [
        (pa.array([7]), pa.array(["007"]), r"int64 in .*a\.parquet and .*string in .*b\.parquet\. "
         r"If .* name it in `categorical` \(`--categorical`\): then all its values are text"),
        (pa.array([7]), pa.array([7.5]), r"int64 .* double .*`numeric` \(`--numeric`\) if"),
        (pa.array([7.5], pa.float32()), pa.array([7.5]), r"float in .* and double in .*`numeric`"),
        (pa.array([7], U64), pa.array([-7]), "uint64 in .* and int64 in .*Convert it in the"),
        (pa.array([True]), pa.array(["yes"]), "bool in .* and large_string|string in"),
        (pa.array([0], pa.timestamp("s")), pa.array([0], pa.timestamp("s", "UTC")),
         r"timestamp.* in .*a.parquet and timestamp.*, tz=UTC\] in .*b\.parquet"),
        (pa.array([["a"]]), pa.array([[1]]), "list<.*string> in .* and list<.*int64> in"),
    ],
)  # fmt: skip
def test_types_that_differ_raise(tmp_path, one, other, message):
    for name, column in (("a", one), ("b", other)):
        pa.parquet.write_table(pa.table({"x": column}), tmp_path / f"{name}.parquet")
    with pytest.raises(ValueError, match=f"Column 'x' must have one type in all files.*{message}"):
        read_table(tmp_path, ["x"])


@pytest.mark.parametrize(
    "one, other, words, values",
    [
        ([7], ["007"], {"categorical": "x"}, ["7", "007"]),
        ([7], [8.0, None], {"categorical": "x"}, [7, 8, None]),
        ([7], [7.5], {"numeric": "x"}, [7.0, 7.5]),
        (np.array([7.5], "f4"), [8.5], {"numeric": "x"}, [7.5, 8.5]),
    ],
)
def test_types_that_the_user_gives(tmp_path, one, other, words, values):
    for name, column in (("a", one), ("b", other)):
        pd.DataFrame({"x": column}).to_parquet(tmp_path / f"{name}.parquet")
    options, _ = csv_hints(["i", "x"], "i", **words)
    frame, _ = read_table(tmp_path, ["x"], **options)
    assert [None if pd.isna(v) else v for v in frame["x"]] == values


def test_labels_and_times_of_integers_and_floats(tmp_path):
    log = a_log(12)
    expected = prepare_impressions(log, **WORDS)
    later = log.iloc[6:].astype({"click": "float64", "time": "float64"})
    files = [write(tmp_path / "a.parquet", log.iloc[:6]), write(tmp_path / "b.parquet", later)]
    check_equal(prepare_impressions(files, **WORDS), expected)
    later = later.assign(time=log["time"] + 0.5)
    write(tmp_path / "b.parquet", later)
    data = prepare_impressions(files, **WORDS)
    assert data.report["time_to"].endswith(".500000")


def test_files_without_a_column_raise(tmp_path):
    log = a_log(8)
    files = [write(tmp_path / "a.csv", log), write(tmp_path / "b.csv", log.drop(columns="price"))]
    message = (
        r"\['price'\] must be in every file\. Received: .*a\.csv with 'price', and .*b\.csv with"
    )
    with pytest.raises(ValueError, match=message):
        prepare_impressions(files, **WORDS)
    write(files[0], log.drop(columns="price"))
    with pytest.raises(ValueError, match=r"Columns \['price'\] must be in the log"):
        prepare_impressions(files, **WORDS)
    with pytest.raises(ValueError, match=r"Columns \['price'\] must be in .*a\.csv, \.\.\.\. Rec"):
        read_table(files, ["price"])
    # A column that nobody needs may be in some files only.
    words = WORDS | {"target": "item", "bags": ()}
    whole = write(tmp_path / "whole.csv", pd.concat([log, log]))
    check_equal(prepare_impressions(files, **words), prepare_impressions(whole, **words))


def test_columns_may_have_another_order_in_each_file(tmp_path):
    log = a_log(8)
    files = [write(tmp_path / "a.csv", log.iloc[:4]), write(tmp_path / "b.csv", log.iloc[4:, ::-1])]
    whole = write(tmp_path / "log.csv", log)
    check_equal(prepare_impressions(files, **WORDS), prepare_impressions(whole, **WORDS))


def test_formats_of_one_list_must_be_one(tmp_path):
    log = a_log(4)
    files = [write(tmp_path / name, log) for name in ("a.csv", "b.csv.gz", "c.parquet")]
    assert as_source(files[:2]).is_csv
    with pytest.raises(ValueError, match=r"a\.csv, which is CSV, and .*c\.parquet, which is Parq"):
        as_source(files)
    (tmp_path / "d.tsv").write_text("user\titem\nann\ttea\n", encoding="utf-8")
    files = [tmp_path / "a.csv", tmp_path / "d.tsv"]
    with pytest.raises(
        ValueError, match=r"one separator.* ',' for .*a\.csv and '\\t' for .*d\.tsv"
    ):
        read_table(files, ["user"])
    (tmp_path / "a.csv").write_text("user\titem\nann\ttea\n", encoding="utf-8")
    assert len(read_table(as_source(files, sep="tab"), ["user"]).frame) == 2
    (tmp_path / "e.json").write_text('{"user": 1}\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"CSV, and .*e\.json, which is JSON lines"):
        as_source([tmp_path / "a.csv", tmp_path / "e.json"])


def test_files_without_a_header(tmp_path):
    log = a_log(8)
    for name, rows in (("a", log[:4]), ("b", log[4:])):
        rows.to_csv(tmp_path / f"{name}.csv", index=False, header=False)
    data = prepare_impressions(tmp_path, **WORDS, names=list(log))
    whole = write(tmp_path / "whole" / "log.csv", log)
    check_equal(data, prepare_impressions(whole, **WORDS))
    whole.unlink()
    with pytest.raises(ValueError, match="first line is not a header, name its columns with"):
        prepare_impressions(tmp_path, **WORDS)


def test_damaged_files_raise(tmp_path):
    files = write_days(tmp_path, a_log(), end=".parquet")
    content = files[1].read_bytes()
    for half in (
        content[: len(content) // 2],
        content[:4],
        content[:200] + bytes(300) + content[500:],
    ):
        files[1].write_bytes(half)
        with pytest.raises(ValueError, match=r"A file must be complete\. Received: .*b\.parquet: "):
            prepare_impressions(files, **WORDS)
    files = write_days(tmp_path, a_log(), end=".csv.gz")
    files[1].write_bytes(files[1].read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"A file must be complete\. Received: .*b\.csv\.gz: "):
        prepare_impressions(files, **WORDS)


def test_compressed_files_are_unpacked_one_after_another(tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    files = write_days(tmp_path / "days", a_log(), end=".csv.gz")
    counts, read_csv = [], pieces.read_csv
    monkeypatch.setattr(
        pieces,
        "read_csv",
        lambda *words: counts.append(len(list(temporary.iterdir()))) or read_csv(*words),
    )
    read_table(files, ["user"])
    assert counts == [1, 1, 1]
    assert not list(temporary.iterdir())


def test_to_frame_of_files(tmp_path):
    log = a_log(9)
    frame = to_frame(write_days(tmp_path, log, end=".parquet"))
    pd.testing.assert_frame_equal(frame, log, check_dtype=False)
    with pytest.raises(ValueError, match="A table must be a DataFrame, or a Parquet"):
        to_frame(write_days(tmp_path / "csv", log))


@pytest.mark.parametrize("end", [".csv", ".csv.gz", ".parquet"])
def test_folders_give_columns(tmp_path, end):
    log = a_log(40).assign(
        date=np.repeat(["2026-11-20", "2026-11-21"], 20),
        hour=np.tile(np.repeat([7, 8], 10), 2),
        part=np.repeat(["train", "train", "valid", "test"], 10),
    )
    keys = ["date", "hour", "part"]
    for (date, hour, part), rows in log.groupby(keys):
        name = f"date={date}/hour={hour}/part={part}/0{end}"
        write(tmp_path / "log" / name, rows.drop(columns=keys))
    words = WORDS | {"context": ["hour"], "split": "part", "allow_empty_parts": True}
    for columns in ({"time": "time"}, {"time": "date"}):
        whole = write(tmp_path / f"whole{end}", log)
        expected = prepare_impressions(whole, **words | columns)
        data = prepare_impressions(tmp_path / "log", **words | columns)
        data.report.pop("columns_of_folders")
        # In a Parquet file the hours are integers, here they are found to be.
        for of_data in (data, expected):
            of_data.report["columns"]["hour"].pop("example")
        check_equal(data, expected)
    data = prepare_impressions(tmp_path / "log", **words | {"time": "date"})
    types = data.report["columns_of_folders"]
    assert types["date"] == types["part"] == "text"
    assert types["hour"].startswith("whole numbers")
    assert "from the names of folders: 'date', text\n" in report(data)
    # One file is read in the same way.
    (path,) = tmp_path.glob(f"log/date=2026-11-20/hour=7/*/0{end}")
    frame, _ = read_table(path, ["user", "hour", "date"])
    assert set(frame["hour"]) == {7}
    assert set(frame["date"]) == {"2026-11-20"}


def test_columns_of_files_and_folders(tmp_path):
    log = a_log(8)
    for folder, rows in (("device=1", log[:4]), ("device=2", log[4:])):
        write(tmp_path / folder / "a.parquet", rows)
    frame, _ = read_table(tmp_path, ["device"])
    assert frame["device"].tolist() == log["device"].tolist()
    # Without a value, and with a leading zero.
    for value in ("__HIVE_DEFAULT_PARTITION__", "07", "x%2Fy"):
        write(tmp_path / "other" / f"zip={value}" / "a.parquet", log[:1])
    frame, _ = read_table(tmp_path / "other", ["user", "zip"])
    assert to_plain_series(frame["zip"]).fillna("-").tolist() == ["07", "-", "x/y"]
    assert to_frame(tmp_path / "other")["zip"].tolist() == ["07", "", "x/y"]
    write(tmp_path / "other" / "b.parquet", log[:1])
    message = r"\['zip'\] must be in every file\. Received: .*zip=07.* with 'zip', and .*b\.parquet"
    with pytest.raises(ValueError, match=message):
        read_table(tmp_path / "other", ["user", "zip"])
    write(tmp_path / "other" / "b.parquet", log[:1].assign(zip=7))
    with pytest.raises(ValueError, match=r"'zip' must have one type.* in .* and .* in "):
        read_table(tmp_path / "other", ["user", "zip"])
