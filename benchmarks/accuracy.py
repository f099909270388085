"""Measures the GAUC of DIN on fixed splits, and compares it with other libraries.

    python -m benchmarks.accuracy kuairand --seeds 1
    python -m benchmarks.accuracy beauty --folder AMAZON2014

Run it from the root of the repository. Amazon Beauty and Sports (5-core, 2014) have the negatives
of `*_negatives.parquet`, each user's last review as the test and the one before as validation;
KuaiRand is split by date. The dimension is 16 per feature, and histories are cut at 100. GAUC on
validation, measured after each epoch (KuaiRand: after each third), chooses the step. The settings
were chosen on validation too. The test part is scored once per run. The figures of the other
libraries are not measured here: they come from runs of DeepCTR 0.9.4 and FuxiCTR 2.3.10 on the same
rows, batch 1024, with settings that were chosen on validation from few.
"""

import argparse
import tempfile
import time

import keras
import numpy as np

import keras_din as kd
from examples.loaders.recut_amazon import load_recut_amazon
from keras_din.training import train

# Test GAUC, mean and standard deviation over seeds.
PEERS = {
    "beauty": {"FuxiCTR": (0.7730, 0.0019), "DeepCTR": (0.7568, 0.0028)},
    "sports": {"FuxiCTR": (0.8086, 0.0017), "DeepCTR": (0.8033, 0.0017)},
    "kuairand": {"FuxiCTR": (0.6301, 0.0019), "DeepCTR": (0.6278, 0.0003)},
}
PEERS_EPOCH_SECONDS = {"beauty": "37 and 67"}  # On 2 cores.
RELU = {"activation": "relu", "attention_units": [40], "dropout": 0}
PRELU = {
    "activation": "prelu",
    "attention_units": [40],
    "hidden_units": [64],
    "dropout": 0,
    "interaction": "product",
}
# Arguments of `keras_din.training.train`.
AMAZON_SETTINGS = {
    "options": RELU,
    "mini_batch_aware_l2": 0,
    "batch_size": 512,
    "by_request": True,
    "epochs": 8,
    "patience": 1,
}
KUAIRAND_SETTINGS = {
    "options": PRELU,
    "mini_batch_aware_l2": 0.1,
    "ema_momentum": 0.995,
    "evaluate_freq": 49,  # A third of an epoch.
    "epochs": 8,
    "patience": 3,
}
DATA = {
    "beauty": (lambda folder: load_recut_amazon(folder, "beauty"), AMAZON_SETTINGS),
    "sports": (lambda folder: load_recut_amazon(folder, "sports"), AMAZON_SETTINGS),
    "kuairand": (
        lambda folder: kd.data.load_kuairand(folder).weight_by_recency(4),
        KUAIRAND_SETTINGS,
    ),
}


def train_din(data, settings: dict, seed: int):
    """Trains DIN. The run's result has the metrics of the weights that are best on validation."""
    with tempfile.TemporaryDirectory() as folder:
        return train(data, folder, **settings, monitor="gauc", seed=seed, verbose=0)


def epoch_seconds(model, data, settings: dict) -> float:
    """Measures the second epoch of `fit`. The first one compiles."""
    batching = {name: settings[name] for name in ("batch_size", "by_request") if name in settings}
    rows = data.dataset("train", **batching, shuffle=True)
    model.fit(rows, epochs=1, shuffle=False, verbose=0)
    start = time.perf_counter()
    model.fit(rows, epochs=1, shuffle=False, verbose=0)
    return time.perf_counter() - start


def main(words=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", choices=tuple(DATA))
    parser.add_argument("--folder", help="folder of the data set (kuairand: packaged slice)")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds (default 3)")
    parser.add_argument("--epochs", type=int, help="maximum number of epochs")
    arguments = parser.parse_args(words)
    load, settings = DATA[arguments.data]
    if arguments.folder is None and arguments.data != "kuairand":
        parser.error(f"{arguments.data} does not come with the package: --folder is required")
    if arguments.epochs:
        settings = settings | {"epochs": arguments.epochs}
    data = load(arguments.folder)
    gauc = []
    for seed in range(arguments.seeds):
        keras.utils.clear_session()
        run = train_din(data, settings, seed)
        valid, test = run.result["valid"], run.result["test"]
        gauc.append(test["gauc"])
        metrics = ", ".join(f"{name} {test[name]:.4f}" for name in ("gauc", "auc", "logloss"))
        print(f"seed {seed}: validation gauc {valid['gauc']:.4f}, test {metrics}", flush=True)
    seconds, gauc = epoch_seconds(run.model, data, settings), np.array(gauc)
    spread = gauc.std(ddof=1) if len(gauc) > 1 else float("nan")
    rows = len(data.parts["train"])
    print(f"{arguments.data}, {rows:,} training rows, {settings}")
    peers = PEERS_EPOCH_SECONDS.get(arguments.data)
    suffix = f"; the peers' {peers} s" if peers else ""
    print(f"an epoch takes {seconds:.1f} s, {rows / seconds:,.0f} rows/s{suffix}")
    print(f"test GAUC   ours     {gauc.mean():.4f} ± {spread:.4f}")
    for peer, (mean, deviation) in PEERS[arguments.data].items():
        difference = gauc.mean() - mean
        print(f"            {peer}  {mean:.4f} ± {deviation:.4f}   ours {difference:+.4f}")


if __name__ == "__main__":
    main()
