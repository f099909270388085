"""One shard: complete or not there, the same after a second call, and nothing is written over."""

import json
import multiprocessing
import zlib

import pandas as pd
import pytest

import keras_din as kd
from keras_din.data.sharded.shard_names import shards_of_users
from tests.data.sharded.shared import comparable_rows, random_log

SPLIT = kd.data.ByTime(test_from=1_600_072_000, time_unit="s")
COLUMNS = {"user": "who", "time": "at", "label": "click", "time_unit": "s", "split": SPLIT}
ITEMS = {f"i{i}": 20 - i for i in range(20)}
SPEC = kd.data.fit_spec({"item": ITEMS}, target=["item"], dim=4)


def shard_of(log, index, shards):
    return log[shards_of_users(log["who"], shards) == index]


def prepare(folder, index, shards=2, spec=SPEC, log=None, **options):
    rows = shard_of(random_log(0) if log is None else log, index, shards)
    return kd.data.prepare_shard(rows, folder, index, shards, spec, **COLUMNS | options)


def test_shard_is_a_folder_of_prepared_data(tmp_path):
    path = prepare(tmp_path, 1)
    assert path == tmp_path / "shard-00001-of-00002"
    data = kd.data.PreparedData.load(path)
    log = random_log(0)
    one = kd.data.prepare_impressions(log, target=SPEC.target, max_bad=0.2, **COLUMNS)
    users = set(shard_of(log, 1, 2)["who"])
    expected = {
        part: {line: row for line, row in rows.items() if row["user"] in users}
        for part, rows in comparable_rows(one).items()
    }
    assert comparable_rows(data) == expected
    assert {*data.user_values} == users


def test_users_are_spread_by_their_crc32():
    assert zlib.crc32(b"ann") % 7 == shards_of_users(["ann", "bob"], 7)[0]
    assert zlib.crc32(b"12") % 7 == shards_of_users([12], 7)[0]
    floats = shards_of_users(pd.Series([12.0, None]), 7)  # pandas' integers with missing values.
    assert floats.tolist() == [zlib.crc32(b"12") % 7, 0]
    assert shards_of_users([], 7).tolist() == []


def test_a_second_call_changes_nothing(tmp_path):
    path = prepare(tmp_path, 0)
    before = {file: file.stat().st_mtime_ns for file in path.rglob("*")}
    assert prepare(tmp_path, 0) == path
    assert {file: file.stat().st_mtime_ns for file in path.rglob("*")} == before


def test_other_content_is_not_written_over(tmp_path):
    path = prepare(tmp_path, 0)
    header = (path / "shard.json").read_text()
    with pytest.raises(FileExistsError, match="which has another spec or other options"):
        prepare(tmp_path, 0, duplicates="drop")
    with pytest.raises(FileExistsError, match=r"which has other rows. Remove it"):
        prepare(tmp_path, 0, log=random_log(1))
    assert (path / "shard.json").read_text() == header
    (path / "shard.json").unlink()
    with pytest.raises(FileExistsError, match="which has no complete shard"):
        prepare(tmp_path, 0)


def test_a_failed_call_leaves_no_folder(tmp_path):
    log = random_log(0)
    log.loc[log.index[0], "click"] = 2
    index = int(shards_of_users(log["who"][:1], 2)[0])
    with pytest.raises(ValueError, match="Every row must be good when `strict`"):
        prepare(tmp_path, index, log=log, strict=True)
    assert not list(tmp_path.iterdir())


def test_calls_at_the_same_time_write_one_shard(tmp_path):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        paths = pool.starmap(prepare, [(tmp_path, 0)] * 4)
    assert {*paths} == {tmp_path / "shard-00000-of-00002"}
    assert [path.name for path in tmp_path.iterdir()] == ["shard-00000-of-00002"]


def test_a_shard_may_be_empty(tmp_path):
    path = prepare(tmp_path, 0, log=random_log(0)[:0])
    assert json.loads((path / "shard.json").read_text())["rows"] == {}


def test_users_of_another_shard_are_refused(tmp_path):
    rows = random_log(0)
    with pytest.raises(ValueError, match=r"must have the rows of its own users.*of shard 1 in"):
        kd.data.prepare_shard(rows, tmp_path, 0, 2, SPEC, **COLUMNS)


@pytest.mark.parametrize(
    "options, error",
    [
        ({"time_unit": "auto"}, "`time_unit` must be given for a shard"),
        ({"split": None}, "must name moments, which are the same for all shards"),
        ({"split": kd.data.LastFraction()}, r"Use\s+`LastFraction\(...\).by_time"),
        ({"split": kd.data.ByUser()}, "since ByUser numbers all users"),
        ({"users": pd.DataFrame()}, "without `users`. Join the table of users"),
        ({"vectors": {"v": 1}}, "without `vectors`"),
        ({"target": ["item"]}, r"must be those of `spec`. Received: also \['target'\]"),
        ({"label": ["click", "like"]}, "must be those of the spec. Received: the labels"),
    ],
)
def test_options_that_do_not_apply(tmp_path, options, error):
    with pytest.raises(ValueError, match=error):
        prepare(tmp_path, 0, **options)
    assert not list(tmp_path.glob("shard*"))


def test_numbers_of_shards(tmp_path):
    with pytest.raises(ValueError, match="`index` must be the number of a shard, from 0 to 1"):
        prepare(tmp_path, 2)
