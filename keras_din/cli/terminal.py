"""Messages and streams of a command: colors, terminals, a closed pipe."""

import io
import os
import select
import sys

_COLORS = {"error": "\033[1;31m", "warning": "\033[33m"}
_RESET = "\033[0m"


def message(kind: str, text) -> str:
    """Formats a line of a command about an error or a warning, in color on a terminal.

    There is no color if the environment variable `NO_COLOR` is set (https://no-color.org).

    Args:
        kind: `"error"` or `"warning"`.
        text: The text.
    """
    word = f"{kind}:"
    if has_colors(sys.stderr):
        word = f"{_COLORS[kind]}{word}{_RESET}"
    return f"keras-din: {word} {text}"


def is_terminal(stream) -> bool:
    """Returns whether a stream is a terminal whose current line can be replaced."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def has_colors(stream) -> bool:
    """Returns whether text in a stream may have colors."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def drop_closed_streams() -> bool:
    """Redirects stdout and stderr to nowhere if their reader has closed them.

    Otherwise Python prints an error when it flushes them at the end.

    Returns:
        Whether one of them was closed.
    """
    closed = [stream for stream in (sys.stdout, sys.stderr) if _is_closed(stream)]
    for stream in closed:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
    return bool(closed)


def _is_closed(stream) -> bool:
    """Returns whether a stream is a pipe without a reader."""
    try:
        stream.flush()
        file = stream.fileno()
    except BrokenPipeError:
        return True
    except io.UnsupportedOperation:  # Not a file.
        return False
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()  # Without a buffer, `flush` does not find it.
    poll.register(file, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))
