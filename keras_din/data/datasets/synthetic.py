"""A synthetic log from a known click law, so that the best possible metrics are known too."""

import os

import numpy as np

from keras_din.atomic_write import atomic_folder
from keras_din.data.datasets.bayes_optimal import BestReachable
from keras_din.data.datasets.synthetic_law import SyntheticLaw
from keras_din.data.prepare.days_folder import save_growth
from keras_din.data.prepare.prepared_data import HEADER, PreparedData, save_header
from keras_din.data.prepare.split import PARTS
from keras_din.data.store.arrays import save_pieces, strip_prefix
from keras_din.data.store.behavior_log import BehaviorLog
from keras_din.data.store.samples import Samples

__all__ = ["synthetic_log", "write_synthetic_log"]


def synthetic_log(
    users: int = 4_000,
    impressions_per_user: int = 40,
    *,
    interests: int = 4,
    categories: int = 100,
    items_per_category: int = 10,
    click: float = 0.9,
    held_out: int = 4,
    dim: int = 16,
    seed: int = 0,
) -> PreparedData:
    """Creates a log of users with a few interests, who click only items of these interests.

    The law: each user has `interests` (K) interests, drawn uniformly from `categories` (T). The
    category of an impression is drawn from the user's interests with probability 1/2, else from
    all categories. Its item is drawn uniformly from the category. An item of an interest is
    clicked with probability `click` (p), any other item never.

    So every click reveals an interest, and the best prediction is known (see
    `bayes_optimal_scores`). A model must find the candidate's category among the behaviors. Target
    attention can do this; a mean over many behaviors loses it when the embedding is narrow.

    Args:
        users: Number of users.
        impressions_per_user: Impressions per user, one hour apart. The history of an impression
            are the clicks before it.
        interests: Interests per user, K.
        categories: Number of categories, T.
        items_per_category: Items per category.
        click: Probability p of a click on an item of an interest.
        held_out: Impressions per user in each of `valid` and `test`. The last ones are `test`,
            the ones before them `valid`.
        dim: Width of the embeddings.
        seed: Seed of all random draws.

    Returns:
        A `PreparedData` with target `item_id` and `cate_id`, and the sequence `hist` of both.
        `report["best_reachable"]` has, for each part, the `gauc`, `auc` and `logloss` that no
        model surpasses except by chance.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    ```python
    data = kd.data.synthetic_log(users=20, seed=1)
    data.report["best_reachable"]["test"]["auc"]
    ```
    """
    law = SyntheticLaw(
        users,
        impressions_per_user,
        interests,
        categories,
        items_per_category,
        click,
        held_out,
        dim,
        seed,
    )
    best = _new_best()
    pieces = list(_pieces(law, best))
    arrays = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    return PreparedData(
        law.spec,
        {"hist": BehaviorLog.from_arrays(strip_prefix(arrays, "behaviors/hist"))},
        {part: Samples.from_arrays(strip_prefix(arrays, f"parts/{part}")) for part in PARTS},
        _report(law, best),
    )


def write_synthetic_log(
    folder: str | os.PathLike,
    users: int = 4_000,
    impressions_per_user: int = 40,
    *,
    interests: int = 4,
    categories: int = 100,
    items_per_category: int = 10,
    click: float = 0.9,
    held_out: int = 4,
    dim: int = 16,
    seed: int = 0,
    overwrite: bool = False,
) -> None:
    """Writes the same files as `synthetic_log(...).save(folder)`, in constant memory.

    `PreparedData.load` reads them. The folder is written completely or not at all, same as in
    `PreparedData.save`.

    Args:
        folder: A path that does not exist, or an empty folder.
        overwrite: Whether existing prepared data may be replaced.

    All other arguments are those of `synthetic_log`.

    Raises:
        FileExistsError: If the folder is not empty, and `overwrite` is not set or the folder is
            not prepared data.
        ValueError: If an argument is invalid.

    Example:

    ```python
    kd.data.write_synthetic_log("log", users=20)
    data = kd.data.PreparedData.load("log")
    ```
    """
    law = SyntheticLaw(
        users,
        impressions_per_user,
        interests,
        categories,
        items_per_category,
        click,
        held_out,
        dim,
        seed,
    )
    with atomic_folder(folder, HEADER, overwrite) as partial:
        best = _new_best()
        save_pieces(partial, _pieces(law, best))
        save_growth(partial, law.spec, {})
        save_header(partial, list(PARTS), _report(law, best))


def _pieces(law: SyntheticLaw, best: dict):
    """Yields the arrays of each chunk by file name, with the numbering of the whole log.

    The metrics of each chunk are added to `best`.
    """
    users = events = 0
    for chunk in law.chunks():
        log = chunk.behaviors["hist"]
        arrays = log.arrays()
        # The end of a chunk's last user is the start of the next one's first.
        arrays["offsets"] = log.offsets[1 if users else 0 :] + events
        piece = {f"behaviors/hist/{name}": values for name, values in arrays.items()}
        for part, samples in chunk.parts.items():
            best[part].add(chunk, part)
            arrays = samples.arrays()
            arrays["group"] = arrays["group"] + users
            for bound in ("history/hist/start", "history/hist/end"):
                arrays[bound] = arrays[bound] + events
            piece |= {f"parts/{part}/{name}": values for name, values in arrays.items()}
        yield piece
        users, events = users + log.users, events + len(log)


def _new_best() -> dict:
    return {part: BestReachable() for part in PARTS}


def _report(law: SyntheticLaw, best: dict) -> dict:
    return law.report | {"best_reachable": {part: each.result() for part, each in best.items()}}
