"""Options for the types of columns, given on the command line or in a file."""

import argparse
import json

from keras_din.cli.tables import names

_FORMS = '"numeric", "categorical", "bag", {"bag": SEPARATOR} or {"hash": BUCKETS}'


def add_arguments(parser) -> None:
    """Adds the options for the types of columns."""
    types = parser.add_argument_group(
        "types of columns",
        "The types of other columns are detected, and printed with the reason.",
    )
    types.add_argument(
        "--numeric", type=names, default=[], metavar="A,B", help="amounts, including whole numbers"
    )
    types.add_argument(
        "--categorical",
        type=names,
        default=[],
        metavar="A,B",
        help="ids or categories, even if they look like numbers",
    )
    types.add_argument(
        "--hash",
        type=_buckets,
        default={},
        metavar="NAME=BUCKETS",
        help="categories without a vocabulary, whose text is hashed, as in device=100000",
    )
    types.add_argument(
        "--bags",
        "--bag",
        type=names,
        default=[],
        metavar="A,B",
        help="features whose text contains several values, as in Action|Comedy; columns of lists "
        "are detected",
    )
    types.add_argument(
        "--separator",
        metavar="TEXT",
        help="separator of the values of --bags, and of bags in --spec (default |)",
    )
    types.add_argument(
        "--spec",
        metavar="FILE",
        help="types from a JSON file: the spec.json of prepared data, whose features are used "
        f"unchanged, or an object of column names and types, which are {_FORMS}",
    )


def features_and_types(options) -> dict:
    """Returns `target`, `context`, `side_features`, `numeric`, `categorical` and `bags`.

    These are arguments of `prepare_impressions` and `prepare_interactions`.

    Raises:
        ValueError: If a column has two types, a name is not a feature, the file is not valid, or
            `--separator` applies to no feature.
    """
    from keras_din.data.reading.bag_cells import SEPARATOR
    from keras_din.features import Categorical

    separator = SEPARATOR if options.separator is None else options.separator
    known, types = _read(options.spec) if options.spec else ({}, {})
    pairs: list[tuple[str, str | dict]] = [(name, "numeric") for name in options.numeric]
    pairs += [(name, "categorical") for name in options.categorical]
    pairs += [(name, {"bag": separator}) for name in options.bags]
    pairs += [(name, {"hash": buckets}) for name, buckets in options.hash.items()]
    typed: dict[str, str | dict] = {}
    for name, kind in pairs:
        if typed.setdefault(name, kind) != kind:
            raise ValueError(
                "A column must be named in one of `--numeric`, `--categorical`, `--hash` and "
                f"`--bags`. Received: {name!r} in two."
            )
    types = types | typed  # Options override the file.
    features = [*options.target, *options.context, *options.side_features]
    if lacking := [name for name in types if name not in features]:
        raise ValueError(
            "Only features, which `--target`, `--context` and `--side-features` name, must have "
            f"types: {features}. Received: {lacking}."
        )
    known = {name: feature for name, feature in known.items() if name not in types}
    by_kind: dict[str, list] = {"numeric": [], "categorical": []}
    bags: dict[str, str] = {}
    of_file = [name for name in features if name in known and known[name].axes]
    if options.separator is not None:
        bags = dict.fromkeys(of_file, separator)
        if not of_file and not any(kind in ("bag", {"bag": separator}) for kind in types.values()):
            raise ValueError(
                "`--separator` requires features of several values in `--bags` or `--spec`. "
                f"Received: --separator {separator} and no such feature."
            )
    for name, kind in types.items():
        if kind == "bag":
            kind = {"bag": separator}
        if isinstance(kind, str):
            by_kind[kind].append(name)
        elif "bag" in kind:
            bags[name] = kind["bag"]
        else:
            known[name] = Categorical(name, hash_buckets=kind["hash"], dim=_dim(options, name))
    features_of = {
        word: [known.get(name, name) for name in getattr(options, word)]
        for word in ("target", "context", "side_features")
    }
    return by_kind | {"bags": bags} | features_of


def _dim(options, name: str) -> int | None:
    """The width of a feature; `None` is the default."""
    return options.dim.get(name) if isinstance(options.dim, dict) else options.dim


def _read(path: str):
    """Reads `(features, types)` from a file. One of them is empty."""
    from keras_din.features import FeatureSpec

    with open(path, encoding="utf-8-sig") as file:
        text = file.read()
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ValueError(f"`--spec` must be a JSON file. Received: {path} ({error}).") from None
    if isinstance(content, dict) and isinstance(content.get("features"), list):
        return FeatureSpec.from_json(text).features, {}
    types = content if isinstance(content, dict) else {"": content}
    for name, kind in types.items():
        if not _is_type(kind):
            raise ValueError(
                "`--spec` must hold the JSON of a FeatureSpec, or an object of column names and "
                f"types: {_FORMS}. Received: {kind!r} for {name!r} in {path}."
            )
    return {}, types


def _is_type(kind) -> bool:
    if isinstance(kind, dict) and len(kind) == 1:
        return isinstance(kind.get("bag", kind.get("hash")), str if "bag" in kind else int)
    return kind in ("numeric", "categorical", "bag")


def _buckets(text: str) -> dict:
    """Parses `NAME=BUCKETS,...` as a dict."""
    found = {}
    for pair in names(text):
        name, _, buckets = pair.rpartition("=")
        if not name or not buckets.isdecimal() or not int(buckets):
            raise argparse.ArgumentTypeError(
                f"must be NAME=BUCKETS, as in device=100000. Received: {pair!r}."
            )
        found[name] = int(buckets)
    return found
