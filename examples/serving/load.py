"""Measures how fast a server ranks: requests per second and latencies, from several threads.

python load.py exported_models/shop/1795578995/keras_din.json users.json --model shop \\
    --protocol grpc --address localhost:8500 --threads 8 --seconds 10

Each request has one user of the file, in turn. The latency is that of a client on this machine: it
includes encoding the request, the network and the server.
"""

import argparse
import contextlib
import itertools
import json
import statistics
import threading
import time

from rank_request import read_description


def measure(connect, users: list, threads: int, seconds: float) -> dict:
    """Sends requests from `threads` threads for `seconds`.

    `with connect() as rank` opens one connection per thread, and `rank(user)` sends one request.
    The first request of each thread is not counted. An error in a thread is raised.

    Returns:
        A dict with `requests`, `requests_per_second`, and `p50_ms` and `p99_ms`, the median and
        the 99th percentile of the latency.
    """
    times = [[] for _ in range(threads)]
    errors = []
    ready = threading.Barrier(threads)

    def work(own_times):
        try:
            with connect() as rank:
                users_in_turn = itertools.cycle(users)
                rank(next(users_in_turn))
                ready.wait()
                end = time.perf_counter() + seconds
                while (start := time.perf_counter()) < end:
                    rank(next(users_in_turn))
                    own_times.append(time.perf_counter() - start)
        except threading.BrokenBarrierError:
            pass  # The error of another thread is raised.
        except Exception as error:
            errors.append(error)
            ready.abort()

    workers = [threading.Thread(target=work, args=(each,)) for each in times]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if errors:
        raise errors[0]
    all_times = [1000 * value for each in times for value in each]
    cuts = statistics.quantiles(all_times, n=100, method="inclusive")
    return {
        "requests": len(all_times),
        "requests_per_second": len(all_times) / seconds,
        "p50_ms": cuts[49],
        "p99_ms": cuts[98],
    }


def connector(protocol: str, address: str, model: str, description: dict):
    """Returns the argument `connect` of `measure` for a protocol, `"grpc"` or `"rest"`."""
    if protocol == "grpc":
        import grpc_client as client
    else:
        import rest_client as client

    @contextlib.contextmanager
    def connect():
        with client.connect(address) as connection:
            yield lambda user: client.rank(connection, model, description, [user])

    return connect


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("description", help="keras_din.json of a version")
    parser.add_argument("users", help="JSON file with a list of users")
    parser.add_argument("--model", required=True, help="name of the model on the server")
    parser.add_argument("--protocol", choices=("grpc", "rest"), default="grpc")
    parser.add_argument("--address", help="default: localhost:8500, for REST localhost:8501")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args(words)
    default = {"grpc": "localhost:8500", "rest": "localhost:8501"}[options.protocol]
    description = read_description(options.description)
    with open(options.users, encoding="utf-8") as file:
        users = json.load(file)
    connect = connector(options.protocol, options.address or default, options.model, description)
    found = measure(connect, users, options.threads, options.seconds)
    print(
        f"{options.protocol}, {options.threads} threads: {found['requests']} requests, "
        f"{found['requests_per_second']:.0f} per second, p50 {found['p50_ms']:.2f} ms, "
        f"p99 {found['p99_ms']:.2f} ms"
    )


if __name__ == "__main__":
    main()
