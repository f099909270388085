"""Tables from all sources: each row is good or kept aside, with its line."""

import datetime
import decimal
import gzip
import json

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from keras_din.data import prepare_impressions
from keras_din.data.reading.bad_rows import Reason, bad_lines, concat_bad_rows, to_bad_rows
from keras_din.data.reading.source import Table
from keras_din.data.reading.table import clean_events, read_table

LARGE = 2**53 + 1  # As a float it would be rounded to 2**53.


def read_csv(tmp_path, content, columns=("a", "b"), name="log.csv"):
    content = content.encode() if isinstance(content, str) else content
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return read_table(tmp_path / name, columns)


def cells(frame) -> list:
    """Returns the rows of a frame as Python values, with `None` for missing values."""
    rows = frame.astype(object).itertuples(index=False)
    return [tuple(None if pd.isna(value) else value for value in row) for row in rows]


def aside(bad) -> list:
    return list(zip(bad["line"], map(str, bad["reason"]), strict=True))


def test_columns_of_objects_have_the_types_of_a_file(tmp_path):
    """Types are decided once, when a table is read."""
    columns = {
        "text": ["a", None, "c"],
        "whole": [2**60 + 1, None, 3],
        "flag": [True, None, False],
        "both": [7, "x", None],
    }
    objects = pd.DataFrame(columns, dtype=object)
    frame, _ = read_table(objects, list(columns))
    objects.assign(both=["7", "x", None]).to_parquet(tmp_path / "log.parquet")
    of_file, _ = read_table(tmp_path / "log.parquet", list(columns))
    pd.testing.assert_frame_equal(frame, of_file)
    assert frame["whole"].dtype == "Int64"
    assert frame["flag"].dtype == "boolean"
    large, _ = read_table(objects.assign(whole=[2**70, 1, None]), ["whole"])
    assert cells(large) == [(2**70,), (1,), (None,)]


# CSV


@pytest.mark.parametrize(
    "content, name",
    [
        ("a,b\n1,x\n2,y\n", "log.csv"),
        ("a,b\n1,x\n2,y", "log.csv"),
        ("a,b\n1,x\n2,y\n", "log.csv.gz"),
        ("a,b\n1,x\n2,y\n", "log"),
        ("a\tb\n1\tx\n2\ty\n", "log.tsv"),
        ("a\tb\n1\tx\n2\ty\n", "LOG.TSV.gz"),
        ('"a","b"\n"1","x"\n"2","y"\n', "log.csv"),
        ("\ufeffa,b\n1,x\n2,y\n", "log.csv"),
        ('\ufeff"a","b"\n1,x\n2,y\n', "log.csv"),
        ("a,b\r\n1,x\r\n2,y\r\n", "log.csv"),
        ("a,b\r1,x\r2,y\r", "log.csv"),
        ("c,b,a\n9,x,1\n9,y,2\n", "log.csv"),
        ("a,b,\xe9\n1,x,\xe9\n2,y,\n".encode("latin1"), "log.csv"),
    ],
)
def test_forms_of_csv(tmp_path, content, name):
    frame, bad = read_csv(tmp_path, content, name=name)
    assert list(frame.columns) == ["a", "b"]
    assert cells(frame) == [(1, "x"), (2, "y")]
    assert frame["a"].dtype == np.int64
    assert frame.index.tolist() == [2, 3]
    assert frame.index.name == "line"
    assert list(bad.columns) == ["line", "reason"]
    assert len(bad) == 0


@pytest.mark.parametrize("content", ["a,b\n", "a,b", "a,b\r\n\r\n"])
def test_file_with_only_a_header(tmp_path, content):
    frame, bad = read_csv(tmp_path, content)
    assert (list(frame.columns), len(frame), len(bad)) == (["a", "b"], 0, 0)
    with pytest.raises(ValueError, match=r"at least one good row\. Received: 0 rows, kept aside"):
        clean_events(frame, bad, "a", "b")


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "A CSV file must begin with a header line. Received: none in .*log.csv"),
        ("\n \n\r\n", "A CSV file must begin with a header line"),
        ('"' + "x" * 200_000, "A CSV file must begin with a header line"),
        ("a,c\n1,x\n", r"Columns \['b'\] must be in .*log\.csv\. Received columns: \['a', 'c'\]"),
        ("a;b\n1;x\n", r"separated by ','\. Received: one column in .*'a;b'. Pass its sep.*';'"),
        ("a,b,b\n1,x,y\n", r"Columns \['b'\] must be in .* once\. Received columns: \['a', 'b', "),
        ("a,b\n1,x\n".encode("utf-16"), "which is UTF-16 text: save it as UTF-8"),
    ],
)
def test_invalid_header_raises(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        read_csv(tmp_path, content)


def test_missing_file_raises(tmp_path):
    for name in ("log.csv", "log.csv.gz", "log.parquet"):
        with pytest.raises(FileNotFoundError):
            read_table(tmp_path / name, ["a"])


def test_fields_in_quotes(tmp_path):
    content = 'a,b\n1,"x, y"\n2,"say ""hi"""\n3,5" wide\n4,"Weird Al" Yankovic\n'
    frame, bad = read_csv(tmp_path, content)
    assert cells(frame) == [(1, "x, y"), (2, 'say "hi"'), (3, '5" wide'), (4, "Weird Al Yankovic")]
    assert len(bad) == 0


HAND_WRITTEN = [  # (line, row or reason or None, bytes)
    (1, None, b"user,item,title"),
    (2, (1, "x", "plain"), b"1,x,plain"),
    (3, None, b""),
    (4, "2 fields, not 3: 2,y", b"2,y"),
    (5, "4 fields, not 3: 3,z,t,u", b"3,z,t,u"),
    (6, None, b"  "),
    (7, (4, "x", "last before a quote"), b'4,x,"last before a quote"'),
    (8, (5, None, "no item"), b"5,,no item"),
    (9, (None, None, None), b",,"),
    (10, "2 fields, not 3: \ufffd,x", b"\xff,x"),
    (11, (None, "x", "a missing user"), b"NULL,x,a missing user"),
]
SPANNING = [
    (12, (6, "x", "two\nlines"), b'6,x,"two\nlines"'),
    (14, None, b""),
    (15, (7, "x", "an empty\n\nline"), b'7,x,"an empty\n\nline"'),
    (18, '2 fields, not 3: 8,"a', b'8,"a\nb"'),
    (20, "not readable as CSV: ',' expected after '\"': 9,\"x,open", b'9,"x,open'),
    (21, (10, "Weird Al Y", "even"), b'10,"Weird Al" Y,even'),
    (22, (11, "x", "last"), b"11,x,last"),
]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("lines", [HAND_WRITTEN, HAND_WRITTEN + SPANNING])
def test_lines_of_a_file_written_by_hand(tmp_path, lines, end):
    content = end.join(text for *_, text in lines)
    frame, bad = read_csv(tmp_path, content, ["user", "item", "title"])
    rows = [(line, row) for line, row, _ in lines if isinstance(row, tuple)]
    assert list(zip(frame.index, cells(frame), strict=True)) == rows
    assert frame["user"].dtype == "Int64"
    assert aside(bad) == [(line, reason) for line, reason, _ in lines if isinstance(reason, str)]


def test_carriage_return_ends_a_line(tmp_path):
    # As many newlines as records, but not one per record.
    frame, _ = read_csv(tmp_path, 'a,b\n1,"x\ny"\n2,z\r3,t\n')
    assert cells(frame) == [(1, "x\ny"), (2, "z"), (3, "t")]
    assert frame.index.tolist() == [2, 4, 5]


def test_stray_quote_makes_only_its_line_bad(tmp_path):
    content = 'a,b\n1,x\n2,"y\n3,"z"\n4,t\n5,"""\n6,u\n'
    frame, bad = read_csv(tmp_path, content)
    assert cells(frame) == [(1, "x"), (3, "z"), (4, "t"), (6, "u")]
    assert frame.index.tolist() == [2, 4, 5, 7]
    assert bad["line"].tolist() == [3, 6]
    assert all(str(reason).startswith("not readable as CSV: ") for reason in bad["reason"])


def test_quotes_that_close_on_a_later_line_keep_good_lines(tmp_path):
    good = [f"{i},{i}" for i in range(5)]
    (tmp_path / "log.csv").write_text("\n".join(["a,b", '1,"bad', *good, '9",', "7,7"]) + "\n")
    frame, bad = read_table(tmp_path / "log.csv", ["a", "b"])
    assert frame.index.tolist() == [3, 4, 5, 6, 7, 8, 9]
    assert bad["line"].tolist() == [2]


def test_long_line_is_cut_in_its_reason(tmp_path):
    _, bad = read_csv(tmp_path, "a,b\n" + "1,x," + "y" * 100 + "\n")
    assert aside(bad) == [(2, "3 fields, not 2: 1,x," + "y" * 73 + "...")]


@hypothesis.given(
    st.lists(
        st.sampled_from(["row", "quoted", "empty", "spaces", "short", "long", "spanning"]),
        max_size=12,
    ),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
@hypothesis.settings(max_examples=80, deadline=None)
def test_lines_match_a_slow_loop(tmp_path_factory, kinds, end, last):
    texts = {
        "row": "1,x",
        "quoted": '1,"x"',
        "empty": "",
        "spaces": "  ",
        "short": "1",
        "long": "1,x,2",
        "spanning": f'1,"x{end}{end}y"',
    }
    content, line, good, wrong = "a,b", 2, [], []
    for kind in kinds:
        content += end + texts[kind]
        if kind in ("row", "quoted", "spanning"):
            good.append(line)
        elif kind in ("short", "long"):
            wrong.append(line)
        line += 3 if kind == "spanning" else 1
    frame, bad = read_csv(tmp_path_factory.mktemp("csv"), content + end * last)
    assert frame.index.tolist() == good
    assert bad["line"].tolist() == wrong


@pytest.mark.parametrize("with_short_lines", [False, True])
@pytest.mark.parametrize("title", ["plain and plain and plain", '"quoted, quoted"', '"two\nlines"'])
def test_lines_of_a_large_file(tmp_path, title, with_short_lines):
    # Arrow reads it in several blocks of a million bytes. Each row contains its line number.
    lines, line, short = ["line,title,type"], 2, []
    for number in range(100_000):
        if number % 1000 == 7:
            lines.append("")
            line += 1
        if number % 1000 == 700 and with_short_lines:
            short.append(line)
            lines.append(f"{line},short")
            line += 1
        kind = "7" if number < 99_000 else "007" if number < 99_500 else "x"
        lines.append(f"{line},{title},{kind}")
        line += 1 + title.count("\n")
    content = "\n".join(lines)
    assert len(content) > 2e6
    frame, bad = read_csv(tmp_path, content, ["line", "title", "type"])
    np.testing.assert_array_equal(frame.index, frame["line"])
    assert frame["title"].value_counts().to_dict() == {title.strip('"'): 100_000}
    assert bad["line"].tolist() == short
    # If a later value is text, the whole column is text as it was written.
    assert frame["type"].value_counts().to_dict() == {"7": 99_000, "007": 500, "x": 500}


def test_text_and_numbers_can_be_declared(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(f'zip,new,time,amount,note\n07000,true,007,{LARGE},"x\ny"\n08,false,8,5.0,z\n')
    frame, bad = read_table(
        path,
        ["zip", "new", "time", "amount"],
        text={"zip", "new", "else"},
        numbers={"time", "amount"},
    )
    assert cells(frame) == [("07000", "true", 7, float(LARGE)), ("08", "false", 8, 5.0)]
    assert not len(bad)


def test_missing_in_csv_is_missing_in_pandas(tmp_path):
    words = ["", "NA", "NULL", "null", "NaN", "nan", "None", "n/a", "N/A", "<NA>", "#N/A", '"NA"']
    content = "a,b,c\n1,x,1.5\n" + "".join(f"{w},{w},{w}\n" for w in words) + "2,no,2.5\n"
    frame, _ = read_csv(tmp_path, content, ["a", "b", "c"])
    expected = pd.read_csv(tmp_path / "log.csv")
    np.testing.assert_array_equal(frame[["a", "c"]].isna(), expected[["a", "c"]].isna())
    assert cells(frame[["c"]]) == cells(expected[["c"]])
    # In text, only an empty field is missing.
    text = [None if w == "" else w.strip('"') for w in words]
    assert cells(frame[["b"]]) == [("x",), *((w,) for w in text), ("no",)]
    assert frame["a"].dropna().tolist() == [1, 2]
    hive, _ = read_csv(tmp_path, "a,b\n\\N,x\n1,\\N\n")
    assert cells(hive) == [(None, "x"), (1, None)]


@pytest.mark.parametrize(
    "texts, expected",
    [
        (["1", "2.5"], [1.0, 2.5]),
        (["1", "two", "3.5"], ["1", "two", "3.5"]),
        (["true", "False"], [True, False]),
        (["true", ""], [True, None]),
        ([str(LARGE), ""], [LARGE, None]),
        ([str(2**64 - 1), str(LARGE), ""], [str(2**64 - 1), str(LARGE), None]),
        (["1e300", "0.5", "inf"], [1e300, 0.5, np.inf]),
        (["12:30", "07:00"], ["12:30", "07:00"]),
        (["007", "7", ""], ["007", "7", None]),
        (["0", "-5", " 12"], [0, -5, 12]),
        (["-0", "1"], ["-0", "1"]),
        (["0x1F", "1"], ["0x1F", "1"]),
        ([str(LARGE), "5.0"], [str(LARGE), "5.0"]),
        ([str(LARGE), "5.5"], [str(LARGE), "5.5"]),
        (["2020-01-31", ""], [pd.Timestamp("2020-01-31"), None]),
        (["2020-01-31 07:00:00", ""], [pd.Timestamp("2020-01-31 07:00"), None]),
    ],
)
def test_types_of_csv(tmp_path, texts, expected):
    frame, _ = read_csv(tmp_path, "a,b\n" + "".join(f"{text},x\n" for text in texts))
    got = [value for value, _ in cells(frame)]
    assert got == expected
    assert [type(value) for value in got] == [type(value) for value in expected]


@pytest.mark.parametrize("spanning", ["", '9,"two\nlines"\n'])
def test_text_that_is_not_utf_8(tmp_path, spanning):
    content = b"a,b\n1,x\n2,caf\xe9\n3\n4,caf\xc3\xa9\n" + spanning.encode()
    frame, bad = read_csv(tmp_path, content)
    assert cells(frame)[:2] == [(1, "x"), (4, "café")]
    assert aside(bad) == [(3, "'b' is not UTF-8"), (4, "1 field, not 2: 3")]
    assert bad["a"].tolist()[0] == "2"  # Unchanged from the file.
    assert bad["b"].tolist()[0] == b"caf\xe9"


def test_another_encoding_has_a_remedy(tmp_path):
    remedy = r" If the file is in another encoding, such as Latin-1, convert it \(`iconv -f latin1 "
    rows = "1,caf\u00e9,5,1\n2,b,6,0\n3,c,7,1\n"
    (tmp_path / "log.csv").write_bytes(f"user,item,time,click\n{rows}".encode("latin-1"))
    how = {"user": "user", "time": "time", "target": "item", "label": "click"}
    reason = "this reason: 'item' is not UTF-8; the first is in line 2."
    with pytest.raises(ValueError, match=reason + remedy):
        prepare_impressions(tmp_path / "log.csv", **how)
    with pytest.raises(ValueError, match="in line 2: 'item' is not UTF-8." + remedy):
        prepare_impressions(tmp_path / "log.csv", **how, strict=True)
    (tmp_path / "one.csv").write_bytes("user,item,time,click\n1,caf\u00e9,5,1\n".encode("latin-1"))
    with pytest.raises(ValueError, match="at least one good row.*is not UTF-8.*" + remedy):
        prepare_impressions(tmp_path / "one.csv", **how)
    (tmp_path / "names.csv").write_bytes(f"user,it\u00e9m,time,click\n{rows}".encode("latin-1"))
    with pytest.raises(ValueError, match="Its first line is not UTF-8." + remedy):
        prepare_impressions(tmp_path / "names.csv", **how | {"target": "it\u00e9m"})


# Parquet and DataFrames


COLUMNS = {  # name -> (Arrow array, expected values)
    "int": (pa.array([1, 2]), [1, 2]),
    "large": (pa.array([LARGE, None]), [LARGE, None]),
    "int8": (pa.array([1, None], pa.int8()), [1, None]),
    "uint": (pa.array([2**64 - 1, None], pa.uint64()), [2**64 - 1, None]),
    "float": (pa.array([1.5, None]), [1.5, None]),
    "bool": (pa.array([True, None]), [True, None]),
    "string": (pa.array(["é", None]), ["é", None]),
    "large_string": (pa.array(["é", None], pa.large_string()), ["é", None]),
    "category": (pa.array(["x", None]).dictionary_encode(), ["x", None]),
    "numbered": (pa.array([LARGE, None]).dictionary_encode(), [LARGE, None]),
    "binary": (pa.array(["é".encode(), None]), ["é", None]),
    "price": (pa.array([decimal.Decimal("1.50"), None], pa.decimal128(9, 2)), [1.5, None]),
    "number": (pa.array([decimal.Decimal(LARGE), None], pa.decimal128(38, 0)), [LARGE, None]),
    "huge": (pa.array([decimal.Decimal(2**64), None], pa.decimal128(38, 0)), [str(2**64), None]),
    "null": (pa.nulls(2), [None, None]),
    "day": (
        pa.array([datetime.date(2020, 1, 31), None]),
        [pd.Timestamp("2020-01-31"), None],
    ),
    "time": (
        pa.array([datetime.datetime(2020, 1, 31, 7), None], pa.timestamp("us")),
        [pd.Timestamp("2020-01-31 07:00"), None],
    ),
    "time_in_tokyo": (
        pa.array([datetime.datetime(2020, 1, 31, 7), None], pa.timestamp("ms", "Asia/Tokyo")),
        [pd.Timestamp("2020-01-31 16:00", tz="Asia/Tokyo"), None],
    ),
}


@pytest.mark.parametrize("source", ["parquet", "Arrow frame"])
@pytest.mark.parametrize("name", COLUMNS)
def test_types_of_arrow(tmp_path, name, source):
    array, expected = COLUMNS[name]
    table = pa.table({"before": [5, 6], name: array})
    if source == "parquet":
        pyarrow.parquet.write_table(table, tmp_path / "log.parquet")
        frame, bad = read_table(tmp_path / "log.parquet", [name, "before"])
    else:
        frame, bad = read_table(table.to_pandas(types_mapper=pd.ArrowDtype), [name, "before"])
    got = [value for value, _ in cells(frame)]
    assert list(frame.columns) == [name, "before"]
    assert frame.index.tolist() == [0, 1]
    assert not isinstance(frame[name].dtype, pd.CategoricalDtype | pd.ArrowDtype)
    assert got == expected
    assert [isinstance(value, str) for value in got] == [isinstance(v, str) for v in expected]
    assert len(bad) == 0


@pytest.mark.parametrize(
    "values, expected",
    [
        (pd.Series([LARGE, None], dtype="Int64"), [LARGE, None]),
        (pd.Series(["x", None], dtype="string"), ["x", None]),
        (pd.Series(["x", None], dtype="category"), ["x", None]),
        (pd.Series([LARGE, None], dtype="category").cat.set_categories([LARGE]), [LARGE, None]),
        (pd.Series([b"x", None, "y"]), ["x", None, "y"]),
        (pd.Series([1, "x", None]), ["1", "x", None]),
        (pd.Series([1.0, "x", 2.5, True]), ["1", "x", 2.5, True]),
        (pd.Series([1.5, np.nan]), [1.5, None]),
    ],
)
def test_types_of_frames(values, expected):
    frame, bad = read_table(pd.DataFrame({"a": values}), ["a"])
    assert [value for (value,) in cells(frame)] == expected
    assert len(bad) == 0


def test_text_that_utf_8_cannot_encode_is_a_bad_row():
    frame = pd.DataFrame({"a": pd.Series(["x", "\ud800", 3, None], dtype=object)})
    good, bad = read_table(frame, ["a"])
    assert cells(good) == [("x",), ("3",), (None,)]
    assert aside(bad) == [(1, "'a' is not UTF-8")]


def test_binary_parquet_that_is_not_utf_8(tmp_path):
    table = pa.table({"a": [1, 2, 3], "b": [b"x", b"\xe9", b"y"], "c": [b"\xe9", b"\xe9", b"z"]})
    pyarrow.parquet.write_table(table, tmp_path / "log.parquet")
    frame, bad = read_table(tmp_path / "log.parquet", ["a", "b", "c"])
    assert cells(frame) == [(3, "y", "z")]
    assert frame.index.tolist() == [2]
    assert aside(bad) == [(0, "'c' is not UTF-8"), (1, "'b' is not UTF-8")]


def test_column_names_must_match_completely(tmp_path):
    pyarrow.parquet.write_table(pa.table({"a.b": [1], "a": [2]}), tmp_path / "LOG.PARQUET")
    for columns in (["a"], ["a.b"], ["a", "a.b"], ["a", "a"]):
        frame, _ = read_table(tmp_path / "LOG.PARQUET", columns)
        assert list(frame.columns) == list(dict.fromkeys(columns))
        assert frame.iloc[0].to_dict() == {c: {"a.b": 1, "a": 2}[c] for c in columns}


def test_frame_index_is_ignored_and_frame_unchanged():
    source = pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [0, 0]}, index=[7, 7])
    before = source.copy()
    frame, _ = read_table(source, ["b", "a"])
    assert frame.index.tolist() == [0, 1]
    frame.loc[0, "a"] = 9
    clean_events(frame, pd.DataFrame({"line": [], "reason": []}), "b", "a")
    pd.testing.assert_frame_equal(source, before)


@pytest.mark.parametrize(
    "source, message",
    [
        (3, r"A table must be a DataFrame .* or the path of a CSV, .*\. Received: builtins\.int"),
        (pd.DataFrame({"b": [1]}), r"\['a'\] must be in the frame\. Received columns: \['b'\]"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), r"\['a'\] must be in the frame once\."),
        (pd.DataFrame({"a": [None, [1]]}), r"'a' must hold one value per row\. .*: list \[1\]"),
        (pd.DataFrame({"a": [np.ones(2)]}), "'a' must hold one value per row. Received: ndarray"),
        (
            pd.DataFrame({"a": pd.Series([[1]], dtype=pd.ArrowDtype(pa.list_(pa.int64())))}),
            "'a' must hold one value per row",
        ),
    ],
)
def test_invalid_frame_raises(source, message):
    with pytest.raises(ValueError, match=message):
        read_table(source, ["a"])


def test_invalid_parquet_raises(tmp_path):
    table = pa.table({"a": [[1], [2]], "c": [{"x": 1}, {"x": 2}]})
    pyarrow.parquet.write_table(table, tmp_path / "log.parquet")
    with pytest.raises(ValueError, match=r"\['b'\] must be in .*log\.parquet\. .*\['a', 'c'\]"):
        read_table(tmp_path / "log.parquet", ["a", "b"])
    with pytest.raises(ValueError, match=r"'a' must hold one value per row\. Received: ndarray"):
        read_table(tmp_path / "log.parquet", ["a"])
    with pytest.raises(ValueError, match=r"'c' must hold one value per row\. Received: dict"):
        read_table(tmp_path / "log.parquet", ["c"])


# Cleaning


def a_log(**changes):
    columns = {
        "user": ["b", "a", "b", "a", "b"],
        "item": [3, 4, 5, 6, 7],
        "time": [30, 10, 10, 20, 20],
        "click": [1, 0, 0, 1, 1],
    }
    return pd.DataFrame(columns | changes)


def clean(source, **options):
    frame, bad = read_table(source, [*a_log().columns])
    options = {"labels": ["click"], "required": ["item"], "time_unit": "s"} | options
    return clean_events(frame, bad, "user", "time", **{"max_bad": 1, **options})


def test_sorted_by_user_and_time():
    events = clean(a_log())
    assert events.frame["item"].tolist() == [4, 6, 5, 7, 3]
    assert events.frame.index.tolist() == [1, 3, 2, 4, 0]
    assert events.user.tolist() == [0, 0, 1, 1, 1]
    assert events.users.tolist() == ["a", "b"]
    assert events.time.tolist() == [10_000_000, 20_000_000, 10_000_000, 20_000_000, 30_000_000]
    assert events.labels["click"].tolist() == [0, 1, 0, 1, 1]
    assert events.user.dtype == events.time.dtype == np.int64
    assert events.labels["click"].dtype == np.float32
    assert events.report == {
        "rows": 5,
        "rows_kept": 5,
        "rows_repeated": 0,
        "rows_aside": {},
        "labels_filled": {},
        "labels_missing": {},
        "rows_out_of_order": 1,
        "time_unit": "s",
        "time_from": "1970-01-01T00:00:10.000000",
        "time_to": "1970-01-01T00:00:30.000000",
        "users": 2,
    }
    assert list(events.bad.columns) == ["line", "reason", "user", "item", "time", "click"]
    assert len(events.bad) == 0


def test_bad_rows_have_line_and_reason(tmp_path):
    content = (
        "user,item,time,click\n"
        "a,1,100,1\n"
        ",2,110,1\n"
        "\n"
        "a,,120,1\n"
        "a,4,,1\n"
        "a,5,soon,1\n"
        "a,6,140,\n"
        "a,7,150,2\n"
        "a,8,160,-1\n"
        "a,9,170,yes\n"
        "a,10\n"
        "b,9007199254740993,90,0\n"
        "a,1,100,1\n"
        ",,,\n"
        "a,12,95,0,9\n"
        "a,11,99,0\n"
    )
    (tmp_path / "log.csv").write_text(content)
    events = clean(tmp_path / "log.csv", duplicates="drop")
    assert aside(events.bad) == [
        (3, "'user' is missing"),
        (5, "'item' is missing"),
        (6, "'time' is missing"),
        (7, "'time' is not a time"),
        (8, "'click' is missing"),
        (9, "'click' is neither 0 nor 1"),
        (10, "'click' is neither 0 nor 1"),
        (11, "'click' is neither 0 nor 1"),
        (12, "2 fields, not 4: a,10"),
        (14, "the row is a duplicate"),
        (15, "'user' is missing"),
        (16, "5 fields, not 4: a,12,95,0,9"),
    ]
    assert events.frame.index.tolist() == [17, 2, 13]
    assert events.users.tolist() == ["a", "b"]
    assert events.report["rows"] == 15
    assert events.report["rows_kept"] == 3
    assert events.report["rows_aside"] == {
        "'click' is missing": {"rows": 1, "first_line": 8},
        "'click' is neither 0 nor 1": {"rows": 3, "first_line": 9, "first_value": "'2'"},
        "'item' is missing": {"rows": 1, "first_line": 5},
        "'time' is missing": {"rows": 1, "first_line": 6},
        "'time' is not a time": {"rows": 1, "first_line": 7, "first_value": "'soon'"},
        "'user' is missing": {"rows": 2, "first_line": 3},
        "the row is a duplicate": {"rows": 1, "first_line": 14},
        "wrong number of fields": {"rows": 2, "first_line": 12},
    }
    json.dumps(events.report)
    with pytest.raises(ValueError, match=r"good when `strict`\. Received in line 3: 'user' is mis"):
        clean(tmp_path / "log.csv", strict=True)


def test_strict_names_the_first_line_that_is_bad_for_any_reason(tmp_path):
    text = "user,item,time,click\na,1,1,1\na\n,1,1,1\n"
    (tmp_path / "log.csv").write_text(text)
    with pytest.raises(ValueError, match=r"Received in line 3: 1 field, not 4: a\."):
        clean(tmp_path / "log.csv", strict=True)
    good = clean(a_log(), strict=True)
    assert good.report["rows_kept"] == 5


def test_unreadable_csv_lines_count_as_one_reason(tmp_path):
    text = 'user,item,time,click\na,1,1,1\n"b,2\n"c,3\na,\xe9,3,1\n'
    (tmp_path / "log.csv").write_bytes(text.encode("latin1"))
    report = clean(tmp_path / "log.csv").report
    assert report["rows"] == 4
    assert report["rows_aside"] == {
        "'item' is not UTF-8": {"rows": 1, "first_line": 5},
        "not readable as CSV": {"rows": 2, "first_line": 3},
    }


def test_the_remedy_of_a_reason_does_not_depend_on_names_of_columns():
    frame = a_log().rename(columns={"item": "is not UTF-8"})
    bad = Table(frame, bad_lines([(0, Reason("9 fields, not 4: x", remedy="Mend it."))] * 9))
    frame, bad = read_table(bad, list(frame))
    assert [reason.kind for reason in bad["reason"]] == ["9 fields, not 4: x"] * 9
    with pytest.raises(
        ValueError, match=r"9 of 14 rows .*: 9 fields, not 4: x; .* Mend it\. To keep"
    ):
        clean_events(frame, bad, "user", "time")
    frame.loc[:2, "is not UTF-8"] = None
    with pytest.raises(ValueError, match=r"reason: 'is not UTF-8' is missing; .* Correct them"):
        clean_events(frame, bad[:0], "user", "time", required=["is not UTF-8"])


@pytest.mark.parametrize("wrong", [None, np.nan, "", 2, -1, "yes", 0.999999999, np.inf, "1;0"])
def test_wrong_labels(wrong):
    events = clean(a_log(click=pd.Series([1, 0, wrong, "1", True], dtype=object)))
    assert events.bad["line"].tolist() == [2]
    assert events.labels["click"].tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize(
    "labels",
    [
        pd.Series([True, False, False, True, True]),
        pd.Series([1.0, 0.0, 0.0, 1.0, 1.0]),
        pd.Series(["1", "0", "0", "1", "1.0"]),
        pd.Series([True, False, False, True, True], dtype="boolean"),
        pd.Series([1, 0, 0, 1, 1], dtype="Int8"),
        pd.Series([1, 0, 0, 1, 1], dtype="category"),
        pd.Series(["1", "0", "0", "1", "1"], dtype="category"),
        pd.Series([1, 0, 0, 1, 1], dtype=pd.ArrowDtype(pa.int8())),
        pd.Series([True, False, False, True, True], dtype=pd.ArrowDtype(pa.bool_())),
        pd.Series([decimal.Decimal(i) for i in (1, 0, 0, 1, 1)]),
    ],
)
def test_forms_of_labels(labels):
    events = clean(a_log(click=labels))
    assert events.labels["click"].tolist() == [0, 1, 0, 1, 1]
    assert len(events.bad) == 0


def test_dates_are_not_labels():
    with pytest.raises(ValueError, match=r"'click' must hold numbers\. Received: datetime64"):
        clean(a_log(click=pd.Timestamp("2020-01-01")))


def test_a_bad_row_has_one_reason():
    events = clean(a_log(user=[None, "a", "b", "a", "b"], click=[7, 0, 0, 1, 1]))
    assert aside(events.bad) == [(0, "'user' is missing")]


@pytest.mark.parametrize(
    "users",
    [
        [LARGE, LARGE - 1, None, LARGE, LARGE + 1],
        pd.Series([LARGE, LARGE - 1, None, LARGE, LARGE + 1], dtype="Int64"),
        pd.Series([LARGE, LARGE - 1, None, LARGE, LARGE + 1], dtype=pd.ArrowDtype(pa.int64())),
    ],
)
def test_large_user_ids_are_distinguished(users):
    events = clean(a_log(user=pd.Series(users, dtype=getattr(users, "dtype", object))))
    assert events.users.tolist() == [LARGE - 1, LARGE, LARGE + 1]


def test_bad_rows_keep_their_values(tmp_path):
    text = f"user,item,time,click\na,{LARGE},5,1\n,{LARGE},1,1\na\n"
    (tmp_path / "log.csv").write_text(text)
    bad = clean(tmp_path / "log.csv").bad
    assert bad["item"].tolist()[0] == LARGE
    assert bad["line"].tolist() == [3, 4]
    assert bad.loc[1, ["user", "item", "time", "click"]].isna().all()


def test_columns_may_be_called_line_and_reason():
    frame, bad = read_table(
        pd.DataFrame({"user": ["a", None], "time": [1, 2], "line": [8, 9], "reason": ["x", "y"]}),
        ["user", "time", "line", "reason"],
    )
    events = clean_events(frame, bad, "user", "time", max_bad=1)
    assert events.frame["line"].tolist() == [8]
    assert list(events.bad.columns) == ["line", "reason", "user", "time", "line_", "reason_"]
    assert cells(events.bad) == [(1, "'user' is missing", None, 2, 9, "y")]
    both = pd.DataFrame({"user": ["a", None, 5], "line": [8, 9, 7], "line_": ["x", "y", "z"]})
    frame, bad = read_table(both.assign(time=1), ["user", "time", *both])
    bad = concat_bad_rows(bad, to_bad_rows(frame[2:], Reason("as a test")))
    bad = clean_events(frame[:2], bad, "user", "time", max_bad=1).bad
    assert list(bad.columns) == ["line", "reason", "user", "time", "line__", "line_"]
    assert bad[["line__", "line_"]].to_numpy().tolist() == [[9, "y"], [7, "z"]]


def test_duplicates():
    log = a_log(user=["a"] * 5, item=[1, 1, 2, 1, 1], time=[5, 5, 5, 6, 5], click=[0, 0, 0, 0, 1])
    events = clean(log, duplicates="drop")
    assert aside(events.bad) == [(1, "the row is a duplicate")]
    assert events.frame.index.tolist() == [0, 2, 4, 3]
    assert events.report["rows_repeated"] == 0
    kept = clean(log)
    assert kept.frame.index.tolist() == [0, 1, 2, 4, 3]
    assert kept.report["rows_repeated"] == 1
    with pytest.raises(ValueError, match="Received in line 1: the row is a duplicate"):
        clean(log, duplicates="drop", strict=True)
    # Duplicates only count against `max_bad` if the user did not ask to drop them.
    assert clean(log, duplicates="drop", max_bad=0.1).report["rows_kept"] == 4
    with pytest.raises(ValueError, match=r"1 of 5 rows .* duplicate; .*`duplicates='keep'`"):
        clean(log, duplicates=None, max_bad=0.1)
    with pytest.raises(ValueError, match="`duplicates` must be one of None, 'keep', 'drop'"):
        clean(log, duplicates="first")


def test_rows_with_gaps_in_other_columns_can_be_duplicates():
    log = a_log(user=["a"] * 5, item=[1.5, None, None, None, 2.5], time=[1, 2, 2, 3, 3])
    events = clean(log.assign(click=1), required=[], duplicates="drop")
    assert aside(events.bad) == [(2, "the row is a duplicate")]


def test_no_good_row_raises():
    message = (
        r"at least one good row\. Received: 5 rows, kept aside for these reasons: "
        r"\{\"'click' is neither 0 nor 1\": \{'rows': 5, 'first_line': 0, 'first_value': .*\}\}\. "
        r"Map the values with `label_map=\{'yes': 1\}`"
    )
    with pytest.raises(ValueError, match=message):
        clean(a_log(click="yes"))


def test_invalid_time_unit_raises():
    with pytest.raises(ValueError, match="`time_unit` must be one of 'auto', 's'"):
        clean(a_log(), time_unit="hours")


rows = st.tuples(
    st.sampled_from(["a", "b", "", None]),
    st.sampled_from([1, 2]),
    st.sampled_from([5, 6, None]),
    st.sampled_from([0, 1, 3]),
)


@hypothesis.given(st.lists(rows, max_size=14))
@hypothesis.settings(max_examples=40, deadline=None)
def test_clean_events_matches_a_slow_loop(rows):
    rows = [("z", 1, 5, 0), *rows]
    kept, wrong = [], []
    for line, row in enumerate(rows):
        user, _, time, click = row
        if not user or time is None or click == 3 or row in [rows[other] for other in kept]:
            wrong.append(line)
        else:
            kept.append(line)
    kept.sort(key=lambda line: (rows[line][0], rows[line][2], line))
    columns = zip(*rows, strict=True)
    frame = pd.DataFrame(
        {
            name: pd.Series(values, dtype=object)
            for name, values in zip("uitc", columns, strict=True)
        }
    )
    table, bad = read_table(frame, list("uitc"))
    events = clean_events(
        table, bad, "u", "t", labels=["c"], time_unit="us", duplicates="drop", max_bad=1
    )
    assert events.frame.index.tolist() == kept
    assert events.bad["line"].tolist() == wrong
    assert events.time.tolist() == [rows[line][2] for line in kept]
    assert events.users[events.user].tolist() == [rows[line][0] for line in kept]
    assert events.labels["c"].tolist() == [rows[line][3] for line in kept]
    assert sum(c["rows"] for c in events.report["rows_aside"].values()) == len(wrong)
    assert events.report["rows"] == len(rows)
