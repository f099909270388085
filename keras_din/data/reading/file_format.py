"""What a file is, by its first bytes and not by its name; compressed files as what they hold."""

import contextlib
import io
import json
import lzma
import os
import shutil
import tempfile
import weakref
import zipfile
import zlib

import pyarrow as pa

_HEAD = 1024
_BY_ARROW = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
_BY_ARROW[b"\x04\x22\x4d\x18"] = "lz4"
_XZ = (b"\xfd7zXZ\x00", b"\x5d\x00\x00\x80\x00")
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_TABLES = {b"PAR1": "Parquet", b"ARROW1": "Arrow", b"\xff\xff\xff\xff": "Arrow stream"}
_TABLES[b"ORC"] = "ORC"

_AS_PARQUET = "save it as Parquet or CSV"
_UNPACK = "unpack it and give the path of the log"
_OTHERS = {  # First bytes -> what it is, and what to do.
    b"PARE": ("Parquet that is encrypted", "decrypt it"),
    b"FEA1": ("Feather of version 1", _AS_PARQUET),
    b"\x89HDF\r\n\x1a\n": ("HDF5", "read it by `pandas.read_hdf` and give the DataFrame"),
    b"SQLite format 3\x00": ("SQLite", "read it by `pandas.read_sql` and give the DataFrame"),
    b"Obj\x01": ("Avro", _AS_PARQUET),
    b"\x93NUMPY": ("an array of NumPy", "make a DataFrame of it"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook (.xls)", _AS_PARQUET),
    b"Rar!": ("a RAR archive", _UNPACK),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", _UNPACK),
    b"RDX": ("data of R", _AS_PARQUET),
    b"$FL2": ("data of SPSS", "read it by `pandas.read_spss` and give the DataFrame"),
    b"<stata_dta>": ("data of Stata", "read it by `pandas.read_stata` and give the DataFrame"),
    b"%PDF": ("PDF", "save the table as CSV"),
    b"\xff\xfe": ("UTF-16 text", "save it as UTF-8"),
    b"\xfe\xff": ("UTF-16 text", "save it as UTF-8"),
    b"version https://git-lfs": ("a pointer of Git LFS", "get the file by `git lfs pull`"),
}
_OTHERS |= {
    b"\x80" + bytes([version]): ("a pickle", "read it where you trust it, and " + _AS_PARQUET)
    for version in range(2, 6)
}


def open_bytes(path: str):
    """A binary stream of what a file holds, decompressed where its first bytes say so.

    Raises:
        ValueError: When the file is an archive of anything but one file, an Excel workbook, or
            damaged.
    """
    head = _head(path)
    codec = next((codec for magic, codec in _BY_ARROW.items() if head.startswith(magic)), None)
    if head.startswith((*_XZ, *_ZIP)):
        return pa.BufferReader(_unpacked(path))
    return pa.input_stream(path, compression=codec)


class Unpacked:
    """What a compressed file holds, as a temporary file that is removed with this object.

    It takes the size of the unpacked file in the folder of temporary files (`TMPDIR`).
    """

    def __init__(self, path: str):
        number, self.path = tempfile.mkstemp(prefix="keras_din_")
        weakref.finalize(self, os.unlink, self.path)  # At the end of the process too.
        with open(number, "wb") as file, _unpacking(path) as stream:
            shutil.copyfileobj(stream, file, 1 << 20)


@contextlib.contextmanager
def _unpacking(path: str):
    """A stream of what an xz, a zip or another compressed file holds."""
    head = _head(path)
    if not head.startswith((*_XZ, *_ZIP)):
        with open_bytes(path) as stream:
            yield stream
        return
    try:
        with lzma.open(path) if head.startswith(_XZ) else _only_member(path) as file:
            yield file
    except (lzma.LZMAError, zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise ValueError(f"A file must be whole. Received: {path}: {error}.") from error


def _unpacked(path: str, size: int = -1) -> bytes:
    """The first bytes of what an xz or zip file holds, by default all."""
    with _unpacking(path) as file:
        return file.read(size)


def _beginning(path: str) -> bytes:
    """The first bytes of what a file holds, decompressed, without reading the rest."""
    head = _head(path)
    if head.startswith((*_XZ, *_ZIP)):
        return _unpacked(path, _HEAD)
    with open_bytes(path) as stream:
        return stream.read(_HEAD)


def format_of(path: str):
    """`(format, is_compressed)` of a file of columns, `None` where it is none: it may be text."""
    if os.path.isdir(path):
        raise ValueError(
            f"A table must be a file. Received: {path}, a folder. Where it holds Parquet files, "
            "give `pyarrow.parquet.read_table(folder)`."
        )
    head, is_compressed = _head(path), False
    if head.startswith((*_BY_ARROW, *_XZ, *_ZIP)):
        head, is_compressed = _beginning(path), True
    found = next((name for magic, name in _TABLES.items() if head.startswith(magic)), None)
    return found, is_compressed


def check_is_text(path: str) -> None:
    """Raises a `ValueError` where a file is no text, with what it is and what to do."""
    head = _beginning(path)
    found = next((of for magic, of in _OTHERS.items() if head.startswith(magic)), None)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    line = start.split(b"\n", 1)[0]
    if found is None and head[257:262] == b"ustar":
        found = ("a tar archive", _UNPACK)
    elif found is None and b"\x00" in line:
        found = (f"no text, but begins with {head[:8]!r}", _AS_PARQUET)
    elif found is None and start[:14].lower().startswith((b"<!doctype html", b"<html", b"<?xml")):
        found = ("a page of HTML or XML", "look whether the download failed")
    elif found is None and start[:1] in (b"{", b"[") and _is_json(line):
        found = ("JSON", "read it by `pandas.read_json` (`lines=True`) and give the DataFrame")
    if found is not None:
        what, remedy = found
        raise ValueError(
            f"A table must be a CSV, Parquet, Arrow or ORC file. Received: {path}, which is "
            f"{what}: {remedy}."
        )


def _head(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(_HEAD)


def _is_json(line: bytes) -> bool:
    """Whether the first line of a file is JSON, or the beginning of a longer one."""
    if line.rstrip() in (b"[", b"{") or line.startswith((b"[{", b'{"')):
        return True
    try:
        return isinstance(json.loads(line), (dict, list))
    except ValueError:
        return False


def _only_member(path: str) -> io.BufferedIOBase:
    archive = zipfile.ZipFile(path)
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    names = [name for name in names if not name.startswith("__MACOSX/")]
    if any(name.startswith("xl/workbook") for name in names):
        what, remedy = "an Excel workbook", "read it by `pandas.read_excel` and give the DataFrame"
    elif any(name == "content.xml" for name in names):
        what, remedy = "an OpenDocument sheet", "save the table as CSV"
    elif names and all(name.endswith(".npy") for name in names):
        what, remedy = "arrays of NumPy (.npz)", "make a DataFrame of them"
    elif len(names) != 1:
        some = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        what, remedy = f"a zip archive of {len(names)} files ({some})", _UNPACK
    else:
        return archive.open(names[0])
    archive.close()
    raise ValueError(
        f"A table must be a CSV, Parquet, Arrow or ORC file. Received: {path}, which is {what}: "
        f"{remedy}."
    )
