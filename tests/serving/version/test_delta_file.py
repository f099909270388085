"""The file of a delta gives all bytes of the new folder, or an error."""

import errno
import json
import random

import pytest

from keras_din.serving.version import delta_file
from keras_din.serving.version.delta_file import MAGIC, checksums, open_delta
from tests.serving.version.two_versions import contents, fake_delta, two_versions


@pytest.fixture
def versions(tmp_path):
    return two_versions(tmp_path / "trainer")


@pytest.fixture
def delta(tmp_path, versions):
    return fake_delta(tmp_path / "7.delta", *versions)


def test_all_files_have_the_same_bytes(tmp_path, versions, delta):
    base, new = versions
    (tmp_path / "made").mkdir()
    with open_delta(delta) as opened:
        opened.write_files(base, tmp_path / "made")
        header = opened.header
    assert contents(tmp_path / "made") == contents(new)
    assert {"assets", "emptied", "assets.extra/more"} <= contents(new).keys()
    assert header["base_files"] == checksums(base)
    assert header["files"] == checksums(new)
    assert header["segments"].keys() == {
        *("variables/data", "keras_din.json", "assets.extra/more", "filled", "emptied")
    }
    # 40 of 3,010 rows of 64 bytes.
    assert delta.stat().st_size < 10_000 < (new / "variables" / "data").stat().st_size / 19


def test_the_same_versions_give_the_same_bytes(tmp_path, versions, delta):
    again = fake_delta(tmp_path / "again.delta", *versions)
    assert again.read_bytes() == delta.read_bytes()


def test_a_byte_that_changed_or_lacks_is_found(delta):
    content = delta.read_bytes()
    chance = random.Random(0)
    header = len(MAGIC) + 32 + 8
    places = [*range(header + 5), *(chance.randrange(len(content)) for _ in range(200))]
    for place in [*places, len(content) - 1]:
        damaged = bytearray(content)
        damaged[place] ^= 1 << chance.randrange(8)
        refused(delta, damaged)
    for size in [*range(header + 2), *(chance.randrange(len(content)) for _ in range(100))]:
        refused(delta, content[:size])
    refused(delta, content[:-1])
    refused(delta, content + b"\n")
    refused(delta, b"PK" + content)


def refused(delta, content):
    delta.write_bytes(content)
    message = r"complete and unchanged\. Received: .*Copy it again"
    with pytest.raises(ValueError, match=message), open_delta(delta):
        pytest.fail("a damaged file was opened")


def test_other_files(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        message = "a file that `make_delta` wrote"
        with pytest.raises(FileNotFoundError, match=message), open_delta(path):
            pytest.fail("it was opened")


@pytest.mark.parametrize("name", ["../8", "/8", "variables/../../8"])
def test_no_file_is_written_outside_of_the_version(delta, versions, monkeypatch, name):
    with monkeypatch.context() as patch:
        patch.setattr(delta_file, "checksums", lambda folder: {name: "1"})
        fake_delta(delta, *versions)
    with pytest.raises(ValueError, match="outside of the version"), open_delta(delta):
        pytest.fail("it was opened")


def test_a_full_disk_leaves_the_old_file(delta, versions, monkeypatch):
    before = delta.read_bytes()

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(delta_file.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        fake_delta(delta, *versions)
    assert delta.read_bytes() == before
    assert sorted(path.name for path in delta.parent.iterdir()) == ["7.delta", "trainer"]


def test_folders_behind_links_belong_to_a_version(tmp_path, versions, delta):
    base, _ = versions
    (base / "variables").rename(tmp_path / "variables")
    (base / "variables").symlink_to(tmp_path / "variables")
    with open_delta(delta) as opened:
        assert checksums(base) == opened.header["base_files"]


def test_the_header_is_json(delta):
    content = delta.read_bytes()[len(MAGIC) + 32 :]
    size = int.from_bytes(content[:8], "little")
    assert json.loads(content[8 : 8 + size])["version"] == 7
