"""Lines of files are numbered and limited in length. Damaged files raise."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_din.data.reading import lines
from keras_din.data.reading.lines import read_lines


@given(content=st.lists(st.sampled_from([b"\n", b"ab", b"c" * 9, b" "]), max_size=9).map(b"".join))
def test_yields_numbered_lines(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("lines") / "log"
    path.write_bytes(content)
    expected = [
        (number, line if len(line) <= 12 else None)
        for number, line in enumerate(content.splitlines(keepends=True), 1)
        if line.strip() or len(line) > 12
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "LONGEST", 12)
        found = list(read_lines(path))
    assert [number for number, _ in found] == [number for number, _ in expected]
    for (_, line), (_, same) in zip(found, expected, strict=True):
        assert line == same or (line is None and len(content) >= 12)


@pytest.mark.parametrize("size, whole", [(4, True), (5, True), (6, False), (30, False)])
def test_too_long_line_is_none(tmp_path, monkeypatch, size, whole):
    monkeypatch.setattr(lines, "LONGEST", 6)
    long = b"x" * size + b"\n"
    (tmp_path / "log").write_bytes(b"a\n" + long + b"b\n" + long[:-1])
    found = list(read_lines(tmp_path / "log"))
    last = long[:-1] if size < 6 else None
    assert found == [(1, b"a\n"), (2, long if whole else None), (3, b"b\n"), (4, last)]


def test_byte_order_mark_is_removed(tmp_path):
    (tmp_path / "log").write_text("a\n\ufeffb\n", encoding="utf-8-sig")
    assert list(read_lines(tmp_path / "log")) == [(1, b"a\n"), (2, "\ufeffb\n".encode())]
    (tmp_path / "log").write_bytes("\ufeff".encode())
    assert list(read_lines(tmp_path / "log")) == []


def test_compressed_file_in_pieces(tmp_path):
    (tmp_path / "log.gz").write_bytes(gzip.compress(b"a\nb") + gzip.compress(b"c\n\nd"))
    assert list(read_lines(tmp_path / "log.gz")) == [(1, b"a\n"), (2, b"bc\n"), (4, b"d")]


def damaged(content, place):
    content = bytearray(content)
    content[place] ^= 255
    return content


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda content: content[: len(content) // 2], "Truncated compressed stream"),
        (lambda content: content[:-3], "Truncated compressed stream"),
        (lambda content: damaged(content, -6), "incorrect data check"),
    ],
)
def test_damaged_file_raises(tmp_path, damage, message):
    path = tmp_path / "log.gz"
    path.write_bytes(damage(gzip.compress(b"".join(b"%d\n" % i for i in range(9999)))))
    with pytest.raises(ValueError, match=rf"must be complete\. Received: {path}, .*{message}"):
        list(read_lines(path))


def test_compression_is_detected_from_the_first_bytes(tmp_path):
    (tmp_path / "log.gz").write_bytes(b"a\nb")
    (tmp_path / "log.txt").write_bytes(gzip.compress(b"a\nb"))
    for name in ("log.gz", "log.txt"):
        assert list(read_lines(tmp_path / name)) == [(1, b"a\n"), (2, b"b")]


def test_missing_file_raises(tmp_path):
    with pytest.raises(FileNotFoundError):
        list(read_lines(tmp_path / "log.gz"))
