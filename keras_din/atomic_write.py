"""Files that are written completely or not at all."""

import contextlib
import os
import pathlib


@contextlib.contextmanager
def atomic_file(file: pathlib.Path):
    """Yields a path beside `file` to write to, which replaces `file` when the block succeeds."""
    partial = file.with_name(f".partial-{file.name}")
    try:
        yield partial
        os.replace(partial, file)
    finally:
        partial.unlink(missing_ok=True)
