"""Metrics of several workers, each of which has predicted the rows of its own users."""

import numpy as np

from keras_din.dataset_facts import batch_part_of, worker_of_rows
from keras_din.metrics import GroupAUC, group_auc, metrics_and_groups, number_metrics
from keras_din.metrics.summary import with_groups
from keras_din.workers import gather_arrays, has_rows_of_its_own, worker_of

__all__ = ["each_has_its_own", "metrics_of_workers", "number_metrics_of_workers"]


def each_has_its_own(dataset) -> bool:
    """Returns whether this process is one of several workers, each with a dataset of its own users.

    Raises:
        ValueError: If the dataset is that of another worker, or has only a part of each batch.
    """
    if has_rows_of_its_own(worker_of_rows(dataset)):
        return True
    index, count = batch_part_of(dataset)
    if worker_of()[1] > 1 and count > 1:
        raise ValueError(
            "Workers share the batches of `dataset` themselves, so it must have whole batches: "
            f"create it without `shard`. Received: a dataset with shard={(index, count)}."
        )
    return False


def metrics_of_workers(y_true, y_pred, groups) -> tuple:
    """Same as `metrics_and_groups` for the rows of all workers, which must call it together.

    Each worker computes the AUC of its own groups, and these are gathered. AUC and calibration need
    the predictions of all rows, 8 bytes each.

    Args:
        y_true: Of this worker, `(rows,)` of 0 and 1.
        y_pred: Of this worker, `(rows,)` of probabilities.
        groups: Of this worker, `(rows,)` of integers or strings that no other worker has, or
            `None`. A group of another worker counts as another group, whatever its value.
    """
    metrics, _ = metrics_and_groups(*_of_all(y_true, y_pred))
    if groups is None:
        return metrics, None
    own = group_auc(y_true, y_pred, groups)._asdict()
    del own["groups"]  # Only numbers are gathered, and each worker may number its groups from 0.
    parts = gather_arrays(own)
    together = {n: np.concatenate([np.atleast_1d(part[n]) for part in parts]) for n in own}
    by_group = GroupAUC(
        groups=np.arange(len(together["auc"])),
        auc=together["auc"],
        impressions=together["impressions"],
        positives=together["positives"],
        groups_left_out=int(together["groups_left_out"].sum()),
        rows_left_out=int(together["rows_left_out"].sum()),
    )
    return with_groups(metrics, by_group), by_group


def number_metrics_of_workers(y_true, y_pred) -> dict:
    """Same as `number_metrics` for the rows of all workers, which must call it together."""
    return number_metrics(*_of_all(y_true, y_pred))


def _of_all(y_true, y_pred) -> list:
    parts = gather_arrays({"y_true": y_true, "y_pred": y_pred})
    return [np.concatenate([part[name] for part in parts]) for name in ("y_true", "y_pred")]
