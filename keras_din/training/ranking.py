"""Runs with a loss that ranks: the batches that it needs, and a check of its data."""

from keras_din.count_text import count_text
from keras_din.losses.of_labels import CROSSENTROPY
from keras_din.training.monitor_choice import has_both_labels
from keras_din.workers import sum_over_workers

__all__ = ["batch_by", "check_ranking"]


def batch_by(arguments: dict) -> str | None:
    """Returns `batch_by` of the training data: rows need users if the loss ranks them."""
    is_ranked = arguments["loss"] != CROSSENTROPY
    return "user" if is_ranked and not arguments["by_request"] else None


def check_ranking(data, arguments: dict) -> None:
    """Checks that a loss that ranks has something to compare.

    Args:
        data: The `PreparedData`.
        arguments: The arguments of `train`.

    Raises:
        ValueError: If no user, or with `by_request` no request, of the part `"train"` has both
            labels 0 and 1.
    """
    train = data.parts.get("train")
    if arguments["loss"] == CROSSENTROPY or train is None:
        return
    by_request = arguments["by_request"] and train.request is not None
    groups = train.request if by_request else train.group
    binary = [label.name for label in data.spec.labels if label.is_binary]
    found = {
        "rows": len(train),
        "labels": sum(has_both_labels(train.labels[name], groups) for name in binary),
    }
    found = sum_over_workers(found, data.worker)
    if found["labels"]:
        return
    kind = "request" if by_request else "user"
    raise ValueError(
        f"`loss={arguments['loss']!r}` compares the rows of a {kind}, so the part 'train' must "
        f"have {kind}s with both labels 0 and 1: pass loss={CROSSENTROPY!r}, or prepare the data "
        f"with users and requests that have several rows. Received: no such {kind} in "
        f"{count_text(int(found['rows']), 'row')}."
    )
