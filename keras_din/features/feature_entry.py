"""Features as entries of a file of features: a type, its arguments, and where they stand."""

import inspect
from typing import Any

from keras_din.features.kind import KINDS, Feature

# Argument of the `prepare_*` functions -> the role of its features, see `Feature.roles`.
PLACES = {"target": "target", "context": "context", "side_features": "behavior"}
TYPE, IN = "type", "in"  # Keys of an entry that are not arguments of the kind.


def is_entry(entry: Any) -> bool:
    """Whether a JSON value is an entry of a file of features."""
    return isinstance(entry, dict) and TYPE in entry


def places_of_entry(name: str, entry: dict) -> tuple[str, ...]:
    """Returns the keys of `PLACES` that an entry names, or raises a `ValueError`."""
    places = entry.get(IN, ())
    places = (places,) if isinstance(places, str) else places
    if not isinstance(places, (list, tuple)) or any(place not in PLACES for place in places):
        raise ValueError(
            f"`{IN}` of the feature {name!r} must be a list of the places {list(PLACES)}. "
            f"Received: {entry[IN]!r}."
        )
    return tuple(dict.fromkeys(places))


def feature_from_entry(name: str, entry: dict, dim: int | None = None) -> Feature:
    """Returns the feature of an entry, such as `{"type": "Elapsed", "dim": 8}`.

    The entry has the `type`, which is the name of a registered kind, and its arguments. Its `in`
    names places; see `places_of_entry`.

    Args:
        name: Name of the feature.
        entry: The entry, a dict of JSON values.
        dim: The `dim` of a kind that has one, if the entry has neither `dim` nor `table`.

    Raises:
        ValueError: If there is no such type, argument or place, an argument is missing or invalid,
            or a feature of this kind cannot be in a place.
    """
    kind = KINDS.get(entry[TYPE]) if isinstance(entry[TYPE], str) else None
    if kind is None:
        raise ValueError(
            f"`{TYPE}` of the feature {name!r} must be one of {sorted(KINDS)}. "
            f"Received: {entry[TYPE]!r}."
        )
    arguments = {word: value for word, value in entry.items() if word not in (TYPE, IN)}
    parameters = dict(inspect.signature(kind).parameters)
    parameters.pop("name")
    _check_arguments(f"{kind.__name__} {name!r}", arguments, parameters)
    takes_dim = "dim" in parameters and "dim" not in arguments and "table" not in arguments
    try:
        feature: Feature = kind(name=name, **arguments)
        # The function that learns a vocabulary has the width.
        if dim is not None and takes_dim and "vocabulary" not in feature.to_learn:
            feature = kind(name=name, **arguments | {"dim": dim})
    except TypeError as error:  # From a value of another type.
        raise ValueError(
            f"The arguments of the {kind.__name__} {name!r} must be valid. "
            f"Received: {arguments} ({error})."
        ) from error
    allowed = [word for word, role in PLACES.items() if role in feature.roles]
    for place in places_of_entry(name, entry):
        if place not in allowed:
            raise ValueError(
                f"`{IN}` of the {kind.__name__} {name!r} must be some of {allowed}. "
                f"Received: {place!r}."
            )
    return feature


def _check_arguments(owner: str, arguments: dict, parameters: dict) -> None:
    """Raises a `ValueError` if an argument is unknown or missing."""
    if unknown := [word for word in arguments if word not in parameters]:
        raise ValueError(
            f"The arguments of the {owner} must be some of {list(parameters)}. Received: {unknown}."
        )
    needed = [word for word, each in parameters.items() if each.default is each.empty]
    if lacking := [word for word in needed if word not in arguments]:
        raise ValueError(
            f"The {owner} must have the arguments {needed}. Received: none for {lacking}."
        )
