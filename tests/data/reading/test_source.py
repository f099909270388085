"""Tables of other libraries, and files whose format is detected from their first bytes."""

import bz2
import gc
import gzip
import io
import json
import lzma
import pathlib
import pickle
import re
import tarfile
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet
import pytest

from keras_din.cli import main
from keras_din.data import (
    PreparedData,
    prepare_impressions,
    prepare_interactions,
    rows_dataset,
    rows_to_samples,
)
from keras_din.data.prepare.joins import column_names
from keras_din.data.reading.source import as_source, to_frame
from keras_din.data.reading.table import read_table
from keras_din.features import Categorical, FeatureSpec, Numeric, Sequence

BIG = 2**60 + 1
WORDS = {"user": "user", "time": "time", "target": "item"}


def a_log() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "user": [BIG, BIG, BIG - 1, BIG - 1] * 3,
            "item": ["tea", "pot", "cup", "tea"] * 3,
            "time": np.arange(12) + 1_700_000_000,
            "click": [1, 0, 1, 1] * 3,
        }
    )


def arrow() -> pa.Table:
    return pa.Table.from_pandas(a_log())


class OfArrow:
    """A table of another library that supports the Arrow protocol."""

    def __init__(self, table: pa.Table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


class OfInterchange:
    """A table of another library that supports the older interchange protocol."""

    def __init__(self, table):
        self.table = table

    def __dataframe__(self, nan_as_null=False, allow_copy=True):
        return self.table.__dataframe__(nan_as_null, allow_copy)


def csv() -> bytes:
    return a_log().to_csv(index=False).encode()


def parquet() -> bytes:
    with io.BytesIO() as file:
        a_log().to_parquet(file)
        return file.getvalue()


def stream() -> bytes:
    with io.BytesIO() as file:
        with pa.ipc.new_stream(file, arrow().schema) as writer:
            writer.write_table(arrow())
        return file.getvalue()


def feather(**options) -> bytes:
    with io.BytesIO() as file:
        pyarrow.feather.write_feather(arrow(), file, **options)
        return file.getvalue()


def orc() -> bytes:
    with io.BytesIO() as file:
        pyarrow.orc.write_table(arrow(), file)
        return file.getvalue()


def zipped(*files, names=("log.csv", "other.csv")) -> bytes:
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in zip(names, files, strict=False):
                archive.writestr(name, content)
        return file.getvalue()


def by_arrow(codec: str, content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, codec) as file:
        file.write(content)
    return sink.getvalue().to_pybytes()


def tarred(mode: str) -> bytes:
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode=mode) as archive:
            info = tarfile.TarInfo("log.csv")
            info.size = len(csv())
            archive.addfile(info, io.BytesIO(csv()))
        return file.getvalue()


FRAMES = {
    "Arrow": arrow,
    "a batch": lambda: arrow().to_batches()[0],
    "a reader": lambda: arrow().to_reader(),
    "C stream": lambda: OfArrow(arrow()),
    "interchange": lambda: OfInterchange(arrow()),
    "Arrow in pandas": lambda: arrow().to_pandas(types_mapper=pd.ArrowDtype),
}


@pytest.mark.parametrize("make", FRAMES.values(), ids=FRAMES)
def test_tables_of_other_libraries(make):
    expected = prepare_impressions(a_log(), label="click", **WORDS)
    data = prepare_impressions(make(), label="click", **WORDS)
    assert data.spec == expected.spec
    assert data.report == expected.report
    items = pa.table({"item": ["tea", "pot", "cup", "jug"], "color": ["red", "blue", "red", "red"]})
    users = OfArrow(pa.table({"user": [BIG, BIG - 1], "age": [30.5, 40.5]}))
    words = WORDS | {"target": ["item", "color"], "context": "age", "items": items, "users": users}
    data = prepare_interactions(make(), **words)
    assert data.report["users_table"]["rows_not_found"] == 0
    assert data.report["items"] == 4


def test_polars():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(
        {
            "user": [BIG, BIG, BIG - 1, None],
            "item": polars.Series(["tea", "pot", "tea", "cup"], dtype=polars.Categorical),
            "tags": [["a"], None, ["b", "a"], []],
            "time": pd.to_datetime(["2022-01-01", "2022-01-02", "2022-01-03", "2022-01-04"]),
            "click": [True, False, True, True],
        }
    )
    words = WORDS | {"target": ["item", "tags"], "max_bad": 0.5, "split": lambda u, p, c, t: p * 0}
    data = prepare_impressions(frame, label="click", **words)
    assert data.report["rows_kept"] == 3
    assert str(data.spec.target[0]).startswith("Categorical('item'")
    assert data.report["users"] == 2
    with pytest.raises(ValueError, match=r"Received: polars\..*LazyFrame\. Pass.*`\.collect\(\)`"):
        prepare_impressions(frame.lazy(), label="click", **words)


@pytest.mark.parametrize(
    "kind",
    [
        "string_view", "binary_view", "dictionary", "dictionary of views", "run_end_encoded",
        "list_view",
    ],
)  # fmt: skip
def test_new_types_of_arrow(kind):
    text = pa.array(["a", None, "b"])
    if not hasattr(pa, kind.split(" ")[0]):
        pytest.skip(f"this pyarrow has no {kind}")
    column = {
        "string_view": lambda: text.cast(pa.string_view()),
        "binary_view": lambda: text.cast(pa.string_view()).cast(pa.binary_view()),
        "dictionary": text.dictionary_encode,
        "dictionary of views": lambda: pa.DictionaryArray.from_arrays(
            pa.array([0, None, 1]), pa.array(["a", "b"], pa.string_view())
        ),
        "run_end_encoded": lambda: pa.compute.run_end_encode(text),
        "list_view": lambda: pa.array([["a"], None, ["b"]], pa.list_view(pa.string_view())),
    }[kind]()
    values = to_frame(pa.table({"x": column}))["x"].tolist()
    values = [v if isinstance(v, str) or v is None or v is np.nan else list(v) for v in values]
    wanted = [["a"], None, ["b"]] if kind == "list_view" else ["a", None, "b"]
    assert [None if v is np.nan else v for v in values] == wanted


class Session:
    """Like a lazy frame of another library."""

    def toPandas(self):
        return a_log()


class DataFrame:
    """A frame of another library without a protocol."""


@pytest.mark.parametrize(
    "table, message",
    [
        (DataFrame(), r"Received: tests\.data\.reading\.test_source\.DataFrame\.$"),
        (Session(), r"test_source\.Session\. Pass the result of its `\.toPandas\(\)`\."),
        ([1], r"Received: builtins\.int, table 1\.$"),
        (io.StringIO("user\n1"), r"Received: _io\.StringIO\.$"),
        ({"user": [1]}, r"Received: builtins\.dict\.$"),
        (OfArrow(pa.chunked_array([[1]])), r"or the path of a file\. Received: .*OfArrow: "),
    ],
)
def test_other_objects_raise(table, message):
    for read in (as_source, column_names, lambda t: read_table(t, ["user"]), to_frame):
        with pytest.raises(ValueError, match=f"A table must be a DataFrame.*{message}"):
            read(table)


FILES = {
    "csv": csv,
    "parquet": parquet,
    "feather": feather,
    "feather lz4": lambda: feather(compression="lz4"),
    "Arrow stream": stream,
    "ORC": orc,
    "gz": lambda: gzip.compress(csv()),
    "bz2": lambda: bz2.compress(csv()),
    "xz": lambda: lzma.compress(csv()),
    "lzma": lambda: lzma.compress(csv(), lzma.FORMAT_ALONE),
    "zst": lambda: by_arrow("zstd", csv()),
    "lz4": lambda: by_arrow("lz4", csv()),
    "zip": lambda: zipped(csv()),
    "parquet in gz": lambda: gzip.compress(parquet()),
    "parquet in zip": lambda: zipped(parquet()),
    "feather in xz": lambda: lzma.compress(feather()),
}


@pytest.mark.parametrize("name", ["log", "log.csv", "log.parquet", "log.csv.gz"])
@pytest.mark.parametrize("make", FILES.values(), ids=FILES)
def test_format_is_detected_from_the_first_bytes(tmp_path, make, name):
    (tmp_path / name).write_bytes(make())
    columns = ["click", "user", "item"]
    assert column_names(tmp_path / name) == list(a_log())
    frame, bad = read_table(str(tmp_path / name), columns)
    pd.testing.assert_frame_equal(frame.reset_index(drop=True), a_log()[columns], check_dtype=False)
    assert not len(bad)
    with pytest.raises(ValueError, match=r"Columns \['nothing'\] must be in .*log"):
        read_table(tmp_path / name, ["nothing"])


REFUSED = {
    "several files": (
        lambda: zipped(csv(), b"x"),
        r"zip archive of 2 files \(log.csv, other.csv\)",
    ),
    "no file": (zipped, "a zip archive of 0 files"),
    "xlsx": (lambda: zipped(b"<", names=["xl/workbook.xml"]), "Excel.*`pandas.read_excel`"),
    "ods": (lambda: zipped(b"<", b"<", names=["a", "content.xml"]), "an OpenDocument sheet"),
    "npz": (lambda: zipped(b"\x93NUMPY", names=["a.npy"]), r"NumPy arrays \(\.npz\)"),
    "npy": (lambda: b"\x93NUMPY\x01\x00", "a NumPy array"),
    "xls": (lambda: b"\xd0\xcf\x11\xe0\xa1\xb1", r"an old Excel workbook \(\.xls\)"),
    "tar": (lambda: tarred("w"), "a tar archive: unpack it"),
    "tar.gz": (lambda: tarred("w:gz"), "a tar archive: unpack it"),
    "pickle": (lambda: pickle.dumps(a_log(), 4), "a pickle: read it if you trust it"),
    "HDF5": (lambda: b"\x89HDF\r\n\x1a\n\x00", "HDF5: read it with `pandas.read_hdf`"),
    "SQLite": (lambda: b"SQLite format 3\x00\x10", "SQLite: read it with `pandas.read_sql`"),
    "Avro": (lambda: b"Obj\x01\x04", "Avro: save it as Parquet or CSV"),
    "Feather 1": (lambda: b"FEA1\x00", "Feather of version 1: save it as Parquet"),
    "JSON": (
        lambda: json.dumps([{"user": 1}], indent=1).encode(),
        "JSON that is not one object per line: write one.*read_json",
    ),
    "JSON object": (
        lambda: json.dumps({"user": [1, 2]}, indent=1).encode(),
        "JSON that is not one object per line: write one.*read_json",
    ),
    "literals": (lambda: b"{'asin': 'B1'}\n{'asin': 'B2'}\n", "Python literals.*`json.dumps"),
    "HTML": (lambda: b"<!DOCTYPE html>\n<html>", "a page of HTML or XML: check whether"),
    "UTF-16": (lambda: "user,item\n".encode("utf-16"), "UTF-16 text: save it as UTF-8"),
    "LFS": (lambda: b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer: download"),
    "binary": (lambda: b"\x07\x00\x01\x02,", r"not text and begins with b'\\x07\\x00\\x01\\x02,'"),
    "binary in gz": (lambda: gzip.compress(b"\x07\x00"), "not text and begins with"),
}


@pytest.mark.parametrize("make, message", REFUSED.values(), ids=REFUSED)
def test_unsupported_files_raise(tmp_path, make, message):
    path = tmp_path / "log.csv"
    path.write_bytes(make())
    start = "A table must be a CSV, JSON lines, Parquet, Arrow or ORC file. "
    start += f"Received: {path}, which is "
    for read in (column_names, lambda path: read_table(path, ["user"])):
        with pytest.raises(ValueError, match=re.escape(start) + f".*{message}"):
            read(path)


def test_truncated_files_raise(tmp_path):
    path = tmp_path / "log"
    for content in (lzma.compress(csv() * 9)[:-20], zipped(csv())[:-30]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"A file must be complete. Received: {path}: "):
            column_names(path)
    path.write_bytes(parquet()[:-20])
    with pytest.raises(ValueError, match="Parquet"):
        column_names(path)


def test_text_that_looks_like_something_else(tmp_path):
    for header in ("[user],{item}", "PK,user", '"{""user""}",item', "BZ,ORD"):
        path = tmp_path / "log.csv"
        path.write_text(f"{header}\n1,2\n", encoding="utf-8")
        assert len(column_names(path)) == 2


def separated(sep: str, header=True) -> str:
    return a_log().to_csv(index=False, sep=sep, header=header)


def write(path: pathlib.Path, text: str) -> pathlib.Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("sep", [";", "\t", "|", ",", "tab", "\\t", " ", "::", "\x01", "|;|"])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("bad_line", [False, True])
def test_separators_and_headers(tmp_path, sep, header, bad_line):
    text = separated("\x02", header).replace("\x02", {"tab": "\t", "\\t": "\t"}.get(sep, sep))
    if bad_line:
        lines = text.splitlines(True)
        text = "".join([*lines[:3], "one\n", *lines[3:]])
    path = write(tmp_path / "log.txt", text)
    names = None if header else ["user", "item", "time", "click"]
    words = {"label": "click", "sep": sep, "names": names, "max_bad": 0.5}
    data = prepare_impressions(path, **WORDS, **words)
    assert data.report["rows_kept"] == 12
    assert list(data.parts["train"].label[:3]) == [1, 1, 1]
    if bad_line:
        assert data.bad_rows["line"].tolist() == [4]
        assert data.bad_rows["reason"].tolist() == ["1 field, not 4: one"]
    assert prepare_interactions(path, **WORDS, sep=sep, names=names, max_bad=0.5).spec == (
        prepare_interactions(a_log(), **WORDS).spec
    )


def test_names_instead_of_a_header(tmp_path):
    path = write(tmp_path / "log.csv", "\n" + separated(","))
    words = {"names": ["who", "what", "when", "click"], "header": True}
    words |= {"user": "who", "time": "when", "label": "click", "target": "what"}
    data = prepare_impressions(path, **words)
    assert (data.report["rows"], data.report["rows_kept"]) == (12, 12)


def test_one_separator_for_all_files(tmp_path):
    log = write(tmp_path / "log.csv", separated(";"))
    items = write(tmp_path / "items.csv", "item;color\ntea;red\npot;blue\ncup;red\n")
    words = WORDS | {"target": ["item", "color"], "label": "click", "sep": ";"}
    data = prepare_impressions(log, items=items, **words)
    assert data.report["items_table"]["rows_not_found"] == 0
    # A separator does not apply to a table in memory.
    frame = pd.DataFrame({"item": ["tea", "pot", "cup"], "color": ["red", "blue", "red"]})
    assert prepare_impressions(log, items=frame, **words).spec == data.spec


@pytest.mark.parametrize(
    "text, words, message",
    [
        (separated(";"), {}, r"be separated by ','\. Received: one column in .*\. Pass its "
         r"separator, `sep=';'`"),
        (separated("\t"), {}, r"'user\\titem\\ttime\\tclick'. Pass its separator, `sep='\\t'`"),
        (separated(","), {"sep": ";"}, r"be separated by ';'\. .*`sep=','`"),
        ("user;item;time;click,shown\n", {}, r"separated by ';', pass `sep=';'`"),
        (separated(",", header=False), {}, "first line is not a header, name its columns with"),
        ("user, item, time, click\n", {}, r"blanks before or after the names of \['time'"),
        (separated(","), {"sep": "::"}, r"must be separated by '::'\. .*`sep=','`"),
        ("1::tea::9::1\n", {"names": [*"abcd"]}, r"separated by ','\. .*`sep='::'` .*`--sep '::'"),
        (separated(","), {"sep": ""}, "`sep` must be text without quotes and line breaks"),
        (separated(","), {"sep": ',"'}, r"must be text .*sep=',\"'\. .*read_csv"),
        (separated(","), {"names": ["user"]}, r"has 4 fields: \['user', .*1 names, \['user'\]"),
        (separated(","), {"names": [1]}, r"`names` must hold names of columns\. Received: .*\[1\]"),
        (separated(","), {"header": False}, r"`names` must name the columns of a file without"),
    ],
)  # fmt: skip
def test_wrong_csv_options_have_a_remedy(tmp_path, text, words, message):
    path = write(tmp_path / "log.csv", text)
    with pytest.raises(ValueError, match=message):
        prepare_impressions(path, label="click", **WORDS, **words)


def test_csv_options_of_other_tables_raise(tmp_path):
    (tmp_path / "log.csv").write_bytes(parquet())
    for source in (tmp_path / "log.csv", a_log(), arrow()):
        with pytest.raises(
            ValueError, match="`sep`, `header` and `names` must not be given unless"
        ):
            prepare_impressions(source, label="click", **WORDS, sep=";")


def test_csv_options_on_the_command_line(tmp_path, capsys):
    log = str(write(tmp_path / "log", separated(";", header=False)))
    words = ["prepare", log, str(tmp_path / "data"), "--user", "user", "--time", "time"]
    words += ["--target", "item", "--label", "click"]
    assert main(words) == 1
    assert "`sep=';'`" in capsys.readouterr().err
    assert main([*words, "--sep", ";", "--names", "user,item,time,click"]) == 0
    assert PreparedData.load(tmp_path / "data").report["rows_kept"] == 12
    log = write(tmp_path / "tabs", separated("\t"))
    assert main(["prepare", str(log), *words[2:], "--sep", "tab", "--overwrite"]) == 0


def test_rows_of_other_libraries():
    item, price = Categorical("item", vocabulary=["tea", "pot"], dim=2), Numeric("price")
    spec = FeatureSpec(context=[price], target=[item], sequences=[Sequence("hist", of=[item])])
    columns = {"price": [1.5, 2.5], "item": ["tea", "pot"], "hist_item": [["pot"], []]}
    columns |= {"click": [1, 0]}
    _, expected = rows_to_samples(pd.DataFrame(columns), spec, "click")
    for table in (pa.table(columns), OfArrow(pa.table(columns))):
        _, samples = rows_to_samples(table, spec, "click")
        for name, values in expected.columns.items():
            np.testing.assert_array_equal(samples.columns[name], values)
        assert len(list(rows_dataset(table, spec, "click", 2))) == 1
    with pytest.raises(ValueError, match=r"A table must be a DataFrame.*builtins\.dict"):
        rows_to_samples(columns, spec, "click")


@pytest.mark.parametrize("kind", ["xz", "zip"])
def test_format_of_a_compressed_file_needs_its_first_bytes_only(tmp_path, monkeypatch, kind):
    """The file is never read completely, neither to detect its format nor to unpack it."""
    read, path = [], tmp_path / "log"
    content = csv() * 9
    path.write_bytes(lzma.compress(content) if kind == "xz" else zipped(content))
    file = lzma.LZMAFile if kind == "xz" else zipfile.ZipExtFile
    whole = file.read
    monkeypatch.setattr(file, "read", lambda self, size=-1: read.append(size) or whole(self, size))
    as_source(path)
    assert read
    assert min(read) > 0


@pytest.mark.parametrize("kind", ["gzip", "bz2", "xz", "zip", "zstd", "lz4"])
def test_compressed_csv_file_is_unpacked_once(tmp_path, monkeypatch, kind):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    content, path = b'a,b\n1,"two\nlines"\n3\n4,x\n', tmp_path / "log.csv"
    if kind in ("gzip", "bz2", "xz"):
        path.write_bytes({"gzip": gzip, "bz2": bz2, "xz": lzma}[kind].compress(content))
    else:
        path.write_bytes(zipped(content) if kind == "zip" else by_arrow(kind, content))
    source = as_source(path)
    path.write_bytes(b"another file")  # It must not be read again.
    source = as_source(source, names=["c", "d"], header=True)
    for _ in range(2):
        assert column_names(source) == ["c", "d"]
        table = read_table(source, ["d", "c"])
        assert table.frame["d"].tolist() == ["two\nlines", "x"]
        assert [str(reason) for reason in table.bad["reason"]] == ["1 field, not 2: 3"]
    assert [file.read_bytes() for file in temporary.iterdir()] == [content]
    del source
    gc.collect()
    assert not list(temporary.iterdir())
