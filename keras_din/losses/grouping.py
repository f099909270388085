"""The groups of the candidates of a batch, which `CTRModel` passes to losses that rank."""

import contextlib
import contextvars
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_din.dataset_facts import GROUP

__all__ = ["Grouping", "check_groups", "current_grouping", "grouping", "without_groups"]


class Grouping(NamedTuple):
    """How the candidates of a batch form groups.

    Attributes:
        groups: Integer tensor `(batch,)`, the group of each row. If `None`, each row is a group.
        candidates: The number of candidates per row: an integer, or a scalar tensor.
    """

    groups: Any
    candidates: Any


_current: contextvars.ContextVar[Grouping | None] = contextvars.ContextVar(
    "keras_din.losses.grouping", default=None
)


def current_grouping() -> Grouping | None:
    """Returns the `Grouping` of the calling thread, or `None` outside of `grouping`."""
    return _current.get()


@contextlib.contextmanager
def grouping(x, y_pred):
    """Context manager that sets the `Grouping` of the calling thread.

    Args:
        x: The inputs of the model. If they are a dict, the entry `"_group"` has the groups.
        y_pred: The output of the model, `(batch, candidates)` or `(batch,)`, or a dict.
    """
    output = keras.tree.flatten(y_pred)[0]
    candidates = 1
    if len(output.shape) > 1:
        candidates = output.shape[1] if output.shape[1] is not None else ops.shape(output)[1]
    groups = x.get(GROUP) if isinstance(x, dict) else None
    token = _current.set(Grouping(groups, candidates))
    try:
        yield
    finally:
        _current.reset(token)


def without_groups(x):
    """Returns the inputs of a model without the entry `"_group"`."""
    if isinstance(x, dict) and GROUP in x:
        return {name: value for name, value in x.items() if name != GROUP}
    return x


def check_groups(loss_name: str, x, y) -> bool:
    """Checks that the candidates of batches form groups, from the shapes of their elements.

    Args:
        loss_name: The name of the loss, for the error.
        x: The inputs of a model, arrays or a dataset of `(x, y)`.
        y: The labels, if `x` are arrays.

    Returns:
        Whether the shapes are known, and the candidates form groups.

    Raises:
        ValueError: If rows of one candidate have no groups, or the groups are no integers per row.
    """
    element = getattr(x, "element_spec", None)
    if isinstance(element, tuple) and len(element) > 1:
        x, y = element[:2]
    shapes = [getattr(each, "shape", None) for each in keras.tree.flatten(y)]
    if isinstance(x, dict) and GROUP in x:
        groups = x[GROUP]
        shape, dtype = getattr(groups, "shape", None), getattr(groups, "dtype", None)
        name = str(getattr(dtype, "name", dtype)).split(".")[-1]
        if shape is None or tuple(shape[1:]) not in ((), (1,)) or "int" not in name:
            raise ValueError(
                f"The groups `x[{GROUP!r}]` must be integers `(batch,)`, one per row. "
                f"Received: shape={shape}, dtype={name}."
            )
        return True
    if not shapes or shapes[0] is None or getattr(shapes[0], "rank", 0) is None:
        return False
    if len(shapes[0]) == 1 or shapes[0][1] == 1:
        raise rows_without_groups(loss_name)
    return True


def rows_without_groups(loss_name: str) -> ValueError:
    """Returns the error for rows of one candidate without groups."""
    return ValueError(
        f"The loss {loss_name!r} compares the candidates of a group, so rows of one candidate must "
        'have groups. Pass `data.dataset("train", shuffle=True, batch_by="user")`, or '
        "`by_request=True` for rows that are requests, or the group of each row as an integer "
        f"array `x[{GROUP!r}]`. Received: rows of one candidate without groups."
    )
