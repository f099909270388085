"""Starts the processes of several workers on this machine, and ends all of them."""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parent.parent.parent


def free_addresses(count):
    """Returns addresses with ports that are free now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    finally:
        for each in sockets:
            each.close()


@contextlib.contextmanager
def started(commands, **environment):
    """Context manager that starts a process per command, and kills those that still run."""
    environment = (
        os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"} | environment
    )
    environment.pop("TF_CONFIG", None)
    options = {"cwd": ROOT, "env": environment, "text": True}
    options |= {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    processes = []
    try:
        for command in commands:
            processes.append(subprocess.Popen([sys.executable, *map(str, command)], **options))
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def wait_for(processes, timeout=400):
    """Waits until all processes have ended. Returns their exit codes and their output."""
    end = time.monotonic() + timeout
    outputs = [process.communicate(timeout=end - time.monotonic())[0] for process in processes]
    return [process.returncode for process in processes], outputs
