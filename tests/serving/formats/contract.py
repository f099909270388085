"""Contract tests of file formats: a file gives the scores of the live model."""

import dataclasses
import importlib.util

import keras
import numpy as np
import pytest

import keras_din as kd
from keras_din.features import id_feature
from keras_din.outputs import by_output
from keras_din.serving.portable import index_spec
from keras_din.serving.sample_rows import sample_rows
from tests.models.history_spec import SPEC as HISTORY
from tests.models.shared import BAGS, ITEM, OPTIONS, randomized
from tests.serving.specs import SMALL, SPEC

ITEMS = kd.FeatureSpec(
    context=[kd.Categorical("segment", 5, dim=8)],
    target=[ITEM],
    sequences=[kd.Sequence("hist", of=[ITEM], max_length=20)],
)
OTHER_GRAPHS = {
    "authors": ("din", OPTIONS["din_authors"]),
    "crosses": ("wide_deep", {"crosses": [("hist_item_id", "item_id")], "cross_buckets": 50}),
    "two blocks": ("bst", {"num_blocks": 2, "num_heads": 2}),
    "without update gate": ("dien", {"gru_type": "AGRU"}),
}


def needs(*modules):
    lacking = [name for name in modules if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(lacking), reason=f"not installed: {', '.join(lacking)}")


class FormatContract:
    """Tests of a file format. The test class of each format inherits them.

    Attributes:
        export: The function that writes a file, as a `staticmethod`.
        open: The function that reads a file, as a `staticmethod`.
    """

    @pytest.mark.parametrize("name", kd.MODELS)
    def test_every_model(self, tmp_path, name):
        self.check(tmp_path, kd.MODELS[name](ITEMS), ITEMS)

    def test_missing_numbers_are_the_mean(self, tmp_path):
        spec = kd.FeatureSpec(
            context=[kd.Numeric("age", mean=40, std=10)], target=[kd.Categorical("item", 9, dim=4)]
        )
        model = kd.build_base(spec, hidden_units=(4,))
        score = self.open(self.export(model, spec, tmp_path / "base"))
        age = np.array([np.nan, np.inf, -np.inf, 40], "float32")
        ctr = score({"age": age, "item": np.full((4, 1), 3, "int32")})["ctr"]
        np.testing.assert_array_equal(ctr, np.tile(ctr[3], (4, 1)))
        assert np.isfinite(ctr).all()

    # `din` looks up embeddings of bags, and `lr` looks up weights.
    @pytest.mark.parametrize("name", ["lr", "din"])
    def test_bags(self, tmp_path, name):
        self.check(tmp_path, kd.MODELS[name](BAGS), BAGS)

    def test_features_of_the_history(self, tmp_path):
        self.check(tmp_path, kd.build_deepfm(HISTORY, hidden_units=(4,)), HISTORY)

    def test_two_sequences(self, tmp_path):
        self.check(tmp_path, kd.build_din(SPEC), SPEC)

    def test_several_labels(self, tmp_path):
        numbers = [kd.Label("watch", loss="poisson"), kd.Label("score", loss="mse")]
        spec = dataclasses.replace(ITEMS, labels=["view", *numbers, "click"])  # Not sorted by name.
        self.check(tmp_path, kd.build_base(spec), spec)

    @pytest.mark.parametrize("name", OTHER_GRAPHS)
    def test_options_that_change_the_graph(self, tmp_path, name):
        model, options = OTHER_GRAPHS[name]
        self.check(tmp_path, kd.MODELS[model](ITEMS, **options), ITEMS)

    def check(self, tmp_path, model, spec):
        """Writes a file. It is alone in its folder, and gives the scores of the model."""
        model = randomized(model, scale=0.2)
        path = self.export(model, spec, tmp_path / "a folder" / "model")
        assert [entry.name for entry in path.parent.iterdir()] == ["model"]
        score = self.open(path)
        spec = index_spec(spec)
        first = id_feature(spec.target).name
        for options in (
            {"rows": 30},
            {"rows": 3, "time": 0},
            {"rows": 1, "candidates": 1, "time": 1},
            {"rows": 2, "candidates": 20, "time": 150},
        ):
            sample = sample_rows(spec, seed=9, **options)
            real = sample.indices[first] != 0
            answer, live = score(sample.raw), model(sample.indices)  # Tracing takes longer.
            assert set(answer) == set(spec.outputs)
            for name, values in by_output(live, spec.outputs).items():
                expected = np.where(real, values, 0)
                np.testing.assert_allclose(answer[name], expected, rtol=0, atol=1e-5)

    def test_a_difference_keeps_the_existing_file(self, tmp_path, monkeypatch):
        (tmp_path / "model").write_text("old")
        model = kd.build_base(SMALL, hidden_units=(4,))
        model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])  # ctr is 0.5.
        wrong = lambda model: lambda x: np.full(x["item"].shape, 0.9)  # noqa: E731
        monkeypatch.setattr("keras_din.serving.portable.float32_outputs", wrong)
        with pytest.raises(RuntimeError, match=r"must agree to 1e-05\. Received: .* of 0\.4\."):
            self.export(model, SMALL, tmp_path / "model")
        assert [entry.name for entry in tmp_path.iterdir()] == ["model"]
        assert (tmp_path / "model").read_text() == "old"

    def test_an_operation_that_the_format_lacks(self, tmp_path):
        model = kd.build_base(ITEMS, hidden_units=(4,), activation=keras.ops.erfinv, name="odd")
        message = r"`export_\w+` can't write this model: its .* failed\. .* Received: odd\. "
        with pytest.raises(RuntimeError, match=message):
            self.export(model, ITEMS, tmp_path / "model")
        assert list(tmp_path.iterdir()) == []

    def test_click_rates_of_the_log(self, tmp_path):
        """The output is `p / (p + 2000 (1 - p))`, or `p` with `raw=True`."""
        model = randomized(kd.build_base(ITEMS, hidden_units=(8,), activation="relu"), scale=0.2)
        logit = model.get_layer("logit")
        kernel, bias = logit.get_weights()
        logit.set_weights([kernel, bias + 7.6])  # The log odds of 2000.
        model.compile("adam", kd.losses.BinaryCrossentropy(positive_weight=1000))
        sample = sample_rows(index_spec(ITEMS))
        real = sample.indices["item_id"] != 0
        p = np.asarray(model(sample.indices), "float64")
        score = self.open(self.export(model, ITEMS, tmp_path / "model", negative_rate=0.5))
        expected = p / (p + 2000 * (1 - p))
        np.testing.assert_allclose(score(sample.raw)["ctr"][real], expected[real], atol=1e-4)
        score = self.open(self.export(model, ITEMS, tmp_path / "raw", raw=True))
        np.testing.assert_allclose(score(sample.raw)["ctr"][real], p[real], atol=1e-5)
