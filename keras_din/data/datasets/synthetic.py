"""A log that a known click law made: how good a model can be is known too."""

import os

import numpy as np

from keras_din.atomic_write import atomic_folder
from keras_din.data.datasets.bayes_optimal import BestReachable
from keras_din.data.datasets.synthetic_law import SyntheticLaw
from keras_din.data.prepare.prepared_data import HEADER, PARTS, PreparedData, save_header
from keras_din.data.store.arrays import save_pieces, strip_prefix
from keras_din.data.store.behavior_log import BehaviorLog
from keras_din.data.store.samples import Samples


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
    """Users with a few interests each, who click what meets one of them.

    The law: of `categories` (T), each user's interests are `interests` (K) drawn uniformly. The
    category of an impression is drawn from the user's interests with probability 1/2, else from
    all; its item uniformly from the category. An item that meets an interest is clicked with
    probability `click` (p), any other never.

    So every click shows an interest, and the best prediction is known (`bayes_optimal_scores`). A
    model must find the candidate's category among the behaviors: target attention does, while a
    mean over behaviors blurs more interests than its width can hold.

    Args:
        users: Number of users.
        impressions_per_user: Impressions of each, an hour apart; the history of one is the
            clicks before it.
        interests: Interests of a user, K.
        categories: Number of categories, T.
        items_per_category: Items of each category.
        click: Probability p that an item which meets an interest is clicked.
        held_out: Impressions of each user in each of `valid` and `test`: his last ones are
            `test`, those before `valid`.
        dim: Width of the embeddings.
        seed: Seed of everything drawn.

    Returns:
        A `PreparedData` with target `item_id` and `cate_id`, and the sequence `hist` of both.
        `report["best_reachable"]` has, for each part, the `gauc`, `auc` and `logloss` that no
        model surpasses except by chance.

    Raises:
        ValueError: When the law is not one.
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
    """Writes what `synthetic_log(...).save(folder)` would, in memory that does not grow with it.

    `PreparedData.load` reads it. It is there in full or not at all, as with `PreparedData.save`.

    Args:
        folder: A path where nothing is, or an empty folder.
        overwrite: Whether prepared data that is there may be replaced.

    All other arguments are those of `synthetic_log`.

    Raises:
        FileExistsError: When something is there, and `overwrite` is not set or it is something
            else than prepared data.
        ValueError: When the law is not one.
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
        save_header(partial, law.spec, list(PARTS), _report(law, best))


def _pieces(law: SyntheticLaw, best: dict):
    """The arrays of each chunk by their file's name, numbered as in the whole log.

    What can be reached on the chunk is added to `best`.
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
