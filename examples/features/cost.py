"""Measures what features cost: the time of a training step and of a batch of predictions.

    python -m examples.features.cost kuairand --folder FOLDER

Run it from the root of the repository, on a machine that does nothing else. The sets of features
are measured in turn, several times, each with the pipeline, at batch 1024. The table has the
median of the times, and the ratio to ids only.
"""

import argparse
import pathlib
import time

import keras
import numpy as np

import keras_din as kd
from examples.features.sets import LOADERS, SETS

STEPS, ROUNDS, BATCH = 60, 5, 1024


def main(words=None) -> None:
    """Measures, and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", choices=tuple(LOADERS))
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--model", choices=tuple(kd.MODELS), default="din")
    parser.add_argument("--features", nargs="+", choices=tuple(SETS), default=list(SETS)[:4])
    options = parser.parse_args(words)
    parts, models = {}, {}
    for name in options.features:
        keras.utils.set_random_seed(0)
        data = LOADERS[options.data](options.folder, SETS[name](options.data, options.folder))
        parts[name] = data.dataset("train", BATCH, shuffle=True)
        models[name] = kd.MODELS[options.model](data.spec)
        models[name].compile(kd.optimizers.LazyAdam(), kd.losses.BinaryCrossentropy())
        models[name].fit(parts[name].take(3), shuffle=False, verbose=0)
        models[name].predict(parts[name].take(3), verbose=0)
    times = {"training": {}, "prediction": {}}
    for _ in range(ROUNDS):
        for name, model in models.items():
            rows = parts[name].take(STEPS)
            for what, call in (
                ("training", lambda m=model, r=rows: m.fit(r, shuffle=False, verbose=0)),
                ("prediction", lambda m=model, r=rows: m.predict(r, verbose=0)),
            ):
                start = time.perf_counter()
                call()
                seconds = time.perf_counter() - start
                times[what].setdefault(name, []).append(1000 * seconds / STEPS)
    print("| features | training, ms | ratio | prediction, ms | ratio |\n|---|---|---|---|---|")
    base = options.features[0]
    for name in options.features:
        cells = []
        for of_set in times.values():
            cells.append(f"{np.median(of_set[name]):.1f}")
            cells.append(f"{np.median(np.divide(of_set[name], of_set[base])):.2f}")
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
