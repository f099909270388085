"""Further features of a published data set."""


def with_features(features: dict | None, **own) -> dict:
    """Returns the features of a data set and those that a user adds.

    Args:
        features: Role (`"target"`, `"context"` or `"side_features"`) -> list of further features.
        **own: Role -> list of the features of the data set.

    Raises:
        ValueError: If a role is unknown.
    """
    features = dict(features or {})
    roles = ("target", "context", "side_features")
    if unknown := [role for role in features if role not in roles]:
        raise ValueError(f"`features` must be a dict of {list(roles)}. Received: {unknown}.")
    return {role: [*own.get(role, ()), *features.get(role, ())] for role in {*own, *features}}
