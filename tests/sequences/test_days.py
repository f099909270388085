"""Random sequences of append, update, export, delta and rollback against brute force."""

import importlib
import json
import os
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_din.cli import main
from keras_din.data import PreparedData
from keras_din.features import NUM_RESERVED, OOV_INDEX
from keras_din.layers import Embedding
from keras_din.serving import apply_delta, make_delta, rollback
from keras_din.serving.version.folders import versions
from keras_din.training import load_run, train
from tests.sequences.prepared_rows import check_data
from tests.sequences.random_logs import Logs
from tests.serving.version.two_versions import contents

# A long run: `KERAS_DIN_SEQUENCES=20 python -m pytest -m slow tests/sequences/test_days.py`.
SEQUENCES = int(os.environ.get("KERAS_DIN_SEQUENCES", "2"))
MODELS = (
    ("deepfm", {"hidden_units": (4,), "dropout": 0.2}),
    ("din", {"hidden_units": (4,), "attention_units": (3,)}),
    ("lr", {}),
)
update_module = importlib.import_module("keras_din.training.update")


class GrowthCheck:
    """Takes the place of `grow_with_starts` and checks its result before the model learns.

    Args:
        data: The prepared data with all days.
        whole: The `WholeLog`.
        learned: The number of days that the model knows.
        by_category: Whether new items start from the mean of their category.
    """

    def __init__(self, data, whole, learned: int, by_category: bool):
        self.data, self.whole, self.learned, self.by_category = data, whole, learned, by_category
        self.grow = update_module.grow_with_starts

    def __call__(self, model, spec, new_spec, **options):
        before = self._variables(model)
        result, starts = self.grow(model, spec, new_spec, **options)
        after = self._variables(result)
        layers = {each.name: each for each in result.layers if isinstance(each, Embedding)}
        rows = {layer.name: self._rows(layer.feature, new_spec) for layer in layers.values()}
        for (path, old), (_, new) in zip(before, after, strict=True):
            name = next((n for n in layers if path.endswith(f"{n}/embeddings")), None)
            of_state = next((n for n in layers if f"/{n}_embeddings_" in path), None)
            if name is not None:
                kept, born = rows[name]
                np.testing.assert_array_equal(old[kept], new[kept])
                expected = self._initial(layers[name], old, kept, born, options["seed"])
                np.testing.assert_allclose(new[born], expected, rtol=1e-5)
            elif of_state is not None:
                kept, born = rows[of_state]
                np.testing.assert_array_equal(old[kept], new[kept])
                assert not new[born].any()
            elif path.endswith("_feature_counts"):
                table = path.rpartition("/")[2].removesuffix("_feature_counts")
                kept, born = self._rows(table, new_spec)
                np.testing.assert_array_equal(old[kept], new[kept])
                assert (new[born] == 1).all()
            else:
                np.testing.assert_array_equal(old, new)
        self.learned += 1
        return result, starts

    def _variables(self, model) -> list:
        variables = [*model.variables, *model.optimizer.variables]
        return [(each.path, np.array(keras.ops.convert_to_numpy(each))) for each in variables]

    def _rows(self, table: str, spec) -> tuple:
        """The rows of values that the model knows, with the reserved ones, and of new values."""
        born = self.whole.entries[table].born
        values = spec.tables[table].values.entries
        rows = {True: list(range(NUM_RESERVED)), False: []}
        for row, value in enumerate(values, NUM_RESERVED):
            if value is not None:
                rows[born[value] <= self.learned].append(row)
        return rows[True], rows[False]

    def _initial(self, layer, old, kept, born, seed: int) -> np.ndarray:
        values = layer.initial_rows(born, seed)
        if self.by_category and layer.feature == "item":
            groups = self.data.item_groups("category")["item"]
            for i, row in enumerate(born):
                same = [r for r in kept[NUM_RESERVED:] if groups[r] == groups[row] >= 0]
                if same:
                    values[i] = np.mean([old[r] for r in same], axis=0)
        return values


class Sequence:
    """A trainer and a server, with random steps."""

    def __init__(self, root, seed: int):
        self.root, self.logs = root, Logs(seed, root / "data")
        self.rng = np.random.default_rng([seed, 1])
        data, arguments = PreparedData.load(root / "data"), {"epochs": 1, "batch_size": 16}
        name, options = MODELS[seed % len(MODELS)]
        train(data, root / "run", model=name, options=options, verbose=0, **arguments)
        self.trainer, self.server = root / "trainer", root / "server"
        self.export()

    def append(self):
        self.logs.append()
        check_data(PreparedData.load(self.root / "data"), self.logs.whole)

    def update(self):
        data, learned = PreparedData.load(self.root / "data"), len(load_run(self.root / "run").days)
        by_category = bool(self.rng.random() < 0.5)
        words = ["--new-rows", "mean_of:category" if by_category else "initializer"]
        words += ["--replay", str(self.rng.choice([0.0, 0.3]))]
        with pytest.MonkeyPatch.context() as patch:
            check = GrowthCheck(data, self.logs.whole, learned, by_category)
            patch.setattr(update_module, "grow_with_starts", check)
            folders = [str(self.root / "run"), str(self.root / "data")]
            assert main(["update", *folders, "--quiet", *words]) == 0
        assert check.learned == len(data.days)
        assert len(load_run(self.root / "run").days) == len(data.days)

    def export(self):
        words = ["export", str(self.root / "run"), str(self.trainer)]
        present = versions(self.trainer)
        delta = ["--delta", "--keep", str(self.rng.integers(2, 5))] if present else []
        assert main([*words, *delta]) == 0
        newest = self.trainer / str(versions(self.trainer)[-1])
        self._send(newest, newest.with_name(f"{newest.name}.delta"))
        self._check_scores(newest)

    def rollback(self):
        present = versions(self.trainer)
        description = json.loads((self.trainer / str(present[-1]) / "keras_din.json").read_text())
        served = description.get("copy_of_version", present[-1])
        older = [number for number in present if number < served]
        if not older:
            return
        copy = rollback(self.trainer)
        original = contents(self.trainer / str(older[-1]))
        differ = {name for name, found in contents(copy).items() if found != original[name]}
        assert differ <= {"keras_din.json"}
        self._send(copy, make_delta(self.trainer / str(present[-1]), copy))

    def _send(self, version, delta):
        """Gives the server a version: the first one as it is, the others as a delta."""
        if not self.server.exists():
            shutil.copytree(version, self.server / version.name)
        else:
            made = apply_delta(self.server, delta, keep=3)
            assert contents(made) == contents(version)
            with pytest.raises(ValueError, match="must be applied once"):
                apply_delta(self.server, delta)
        assert versions(self.server)[-1] == versions(self.trainer)[-1]

    def _check_scores(self, version):
        """Scores of raw values are those of the model for indices that are looked up by hand."""
        run, rng, rows = load_run(self.root / "run"), self.rng, 40
        entries = {n: run.spec.features[n].vocabulary for n in ("item", "category", "tags")}
        length = rng.integers(0, 4, size=rows)
        real = np.arange(4) < length[:, None]
        raw = {
            "item": rng.integers(15, 45, size=rows),
            "tags": np.array([[f"t{t}" for t in r] for r in rng.integers(18, 30, size=(rows, 2))]),
            "hist_item": rng.integers(15, 45, size=(rows, 4)),
        }
        for name in ("item", "hist_item"):
            category = np.vectorize("c{}".format)(raw[name] // 3)
            raw[name.replace("item", "category")] = category
        indices = {}
        for name, values in raw.items():
            of_feature = entries[name.removeprefix("hist_")]
            look_up = {v: i for i, v in enumerate(of_feature, NUM_RESERVED) if v is not None}
            index = [look_up.get(value, OOV_INDEX) for value in values.ravel().tolist()]
            indices[name] = np.array(index, np.int32).reshape(values.shape)
            if name.startswith("hist_"):
                raw[name] = np.where(real, values, values.dtype.type())
                indices[name] = np.where(real, indices[name], 0)
        indices |= {name: indices[name][:, None] for name in ("item", "category")}
        if "number" in run.spec.features:
            raw["number"] = raw["item"].astype(np.float32)
            indices["number"] = raw["number"][:, None]
        serve = tf.saved_model.load(str(version)).signatures["serving_default"]
        found = serve(**{name: tf.constant(values) for name, values in raw.items()})["ctr"]
        expected = run.model.predict_on_batch(indices)[:, 0]
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)

    def check_one_delta_for_all(self):
        """One delta from the oldest version that is left gives the newest one."""
        oldest, *_, newest = (self.trainer / str(number) for number in versions(self.trainer))
        shutil.copytree(oldest, self.root / "other" / oldest.name)
        delta = make_delta(oldest, newest, self.root / "all.delta")
        assert contents(apply_delta(self.root / "other", delta)) == contents(newest)


@pytest.mark.parametrize("seed", range(SEQUENCES))
def test_a_sequence_of_days(tmp_path, seed, checked_by_one_process):
    sequence = Sequence(tmp_path, seed)
    steps = (sequence.append, sequence.append, sequence.update, sequence.export, sequence.rollback)
    for i in sequence.rng.integers(len(steps), size=2):
        steps[i]()
    for step in (*steps[1:], sequence.check_one_delta_for_all):
        step()
