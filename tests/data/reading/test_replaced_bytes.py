"""Bytes are replaced wherever the chunks of a stream end."""

import io

import pytest

from keras_din.data.reading import replaced_bytes
from keras_din.data.reading.replaced_bytes import replace_bytes


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("content", ["", "a", "a::b::c\n", ":a:::b::::c:\n::", "::" * 7, "é::ü:"])
@pytest.mark.parametrize("old", ["::", ":::", "a:"])
def test_chunks(monkeypatch, chunk, content, old):
    monkeypatch.setattr(replaced_bytes, "_CHUNK", chunk)
    with replace_bytes(io.BytesIO(content.encode()), old.encode(), b"|") as stream:
        assert stream.read().decode() == content.replace(old, "|")


def test_lines():
    with replace_bytes(io.BytesIO(b"1::2\n\n3::4"), b"::", b"\x1f") as stream:
        assert list(stream) == [b"1\x1f2\n", b"\n", b"3\x1f4"]
