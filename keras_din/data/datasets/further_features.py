"""Further features of a published data set."""


def with_features(features: dict | None, **own) -> dict:
    """Returns the features of a data set and those that a user adds.

    Args:
        features: Role (`"target"`, `"context"` or `"side_features"`) -> list of further features.
            `"vectors"` is the dict with the vectors of those that are a `Vector`.
        **own: Role -> list of the features of the data set.

    Raises:
        ValueError: If a role is unknown.
    """
    features = dict(features or {})
    vectors = {word: features.pop(word) for word in ("vectors",) if word in features}
    roles = ("target", "context", "side_features")
    if unknown := [role for role in features if role not in roles]:
        known = [*roles, "vectors"]
        raise ValueError(f"`features` must be a dict of {known}. Received: {unknown}.")
    added = {role: [*own.get(role, ()), *features.get(role, ())] for role in {*own, *features}}
    return added | vectors
