"""The file of a delta: what differs between two folders, with checksums.

A file has these parts, in this order:

- `MAGIC`, which ends with the number of the format,
- the SHA-256 of all that follows, 32 bytes,
- the length of the header, 8 bytes, the lowest first,
- the header, JSON in UTF-8,
- the payload, one gzip stream. For each changed file it has the segments of `align` as int64, the
  lowest byte first, then the bytes of the file XOR those of its base.
"""

import contextlib
import gzip
import hashlib
import json
import os
import pathlib
import shutil

import numpy as np

from keras_din.atomic_write import atomic_file
from keras_din.serving.version.byte_alignment import align

MAGIC = b"keras_din delta 1\n"
_PIECE = 1 << 20  # Bytes that are processed at a time.
_CHECKSUM, _LENGTH = 32, 8


def checksums(folder: pathlib.Path) -> dict[str, str]:
    """Returns the SHA-256 of each file in a folder, by its path. Folders end with / and have ""."""
    found: dict[str, str] = {}
    for parent, folders, files in os.walk(folder, followlinks=True):
        within = pathlib.Path(parent).relative_to(folder)
        found |= {f"{(within / name).as_posix()}/": "" for name in folders}
        found |= {(within / name).as_posix(): _sha256(pathlib.Path(parent, name)) for name in files}
    return dict(sorted(found.items()))


def _sha256(path: pathlib.Path) -> str:
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(_PIECE):
            found.update(piece)
    return found.hexdigest()


def write_delta(file: pathlib.Path, base: pathlib.Path, new: pathlib.Path, facts: dict) -> None:
    """Writes the differences of two folders to a file, which is complete or not written.

    Args:
        file: The file.
        base: The folder that the readers of the file have.
        new: The folder that they will have.
        facts: Further entries of the header, which `open_delta` returns.
    """
    before, after = checksums(base), checksums(new)
    segments = {}
    for name in after:
        if after[name] and after[name] != before.get(name):
            segments[name] = align(_bytes_of(base / name), _bytes_of(new / name))
    header = facts | {
        "base_files": before,
        "files": after,
        "segments": {name: len(found) for name, found in segments.items()},
    }
    text = json.dumps(header, ensure_ascii=False, allow_nan=False).encode()
    with atomic_file(file) as partial, open(partial, "w+b") as stream:
        stream.write(MAGIC + bytes(_CHECKSUM) + len(text).to_bytes(_LENGTH, "little") + text)
        with gzip.GzipFile("", "wb", 6, stream, mtime=0) as payload:
            for name, found in segments.items():
                payload.write(found.astype("<i8").tobytes())
                for piece, of_base in _pieces(found, _bytes_of(base / name)):
                    payload.write(_bytes_of(new / name)[piece] ^ of_base)
        checksum = _checksum(stream)
        stream.seek(len(MAGIC))
        stream.write(checksum)
        stream.flush()
        os.fsync(stream.fileno())


def _checksum(stream) -> bytes:
    """Returns the SHA-256 of what follows the checksum in a file."""
    stream.seek(len(MAGIC) + _CHECKSUM)
    found = hashlib.sha256()
    while piece := stream.read(_PIECE):
        found.update(piece)
    return found.digest()


def _bytes_of(path: pathlib.Path) -> np.ndarray:
    """Returns the bytes of a file, in a memory map. They are none if there is no file."""
    if not path.is_file() or path.stat().st_size == 0:
        return np.zeros(0, np.uint8)
    return np.memmap(path, np.uint8, mode="r").view(np.ndarray)


def _pieces(segments, base):
    """Yields slices of the new file with the bytes of the base for each."""
    start = 0
    for length, at in segments.tolist():
        for first in range(0, length, _PIECE):
            size = min(_PIECE, length - first)
            of_base = base[at + first : at + first + size] if at >= 0 else np.zeros(size, np.uint8)
            yield slice(start + first, start + first + size), of_base
        start += length


class Delta:
    """An open delta.

    Attributes:
        header: The header.
    """

    def __init__(self, header: dict, payload: gzip.GzipFile):
        self.header = header
        self._payload = payload

    def write_files(self, base: pathlib.Path, folder: pathlib.Path) -> None:
        """Writes all files of the new folder. The result must be compared with `header["files"]`.

        Args:
            base: The folder with the files of `header["base_files"]`.
            folder: An empty folder.
        """
        for name, checksum in self.header["files"].items():
            path = folder / name
            if not checksum:
                path.mkdir(parents=True)
            elif name not in self.header["segments"]:
                shutil.copyfile(base / name, path)
            else:
                self._write_file(self.header["segments"][name], base / name, path)

    def _write_file(self, count: int, base: pathlib.Path, path: pathlib.Path) -> None:
        segments = np.frombuffer(self._payload.read(16 * count), "<i8").reshape(-1, 2)
        with open(path, "wb") as file:
            for piece, of_base in _pieces(segments, _bytes_of(base)):
                xor = self._payload.read(piece.stop - piece.start)
                file.write(np.frombuffer(xor, np.uint8) ^ of_base)


@contextlib.contextmanager
def open_delta(file: pathlib.Path):
    """Yields a `Delta`, after its checksum was compared.

    Raises:
        ValueError: If the file is not a delta, or is not complete and unchanged.
        FileNotFoundError: If there is no file.
    """
    if not file.is_file():
        raise FileNotFoundError(f"`delta` must be a file that `make_delta` wrote. Received: {file}")
    with open(file, "rb") as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            raise ValueError(_not_a_delta(file, "does not start as one of this keras_din"))
        if stream.read(_CHECKSUM) != _checksum(stream):
            raise ValueError(_not_a_delta(file, "differs from its checksum"))
        stream.seek(len(MAGIC) + _CHECKSUM)
        size = int.from_bytes(stream.read(_LENGTH), "little")
        header = json.loads(stream.read(size))
        for name in header["files"]:
            # A delta comes over the network: it must not write outside of the folder.
            if pathlib.PurePath(name).is_absolute() or ".." in pathlib.PurePath(name).parts:
                raise ValueError(_not_a_delta(file, f"has a file outside of the version: {name}"))
        with gzip.GzipFile(fileobj=stream, mode="rb") as payload:
            yield Delta(header, payload)


def _not_a_delta(file: pathlib.Path, reason: str) -> str:
    return (
        "`delta` must be a file that `make_delta` wrote, complete and unchanged. "
        f"Received: {file}, which {reason}. Copy it again."
    )
