"""Ranks candidates by a server over REST and prints them, the best first.

python rest_client.py exported_models/shop/1795578995/keras_din.json users.json --model shop

It requires only the standard library. A request has one of two forms: `inputs`, with one list per
input, or `instances`, with one object per user.
"""

import argparse
import contextlib
import http.client
import json

from rank_request import print_ranking, rank_inputs, read_description


def connect(address: str, timeout: float = 10.0):
    """Opens a connection to `host:port`, for one thread. It is reused for all requests."""
    return contextlib.closing(http.client.HTTPConnection(address, timeout=timeout))


def rank(connection, model: str, description: dict, users: list, form: str = "inputs") -> dict:
    """Returns the outputs, such as `ctr`, and `order` of each user's candidates as nested lists.

    Raises:
        RuntimeError: With the server's error.
    """
    columns = rank_inputs(description, users)
    if form == "instances":
        rows = [{name: columns[name][i] for name in columns} for i in range(len(users))]
        answer = _post(connection, model, {"signature_name": "rank", "instances": rows})
        rows = answer["predictions"]
        names = description["signatures"]["rank"]["outputs"]
        return {name: [row[name] for row in rows] for name in names}
    return _post(connection, model, {"signature_name": "rank", "inputs": columns})["outputs"]


def _post(connection, model: str, content: dict) -> dict:
    connection.request(
        "POST",
        f"/v1/models/{model}:predict",
        json.dumps(content).encode(),
        {"Content-Type": "application/json"},
    )
    response = connection.getresponse()
    text = response.read().decode()
    if response.status != 200:
        raise RuntimeError(
            f"The server must answer with status 200. Received: {response.status}: {text}"
        )
    return json.loads(text)


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("description", help="keras_din.json of a version")
    parser.add_argument("users", help="JSON file with a list of users")
    parser.add_argument("--model", required=True, help="name of the model on the server")
    parser.add_argument("--address", default="localhost:8501")
    parser.add_argument("--form", choices=("inputs", "instances"), default="inputs")
    options = parser.parse_args(words)
    description = read_description(options.description)
    with open(options.users, encoding="utf-8") as file:
        users = json.load(file)
    with connect(options.address) as connection:
        answer = rank(connection, options.model, description, users, options.form)
    print_ranking(description, users, answer)


if __name__ == "__main__":
    main()
