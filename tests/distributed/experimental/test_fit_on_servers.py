"""Training on servers equals one process, survives killed workers, and resumes.

All tests start processes, so they are in the slow part.
"""

import contextlib
import re
import signal
import socket
import threading
import time

import pytest

import keras_din as kd
from tests.distributed.shared import free_addresses, started

MODULE = "tests.distributed.experimental.on_servers"
LIMIT = 580  # Seconds of a test.
WITHIN = 30  # Seconds in which training ends after a server was killed.

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("servers")
    data = kd.data.synthetic_log(30, 12, interests=2, categories=5, held_out=2, dim=4)
    data.save(folder / "data")
    return folder


class Processes:
    """The processes of a cluster: two workers, two servers, and coordinators one by one."""

    def __init__(self, folder, stack):
        addresses = free_addresses(5)
        self.cluster = (addresses[0], ",".join(addresses[1:3]), ",".join(addresses[3:]))
        self.folder, self.stack = folder, stack
        self.running, self.lines = {}, []
        for task in ("worker", "ps"):
            for index in range(2):
                self.start(task, index)

    def start(self, task, index=0, *scenarios):
        command = ["-m", MODULE, task, index, *self.cluster, self.folder, *scenarios]
        (process,) = self.stack.enter_context(started([command]))
        self.running[task, index] = process
        lines = []
        if task == "chief":
            self.lines = lines

        def read():
            with contextlib.suppress(ValueError):  # The pipe is closed when the test ends.
                for line in process.stdout:
                    lines.append(line)

        # Read at once, so that the pipe is never full.
        threading.Thread(target=read, daemon=True).start()
        return process

    def kill(self, task, index):
        process = self.running[task, index]
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=60) == -signal.SIGKILL

    def start_server_1(self):
        """Starts the server 1 again and waits until it listens."""
        self.start("ps", 1)
        host, port = self.cluster[2].split(",")[1].split(":")
        end = time.monotonic() + LIMIT
        while True:
            try:
                return socket.create_connection((host, int(port)), timeout=2).close()
            except OSError:
                assert time.monotonic() < end
                time.sleep(0.1)

    def steps(self):
        return self.lines.count("step\n")

    def wait_until(self, is_true, timeout=LIMIT):
        end = time.monotonic() + timeout
        while not is_true():
            assert self.running["chief", 0].poll() is None, self.output()
            assert time.monotonic() < end, self.output()
            time.sleep(0.02)

    def wait_for_steps(self):
        """Waits until more steps finish than those that were running."""
        seen = self.steps()
        self.wait_until(lambda: self.steps() > seen + 20)

    def output(self):
        return "".join(line for line in self.lines if line != "step\n")

    def finish(self, *expected):
        """Waits until the coordinator has ended. Its output must have the expected words."""
        chief = self.running["chief", 0]
        code = chief.wait(timeout=LIMIT)
        time.sleep(0.2)  # Until the last lines are read.
        output = self.output()
        assert code == 0, output
        for words in expected:
            assert re.search(rf"^{words}: ", output, re.MULTILINE), output


@pytest.fixture
def processes(folder):
    with contextlib.ExitStack() as stack:
        yield Processes(folder, stack)


def test_training_on_servers(processes):
    scenarios = ["one_at_a_time", "rows_of_tables", "no_step_is_lost", "invalid_arguments"]
    processes.start("chief", 0, *scenarios)
    processes.finish(*scenarios)


def test_killed_workers_rejoin(processes, folder):
    """A worker that was killed is started again. Then it computes all steps alone."""
    (folder / "enough").unlink(missing_ok=True)
    processes.start("chief", 0, "workers_end")
    processes.wait_until(lambda: processes.steps() > 20)
    processes.kill("worker", 1)
    processes.wait_for_steps()
    processes.start("worker", 1)
    processes.wait_until(lambda: "Cluster successfully recovered" in processes.output())
    processes.kill("worker", 0)
    processes.wait_for_steps()
    (folder / "enough").touch()
    processes.finish("workers_end")


def test_a_killed_server_ends_training_which_resumes(processes, folder):
    """Also one that was started again before the coordinator noticed it: it is empty."""
    for is_started_again in (True, False):
        processes.start("chief", 0, "server_ends")
        processes.wait_until(lambda: processes.steps() > 10)
        (folder / "pause").touch()
        time.sleep(1)  # The running step ends.
        processes.kill("ps", 1)
        if is_started_again:
            processes.start_server_1()
        (folder / "pause").unlink()
        begin = time.monotonic()
        assert processes.running["chief", 0].wait(timeout=LIMIT) != 0
        assert time.monotonic() - begin < WITHIN
        time.sleep(0.2)
        received = "All parameter servers must run until the end. Received: a server that has ended"
        assert received in processes.output()
        assert "its variables are lost: 'ps' 1 (" in processes.output()
    processes.start_server_1()
    processes.start("chief", 0, "resumes")
    processes.finish("resumes")
