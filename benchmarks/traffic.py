"""Bytes per training step against the size of a table, for the ways to train on several machines.

Two workers train together, or a coordinator with two workers and two parameter servers. All
processes run on this machine, alone in a network namespace, so that the loopback device counts
their bytes and no others. Each byte is counted once.

    python benchmarks/traffic.py
"""

import argparse
import json
import os
import pathlib
import socket
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent
PROCESS = ROOT / "benchmarks" / "harness" / "traffic_process.py"
ENGINES = {
    "sparse": "Two workers, gradients of rows (`LazyAdam`)",
    "dense": "Two workers, dense gradients (`Adam`)",
    "whole": "Two servers, the whole table on one (`LazyAdam`)",
    "shards": "Two servers, a table of two shards (`LazyAdam`)",
}
ALONE = "KERAS_DIN_ALONE"  # Set in the network namespace.
TIMEOUT = 1500


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--steps", type=int, default=20, help="number of counted steps")
    arguments = parser.parse_args()
    if ALONE not in os.environ:
        environment = os.environ | {ALONE: "1"}
        command = ["unshare", "--map-root-user", "--net", sys.executable, *sys.argv]
        sys.exit(subprocess.run(command, env=environment, check=False).returncode)
    start_loopback()
    print(f"| bytes per step, MB | {' | '.join(f'{rows:,} rows' for rows in arguments.rows)} |")
    print(f"|---|{'---|' * len(arguments.rows)}", flush=True)
    for engine in arguments.engines:
        found = measure(engine, arguments)
        cells = " | ".join(f"{bytes_of_step / 1e6:.2f}" for bytes_of_step in found)
        print(f"| {ENGINES[engine]} | {cells} |", flush=True)


def start_loopback() -> None:
    """Starts the loopback device of the namespace, which must have no other one."""
    devices = [line.split(":")[0].strip() for line in counters()]
    if devices != ["lo"]:
        raise SystemExit(
            "The bytes of other programs must not be counted: run in a new network namespace, by "
            f"`unshare`. Received: the devices {devices}."
        )
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def counters() -> list:
    return pathlib.Path("/proc/net/dev").read_text().splitlines()[2:]


def measure(engine: str, arguments) -> list:
    """Starts the processes of an engine. Returns the bytes per step for each number of rows."""
    has_servers = engine in ("whole", "shards")
    tasks = ["worker 0", "worker 1"]
    if has_servers:
        tasks = ["chief 0", *tasks, "ps 0", "ps 1"]
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in tasks]
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    jobs: dict = {}
    for task, address in zip(tasks, addresses, strict=True):
        jobs.setdefault(task.split()[0], []).append(address)
    processes = []
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment |= {"CUDA_VISIBLE_DEVICES": "-1"}
    try:
        for number, task in enumerate(tasks):
            kind, index = task.split()
            config = {"cluster": jobs, "task": {"type": kind, "index": int(index)}}
            words = [sys.executable, PROCESS, engine, kind, arguments.steps, *arguments.rows]
            pipe = subprocess.PIPE if number == 0 else None
            variables = environment | {"TF_CONFIG": json.dumps(config)}
            processes.append(
                subprocess.Popen(list(map(str, words)), env=variables, stdout=pipe, text=True)
            )
        output = processes[0].communicate(timeout=TIMEOUT)[0]
        if processes[0].returncode:
            raise SystemExit(f"{ENGINES[engine]}: failed. {output}")
        return json.loads(output.splitlines()[-1])
    finally:
        for process in processes:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
