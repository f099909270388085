"""DIN on the fixed splits that peers were scored on, beside what they reached there.

    python benchmarks/accuracy.py beauty --folder AMAZON2014
    python benchmarks/accuracy.py kuairand --folder KUAIRAND --seeds 1

Amazon Beauty and Sports (5-core, 2014) with the negatives of `*_negatives.parquet`, each user's
last review as the test and the one before as validation; KuaiRand by date. Dimension 16 a feature,
histories at most 100. The step is that of the best GAUC on validation, looked at after each epoch
(KuaiRand: each third); the settings were chosen on validation; the test part is scored once a run.
The peers' figures are not measured here: they come from runs of DeepCTR 0.9.4 and FuxiCTR 2.3.10 on
the same rows, batch 1024, their settings chosen on validation from few.
"""

import argparse
import tempfile
import time

import keras
import numpy as np

import keras_din as kd
from examples.loaders.recut_amazon import load_recut_amazon
from keras_din.training import train

# GAUC on test, mean and standard deviation over seeds.
PEERS = {
    "beauty": {"FuxiCTR": (0.7730, 0.0019), "DeepCTR": (0.7568, 0.0028)},
    "sports": {"FuxiCTR": (0.8086, 0.0017), "DeepCTR": (0.8033, 0.0017)},
    "kuairand": {"FuxiCTR": (0.6301, 0.0019), "DeepCTR": (0.6278, 0.0003)},
}
PEERS_SECONDS = {"beauty": "37 and 67"}  # Of an epoch, on 2 cores.
RELU = {"activation": "relu", "attention_units": [40], "dropout": 0}
PRELU = {
    "activation": "prelu",
    "attention_units": [40],
    "hidden_units": [64],
    "dropout": 0,
    "interaction": "product",
}
# Further arguments of `keras_din.training.train`, which stops `patience` epochs after the best.
PAIRS = {
    "options": RELU,
    "mini_batch_aware_l2": 0,
    "batch_size": 512,
    "by_request": True,
    "epochs": 8,
    "patience": 1,
}
VIDEOS = {
    "options": PRELU,
    "mini_batch_aware_l2": 0.1,
    "ema_momentum": 0.995,
    "evaluate_freq": 49,  # A third of an epoch.
    "epochs": 8,
    "patience": 3,
}
DATA = {
    "beauty": (lambda folder: load_recut_amazon(folder, "beauty"), PAIRS),
    "sports": (lambda folder: load_recut_amazon(folder, "sports"), PAIRS),
    "kuairand": (lambda folder: kd.data.load_kuairand(folder).weight_by_recency(4), VIDEOS),
}


def trained(data, settings: dict, seed: int):
    """A run, whose result has the metrics of the weights that are best on validation."""
    with tempfile.TemporaryDirectory() as folder:
        return train(data, folder, **settings, monitor="gauc", seed=seed, verbose=0)


def epoch_seconds(model, data, settings: dict) -> float:
    """Of the second epoch of `fit`: the first compiles."""
    batches = {word: settings[word] for word in ("batch_size", "by_request") if word in settings}
    rows = data.dataset("train", **batches, shuffle=True)
    model.fit(rows, epochs=1, shuffle=False, verbose=0)
    start = time.perf_counter()
    model.fit(rows, epochs=1, shuffle=False, verbose=0)
    return time.perf_counter() - start


def main(words=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", choices=tuple(DATA))
    parser.add_argument("--folder", help="of the data set (kuairand: the packaged slice)")
    parser.add_argument("--seeds", type=int, default=3, help="how many (default 3)")
    parser.add_argument("--epochs", type=int, help="the most epochs")
    arguments = parser.parse_args(words)
    load, settings = DATA[arguments.data]
    if arguments.folder is None and arguments.data != "kuairand":
        parser.error(f"{arguments.data} does not come with the package: say where by --folder")
    if arguments.epochs:
        settings = settings | {"epochs": arguments.epochs}
    data = load(arguments.folder)
    gauc = []
    for seed in range(arguments.seeds):
        keras.utils.clear_session()
        run = trained(data, settings, seed)
        valid, test = run.result["valid"], run.result["test"]
        gauc.append(test["gauc"])
        metrics = ", ".join(f"{name} {test[name]:.4f}" for name in ("gauc", "auc", "logloss"))
        print(f"seed {seed}: validation gauc {valid['gauc']:.4f}, test {metrics}", flush=True)
    seconds, gauc = epoch_seconds(run.model, data, settings), np.array(gauc)
    spread = gauc.std(ddof=1) if len(gauc) > 1 else float("nan")
    rows = len(data.parts["train"])
    print(f"{arguments.data}, {rows:,} training rows, {settings}")
    theirs = PEERS_SECONDS.get(arguments.data)
    beside = f"; the peers' {theirs} s" if theirs else ""
    print(f"an epoch takes {seconds:.1f} s, {rows / seconds:,.0f} rows/s{beside}")
    print(f"test GAUC   ours     {gauc.mean():.4f} ± {spread:.4f}")
    for peer, (mean, deviation) in PEERS[arguments.data].items():
        more = gauc.mean() - mean
        print(f"            {peer}  {mean:.4f} ± {deviation:.4f}   ours {more:+.4f}")


if __name__ == "__main__":
    main()
