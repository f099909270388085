"""The search: the same few random settings for every model, compared on validation."""

import itertools

import numpy as np

LEARNING_RATES = (3e-4, 1e-3, 3e-3)
DROPOUTS = (0.0, 0.3, 0.5)
REGULARIZATIONS = (0.0, 0.01)


def settings(budget: int, dropout: float = 0.0, seed: int = 0) -> list:
    """Returns the settings that each model tries.

    Args:
        budget: Number of settings.
        dropout: Dropout of the first setting, which has learning rate 1e-3 and no regularization.
        seed: Seed that draws the others.

    Returns:
        A list of dicts with `learning_rate`, `dropout` and `mini_batch_aware_l2`.
    """
    first = (1e-3, dropout, 0.0)
    grid = list(itertools.product(LEARNING_RATES, DROPOUTS, REGULARIZATIONS))
    others = [grid[i] for i in np.random.default_rng(seed).permutation(len(grid))]
    chosen = [first, *(one for one in others if one != first)][:budget]
    names = ("learning_rate", "dropout", "mini_batch_aware_l2")
    return [dict(zip(names, one, strict=True)) for one in chosen]


def best(tried: list) -> dict:
    """Returns the setting with the highest GAUC on validation, the first of equal ones.

    Args:
        tried: Pairs of a setting and its GAUC on validation, which may be NaN.
    """
    return max(tried, key=lambda pair: np.nan_to_num(pair[1], nan=-1.0))[0]
