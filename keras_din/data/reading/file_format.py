"""Detects the format of a file from its first bytes, and opens compressed files."""

import contextlib
import json
import lzma
import os
import re
import shutil
import tempfile
import weakref
import zipfile
import zlib
from typing import IO

import pyarrow as pa

from keras_din.count_text import count_text

_HEAD = 1024
_ARROW_CODECS = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
_ARROW_CODECS[b"\x04\x22\x4d\x18"] = "lz4"
_XZ = (b"\xfd7zXZ\x00", b"\x5d\x00\x00\x80\x00")
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_TABLE_FORMATS = {b"PAR1": "Parquet", b"ARROW1": "Arrow", b"\xff\xff\xff\xff": "Arrow stream"}
_TABLE_FORMATS[b"ORC"] = "ORC"
JSON_LINES = "JSON lines"

_AS_PARQUET = "save it as Parquet or CSV"
_UNPACK = "unpack it and pass the path of the log"
_UNSUPPORTED = {  # First bytes -> (name of the format, remedy).
    b"PARE": ("encrypted Parquet", "decrypt it"),
    b"FEA1": ("Feather of version 1", _AS_PARQUET),
    b"\x89HDF\r\n\x1a\n": ("HDF5", "read it with `pandas.read_hdf` and pass the DataFrame"),
    b"SQLite format 3\x00": ("SQLite", "read it with `pandas.read_sql` and pass the DataFrame"),
    b"Obj\x01": ("Avro", _AS_PARQUET),
    b"\x93NUMPY": ("a NumPy array", "convert it to a DataFrame"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook (.xls)", _AS_PARQUET),
    b"Rar!": ("a RAR archive", _UNPACK),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", _UNPACK),
    b"RDX": ("a file of R", _AS_PARQUET),
    b"$FL2": ("a file of SPSS", "read it with `pandas.read_spss` and pass the DataFrame"),
    b"<stata_dta>": ("a file of Stata", "read it with `pandas.read_stata` and pass the DataFrame"),
    b"%PDF": ("PDF", "save the table as CSV"),
    b"\xff\xfe": ("UTF-16 text", "save it as UTF-8"),
    b"\xfe\xff": ("UTF-16 text", "save it as UTF-8"),
    b"version https://git-lfs": ("a Git LFS pointer", "download the file with `git lfs pull`"),
}
_UNSUPPORTED |= {
    b"\x80" + bytes([version]): ("a pickle", "read it if you trust it, and " + _AS_PARQUET)
    for version in range(2, 6)
}


def open_bytes(path: str):
    """Opens a file as a binary stream, decompressed if its first bytes are those of a known codec.

    Raises:
        ValueError: If the file is an archive that does not hold exactly one file, an Excel
            workbook, or damaged.
    """
    head = _head(path)
    codec = next((codec for magic, codec in _ARROW_CODECS.items() if head.startswith(magic)), None)
    if head.startswith((*_XZ, *_ZIP)):
        return pa.BufferReader(_read_unpacked(path))
    return pa.input_stream(path, compression=codec)


class Unpacked:
    """The content of a compressed file, in a temporary file that is removed with this object.

    The temporary file is in the folder of temporary files (`TMPDIR`) and has the unpacked size.
    """

    def __init__(self, path: str):
        number, self.path = tempfile.mkstemp(prefix="keras_din_")
        weakref.finalize(self, os.unlink, self.path)  # Also runs when the process ends.
        with open(number, "wb") as file, _open_unpacked(path) as stream:
            shutil.copyfileobj(stream, file, 1 << 20)


@contextlib.contextmanager
def _open_unpacked(path: str):
    """Opens the content of an xz, zip or other compressed file as a stream."""
    head = _head(path)
    with complete(path), _open_stream(path, head) as file:
        yield file


def _open_stream(path: str, head: bytes):
    if head.startswith(_XZ):
        return lzma.open(path)
    return _open_only_member(path) if head.startswith(_ZIP) else open_bytes(path)


@contextlib.contextmanager
def complete(path: str):
    """Raises a `ValueError` that names the file if it is damaged or truncated."""
    try:
        yield
    except (
        lzma.LZMAError,
        zipfile.BadZipFile,
        EOFError,
        zlib.error,
        OSError,
        pa.ArrowInvalid,
    ) as error:
        # Arrow's errors about a content have no number, unlike those of the operating system.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(f"A file must be complete. Received: {path}: {error}.") from error


def _read_unpacked(path: str, size: int = -1) -> bytes:
    """Reads the first `size` bytes of the content of a file, by default all."""
    with _open_unpacked(path) as file:
        return file.read(size)


def _unpacked_head(path: str) -> bytes:
    """The first bytes of a file's decompressed content, without reading the rest."""
    return _read_unpacked(path, _HEAD)


def format_of(path: str):
    """Returns `(format, is_compressed)`. The format is `None` for CSV and what is no table."""
    head, is_compressed = _head(path), False
    if head.startswith((*_ARROW_CODECS, *_XZ, *_ZIP)):
        head, is_compressed = _unpacked_head(path), True
    found = next((name for magic, name in _TABLE_FORMATS.items() if head.startswith(magic)), None)
    if found is None and _is_json_lines(head):
        found = JSON_LINES
    return found, is_compressed


def check_is_text(path: str) -> None:
    """Raises a `ValueError` if a file is not a table as text; it names the format and a remedy."""
    head = _unpacked_head(path)
    found = next((entry for magic, entry in _UNSUPPORTED.items() if head.startswith(magic)), None)
    line = _first_line(head)
    if found is None and head[257:262] == b"ustar":
        found = ("a tar archive", _UNPACK)
    elif found is None and b"\x00" in line:
        found = (f"not text and begins with {head[:8]!r}", _AS_PARQUET)
    elif found is None and line[:14].lower().startswith((b"<!doctype html", b"<html", b"<?xml")):
        found = ("a page of HTML or XML", "check whether the download failed")
    elif found is None and line[:1] in (b"{", b"[") and _is_json(line):
        remedy = "write one object per line, or pass the DataFrame that `pandas.read_json` returns"
        found = ("JSON that is not one object per line", remedy)
    elif found is None and re.match(rb"\[?\{'", line):
        remedy = "convert each line, `json.dumps(ast.literal_eval(line))`"
        found = ("Python literals instead of JSON", remedy)
    if found is not None:
        what, remedy = found
        raise ValueError(
            "A table must be a CSV, JSON lines, Parquet, Arrow or ORC file. "
            f"Received: {path}, which is {what}: {remedy}."
        )


def _head(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(_HEAD)


def _first_line(head: bytes) -> bytes:
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 1)[0]


def _is_json_lines(head: bytes) -> bool:
    """Whether a file begins with an object, and one of its first lines is a whole object."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not re.match(rb'\{[ \t]*["}]', start):
        return False
    is_long = len(head) == _HEAD and b"\n" not in start
    return is_long or re.search(rb"^\{.*\}\s*$", start, re.MULTILINE) is not None


def _is_json(line: bytes) -> bool:
    """Whether the first line of a file is JSON, or the beginning of a longer JSON document."""
    if line.rstrip() in (b"[", b"{") or line.startswith((b"[{", b'{"')):
        return True
    try:
        return isinstance(json.loads(line), (dict, list))
    except ValueError:
        return False


def _open_only_member(path: str) -> IO[bytes]:
    archive = zipfile.ZipFile(path)
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    names = [name for name in names if not name.startswith("__MACOSX/")]
    if any(name.startswith("xl/workbook") for name in names):
        what = "an Excel workbook"
        remedy = "read it with `pandas.read_excel` and pass the DataFrame"
    elif any(name == "content.xml" for name in names):
        what, remedy = "an OpenDocument sheet", "save the table as CSV"
    elif names and all(name.endswith(".npy") for name in names):
        what, remedy = "NumPy arrays (.npz)", "convert them to a DataFrame"
    elif len(names) != 1:
        some = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        what, remedy = f"a zip archive of {count_text(len(names), 'file')} ({some})", _UNPACK
    else:
        return archive.open(names[0])
    archive.close()
    raise ValueError(
        "A table must be a CSV, JSON lines, Parquet, Arrow or ORC file. "
        f"Received: {path}, which is {what}: {remedy}."
    )
