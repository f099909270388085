"""`update`: a run learns from the days that were appended to its data."""

import os
import pathlib
import time as clock
from collections.abc import Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np

from keras_din.checks import fraction, local_path, positive_integer, positive_number
from keras_din.evaluation import evaluate
from keras_din.growth import grow_with_starts
from keras_din.new_rows import INITIALIZER
from keras_din.training.build_model import counts_of_tables
from keras_din.training.new_rows import NewRows
from keras_din.training.popularity import POPULARITY
from keras_din.training.progress import random_states
from keras_din.training.ranking import batch_by
from keras_din.training.run import Run, load_run
from keras_din.training.run_calibration import remove_calibration
from keras_din.training.run_folder import (
    UPDATES,
    check_has_result,
    read_run,
    save_model,
    save_spec,
    write_json,
    write_updates,
)

if TYPE_CHECKING:
    from keras_din.data import PreparedData


def update(
    run: "Run | str | os.PathLike",
    data: "PreparedData",
    *,
    epochs: int = 1,
    learning_rate: float | None = None,
    replay: float = 0.0,
    new_rows: str = INITIALIZER,
    callbacks: Sequence = (),
    verbose: int | str = "auto",
) -> Run:
    """Trains a run on the days that were appended to its data, one after another.

    A run of downsampled data learns from as large a share of the negatives of each day.

    Each day is evaluated before the model learns from it (progressive validation): these metrics
    are those of a system in production that is updated once a day. For them, values that were new
    on this day are out-of-vocabulary. Then `keras_din.grow` adds the new values, and the model is
    trained on the day. Days of earlier calls are not repeated. A day without samples has no
    metrics, such as one of `prepare_interactions` data whose users are all new.

    The run's folder receives `updates.json` and `updates.csv` (one line per day: the metrics, the
    share of rows with an unknown value, the sizes of the tables, the seconds of training) and the
    model after the last day. If the process is killed, the next call continues with the day that
    was not finished, with the same result.

    A run that is calibrated learns with its uncalibrated model, whose metrics are those of the
    days. The calibration is that of the model before, so it is removed, and a line reports this.

    Args:
        run: A `Run` of `train`, or its folder.
        data: The `PreparedData` of the run, with appended days.
        epochs: How often the model sees a day.
        learning_rate: Learning rate of these days. Defaults to that of the run.
        replay: The share of older rows, drawn from all days before, in the rows of an epoch: in
            [0, 1).
        new_rows: How the table's row of a new item starts: `"initializer"`, or `"mean_of:NAME"`
            for the mean of the known items with the same value of the feature `NAME` of the target,
            such as `"mean_of:category"`, or `"projection_of:NAME"` for a linear map of the item's
            vector, where `NAME` is a `keras_din.Vector` with `of`. Means and maps are those before
            the day of the item; a map is fitted on the rows that were in training until then, see
            `keras_din.grow`. A line per day reports how many rows started each way.
        callbacks: Callbacks of `fit`, which is called once per day.
        verbose: See `keras.Model.fit`.

    Returns:
        The `Run` with the model of the last day. `run.days` has the metrics of each day.

    Raises:
        ValueError: If an argument is invalid, the data is not that of the run, or the run is of
            the model `"popularity"`.

    Example:

    ```python
    import pandas as pd
    from keras_din.training import train, update

    def log(day):
        hours = np.arange(48)
        columns = {"user": hours % 4, "time": (day * 48 + hours) * 1800}
        return pd.DataFrame(columns | {"item": hours % 5 + day, "click": hours // 4 % 2})

    columns = {"user": "user", "time": "time", "label": "click", "target": ["item"]}
    data = kd.data.prepare_impressions(log(500), **columns, dim=2)
    run = train(data, "runs/daily", model="lr", epochs=1, verbose=0)
    run = update(run, data.append(log(501)), verbose=0)
    run.days[0]["logloss"]
    ```
    """
    folder = local_path("run", run.folder if isinstance(run, Run) else run)
    content = read_run(folder)
    arguments = content["arguments"]
    positive_integer("epochs", epochs)
    replay = fraction("replay", replay)
    if learning_rate is not None:
        positive_number("learning_rate", learning_rate)
    starts = NewRows(data, new_rows)
    check_has_result(folder)
    if arguments["model"] == POPULARITY:
        raise ValueError(
            "`update` requires a model that is trained by gradient steps. Received: a run of "
            "'popularity'. Train it again on `data.joined()`, which takes seconds."
        )
    if replay and data.negative_rate != 1:
        raise ValueError(
            "`replay` requires data with all negatives: rows of the days before would lose "
            "negatives twice. Prepare the data without `downsample_negatives`; `update` then keeps "
            "the same share of negatives as the run. "
            f"Received: replay={replay} and data of negative_rate={data.negative_rate:g}."
        )
    run = load_run(folder, calibrated=False)
    arguments |= {"negative_rate": content["negative_rate"]}
    learned = len(run.days)
    for index in range(learned, len(data.days)):
        run = _update(
            run,
            data,
            index,
            arguments,
            epochs=epochs,
            learning_rate=learning_rate,
            replay=replay,
            new_rows=starts,
            callbacks=callbacks,
            verbose=verbose,
        )
    if len(run.days) > learned and (calibration := remove_calibration(folder)) is not None:
        print(
            f"The calibration of the run, {calibration['method']!r}, was that of the model before "
            "these days, so it was removed. Calibrate the run again (`calibrate_run`, "
            "`keras-din calibrate`).",
            flush=True,
        )
    return run if len(run.days) > learned else load_run(folder)


def _update(
    run: Run,
    data,
    index: int,
    arguments: dict,
    *,
    epochs: int,
    learning_rate: float | None,
    replay: float,
    new_rows: NewRows,
    callbacks: Sequence,
    verbose,
) -> Run:
    """Evaluates and trains one day, and writes the result to the run's folder."""
    batch_size, by_request = arguments["batch_size"], arguments["by_request"]
    day = data.days[index]
    before = data.unseen_day(index, run.spec, len(run.days))
    metrics = {}
    if len(day.samples):
        metrics = evaluate(run.model, before.dataset("train", batch_size, by_request=by_request))
    seed = arguments["seed"] + day.number
    keras.utils.set_random_seed(seed)
    # A value that was removed and came back since then has another row, or starts again.
    changed = {n: state.changed_after(len(run.days)) for n, state in data.vocabularies.items()}
    # With the seed of the run, a row starts alike whichever day its value is added.
    model, starts = grow_with_starts(
        run.model,
        run.spec,
        data.spec,
        changed=changed,
        seed=arguments["seed"],
        **new_rows.arguments(index),
    )
    new_rows.print_starts(day.number, starts)
    random = np.random.default_rng(seed)
    for state in random_states(model):  # A loaded model has others each time.
        state.assign(random.integers(2**31, size=tuple(state.shape)))
    if learning_rate is not None:
        model.optimizer.learning_rate = learning_rate
    learned = data.day_with_replay(index, replay, seed)
    if arguments["negative_rate"] < 1:
        learned = learned.downsample_negatives(arguments["negative_rate"], seed)
    if getattr(model.optimizer, "mini_batch_aware_l2", None) is not None:
        own = data.day(index) if replay else learned
        model.optimizer.add_feature_counts(counts_of_tables(model, own))
    start = clock.perf_counter()
    if len(day.samples):
        rows = learned.dataset(
            "train",
            batch_size,
            shuffle=True,
            seed=seed,
            by_request=by_request,
            batch_by=batch_by(arguments),
        )
        model.fit(rows, epochs=epochs, shuffle=False, callbacks=list(callbacks), verbose=verbose)
    entry = {
        "day": day.number,
        "time_from": day.report.get("time_from"),
        "time_to": day.report.get("time_to"),
        **metrics,
        "unknown": _unknown(before, data.vocabularies),
        "sizes": {name: table.values.size for name, table in data.spec.tables.items()},
        "values": {name: _known(state.values) for name, state in data.vocabularies.items()},
        "seconds": clock.perf_counter() - start,
    }
    if model.uncertainty_weights is not None:
        entry["label_weights"] = model.uncertainty_weights.current
    name = f"update-{day.number:06d}"
    save_model(model, run.folder / f"{name}.keras")
    save_spec(data.spec, run.folder / f"{name}.json")
    days = [*run.days, entry]
    # Only this write makes the update valid. Until then the run is that of the day before.
    write_json(run.folder / UPDATES, {"model": name, "days": days})
    write_updates(run.folder, days)
    _remove_older(run.folder, name)
    return load_run(run.folder, calibrated=False)


def _unknown(before, vocabularies) -> dict:
    """Name of a feature of the target or context -> the share of rows with an unknown value."""
    from keras_din.data.encoding.features import count_parts

    unseen = count_parts(before.parts, before.spec)["train"]["rows_with_unseen"]
    rows = len(before.parts["train"])
    if not rows:
        return {}
    return {
        feature.name: unseen.get(feature.name, 0) / rows
        for feature in (*before.spec.context, *before.spec.target)
        if feature.table is not None and feature.table.name in vocabularies
    }


def _known(values) -> int:
    return sum(value is not None for value in values.entries)


def _remove_older(folder: pathlib.Path, name: str) -> None:
    for file in folder.glob("update-*"):
        if file.stem != name:
            file.unlink()
