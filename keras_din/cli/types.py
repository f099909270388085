"""Options for the types of columns and for further features, also in a file."""

import argparse
import itertools
import json

from keras_din.cli.tables import names

_TYPES = '"numeric", "categorical", "bag", {"bag": SEPARATOR}, {"hash": BUCKETS}, {"vector": SIZE}'
_FORMS = _TYPES + ' or {"type": KIND, ARGUMENT: VALUE, "in": [PLACE]}'


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
        "--vectors",
        type=name_and_file,
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="a feature of the item: precomputed vectors from a Parquet, Arrow, ORC or JSON lines "
        "file with a column of the item and a column of lists. They are projected to the width "
        "--dim. Repeatable. It is a feature of the target unless --context or --side-features "
        "name it. The vectors of a file of --spec are by default those of --items",
    )
    types.add_argument(
        "--vector",
        type=_sizes,
        default={},
        metavar="NAME=SIZE",
        help="columns with one vector per row, lists of SIZE numbers or text such as 0.1|0.2, of "
        "--target, --context or --side-features. They are projected to the width --dim",
    )
    types.add_argument(
        "--spec",
        metavar="FILE",
        help="types from a JSON file: the spec.json of prepared data, whose features are used "
        "unchanged, and labels of the same names, "
        f"or an object of names and types, which are {_FORMS}. The last form may be a "
        "feature without a column: it also is in the places that are named, which are target, "
        'context and side_features, as in {"ago": {"type": "Elapsed", "in": ["side_features"]}}',
    )
    types.add_argument(
        "--features",
        choices=("auto",),
        help="propose features that can be computed from the log, print the reasons, and use them; "
        "features.json in the folder of the data has them, for --spec",
    )
    types.add_argument(
        "--time-zone",
        metavar="ZONE",
        help="with --features auto: the time zone of the hour of the day and the day of the week, "
        "such as Europe/Berlin or +05:30 (default UTC)",
    )


def read_spec(options) -> dict:
    """Returns name -> type of a column, entry of a feature, or `Feature`, of the file of `--spec`.

    Raises:
        ValueError: If the file is not valid, or an option does not apply.
    """
    if options.features and options.spec:
        raise ValueError(
            "`--features auto` must be given without `--spec`, whose file has the features. "
            f"Received: --spec {options.spec}."
        )
    if options.time_zone and not options.features:
        raise ValueError(
            "`--time-zone` requires `--features auto`. In a file of `--spec` each Calendar has its "
            f"`time_zone`. Received: --time-zone {options.time_zone}."
        )
    if options.time_zone:  # Before the log is read.
        from keras_din.features import Calendar

        Calendar("hour_of_day", time_zone=options.time_zone)
    return _read(options.spec) if options.spec else {}


def labels_of_spec(options) -> tuple:
    """Returns the labels of the file of `--spec` if it is the `spec.json` of prepared data."""
    from keras_din.features import FeatureSpec

    if not options.spec:
        return ()
    with open(options.spec, encoding="utf-8-sig") as file:
        text = file.read()
    return FeatureSpec.from_json(text).labels if _is_spec(json.loads(text)) else ()


def can_be_saved(entries: dict) -> bool:
    """Whether entries have types and features as JSON values, and not those of a `FeatureSpec`."""
    return bool(entries) and all(isinstance(each, (str, dict)) for each in entries.values())


def features_and_types(options, entries: dict) -> dict:
    """Returns `target`, `context`, `side_features`, `numeric`, `categorical`, `bags`, `vectors`.

    These are arguments of `prepare_impressions`, `prepare_interactions` and `prepare_rows`.

    Args:
        options: The options of the command.
        entries: The result of `read_spec`, or the entries of a proposal.

    Raises:
        ValueError: If a column has two types, a name is not a feature, an entry is not valid, or
            `--separator` applies to no feature.
    """
    from keras_din.features import Feature, is_entry

    of_entries = {
        name: _of_entry(options, name, each) for name, each in entries.items() if is_entry(each)
    }
    known = {name: each for name, each in entries.items() if isinstance(each, Feature)}
    known |= {name: feature for name, (feature, _) in of_entries.items()}
    types = _types(options, {n: each for n, each in entries.items() if n not in known}, of_entries)
    vectors, of_vectors = _vectors(options, known, of_entries)
    by_place = _names_by_place(options, types, of_entries, of_vectors)
    for name in types:  # Types of options override features of the file.
        known.pop(name, None)
    known |= of_vectors | _features_of_types(options, types)
    features = {
        place: [known.get(name, name) for name in names] for place, names in by_place.items()
    }
    return {
        "numeric": [name for name, kind in types.items() if kind == "numeric"],
        "categorical": [name for name, kind in types.items() if kind == "categorical"],
        "bags": _bags(options, types, features),
        "vectors": vectors,
        **features,
    }


def _types(options, of_file: dict, of_entries: dict) -> dict:
    """Returns name -> type: those of the file, and those of options, which override the file.

    Raises:
        ValueError: If options name a column with two types.
    """
    separator = _separator(options)
    of_options: dict[str, str | dict] = {}
    pairs: list[tuple[str, str | dict]] = [
        *((name, "numeric") for name in options.numeric),
        *((name, "categorical") for name in options.categorical),
        *((name, {"bag": separator}) for name in options.bags),
        *((name, {"hash": buckets}) for name, buckets in options.hash.items()),
        *((name, {"vector": size}) for name, size in options.vector.items()),
    ]
    for name, kind in pairs:
        if of_options.setdefault(name, kind) != kind:
            raise ValueError(
                "A column must be named in one of `--numeric`, `--categorical`, `--hash`, `--bags` "
                f"and `--vector`. Received: {name!r} in two."
            )
    types = {name: {"bag": separator} if kind == "bag" else kind for name, kind in of_file.items()}
    for name, kind in of_options.items():
        # An entry whose values are numbers is kept, with its arguments.
        if kind != "numeric" or name not in of_entries or not of_entries[name][0].takes_numbers:
            types[name] = kind
    return types


def _separator(options) -> str:
    from keras_din.data.reading.bag_cells import SEPARATOR

    return SEPARATOR if options.separator is None else options.separator


def _with_argument(types: dict, word: str) -> dict:
    """Returns name -> argument of the types that are `{word: argument}`."""
    return {n: kind[word] for n, kind in types.items() if isinstance(kind, dict) and word in kind}


def _features_of_types(options, types: dict) -> dict:
    """Returns name -> feature of the types that are not detected from the values of a column."""
    from keras_din.features import Categorical, Vector

    features: dict = {}
    for name, size in _with_argument(types, "vector").items():
        features[name] = Vector(name, size, project_to=_dim(options, name) or 16)
    for name, buckets in _with_argument(types, "hash").items():
        features[name] = Categorical(name, hash_buckets=buckets, dim=_dim(options, name))
    return features


def _bags(options, types: dict, features: dict) -> dict:
    """Returns name -> separator of text with several values. `features` are those of each place.

    Raises:
        ValueError: If no such feature has the separator of `--separator`.
    """
    bags = _with_argument(types, "bag")
    if options.separator is None:
        return bags
    of_several = [
        feature.name
        for feature in itertools.chain(*features.values())
        if not isinstance(feature, str) and feature.axes
    ]
    if not of_several and options.separator not in bags.values():
        raise ValueError(
            "`--separator` requires features of several values in `--bags` or `--spec`, or "
            "vectors. "
            f"Received: --separator {options.separator} and no such feature."
        )
    return bags | dict.fromkeys(of_several, options.separator)


def _names_by_place(options, types: dict, of_entries: dict, of_vectors: dict) -> dict:
    """Returns the names of features by the places `target`, `context` and `side_features`.

    Raises:
        ValueError: If a name with a type, or an entry, has no place.
    """
    from keras_din.features import PLACES

    by_place = {place: list(getattr(options, place)) for place in PLACES}
    for name, (_, places) in of_entries.items():
        for place in places:
            if name not in by_place[place]:
                by_place[place].append(name)
    placed = list(itertools.chain(*by_place.values()))
    others = [name for name in of_vectors if name not in placed]
    by_place["target"] += others
    placed += others
    if lacking := [name for name in [*types, *of_entries] if name not in placed]:
        raise ValueError(
            "Only features must have types: those that `--target`, `--context` and "
            "`--side-features` name, and those of the file of `--spec` with a place in `in`: "
            f"{placed}. Received: {lacking}."
        )
    return by_place


def name_and_file(text: str) -> tuple:
    """Parses `NAME=FILE` as a pair."""
    name, equals, file = text.partition("=")
    if not (name and equals and file):
        raise argparse.ArgumentTypeError(f"must be NAME=FILE. Received: {text!r}.")
    return name, file


def _vectors(options, known: dict, of_entries: dict) -> tuple:
    """Returns name -> vectors, of `--vectors` and of entries, and name -> `Vector` of `--vectors`.

    The vectors of entries are by default in the table of `--items`.
    """
    from keras_din.data.reading.vector_source import read_vectors
    from keras_din.features import Vector

    of_items = {n for n, each in known.items() if isinstance(each, Vector) and not each.is_sent}
    vectors, features = {}, {}
    if options.items is not None:
        vectors = {name: options.items for name in of_entries if name in of_items}
    for name, file in options.vectors:
        if name in of_items:  # With the settings of the file.
            vectors[name], features[name] = file, known[name]
            continue
        vectors[name] = read_vectors(name, file, options.target[0])
        size = vectors[name].values.shape[1]
        width = _dim(options, name)
        features[name] = Vector(name, size, options.target[0], project_to=width or 16)
    return vectors, features


def _dim(options, name: str) -> int | None:
    """The width of a feature; `None` is the default."""
    return options.dim.get(name) if isinstance(options.dim, dict) else options.dim


def _of_entry(options, name: str, entry: dict) -> tuple:
    """Returns the feature of an entry and its places."""
    from keras_din.features import feature_from_entry, places_of_entry

    try:
        return feature_from_entry(name, entry, _dim(options, name)), places_of_entry(name, entry)
    except ValueError as error:
        if options.spec is None:
            raise
        raise ValueError(f"{error} It is in the file {options.spec}.") from error


def _read(path: str) -> dict:
    """Reads the names and types, entries or features of a file."""
    from keras_din.features import FeatureSpec, is_entry

    with open(path, encoding="utf-8-sig") as file:
        text = file.read()
    try:
        content = json.loads(text, object_pairs_hook=_without_repetition)
    except ValueError as error:
        raise ValueError(f"`--spec` must be a JSON file. Received: {path} ({error}).") from None
    if _is_spec(content):
        return FeatureSpec.from_json(text).features
    types = content if isinstance(content, dict) else {"": content}
    for name, kind in types.items():
        if not _is_type(kind) and not is_entry(kind):
            raise ValueError(
                "`--spec` must hold the JSON of a FeatureSpec, or an object of column names and "
                f"types: {_FORMS}. Received: {kind!r} for {name!r} in {path}."
            )
    return types


def _is_spec(content) -> bool:
    """Whether JSON content is that of a `FeatureSpec`."""
    return isinstance(content, dict) and isinstance(content.get("features"), list)


def _without_repetition(pairs: list) -> dict:
    """Returns a JSON object as a dict, or raises a `ValueError` if a name occurs twice."""
    names = [name for name, _ in pairs]
    if repeated := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise ValueError(f"twice in one object: {repeated[0]!r}")
    return dict(pairs)


def _is_type(kind) -> bool:
    if isinstance(kind, dict) and len(kind) == 1:
        (word, value), types = *kind.items(), {"bag": str, "hash": int, "vector": int}
        return isinstance(value, types.get(word, ())) and not isinstance(value, bool)
    return kind in ("numeric", "categorical", "bag")


def _buckets(text: str) -> dict:
    """Parses `NAME=BUCKETS,...` as a dict."""
    return _numbers(text, "NAME=BUCKETS, as in device=100000")


def _sizes(text: str) -> dict:
    """Parses `NAME=SIZE,...` as a dict."""
    return _numbers(text, "NAME=SIZE, as in query_embedding=64")


def _numbers(text: str, form: str) -> dict:
    """Parses pairs of a name and a positive number as a dict. `form` is for errors."""
    found = {}
    for pair in names(text):
        name, _, number = pair.rpartition("=")
        if not name or not number.isdecimal() or not int(number):
            raise argparse.ArgumentTypeError(f"must be {form}. Received: {pair!r}.")
        found[name] = int(number)
    return found
