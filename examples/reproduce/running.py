"""One run: trains, scores the test part, and saves both, so that a repeated command reads them."""

import dataclasses
import json
import pathlib

import keras
import numpy as np

from examples.reproduce import boosted_trees
from examples.reproduce.entries import Entry
from examples.reproduce.sources import Source
from keras_din.data import PreparedData
from keras_din.evaluation import predict
from keras_din.features import FeatureSpec
from keras_din.training import train

_OUTCOME, _SCORES = "outcome.json", "scores.npz"


@dataclasses.dataclass(frozen=True)
class Job:
    """The model, data and seed of a run.

    Args:
        name: Name of the line of the table.
        entry: The line.
        source: The kind of data.
        data: The `PreparedData`.
        folder: Folder of the runs of this data and protocol.
        seed: Seed of the weights and of the order of rows.
    """

    name: str
    entry: Entry
    source: Source
    data: PreparedData
    folder: pathlib.Path
    seed: int = 0

    def at(self, setting: dict) -> pathlib.Path:
        """Returns the folder of the run with a setting."""
        if self.entry.settings is not None:
            words = [f"{word}{value:g}" for word, value in setting.items()]
            return self.folder / self.name / "-".join([*words, f"seed{self.seed}"])
        words = [f"rate{setting['learning_rate'] * self.entry.learning_rate_scale:g}"]
        if self.entry.has_dropout:
            words.append(f"dropout{setting['dropout']:g}")
        words += [f"regularization{setting['mini_batch_aware_l2']:g}", f"seed{self.seed}"]
        return self.folder / self.name / "-".join(words)


def data_of(job: Job) -> PreparedData:
    """Returns the data of a model: without sequences if it reads no history."""
    if job.entry.history:
        return job.data
    spec = FeatureSpec(context=job.data.spec.context, target=job.data.spec.target)
    return PreparedData(spec, {}, job.data.parts)


def run(job: Job, setting: dict) -> dict:
    """Trains, continues an interrupted run, or reads the result of a finished one.

    Returns:
        A dict with `valid gauc`, the metrics of the test part, `best_step`, `parameters`, and
        `setting` if the run itself chose it. Without a part `"test"`, as in the paper's protocol,
        the metrics are those of `"valid"`.
    """
    folder = job.at(setting)
    if (folder / _OUTCOME).is_file():
        return json.loads((folder / _OUTCOME).read_text(encoding="utf-8"))
    data = data_of(job)
    if job.entry.model == boosted_trees.NAME:
        folder.mkdir(parents=True, exist_ok=True)
        outcome, scores = boosted_trees.train(data, setting, job.seed)
    else:
        outcome, scores = _train(job, setting, data)
    np.savez(folder / _SCORES, **scores)
    (folder / _OUTCOME).write_text(json.dumps(outcome, indent=1), encoding="utf-8")
    return outcome


def _train(job: Job, setting: dict, data: PreparedData) -> tuple:
    """Trains a model of `MODELS` and returns `(outcome, scores)`."""
    options = dict(job.entry.options)
    if job.entry.model == "wide_deep":
        options["crosses"] = job.source.crosses
    if job.entry.has_dropout:
        options["dropout"] = setting["dropout"]
    steps = {}
    if job.entry.settings is None:
        steps["learning_rate"] = setting["learning_rate"] * job.entry.learning_rate_scale
        steps["mini_batch_aware_l2"] = setting["mini_batch_aware_l2"]
    keras.backend.clear_session()
    trained = train(
        data,
        job.at(setting),
        model=job.entry.model,
        options=options,
        monitor="gauc",  # The tables compare GAUC.
        **steps,
        seed=job.seed,
        resume=(job.at(setting) / "run.json").exists(),
        verbose=0,
        **job.source.training,
        **job.entry.training,
    )
    part = "test" if "test" in data.parts else "valid"
    requests = job.source.training.get("by_request", False)
    rows = data.dataset(part, 4096, by_request=requests)
    scores = predict(trained.model, rows)
    found = {
        "predictions": scores.predictions,
        "labels": scores.labels,
        "groups": np.repeat(rows.groups, scores.sizes),
    }
    outcome = {"valid gauc": trained.result["valid"]["gauc"], **trained.result[part]}
    outcome["best_step"] = trained.result["best_step"]
    outcome["parameters"] = trained.model.count_params()
    if "prior_strength" in trained.result:
        outcome["setting"] = f"prior_strength {trained.result['prior_strength']:g}"
    return outcome, found


def scores_of(job: Job, setting: dict) -> dict:
    """Returns `predictions`, `labels` and `groups` of the test rows of a run."""
    with np.load(job.at(setting) / _SCORES) as file:
        return dict(file)
