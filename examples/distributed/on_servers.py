"""Trains DIN with its tables on parameter servers (experimental): `on_servers.py DATA MODEL.keras`.

Each process of the cluster runs this program with its own `TF_CONFIG`, see `parameter_servers.sh`.
`DATA` is a folder that `keras-din prepare` wrote, at the same path for all workers.
"""

import argparse
import tempfile

import keras

import keras_din as kd
from keras_din.distributed import experimental

parser = argparse.ArgumentParser()
parser.add_argument("data")
parser.add_argument("model")
parser.add_argument("--backup", help="folder of checkpoints, from which training continues")
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--batch-size", type=int, default=1024)
arguments = parser.parse_args()

if experimental.read_server_cluster().task != "chief":
    experimental.run_task()  # Until this process is ended.

strategy = experimental.connect_to_servers()
data = kd.data.PreparedData.load(arguments.data)
with strategy.scope():
    model = kd.build_din(data.spec)
    optimizer = kd.optimizers.LazyAdam(
        1e-3, mini_batch_aware_l2=0.1, feature_counts=data.feature_counts()
    )
    model.compile(optimizer, kd.losses.BinaryCrossentropy(negative_rate=data.negative_rate))
experimental.fit_on_servers(
    model,
    data.remote_batches("train", arguments.batch_size, shuffle=True),
    strategy,
    epochs=arguments.epochs,
    backup_dir=arguments.backup or tempfile.mkdtemp(),
    verbose=2,
)
model.save(arguments.model)
# A copy in this process, since the model of the servers cannot be evaluated or exported.
trained = keras.saving.load_model(arguments.model)
print(kd.evaluate(trained, data.dataset("valid")))
