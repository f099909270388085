"""Print requests that an exported version accepts, as JSON, in both forms of the REST API.

The values are drawn at random from the vocabularies of the version. Without --signature, all
requests are printed: signature, then "row" (a list of rows) or "column" (a list per input). With
it, the body of one request is printed.

  keras-din sample-request exported_models/din
  keras-din sample-request exported_models/din --signature rank --candidates 100 |
      curl -d @- http://localhost:8501/v1/models/din:predict
"""

import json

_FORMS = ("row", "column")
_SIGNATURES = ("serving_default", "rank")  # Those of `keras_din.serving.graph.signatures`.


def add_arguments(parser):
    """Adds the arguments of the command."""
    parser.add_argument("version", help="the folder of a version, or of versions (the newest)")
    parser.add_argument(
        "--signature",
        choices=_SIGNATURES,
        help="print the body of one request of this signature (default: all requests)",
    )
    parser.add_argument(
        "--form", choices=_FORMS, help="with --signature: the form of the request (default column)"
    )
    parser.add_argument(
        "--rows", type=int, default=2, metavar="N", help="number of users or requests (default 2)"
    )
    parser.add_argument(
        "--candidates", type=int, default=3, metavar="N", help="candidates of each (default 3)"
    )
    parser.add_argument(
        "--time",
        type=int,
        default=3,
        metavar="N",
        help="width of each history: behaviors, then padding (default 3)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the values")


def run(options) -> None:
    """Prints the requests."""
    if options.form and not options.signature:
        raise ValueError(
            f"`--form` must be given with `--signature`. Received: --form {options.form}."
        )
    from keras_din.serving import sample_request

    requests = sample_request(
        options.version,
        rows=options.rows,
        candidates=options.candidates,
        time=options.time,
        seed=options.seed,
    )
    content = requests
    if options.signature:
        content = requests[options.signature][options.form or "column"]
    print(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False))
