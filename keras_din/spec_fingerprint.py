"""The fingerprint of a spec: what a model keeps of the values that it was built for."""

import hashlib
import json
import math
import zlib

from keras_din.features import NUM_RESERVED, FeatureSpec, Numeric, id_feature

_WORDS = {
    "vocabulary": "a vocabulary",
    "hash": "hash buckets",
    "size": "indices",
    "string": "strings",
    "int64": "integers",
}


def fingerprint(spec: FeatureSpec) -> str:
    """What decides which value a row of a table belongs to, as a short JSON text.

    Names of inputs, kinds of features, their values and the order of these, mean and standard
    deviation of a `Numeric`, and which feature tells padding. Not `dim`, `pooling`, `max_length`
    and `max_values`: the model has the first two itself, the others are of data.
    """
    content = _content(spec)
    for name, of_feature in content["features"].items():
        if of_feature.get("way") == "vocabulary":
            of_feature["unordered"] = _unordered(spec.features[name])
    return json.dumps(content, ensure_ascii=False)


def differences(text: str, spec: FeatureSpec, what: str = "the spec") -> list:
    """Where a spec is not the one of a fingerprint, a sentence each; none where it is.

    Args:
        text: What `fingerprint` gave of the spec of a model.
        spec: Another spec. It may have more features than the model.
        what: What to call the other spec in the sentences.
    """
    theirs, ours = json.loads(text), _content(spec)
    # The digests tell whether two vocabularies are equal; this is only for the sentences.
    unordered = {name: was.pop("unordered", None) for name, was in theirs["features"].items()}
    if theirs == ours:
        return []
    found = []
    for name, was in theirs["inputs"].items():
        if ours["inputs"].get(name) != was:
            now = ours["inputs"].get(name)
            has = "nothing" if now is None else f"feature {now!r}"
            found.append(f"input {name!r} is feature {was!r} in the model, {has} in {what}")
    for where, was in theirs["padding"].items():
        now = ours["padding"].get(where)
        if now not in (None, was):
            of = f"Sequence {where!r}" if where else "the target"
            found.append(f"padding of {of} is told by {was!r} in the model, {now!r} in {what}")
    for name, was in theirs["features"].items():
        if name in ours["features"]:
            found += [
                f"feature {name!r}: {how}"
                for how in _differ(
                    was, ours["features"][name], spec.features[name], what, unordered[name]
                )
            ]
    return found


def fingerprints_of(model) -> list:
    """The fingerprints that a model and its layers carry, at any depth; each once."""
    found = [getattr(layer, "fingerprint", None) for layer in model._flatten_layers()]
    return list(dict.fromkeys(text for text in found if isinstance(text, str)))


def check_fingerprint(model, spec: FeatureSpec | None, what: str = "`spec`") -> bool:
    """Raises a `ValueError` that names the features in which a spec is not that of a model.

    Args:
        model: Any Keras model.
        spec: The spec, or `None` where it is not known.
        what: What has the spec, for the error.

    Returns:
        Whether the model carries a fingerprint to be compared with.
    """
    texts = fingerprints_of(model)
    if spec is not None:
        refuse_differences([how for text in texts for how in differences(text, spec)], what)
    return bool(texts)


def refuse_differences(found: list, what: str) -> None:
    """Raises a `ValueError` with the sentences of `differences`, if there are any."""
    if found:
        raise ValueError(
            f"{what} must have the features that the model was built with, with the same values in "
            "the same order: they are the rows of its tables. Received another: "
            f"{'; '.join(found)}."
        )


def _content(spec) -> dict:
    first = {"": id_feature(spec.target).name}
    first |= {sequence.name: id_feature(sequence.of).name for sequence in spec.sequences}
    return {
        "inputs": {name: info.feature.name for name, info in spec.inputs.items()},
        "padding": first,
        "features": {name: _of_feature(feature) for name, feature in spec.features.items()},
    }


def _of_feature(feature) -> dict:
    kind = {"kind": type(feature).__name__}
    if isinstance(feature, Numeric):
        return kind | {"mean": feature.mean, "std": feature.std}
    if feature.vocabulary is not None:
        way, values = "vocabulary", _of_values(feature)
    else:
        way, values = "size" if feature.hash_buckets is None else "hash", {}
    size = feature.vocabulary_size - NUM_RESERVED
    return kind | {"way": way, "dtype": feature.dtype, "size": size} | values


def _of_values(feature) -> dict:
    """Of a vocabulary; computed once for each feature, since it may be long."""
    cache = vars(feature)  # A frozen dataclass lets no attribute be set.
    if "_digests" not in cache:
        values = feature.vocabulary
        cache["_digests"] = _digests(values, _ends(len(values)))
    return {"digests": cache["_digests"]}


def _unordered(feature) -> int:
    """The same for the same values in any order; computed once for each feature, when asked for."""
    cache = vars(feature)
    if "_unordered" not in cache:
        texts = list(map(str, feature.vocabulary))
        try:
            encoded = list(map(str.encode, texts))  # Loops in C, for vocabularies of millions.
        except UnicodeEncodeError:  # Half of a surrogate pair.
            encoded = map(_encoded, texts)
        cache["_unordered"] = sum(map(zlib.crc32, encoded))
    return cache["_unordered"]


def _digests(values, ends) -> list:
    """A digest of the first 1, 2, 4, ... values, and of all: they tell where two lists part."""
    digest, found, start = hashlib.blake2b(digest_size=8), [], 0
    for end in ends:
        # JSON, in which no two lists look alike, and a list that ends early is another.
        digest.update(_encoded(json.dumps(values[start:end])))
        found.append(digest.hexdigest())
        start = end
    return found


def _ends(size: int) -> list:
    return [2**i for i in range(size.bit_length()) if 2**i < size] + [size]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _differ(was: dict, now: dict, feature, what: str, unordered) -> list:
    """How a feature of a spec differs from what the model was built with."""
    if was == now:
        return []
    if was["kind"] != now["kind"]:
        return [f"a {was['kind']} in the model, a {now['kind']} in {what}"]
    if was["kind"] == "Numeric":
        # The last digits of a mean depend on how it was computed, and say nothing.
        scale = {"mean": was["std"], "std": was["std"]}
        return [
            f"its {word} is {was[word]:g} in the model, {now[word]:g} in {what}"
            for word in ("mean", "std")
            if not math.isclose(was[word], now[word], rel_tol=1e-6, abs_tol=1e-6 * scale[word])
        ]
    for word in ("way", "dtype"):
        if was[word] != now[word]:
            told = f"{_WORDS[was[word]]} in the model, {_WORDS[now[word]]} in {what}"
            return [f"its values are {told}"]
    if was["way"] != "vocabulary":
        return [f"it has {was['size']} values in the model, {now['size']} in {what}"]
    return [_other_values(was, now, feature, what, unordered)]


def _other_values(was: dict, now: dict, feature, what: str, unordered) -> str:
    """Of two vocabularies: whether they hold the same, and where they part."""
    values = feature.vocabulary
    same = was["size"] == now["size"] and unordered == _unordered(feature)
    sizes = f"{was['size']:,} in the model, {now['size']:,} in {what}"
    how = "the same values in another order" if same else f"other values ({sizes})"
    ends = _ends(was["size"])
    pairs = zip(was["digests"], _digests(values, ends), strict=False)
    part = next((i for i, (a, b) in enumerate(pairs) if a != b), len(ends))
    if part == len(ends):
        return f"{how}; {what} has more, from index {was['size'] + NUM_RESERVED} on"
    # One of the two may end here.
    start, end = ends[part - 1] if part else 0, min(ends[part], len(values) + 1)
    where = f"at index {start + NUM_RESERVED}"
    if end - start > 1:
        where = f"at an index of {start + NUM_RESERVED} to {end - 1 + NUM_RESERVED}"
    return f"{how}; they part {where}, where {what} has {_some(values[start:end])}"


def _some(values) -> str:
    if not values:
        return "nothing"
    return repr(values[0]) if len(values) == 1 else f"{values[0]!r} to {values[-1]!r}"
