"""A request of the signature `rank`: users with histories and candidates. Requires only NumPy."""

import numpy as np


def make_request(items: int, categories: int, users: int, history: int, candidates: int) -> dict:
    """Draws a request.

    Args:
        items: Size of the vocabulary of items.
        categories: Size of the vocabulary of categories.
        users: Number of users.
        history: Behaviors per user.
        candidates: Candidates per user.

    Returns:
        Name -> int32 indices, none of them padding: candidates `(users, candidates)`, behaviors
        `(users, history)`.
    """
    rng = np.random.default_rng(0)
    inputs = {}
    for prefix, width in (("", candidates), ("hist_", history)):
        for name, size in (("item_id", items), ("cate_id", categories)):
            inputs[prefix + name] = rng.integers(2, size, (users, width)).astype(np.int32)
    return inputs


def one_row_per_candidate(inputs: dict) -> dict:
    """Repeats the histories of a request for a model without a candidate axis.

    Returns:
        Name -> indices: candidates `(rows,)`, behaviors `(rows, history)`.
    """
    candidates = inputs["item_id"].shape[1]
    return {
        name: np.repeat(values, candidates, axis=0) if name.startswith("hist") else values.ravel()
        for name, values in inputs.items()
    }
