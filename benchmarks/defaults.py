"""Which defaults of DIN hold on every data set: activation, dropout, regularization, and more.

    python benchmarks/defaults.py DATA... --folder FOLDER --write defaults.jsonl
    python benchmarks/defaults.py --read defaults.jsonl

FOLDER holds the data sets `amazon2014/`, `globo/`, `kuairand/` and `movielens-small/`. All runs
have the same budget: batch 1024, LazyAdam with learning rate 1e-3, at most 10 epochs, stopped two
epochs after the best GAUC on validation, as `keras_din.training.train` does by default. Each epoch
is scored on validation and on test. One line of JSON per run is appended to the file; a run that
the file has is not run again. The table shows test metrics of the epoch that validation chose, and
how far the last epoch was from it.
"""

import argparse
import json
import pathlib
import zlib

import keras
import numpy as np

import keras_din as kd
from keras_din.data.movielens import PAPER_SPLIT
from keras_din.evaluation import averaged_weights, predict
from keras_din.metrics import all_metrics, gauc_difference

EPOCHS, PATIENCE = 10, 2
KEPT = ("gauc", "auc", "logloss", "calibration", "ece")
# Name -> arguments of `build_din`, and of the optimizer.
SETTINGS = {
    f"{activation}, dropout {dropout}, mba {strength}": (
        {"activation": activation, "dropout": dropout},
        {"mini_batch_aware": strength} if strength else {},
    )
    for activation in ("dice", "relu")
    for dropout in (0.0, 0.3)
    for strength in (0.0, 0.1)
}
SETTINGS |= {
    "relu, dropout 0.3, mba 0.1, no softmax": (
        {"activation": "relu", "dropout": 0.3, "weight_normalization": False},
        {"mini_batch_aware": 0.1},
    ),
    "relu, dropout 0.3, mba 0.1, averaged": (
        {"activation": "relu", "dropout": 0.3},
        {"mini_batch_aware": 0.1, "use_ema": True, "ema_momentum": 0.99},
    ),
    "relu, dropout 0.3, mba 0.03": (
        {"activation": "relu", "dropout": 0.3},
        {"mini_batch_aware": 0.03},
    ),
    "relu, dropout 0.3, mba 0.01": (
        {"activation": "relu", "dropout": 0.3},
        {"mini_batch_aware": 0.01},
    ),
}


def _globo(folder, share=10):
    """Every tenth user of Globo, by a hash, with negatives of the same hour."""
    import pandas as pd

    from keras_din.data.globo import _CONTEXT, hour_negatives

    columns = ["user_id", "item_id", "category_id", "ts", *_CONTEXT]
    log = pd.read_parquet(folder / "globo" / "clicks.parquet", columns=columns)
    log = log[[zlib.crc32(str(user).encode()) % share == 0 for user in log["user_id"]]]
    log = log.reset_index(drop=True)
    log["negative_id"] = hour_negatives(log, np.random.default_rng(0))
    return kd.data.prepare_behaviours(
        log,
        user="user_id",
        time="ts",
        target=["item_id", "category_id"],
        context=list(_CONTEXT),
        negatives="negative_id",
    )


DATA = {
    "kuairand": lambda folder: kd.data.load_kuairand(folder / "kuairand"),
    "beauty": lambda folder: kd.data.load_amazon(folder / "amazon2014", "beauty"),
    "sports": lambda folder: kd.data.load_amazon(folder / "amazon2014", "sports"),
    "movielens": lambda folder: kd.data.load_movielens(
        folder / "movielens-small", split=kd.data.ByUser(valid=0.1, test=PAPER_SPLIT.test)
    ),
    "globo-hour": _globo,
    "synthetic": lambda folder: kd.data.synthetic_log(),
}


class Scores(keras.callbacks.Callback):
    """Scores validation and test after each epoch, and stops two epochs after the best."""

    def __init__(self, data):
        super().__init__()
        self.rows = {part: data.dataset(part, 4096) for part in ("valid", "test")}
        self.samples = {part: data.parts[part] for part in self.rows}
        self.epochs, self.valid, self.best = [], [], 0

    def on_epoch_end(self, epoch, logs=None):
        with averaged_weights(self.model):
            scores = {p: predict(self.model, rows).predictions for p, rows in self.rows.items()}
        metrics = {
            part: all_metrics(self.samples[part].label, values, self.samples[part].group)
            for part, values in scores.items()
        }
        self.epochs.append({p: {name: m[name] for name in KEPT} for p, m in metrics.items()})
        self.valid.append(scores["valid"])
        if self.epochs[-1]["valid"]["gauc"] > self.epochs[self.best]["valid"]["gauc"]:
            self.best = epoch
        self.model.stop_training = epoch >= self.best + PATIENCE

    def by_rule(self) -> int:
        """Of the epochs within one standard error of the best GAUC that of the least logloss."""
        near, valid = [], self.samples["valid"]
        for epoch, values in enumerate(self.valid):
            less, error = gauc_difference(
                valid.label, self.valid[self.best], values, valid.group
            )
            if less <= error:
                near.append((self.epochs[epoch]["valid"]["logloss"], epoch))
        return min(near)[1]


def run(data, setting: str, seed: int) -> dict:
    """One training: metrics of validation and test after each epoch, and the epochs chosen."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    options, words = SETTINGS[setting]
    if "mini_batch_aware" in words:
        words = words | {"occurrences": data.occurrences("train")}
    model = kd.build_din(data.spec, **options)
    model.compile(kd.optimizers.LazyAdam(1e-3, **words), kd.losses.BinaryCrossentropy())
    train = data.dataset("train", 1024, shuffle=True, seed=seed)
    scores = Scores(data)
    model.fit(train, epochs=EPOCHS, callbacks=[scores], shuffle=False, verbose=0)
    return {"epochs": scores.epochs, "by_gauc": scores.best, "by_rule": scores.by_rule()}


def table(file: pathlib.Path) -> str:
    """The runs of a file: mean and standard deviation over seeds, one line per setting."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    rows = ["| data | setting | seeds | GAUC | logloss | calibration | last logloss | epoch | of |"]
    rows.append("|---|---|---|---|---|---|---|---|---|")
    for data in dict.fromkeys(line["data"] for line in lines):
        for setting in SETTINGS:
            runs = [r for r in lines if (r["data"], r["setting"]) == (data, setting)]
            if not runs:
                continue
            chosen = [r["epochs"][r["by_rule"]]["test"] for r in runs]
            cells = [
                f"{np.mean([c[name] for c in chosen]):.4f} ± "
                f"{np.std([c[name] for c in chosen], ddof=len(chosen) > 1):.4f}"
                for name in ("gauc", "logloss", "calibration")
            ]
            last = np.mean([r["epochs"][-1]["test"]["logloss"] for r in runs])
            epoch = "/".join(str(r["by_rule"] + 1) for r in runs)
            of = "/".join(str(len(r["epochs"])) for r in runs)
            rows.append(
                f"| {data} | {setting} | {len(runs)} | {' | '.join(cells)} | {last:.4f} "
                f"| {epoch} | {of} |"
            )
    return "\n".join(rows)


def main(words=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="*", choices=(*DATA, []), help=", ".join(DATA))
    parser.add_argument("--folder", type=pathlib.Path, help="folder of the data sets")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--write", type=pathlib.Path, default=pathlib.Path("defaults.jsonl"))
    parser.add_argument("--read", type=pathlib.Path, help="show the table of this file")
    options = parser.parse_args(words)
    if options.read:
        print(table(options.read))
        return
    done = set()
    if options.write.exists():
        lines = map(json.loads, options.write.read_text().splitlines())
        done = {(line["data"], line["setting"], line["seed"]) for line in lines}
    for name in options.data:
        data = DATA[name](options.folder)
        for seed in options.seeds:
            for setting in options.settings:
                if (name, setting, seed) in done:
                    continue
                result = {"data": name, "setting": setting, "seed": seed}
                result |= run(data, setting, seed)
                with open(options.write, "a", encoding="utf-8") as file:
                    file.write(json.dumps(result) + "\n")
                chosen = result["epochs"][result["by_rule"]]["test"]
                print(name, setting, seed, {k: round(v, 4) for k, v in chosen.items()}, flush=True)


if __name__ == "__main__":
    main()
