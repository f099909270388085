"""Train a run on the days that were appended to its data.

Each day is evaluated before the model learns from it: these are the metrics of a system that is
updated once a day. Then the model is trained on the day. Days of earlier updates are not repeated.
If the command is interrupted, the next call continues with the day that was not finished.

  keras-din append data logs/2026-11-27.parquet
  keras-din update runs/din data
  keras-din export runs/din exported_models/din
"""

from keras_din.cli.phases import phase
from keras_din.cli.show import metrics_of_day, metrics_table


def add_arguments(parser):
    """Adds the arguments of the command."""
    parser.add_argument("run", help="the folder of a run")
    parser.add_argument("data", nargs="?", help="prepared data (default: that of the run)")
    parser.add_argument(
        "--epochs", type=int, default=1, help="how often the model sees a day (default 1)"
    )
    parser.add_argument(
        "--learning-rate", type=float, help="learning rate (default: that of the run)"
    )
    parser.add_argument(
        "--replay",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="the share of older rows, drawn at random, in the rows of an epoch (default 0)",
    )
    parser.add_argument(
        "--new-rows",
        default="initializer",
        metavar="HOW",
        help="how the row of a new item starts: 'initializer' (default), or 'mean_of:category' for "
        "the mean of the items of the same category, or another feature of the target, or "
        "'projection_of:title' for a linear map of the item's precomputed vector 'title', fitted "
        "on the rows that were trained",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(options) -> dict:
    """Updates the run, and prints and returns the metrics of each new day."""
    from keras_din.cli.training_progress import TrainingProgress
    from keras_din.data import PreparedData
    from keras_din.training import read_arguments, read_days, update

    folder = options.data or read_arguments(options.run)["data"]
    if folder is None:
        raise ValueError(f"A run without `data_folder` requires the data. Received: {options.run}.")
    before = len(read_days(options.run))
    with phase("load the data"):
        data = PreparedData.load(folder)
    with phase("update") as show:
        result = update(
            options.run,
            data,
            epochs=options.epochs,
            learning_rate=options.learning_rate,
            replay=options.replay,
            new_rows=options.new_rows,
            callbacks=() if options.quiet else [TrainingProgress(show)],
            verbose=0,
        )
    days = result.days[before:]
    if not days:
        print("no new days: the run has learned from all days of the data")
        return {"run": options.run, "days": []}
    rows = {f"day {day['day']}": metrics_of_day(day) for day in days}
    print("metrics of each day before the model learned from it:")
    print(metrics_table(rows, result.spec.outputs))
    for day in days:
        unknown = ", ".join(f"{name} {share:.1%}" for name, share in day["unknown"].items())
        print(f"day {day['day']}: trained in {day['seconds']:.1f} s; unknown values: {unknown}")
    print(f"written: {options.run}")
    return {"run": options.run, "days": days}
