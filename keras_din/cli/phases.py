"""The progress of a command on a terminal: one line per phase, on stderr."""

import contextlib
import io
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator

from keras_din.cli.terminal import is_terminal

_EVERY = 1.0  # Seconds after which the time of a phase is written again.
_OFTEN = 0.1  # The shortest time between two texts of a phase.
_CLEAR = "\r\033[K"
_ACTIVE: list["_Line"] = []  # The line of the phase that is shown.


@contextlib.contextmanager
def phase(name: str) -> Iterator[Callable[[str], None]]:
    """Shows a line with the time of a phase, which stays when the phase has ended.

    The line is on stderr. If stderr is not a terminal, nothing is written, so that a file contains
    no progress. Text that is printed during the phase is above the line. A phase within another one
    is not shown.

    Args:
        name: What the phase does, such as `"load the data"`.

    Yields:
        A function that shows a text after the name, such as `": step 20 of 100"`.
    """
    if _ACTIVE or not is_terminal(sys.stderr):
        yield lambda text: None
        return
    streams = sys.stdout, sys.stderr
    with _own_stream(sys.stderr) as stream:
        line = _Line(stream, name)
        sys.stdout, sys.stderr = (_Above(each, line) for each in streams)
        _ACTIVE.append(line)
        try:
            with line:
                yield line.show
        finally:
            _ACTIVE.remove(line)
            sys.stdout, sys.stderr = streams


def _own_stream(stream):
    """Returns a stream to the same terminal, also while file descriptor 2 is redirected."""
    stream.flush()
    try:
        return open(os.dup(stream.fileno()), "w", encoding=stream.encoding, errors="replace")
    except io.UnsupportedOperation:  # Not a file.
        return contextlib.nullcontext(stream)


class _Line:
    """The line of a phase. A thread updates its time."""

    def __init__(self, stream, name: str):
        self.stream, self.name, self.text = stream, name, ""
        self.lock, self.ended = threading.RLock(), threading.Event()
        self.at_start = True  # Whether the cursor is at the start of a line of other text.
        self.start = self.written = time.monotonic()
        self.thread = threading.Thread(target=self._keep_time, daemon=True)

    def __enter__(self):
        self.write()
        self.thread.start()
        return self

    def __exit__(self, kind, error, traceback):
        self.ended.set()
        self.thread.join()
        with self.lock:
            self.clear()
            if kind is None:
                self.stream.write(f"{self.content()}\n")
            self.stream.flush()

    def content(self) -> str:
        return f"{time.monotonic() - self.start:7.1f} s  {self.name}{self.text}"

    def show(self, text: str) -> None:
        """Replaces the text after the name, if the last one is not too new."""
        with self.lock:
            self.text = text
            if time.monotonic() - self.written >= _OFTEN:
                self.write()

    def write(self) -> None:
        """Writes the line. The cursor must be at the start of a line, or behind this line."""
        with self.lock:
            if self.at_start:
                width = shutil.get_terminal_size().columns - 1
                self.stream.write(f"{_CLEAR}{self.content()[:width]}")
                self.stream.flush()
            self.written = time.monotonic()

    def clear(self) -> None:
        """Removes the line."""
        if self.at_start:
            self.stream.write(_CLEAR)
            self.stream.flush()

    def _keep_time(self) -> None:
        while not self.ended.wait(_EVERY):
            self.write()


class _Above:
    """A stream whose text is written above the line of a phase.

    If it is not a terminal, its text may be on the terminal soon all the same, as that of
    `keras-din ... | tee file`. So the line is removed and written again later.
    """

    def __init__(self, stream, line: _Line):
        self.stream, self.line = stream, line
        self.is_terminal = is_terminal(stream)

    def write(self, text: str) -> int:
        if not text:
            return 0
        with self.line.lock:
            self.line.clear()
            count = self.stream.write(text)
            self.stream.flush()
            if self.is_terminal:
                self.line.at_start = text.endswith("\n")
                self.line.write()
            else:
                self.line.written = time.monotonic()
        return count

    def __getattr__(self, name):
        return getattr(self.stream, name)
