"""Reads a text file line by line, compressed or not."""

import codecs
import io
import os

from keras_din.checks import local_path
from keras_din.data.reading.file_format import open_bytes

LONGEST = 1 << 18


def read_lines(path: str | os.PathLike):
    """Yields `(number, line)` of a file. Numbers start at 1; empty lines are skipped.

    A line is bytes with its line end; the first has no byte order mark. A line longer than
    `LONGEST` bytes is `None`, and is never held in memory.

    Args:
        path: Path of the file, which may be compressed.

    Raises:
        ValueError: If a compressed file is damaged or truncated, after the lines before the damage.
    """
    number, path = 0, local_path("path", path)
    with open_bytes(os.fspath(path)) as stream, io.BufferedReader(stream, 1 << 20) as file:
        try:
            while line := file.readline(LONGEST):
                number += 1
                if number == 1:  # Windows programs write a byte order mark.
                    line = line.removeprefix(codecs.BOM_UTF8)
                if len(line) == LONGEST and not line.endswith(b"\n"):
                    while (rest := file.readline(LONGEST)) and not rest.endswith(b"\n"):
                        pass
                    yield number, None
                elif line and not line.isspace():
                    yield number, line
        except OSError as error:
            raise ValueError(
                f"A file must be complete. Received: {os.fspath(path)}, readable up to line "
                f"{number}: {error}."
            ) from error
