"""The header is written only if all shards are complete and belong together."""

import json
import shutil

import numpy as np
import pytest

import keras_din as kd
from keras_din.data.sharded.shard_names import shards_of_users
from tests.data.sharded.shared import random_log

SPLIT = kd.data.ByTime(test_from=1_600_072_000, time_unit="s")
OPTIONS = {"user": "who", "time": "at", "label": "click", "time_unit": "s", "split": SPLIT}
SPEC = kd.data.fit_spec({"item": {"i1": 2, "i2": 1}}, target=["item"], dim=4)
OTHER = kd.data.fit_spec({"item": {"i1": 2, "i3": 1}}, target=["item"], dim=4)


def prepare(folder, shards=3, of=None, spec=SPEC, log=None, **options):
    log = random_log(2) if log is None else log
    number = shards_of_users(log["who"], shards)
    for index in range(shards) if of is None else of:
        rows = log[number == index]
        kd.data.prepare_shard(rows, folder, index, shards, spec, **OPTIONS | options)


def check_refused(folder, error, kind=ValueError, **options):
    with pytest.raises(kind, match=error):
        kd.data.finish_shards(folder, **{"max_bad": 0.2} | options)
    assert not (folder / "sharded.json").exists()


def test_header(tmp_path):
    prepare(tmp_path)
    header = kd.data.finish_shards(tmp_path, max_bad=0.2)
    assert json.loads((tmp_path / "sharded.json").read_text()) == header
    log = random_log(2)
    log = log[log["item"].notna()]
    train = log["at"] < 1_600_072_000
    assert sum(header["rows"]["train"]) == train.sum()
    assert sum(header["rows"]["test"]) == (~train).sum()
    assert header["users"] == [
        log["who"][shards_of_users(log["who"], 3) == i].nunique() for i in range(3)
    ]
    assert header["time_from"] == log["at"].min() * 1_000_000
    assert header["time_to"] == log["at"].max() * 1_000_000
    assert kd.FeatureSpec.from_json(header["spec"]).to_json() == SPEC.to_json()


def test_missing_shards(tmp_path):
    check_refused(tmp_path, "must have shards, such as shard-00000-of-00064", FileNotFoundError)
    prepare(tmp_path, of=[1])
    missing = "without 2 of them: shard-00000-of-00003, shard-00002-of-00003. Prepare them"
    check_refused(tmp_path, missing, FileNotFoundError)


def test_shards_of_another_number(tmp_path):
    prepare(tmp_path)
    prepare(tmp_path, 2, of=[0])
    check_refused(tmp_path, "must be of one number of shards. Received: .* of 2 and of 3")


def test_shards_of_another_spec_or_options(tmp_path):
    prepare(tmp_path, of=[0, 1])
    prepare(tmp_path, of=[2], spec=OTHER)
    check_refused(tmp_path, "shard-00000-of-00003 and shard-00002-of-00003 with another spec")
    shutil.rmtree(tmp_path / "shard-00002-of-00003")
    prepare(tmp_path, of=[2], duplicates="drop")
    check_refused(tmp_path, "with another options or version")


def cut(folder):
    file = next((folder / "parts" / "train").rglob("item.npy"))
    file.write_bytes(file.read_bytes()[:-8])


def shorten(folder):
    for file in (folder / "parts" / "train").rglob("*.npy"):
        np.save(file, np.load(file)[:-1])


DAMAGES = {
    "a header": lambda folder: (folder / "shard.json").unlink(),
    "another header": lambda folder: (folder / "shard.json").write_text("{}"),
    "half a header": lambda folder: (folder / "shard.json").write_text('{"index": 1'),
    "a file": lambda folder: (folder / "prepared.json").unlink(),
    "half a file": cut,
    "a column": lambda folder: next((folder / "parts" / "train").rglob("item.npy")).unlink(),
    "rows": shorten,
    "a part": lambda folder: shutil.rmtree(folder / "parts" / "test"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_half_written_shards(tmp_path, damage):
    prepare(tmp_path)
    damage(tmp_path / "shard-00001-of-00003")
    check_refused(tmp_path, "must be complete. Received: .*shard-00001-of-00003 with")


def test_a_user_in_two_shards(tmp_path):
    prepare(tmp_path)
    one, other = (tmp_path / f"shard-0000{i}-of-00003" for i in (0, 1))
    shutil.copy(one / "users.parquet", other / "users.parquet")
    check_refused(tmp_path, "Each user must be in one shard.*of shard 0 in .*shard-00001")


def test_a_shard_under_another_name(tmp_path):
    prepare(tmp_path)
    shutil.rmtree(tmp_path / "shard-00001-of-00003")
    shutil.copytree(tmp_path / "shard-00000-of-00003", tmp_path / "shard-00001-of-00003")
    check_refused(tmp_path, "must have the name of the shard. Received: .* which has shard 0 of 3")


def test_checks_of_the_whole_log(tmp_path):
    prepare(tmp_path)
    check_refused(tmp_path, "At most 0.1 % of the rows of the log may be kept aside", max_bad=0.001)
    shutil.rmtree(tmp_path)
    late = kd.data.ByTime(test_from=2_000_000_000, time_unit="s")
    prepare(tmp_path, split=late)
    check_refused(tmp_path, r"Each part that `split` names must have rows.*none for \['test'\]")
    kd.data.finish_shards(tmp_path, max_bad=0.2, allow_empty_parts=True)
    shutil.rmtree(tmp_path)
    prepare(tmp_path, log=random_log(2).assign(click=1))
    check_refused(tmp_path, "rows with different labels. Received: 'click' is 1 in all rows")
    shutil.rmtree(tmp_path)
    prepare(tmp_path, log=random_log(2)[:0])
    check_refused(tmp_path, "The shards must have rows. Received: 0 rows")
