"""Experimental: training with tables on parameter servers. Names and arguments may change."""

from keras_din.distributed.experimental.connect_to_servers import connect_to_servers
from keras_din.distributed.experimental.fit_on_servers import fit_on_servers
from keras_din.distributed.experimental.run_task import run_task
from keras_din.distributed.experimental.server_cluster import ServerCluster, read_server_cluster

__all__ = [
    "ServerCluster",
    "connect_to_servers",
    "fit_on_servers",
    "read_server_cluster",
    "run_task",
]
