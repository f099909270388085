"""A request to rank: users with their histories and candidates, for ours and for peers. NumPy."""

import numpy as np


def request(items: int, categories: int, users: int, history: int, candidates: int) -> dict:
    """Indices by the names of the spec: `(users, candidates)` and `(users, history)`, int32.

    `items` and `categories` are the sizes of the vocabularies; none of the indices is padding.
    """
    rng = np.random.default_rng(0)
    inputs = {}
    for prefix, width in (("", candidates), ("hist_", history)):
        for name, size in (("item_id", items), ("cate_id", categories)):
            inputs[prefix + name] = rng.integers(2, size, (users, width)).astype(np.int32)
    return inputs


def tiled(inputs: dict) -> dict:
    """The same request for a model without a candidate axis: a row a candidate, `(rows,)` and
    `(rows, history)`.
    """
    candidates = inputs["item_id"].shape[1]
    return {
        name: np.repeat(values, candidates, axis=0) if name.startswith("hist") else values.ravel()
        for name, values in inputs.items()
    }
