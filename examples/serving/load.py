"""Asks a server again and again from several threads, and prints how fast it answers.

python load.py exported_models/shop/1795578995/keras_din.json users.json --model shop \\
    --protocol grpc --address localhost:8500 --threads 8 --seconds 10

Each request holds one user of the file, the next one in turn. The times are those of a client on
this machine: with the JSON or the tensors made, the way there and back, and the server's work.
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
    """Asks from `threads` threads until `seconds` are over.

    `with connect() as ask` gives each thread a connection of its own, and `ask(user)` is one
    request. The first of each thread is not counted.

    Returns:
        Requests, requests a second, and the median and the 99th percentile of their
        milliseconds. An error in a thread is raised.
    """
    times = [[] for _ in range(threads)]
    errors = []
    ready = threading.Barrier(threads)

    def work(mine):
        try:
            with connect() as ask:
                turn = itertools.cycle(users)
                ask(next(turn))
                ready.wait()
                end = time.perf_counter() + seconds
                while (start := time.perf_counter()) < end:
                    ask(next(turn))
                    mine.append(time.perf_counter() - start)
        except threading.BrokenBarrierError:
            pass  # Another thread tells why.
        except Exception as error:
            errors.append(error)
            ready.abort()

    workers = [threading.Thread(target=work, args=(mine,)) for mine in times]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if errors:
        raise errors[0]
    all_times = [1000 * value for mine in times for value in mine]
    cuts = statistics.quantiles(all_times, n=100, method="inclusive")
    return {
        "requests": len(all_times),
        "requests_per_second": len(all_times) / seconds,
        "p50_ms": cuts[49],
        "p99_ms": cuts[98],
    }


def over(protocol: str, address: str, model: str, description: dict):
    """The `connect` of `measure` over a protocol, `"grpc"` or `"rest"`."""
    if protocol == "grpc":
        import grpc_client as client
    else:
        import rest_client as client

    @contextlib.contextmanager
    def connect():
        with client.connect(address) as connection:
            yield lambda user: client.ask(connection, model, description, [user])

    return connect


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("description", help="keras_din.json of a version")
    parser.add_argument("users", help="JSON file with a list of users")
    parser.add_argument("--model", required=True, help="its name on the server")
    parser.add_argument("--protocol", choices=("grpc", "rest"), default="grpc")
    parser.add_argument("--address", help="default: localhost:8500, of REST localhost:8501")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args(words)
    default = {"grpc": "localhost:8500", "rest": "localhost:8501"}[options.protocol]
    description = read_description(options.description)
    with open(options.users, encoding="utf-8") as file:
        users = json.load(file)
    connect = over(options.protocol, options.address or default, options.model, description)
    found = measure(connect, users, options.threads, options.seconds)
    print(
        f"{options.protocol}, {options.threads} threads: {found['requests']} requests, "
        f"{found['requests_per_second']:.0f} a second, p50 {found['p50_ms']:.2f} ms, "
        f"p99 {found['p99_ms']:.2f} ms"
    )


if __name__ == "__main__":
    main()
