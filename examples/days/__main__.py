"""Compares ways to serve a log that arrives by day.

    python -m examples.days kuairand globo --folder FOLDER --seeds 0 1 2
    python -m examples.days kuairand --folder FOLDER --ways replay two_epochs --results OTHER

Run it from the root of the repository. FOLDER has the folders of the data sets, `kuairand/` and
`globo/`. The base data is the first days. Each following day is evaluated before any model has
seen it, by

- `update`: a model that learned from each day before by `keras_din.training.update`,
- `retrained`: a model that was trained anew on all days before,
- `first`: the model of the base data, left alone,
- `replay` and `two_epochs`: `update` with as many older rows as new ones, and with two epochs.

A retrained model is trained like the first one, for at most `--epochs` epochs, with the day before
as validation. The metrics by day are written to `examples/days/results/DATA.csv` and drawn to
`DATA.png`; the printed table has their means over days, mean and standard deviation over seeds.
"""

import argparse
import pathlib
import tempfile
import time

import keras
import pandas as pd

import keras_din as kd
from examples.days.logs import LOGS
from keras_din.training import train, update

RESULTS = pathlib.Path(__file__).parent / "results"
METRICS = ("gauc", "auc", "logloss", "calibration")
UPDATES: dict[str, dict] = {"update": {}, "replay": {"replay": 0.5}, "two_epochs": {"epochs": 2}}
WAYS = ("first", "retrained", *UPDATES)


def all_but_last_day(user, position, count, time):
    """A split: the last day of the base data is validation, the days before are training."""
    last = time.max() // 86_400_000_000
    return (time // 86_400_000_000 >= last).astype(int)


def run(
    logs: list, columns: dict, model: str, base_days: int, epochs: int, seed: int, ways=WAYS[:3]
) -> list:
    """Returns the rows of the table by day for one seed."""
    rows = []

    def evaluated(way: str, day: int, model, rows_of_day, seconds: float) -> None:
        metrics = kd.evaluate(model, rows_of_day.dataset("train", 4096))
        kept = {name: metrics[name] for name in METRICS}
        rows.append({"seed": seed, "way": way, "day": day, **kept, "seconds": seconds})
        print(rows[-1], flush=True)

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        options = {"model": model, "epochs": epochs, "seed": seed, "verbose": 0}
        base = pd.concat(logs[:base_days])
        data = kd.data.prepare_impressions(base, **columns, split=all_but_last_day)
        first = train(data, folder / "first", **options) if "first" in ways else None
        updated = {way: train(data, folder / way, **options) for way in UPDATES if way in ways}
        for day in range(base_days, len(logs)):
            before = data
            data = data.append(logs[day])
            index = len(data.days) - 1
            if first is not None:
                evaluated("first", day, first.model, data.unseen_day(index, first.spec, 0), 0.0)
            if "retrained" in ways:
                start = time.perf_counter()
                whole = before.joined(valid_days=1) if before.days else before
                anew = train(whole, folder / f"retrained-{day}", **options)
                seconds = time.perf_counter() - start
                rows_of_day = data.unseen_day(index, anew.spec, index)
                evaluated("retrained", day, anew.model, rows_of_day, seconds)
            for way in updated:
                start = time.perf_counter()
                updated[way] = update(updated[way], data, verbose=0, **UPDATES[way])
                kept = {name: updated[way].days[-1][name] for name in METRICS}
                seconds = time.perf_counter() - start
                rows.append({"seed": seed, "way": way, "day": day, **kept, "seconds": seconds})
                print(rows[-1], flush=True)
            keras.utils.clear_session()
    return rows


def table(frame: pd.DataFrame) -> str:
    """The means over days, by way: mean and standard deviation over seeds."""
    means = frame.groupby(["way", "seed"])[[*METRICS, "seconds"]].mean()
    lines = [
        "| way | GAUC | AUC | logloss | calibration | seconds per day |",
        "|---|---|---|---|---|---|",
    ]
    for way, of_way in means.groupby(level="way"):
        mean, std = of_way.mean(), of_way.std().fillna(0)
        cells = [f"{mean[name]:.4f} ± {std[name]:.4f}" for name in METRICS]
        lines.append(f"| {way} | {' | '.join(cells)} | {mean['seconds']:.1f} |")
    return "\n".join(lines)


def draw(frame: pd.DataFrame, file: pathlib.Path) -> None:
    """Draws GAUC and logloss by day."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    for ax, metric in zip(axes, ("gauc", "logloss"), strict=True):
        for way, of_way in frame.groupby("way"):
            by_day = of_way.groupby("day")[metric]
            ax.errorbar(by_day.mean().index, by_day.mean(), by_day.std().fillna(0), label=way)
        ax.set_xlabel("day")
        ax.set_ylabel({"gauc": "GAUC", "logloss": "logloss (nats)"}[metric])
    axes[0].legend()
    figure.savefig(file, dpi=120)
    plt.close(figure)


def main() -> None:
    """Runs the comparison and prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="+", choices=sorted(LOGS))
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--model", default="din")
    parser.add_argument("--base-days", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--days", type=int, help="the number of days (default: all)")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS[:3])
    parser.add_argument("--results", type=pathlib.Path, default=RESULTS)
    options = parser.parse_args()
    options.results.mkdir(exist_ok=True)
    for name in options.data:
        logs, columns = LOGS[name](options.folder)
        rows = []
        for seed in options.seeds:
            rows += run(
                logs[: options.days],
                columns,
                options.model,
                options.base_days,
                options.epochs,
                seed,
                options.ways,
            )
            frame = pd.DataFrame(rows)
            frame.to_csv(options.results / f"{name}.csv", index=False, float_format="%.6g")
        draw(frame, options.results / f"{name}.png")
        print(f"{name}, {len(logs)} days\n{table(frame)}", flush=True)


if __name__ == "__main__":
    main()
