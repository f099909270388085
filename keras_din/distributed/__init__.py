"""Training on several workers: one process per machine or device, with the results of one."""

from keras_din.distributed import experimental
from keras_din.distributed.cluster import Cluster, read_cluster
from keras_din.distributed.connect import connect, scope_of
from keras_din.distributed.fit import fit, lost_workers_reported
from keras_din.workers import is_chief

__all__ = [
    "Cluster",
    "connect",
    "experimental",
    "fit",
    "is_chief",
    "lost_workers_reported",
    "read_cluster",
    "scope_of",
]
