"""DIN on the fixed splits that peers were scored on, beside what they reached there.

    python benchmarks/accuracy.py beauty --folder AMAZON2014
    python benchmarks/accuracy.py kuairand --folder KUAIRAND --seeds 1

Amazon Beauty and Sports (5-core, 2014) with the negatives of `*_negatives.parquet`, each user's
last review as the test and the one before as validation; KuaiRand by date. Dimension 16 a feature,
histories at most 100. The step is that of the best GAUC on validation, looked at after each epoch
(KuaiRand: each half); the settings were chosen on validation; the test part is scored once a run.
The peers' figures are not measured here: they come from runs of DeepCTR 0.9.4 and FuxiCTR 2.3.10 on
the same rows, batch 1024, their settings chosen on validation from few.
"""

import argparse
import time

import keras
import numpy as np

import keras_din as kd

# GAUC on test, mean and standard deviation over seeds.
PEERS = {
    "beauty": {"FuxiCTR": (0.7730, 0.0019), "DeepCTR": (0.7568, 0.0028)},
    "sports": {"FuxiCTR": (0.8086, 0.0017), "DeepCTR": (0.8033, 0.0017)},
    "kuairand": {"FuxiCTR": (0.6301, 0.0019), "DeepCTR": (0.6278, 0.0003)},
}
PEERS_SECONDS = {"beauty": "37 and 67"}  # Of an epoch, on 2 cores.
RELU = {"activation": "relu", "attention_units": [40]}
DICE = {
    "activation": "dice",
    "attention_units": [80, 40],
    "hidden_units": [64],
    "interaction": "product",
    "item_bias": True,
}
PAIRS = {
    "options": RELU,
    "batches": {"batch_size": 512, "by_request": True},
    "optimizer": {},
    "every": 1.0,
    "epochs": 8,
    "patience": 1,
}
# On weights averaged over the fifty last steps or so. `patience` counts evaluations, `every` and
# `epochs` epochs.
VIDEOS = {
    "options": DICE,
    "batches": {"batch_size": 1024},
    "optimizer": {"mini_batch_aware": 0.1, "use_ema": True, "ema_momentum": 0.98},
    "every": 0.5,
    "epochs": 7,
    "patience": 4,
}
DATA = {
    "beauty": (lambda folder: kd.data.load_amazon(folder, "beauty"), PAIRS),
    "sports": (lambda folder: kd.data.load_amazon(folder, "sports"), PAIRS),
    "kuairand": (lambda folder: kd.data.load_kuairand(folder, min_count=3), VIDEOS),
}


def compiled(data, settings: dict, seed: int):
    """DIN, and the batches of training."""
    keras.utils.set_random_seed(seed)
    model = kd.build_din(data.spec, **settings["options"])
    keywords = settings["optimizer"]
    if "mini_batch_aware" in keywords:
        keywords = keywords | {"occurrences": data.occurrences("train")}
    model.compile(kd.optimizers.LazyAdam(1e-3, **keywords), kd.losses.BinaryCrossentropy())
    return model, data.dataset("train", shuffle=True, seed=seed, **settings["batches"])


def tested(data, settings: dict, seed: int) -> dict:
    """The metrics on test of the weights that are best on validation, and its GAUC there."""
    model, rows = compiled(data, settings, seed)
    valid = data.dataset("valid", **settings["batches"])
    evaluation = kd.Evaluation(valid, restore_best=True, verbose=False)
    stopping = keras.callbacks.EarlyStopping("val_gauc", mode="max", patience=settings["patience"])
    callbacks = [evaluation, stopping]
    if model.optimizer.use_ema:  # First, so that the others see the averages.
        callbacks.insert(0, keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
    model.fit(
        rows.repeat(),
        steps_per_epoch=int(len(rows) * settings["every"]),
        epochs=int(settings["epochs"] / settings["every"]),
        callbacks=callbacks,
        shuffle=False,
        verbose=0,
    )
    metrics = kd.evaluate(model, data.dataset("test", **settings["batches"]))
    return {"valid gauc": evaluation.best} | metrics


def epoch_seconds(data, settings: dict) -> float:
    """Of the second epoch of `fit`: the first compiles."""
    model, rows = compiled(data, settings, seed=0)
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
    seconds, found = epoch_seconds(data, settings), []
    for seed in range(arguments.seeds):
        found.append(tested(data, settings, seed))
        keras.utils.clear_session()
        metrics = {name: found[-1][name] for name in ("valid gauc", "gauc", "auc", "logloss")}
        print(f"seed {seed}: " + ", ".join(f"{k} {v:.4f}" for k, v in metrics.items()), flush=True)
    gauc = np.array([metrics["gauc"] for metrics in found])
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
