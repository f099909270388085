"""A stream of bytes in which some bytes are replaced while it is read."""

import io

_CHUNK = 1 << 20


def replace_bytes(stream, old: bytes, new: bytes) -> io.BufferedReader:
    """Returns a stream with the content of another one, in which `new` stands for `old`."""
    return io.BufferedReader(_Replaced(stream, old, new), _CHUNK)


class _Replaced(io.RawIOBase):
    """The raw stream of `replace_bytes`."""

    def __init__(self, stream, old: bytes, new: bytes):
        self._stream, self._old, self._new = stream, old, new
        self._rest = b""  # What was read and may begin with a part of `old`.
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        while not self._ready:
            chunk = self._stream.read(_CHUNK)
            if not (self._rest or chunk):
                return 0
            *parts, last = (self._rest + chunk).split(self._old)
            # Bytes at the end that begin `old` may continue in the next chunk.
            size = len(self._old) - 1 if chunk else 0
            while size and not last.endswith(self._old[:size]):
                size -= 1
            self._rest = last[len(last) - size :]
            self._ready = memoryview(self._new.join([*parts, last[: len(last) - size]]))
        count = min(len(buffer), len(self._ready))
        buffer[:count], self._ready = self._ready[:count], self._ready[count:]
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()
