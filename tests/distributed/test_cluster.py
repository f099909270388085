"""The cluster of arguments or of `TF_CONFIG`, and errors for those that name no worker."""

import json

import pytest

from keras_din.distributed import Cluster, read_cluster

TWO = ["10.0.0.1:4000", "host:4001"]


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)


def config(monkeypatch, cluster, kind="worker", index=0):
    content = {"cluster": cluster, "task": {"type": kind, "index": index}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(content))


def test_arguments():
    cluster = read_cluster(TWO, 1)
    assert cluster == read_cluster("10.0.0.1:4000,host:4001", 1) == Cluster(tuple(TWO), 1)
    assert read_cluster("10.0.0.1:4000, host:4001", 1) == cluster
    assert cluster.address == ("host", 4001)
    assert read_cluster("[::1]:4000", 0).address == ("::1", 4000)
    content = {"cluster": {"worker": TWO}, "task": {"type": "worker", "index": 1}}
    assert json.loads(cluster.tf_config()) == content


def test_no_cluster(monkeypatch):
    assert read_cluster() is None
    monkeypatch.setenv("TF_CONFIG", " ")
    assert read_cluster() is None


def test_environment(monkeypatch):
    config(monkeypatch, {"worker": TWO}, index=1)
    assert read_cluster() == Cluster(tuple(TWO), 1)
    assert read_cluster(["other:1"], 0) == Cluster(("other:1",), 0)
    config(monkeypatch, {"chief": TWO[:1], "worker": TWO[1:]}, "chief")
    assert read_cluster() == Cluster(tuple(TWO), 0)
    config(monkeypatch, {"chief": TWO[:1], "worker": TWO[1:]}, "worker")
    assert read_cluster() == Cluster(tuple(TWO), 1)


@pytest.mark.parametrize(
    "workers, index, message",
    [
        (TWO, 2, r"`index` must be a number from 0 to 1, .* Received: index=2\."),
        (TWO, -1, r"Received: index=-1\."),
        (TWO, None, r"with the `index` of this worker\. .* index=None\."),
        (None, 0, r"`index` must be given with `workers`\. Received: index=0"),
        ([], 0, r"at least one \"HOST:PORT\"\. Received: none\."),
        (["host"], 0, r"must be \"HOST:PORT\" each.* Received: 'host'\."),
        ([" host:1"], 0, r"must be \"HOST:PORT\" each.* Received: ' host:1'\."),
        (2, 0, r"must be a list of \"HOST:PORT\", .* Received: workers=2\."),
        (["host:0"], 0, r"Received: 'host:0'\."),
        (["host:70000"], 0, r"Received: 'host:70000'\."),
        ([TWO[0], TWO[0]], 0, r"`workers` must be distinct\. Received: workers="),
    ],
)
def test_invalid_arguments_raise(workers, index, message):
    with pytest.raises(ValueError, match=message):
        read_cluster(workers, index)


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        "{}",
        '{"cluster": {}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": []}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "chief", "index": 0}}',
        '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "ps", "index": 0}}',
    ],
)
def test_environment_that_names_nobody_raises(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match=r"variable TF_CONFIG must be JSON like .* Received: '"):
        read_cluster()
