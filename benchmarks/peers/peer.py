"""What the peers have in common: batches ready in memory, three tasks. NumPy alone."""

import numpy as np
from measuring import latencies, memory, peak_memory, seconds_a_step, steps_a_call
from ranking import request, tiled

FEATURES = ("item_id", "cate_id", "hist_item_id", "hist_cate_id")


def tasks(
    build, trainer, predictor, versions: dict, *, save=None, server=None, of_keras: bool = True
) -> dict:
    """The tasks of a peer: `"train"` and `"predict"` give the time of a step.

    `"save"` writes a SavedModel, `"serve"` gives latencies where there is none.

    Args:
        build: Function of `items`, `categories` (sizes of the vocabularies), `dim` of each of the
            two and `length` of the histories, to a model that is ready to train.
        trainer: Function of a model and batches to a function of a number, which trains so many
            steps.
        predictor: Likewise, to one that predicts so many batches.
        versions: Name -> version of what is measured.
        save: Function of a model and a folder: writes its SavedModel.
        server: Function of a model and inputs, a row a candidate, to a function without
            arguments, which answers once.
        of_keras: Whether `build` takes `steps_per_execution` too, so many steps a call.
    """

    def task(steps_of):
        def measure(batches: str, dim: int, seconds: float):
            batches = read(batches)
            sizes = {name: int(batches.pop(name)) for name in ("items", "categories")}
            before = memory()
            _, batch_size, length = batches["hist_item_id"].shape
            at_once = steps_a_call(batch_size) if of_keras and steps_of is trainer else 1
            options = {"steps_per_execution": at_once} if of_keras else {}
            model = build(**sizes, dim=dim, length=length, **options)
            taken = seconds_a_step(steps_of(model, batches), seconds) / at_once
            return {"step": taken, "memory": peak_memory() - before, "versions": versions}

        return measure

    def serve(items, categories, dim, users, history, candidates, seconds):
        inputs = tiled(request(items, categories, users, history, candidates))
        model = build(items=items, categories=categories, dim=dim, length=history)
        return {**latencies(server(model, inputs), seconds), "versions": versions}

    def save_one(items, categories, dim, history, folder, seconds):
        save(build(items=items, categories=categories, dim=dim, length=history), folder)
        return {"folder": folder, "versions": versions}

    result = {"train": task(trainer), "predict": task(predictor)}
    return result | ({"serve": serve} if server else {}) | ({"save": save_one} if save else {})


def read(file: str) -> dict:
    """The arrays that `batches.py` wrote."""
    with np.load(file) as arrays:
        return dict(arrays)
