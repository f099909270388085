"""The fingerprint of a spec, which a model stores to recognize its spec."""

import hashlib
import json
import math
import zlib

from keras_din.features import (
    DEFAULT_LABEL,
    DEFAULT_OUTPUT,
    NUM_RESERVED,
    FeatureSpec,
    id_feature,
)

_DEFAULT_LABELS = {DEFAULT_OUTPUT: DEFAULT_LABEL}  # Not written into a fingerprint.
_MOST = 8  # The most entries of a list that a sentence has.
_DESCRIPTIONS = {
    "vocabulary": "a vocabulary",
    "hash": "hash buckets",
    "size": "indices",
    "string": "strings",
    "int64": "integers",
}


def fingerprint(spec: FeatureSpec) -> str:
    """Returns a short JSON text with all that determines the meaning of a model's inputs.

    It contains the names of inputs, the kinds of features, their values in order with the spare
    rows, the transform, mean and standard deviation of a `Numeric`, the boundaries of buckets, the
    checksum of the vectors of a `Vector`, the features that determine padding, and the label of
    each output unless these are the default ones. It does not contain `dim`, `shards` and
    `pooling`, which the model has itself, and `max_length` and `max_values`, which concern only
    data.
    """
    content = _content(spec)
    for name, entry in content["features"].items():
        if entry.get("way") == "vocabulary":
            entry["unordered"] = _unordered_checksum(spec.features[name])
    return json.dumps(content, ensure_ascii=False)


def differences(text: str, spec: FeatureSpec, what: str = "the spec") -> list:
    """Lists the differences between a fingerprint and a spec, one sentence each.

    Args:
        text: The fingerprint of the spec of a model.
        spec: Another spec. It may have more features than the model.
        what: The name of the other spec in the sentences.
    """
    model_content, content = json.loads(text), _content(spec)
    # Two vocabularies are equal if their digests are. The checksums are only used in the sentences.
    unordered = {
        name: was.pop("unordered", None) for name, was in model_content["features"].items()
    }
    if model_content == content:
        return []
    found = []
    for name, was in model_content["inputs"].items():
        if content["inputs"].get(name) != was:
            now = content["inputs"].get(name)
            has = "nothing" if now is None else f"feature {now!r}"
            found.append(f"input {name!r} is feature {was!r} in the model, {has} in {what}")
    was, now = (each.get("labels", _DEFAULT_LABELS) for each in (model_content, content))
    if was != now:
        found.append(f"the labels by output are {was} in the model, {now} in {what}")
    for sequence, was in model_content["padding"].items():
        now = content["padding"].get(sequence)
        if now not in (None, was):
            owner = f"Sequence {sequence!r}" if sequence else "the target"
            found.append(
                f"padding of {owner} is determined by {was!r} in the model, {now!r} in {what}"
            )
    for name, was in model_content["features"].items():
        if name in content["features"]:
            found += [
                f"feature {name!r}: {difference}"
                for difference in _feature_differences(
                    was, content["features"][name], spec.features[name], what, unordered[name]
                )
            ]
    return found


def grown_fingerprint(text: str, new_spec: FeatureSpec) -> str:
    """Returns the fingerprint of a model for a spec whose vocabularies have grown.

    Args:
        text: The fingerprint of the model before.
        new_spec: The spec after, see `keras_din.spec_growth`. It may have more features than the
            model.
    """
    content, new_content = json.loads(text), json.loads(fingerprint(new_spec))
    content["features"] = {name: new_content["features"][name] for name in content["features"]}
    return json.dumps(content, ensure_ascii=False)


def fingerprints_of(model) -> list:
    """Returns the distinct fingerprints of a model and its layers, at any depth."""
    found = [getattr(layer, "fingerprint", None) for layer in model._flatten_layers()]
    return list(dict.fromkeys(text for text in found if isinstance(text, str)))


def check_fingerprint(model, spec: FeatureSpec | None, what: str = "`spec`") -> bool:
    """Raises a `ValueError` that names the features that differ between a spec and a model.

    Args:
        model: Any Keras model.
        spec: The spec, or `None` if it is not known.
        what: The owner of the spec, for the error.

    Returns:
        Whether the model has a fingerprint.
    """
    texts = fingerprints_of(model)
    if spec is not None:
        refuse_differences([each for text in texts for each in differences(text, spec)], what)
    return bool(texts)


def refuse_differences(found: list, what: str) -> None:
    """Raises a `ValueError` with the sentences of `differences`, unless there are none."""
    if found:
        raise ValueError(
            f"{what} must have the features that the model was built with, with the same values in "
            "the same order: they are the rows of its tables. It must have the same labels. "
            f"Received a different one: {'; '.join(found)}."
        )


def _content(spec) -> dict:
    padding = {"": id_feature(spec.target).name}
    padding |= {sequence.name: id_feature(sequence.of).name for sequence in spec.sequences}
    content = {
        "inputs": {name: info.feature.name for name, info in spec.fields.items()},
        "padding": padding,
        "features": {name: _feature_content(feature) for name, feature in spec.features.items()},
    }
    labels = {label.output: _label_content(label) for label in spec.labels}
    return content if labels == _DEFAULT_LABELS else content | {"labels": labels}


def _label_content(label):
    """Returns the name of a label, with what its output means if this is no plain probability."""
    of_training = ("weight", "delta")
    meaning = {name: value for name, value in label.options.items() if name not in of_training}
    return {"name": label.name} | meaning if meaning else label.name


def _feature_content(feature) -> dict:
    content = {"kind": type(feature).__name__} | feature.identity()
    return content | (_vocabulary_content(feature) if content.get("way") == "vocabulary" else {})


def _vocabulary_content(feature) -> dict:
    """Returns the digests of a vocabulary, which are cached: a vocabulary may be long."""
    cache = vars(feature.table.values)  # A frozen dataclass does not allow setting attributes.
    if "_digests" not in cache:
        values = feature.vocabulary
        cache["_digests"] = _digests(values, _ends(len(values)))
    return {"digests": cache["_digests"]}


def _unordered_checksum(feature) -> int:
    """Returns a checksum of the values that does not depend on their order; cached."""
    cache = vars(feature.table.values)
    if "_unordered" not in cache:
        _, values = feature.table.values.known
        texts = list(map(str, values))
        try:
            encoded = list(map(str.encode, texts))  # `map` is faster for millions of values.
        except UnicodeEncodeError:  # A lone surrogate.
            encoded = list(map(_encoded, texts))
        cache["_unordered"] = sum(map(zlib.crc32, encoded))
    return cache["_unordered"]


def _digests(values, ends) -> list:
    """Digests the first 1, 2, 4, ... and all values, to find where two lists first differ."""
    digest, found, start = hashlib.blake2b(digest_size=8), [], 0
    for end in ends:
        # In JSON, different lists have different texts, also if one is a prefix of the other.
        digest.update(_encoded(json.dumps(values[start:end])))
        found.append(digest.hexdigest())
        start = end
    return found


def _ends(size: int) -> list:
    return [2**i for i in range(size.bit_length()) if 2**i < size] + [size]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _feature_differences(was: dict, now: dict, feature, what: str, unordered) -> list:
    """Describes how a feature of a spec differs from the feature of the model."""
    if was == now:
        return []
    if was["kind"] != now["kind"]:
        return [f"a {was['kind']} in the model, a {now['kind']} in {what}"]
    if was.get("table") != now.get("table"):
        tables = [each.get("table", feature.name) for each in (was, now)]
        return [f"its table is {tables[0]!r} in the model, {tables[1]!r} in {what}"]
    if was.get("weights") != now.get("weights"):
        weights = [each.get("weights") for each in (was, now)]
        return [f"its `weights` is {weights[0]!r} in the model, {weights[1]!r} in {what}"]
    if "way" not in was:
        return [
            _field_difference(word, was.get(word), now.get(word), what)
            for word in was | now
            if not _close(was.get(word), now.get(word), was.get("std", 1.0))
        ]
    for word in ("way", "dtype"):
        if was[word] != now[word]:
            was_described, now_described = (_DESCRIPTIONS[each[word]] for each in (was, now))
            return [f"its values are {was_described} in the model, {now_described} in {what}"]
    if was["way"] != "vocabulary":
        return [f"it has {was['size']} values in the model, {now['size']} in {what}"]
    return [_vocabulary_difference(was, now, feature, what, unordered)]


def _close(was, now, scale: float) -> bool:
    """Returns whether two fields are equal, except for the last digits of numbers.

    The last digits of a mean depend on how it was computed.
    """
    if isinstance(was, list) and isinstance(now, list):
        pairs = zip(was, now, strict=False)
        return len(was) == len(now) and all(_close(a, b, 0.0) for a, b in pairs)
    if not (isinstance(was, float) and isinstance(now, float)):
        return was == now
    return math.isclose(was, now, rel_tol=1e-6, abs_tol=1e-6 * scale)


def _field_difference(word: str, was, now, what: str) -> str:
    """Describes how a field of a feature differs. Of two long lists it names the first entry."""
    if isinstance(was, list) and isinstance(now, list) and max(len(was), len(now)) > _MOST:
        if len(was) != len(now):
            return f"its {word} are {len(was)} in the model, {len(now)} in {what}"
        pairs = enumerate(zip(was, now, strict=True))
        place = next(i for i, (a, b) in pairs if not _close(a, b, 0.0))
        word, was, now = f"{word}[{place}]", was[place], now[place]
    return f"its {word} is {_number(was)} in the model, {_number(now)} in {what}"


def _number(value) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)


def _vocabulary_difference(was: dict, now: dict, feature, what: str, unordered) -> str:
    """Describes whether two vocabularies have the same values, and their first difference."""
    values = feature.vocabulary
    if was["digests"] == now["digests"]:
        return f"its capacity is {was['size']:,} in the model, {now['size']:,} in {what}"
    entries, others = (each.get("entries", each["size"]) for each in (was, now))
    same_values = entries == others and unordered == _unordered_checksum(feature)
    sizes = f"{entries:,} in the model, {others:,} in {what}"
    how = "the same values in another order" if same_values else f"other values ({sizes})"
    ends = _ends(entries)
    pairs = zip(was["digests"], _digests(values, ends), strict=False)
    first_different = next((i for i, (a, b) in enumerate(pairs) if a != b), len(ends))
    if first_different == len(ends):
        return f"{how}; {what} has more, from index {entries + NUM_RESERVED} on"
    start = ends[first_different - 1] if first_different else 0
    end = min(ends[first_different], len(values) + 1)  # One of the two may end here.
    where = f"at index {start + NUM_RESERVED}"
    if end - start > 1:
        where = f"at an index from {start + NUM_RESERVED} to {end - 1 + NUM_RESERVED}"
    return (
        f"{how}; they first differ {where}, where {what} has {_first_and_last(values[start:end])}"
    )


def _first_and_last(values) -> str:
    if not values:
        return "nothing"
    return repr(values[0]) if len(values) == 1 else f"{values[0]!r} to {values[-1]!r}"
