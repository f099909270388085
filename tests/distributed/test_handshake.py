"""Workers find each other, and each of them gets an error if one is missing or differs."""

import concurrent.futures
import socket
import time

import pytest

from keras_din.distributed.cluster import Cluster
from keras_din.distributed.handshake import meet, versions
from tests.distributed.shared import free_addresses


def results(calls):
    """Runs calls at once. Returns the result or the error of each."""

    def result(call):
        try:
            return call()
        except (OSError, ValueError) as error:
            return error

    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(result, calls))


def calls(addresses, of_workers, timeout=20.0, first=0):
    return [
        lambda i=i, own=own: meet(Cluster(tuple(addresses), i), own, timeout)
        for i, own in enumerate(of_workers, first)
    ]


def test_three_workers_meet_and_see_an_end():
    chief, *others = results(calls(free_addresses(3), [versions()] * 3))
    try:
        for peers in (chief, *others):
            peers.check()
        others[0].close(started=True)  # Has started, and so its connection may end.
        time.sleep(0.2)
        chief.check()
        others[1].close(started=False)
        time.sleep(0.2)
        with pytest.raises(ConnectionError, match=r"worker 2 at 127.* has ended during the start"):
            chief.check()
    finally:
        chief.close(started=False)


def test_all_workers_report_other_versions():
    own = [{"keras_din": "0.2"}, {"keras_din": "0.2"}, {"keras_din": "0.3"}]
    for error in results(calls(free_addresses(3), own)):
        assert "All workers must have the same versions" in str(error)
        assert "{'keras_din': '0.2'} on worker 0 and {'keras_din': '0.3'} on worker 2" in str(error)


def test_all_workers_report_another_list_of_workers():
    addresses = free_addresses(2)
    other = Cluster((*addresses, "127.0.0.1:1"), 1)
    found = results([*calls(addresses, [{}]), lambda: meet(other, {}, 20.0)])
    for error in found:
        assert "All workers must have the same list of workers. Received: [" in str(error)


def test_all_workers_report_one_that_does_not_start():
    found = results(calls(free_addresses(3), [{}] * 2, timeout=1.0))
    assert isinstance(found[0], TimeoutError)
    for error in found:
        assert "All workers must start within 1 seconds. Received: nothing from worker 2" in str(
            error
        )


def test_a_chief_that_does_not_start():
    (error,) = results(calls(free_addresses(2), [{}], timeout=0.5, first=1))
    assert "within 0.5 seconds. Received: nothing from worker 0 at 127.0.0.1" in str(error)


def test_a_port_in_use():
    addresses = free_addresses(2)
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(addresses[1].split(":")[1])))
        other.listen()
        chief, worker = results(calls(addresses, [{}] * 2, timeout=1.0))
    assert "must be able to listen on the port" in str(worker)
    assert "Address already in use" in str(worker)
    assert "nothing from worker 1" in str(chief)


def test_a_worker_that_ends_while_others_start():
    addresses = free_addresses(3)
    host, port = addresses[0].split(":")

    def ends():
        for _ in range(100):
            try:
                with socket.create_connection((host, int(port))) as connection:
                    connection.sendall(b'{"index": 1}\n')
                return None
            except OSError:
                time.sleep(0.05)
        raise AssertionError

    begin = time.monotonic()
    (chief, _) = results([*calls(addresses, [{}], timeout=30.0), ends])
    assert "worker 1 at" in str(chief)
    assert "has ended during the start. Start all workers again." in str(chief)
    assert time.monotonic() - begin < 15


def test_other_connections_are_ignored():
    addresses = free_addresses(2)

    def stranger():
        for _ in range(100):
            try:
                with socket.create_connection(("127.0.0.1", int(addresses[0].split(":")[1]))) as c:
                    c.sendall(b"GET / HTTP/1.1\r\n\r\n")
                return meet(Cluster(tuple(addresses), 1), {}, 20.0)
            except ConnectionRefusedError:
                time.sleep(0.05)
        raise AssertionError

    chief, worker = results([*calls(addresses, [{}]), stranger])
    chief.close(started=True)
    worker.check()
    worker.close(started=True)
