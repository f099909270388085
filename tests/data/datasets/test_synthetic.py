"""The synthetic log: its click law, and the Bayes-optimal scores."""

import itertools

import keras
import numpy as np
import pytest

from keras_din import build_base, build_din, metrics
from keras_din.data import (
    PreparedData,
    bayes_optimal_scores,
    synthetic_log,
    write_synthetic_log,
)
from keras_din.data.datasets import synthetic_law


def test_shapes_and_parts():
    data = synthetic_log(50, 20, held_out=3, seed=1)
    assert {part: len(samples) for part, samples in data.parts.items()} == {
        "train": 50 * 14,
        "valid": 150,
        "test": 150,
    }
    assert data.parts["train"].time.max() < data.parts["valid"].time.min()
    assert data.parts["valid"].time.max() < data.parts["test"].time.min()
    x, y = next(iter(data.dataset("test", 8)))
    assert list(x) == ["item_id", "cate_id", "hist_item_id", "hist_cate_id"]
    assert y.shape == (8, 1)


def test_smaller_log_is_a_prefix_of_a_larger_one():
    small, again, large, other = (
        synthetic_log(users, 10, seed=seed) for users, seed in [(20, 1), (20, 1), (30, 1), (20, 2)]
    )
    item = lambda data: data.behaviors["hist"].columns["item_id"]  # noqa: E731
    np.testing.assert_array_equal(item(small), item(again))
    np.testing.assert_array_equal(item(large)[: len(item(small))], item(small))
    assert item(small).tolist() != item(other).tolist()


def test_histories_are_earlier_clicks():
    data = synthetic_log(30, 12, held_out=2)
    rows = []
    for part, samples in data.parts.items():
        start, end = samples.history["hist"]
        for row in range(len(samples)):
            history = data.behaviors["hist"].columns["item_id"][start[row] : end[row]].tolist()
            rows.append(
                (
                    samples.group[row],
                    samples.time[row],
                    samples.columns["item_id"][row],
                    samples.label[row],
                    history,
                    part,
                )
            )
    clicks = {}
    for user, _, item, label, history, _ in sorted(rows, key=lambda row: row[:2]):
        assert history == clicks.setdefault(user, [])
        if label:
            clicks[user].append(item)


def test_click_law():
    data = synthetic_log(
        5000, 20, interests=3, categories=12, items_per_category=4, click=0.8, seed=5
    )
    samples = [data.parts[part] for part in ("train", "valid", "test")]
    group, cate, item, label = (
        np.concatenate(arrays)
        for arrays in (
            [s.group for s in samples],
            [s.columns["cate_id"] for s in samples],
            [s.columns["item_id"] for s in samples],
            [s.label for s in samples],
        )
    )
    np.testing.assert_array_equal((item - 2) // 4, cate - 2)
    np.testing.assert_allclose(np.bincount((item - 2) % 4) / len(item), 0.25, atol=0.01)
    np.testing.assert_allclose(np.bincount(cate - 2) / len(cate), 1 / 12, atol=0.01)
    # A click requires that an interest is shown (1/2 + 1/2 * 3/12), and that it is clicked.
    np.testing.assert_allclose(label.mean(), 0.625 * 0.8, atol=0.01)
    clicked = np.zeros((5000, 12), int)
    np.add.at(clicked, (group[label == 1], cate[label == 1] - 2), 1)
    assert (clicked > 0).sum(axis=1).max() == 3  # At most as many as there are interests.


def brute_best(seen, candidate, interests, categories, click):
    """Returns the posterior by enumeration of all sets of interests."""
    met = total = 0.0
    for subset in itertools.combinations(range(categories), interests):
        if not set(seen) <= set(subset):
            continue
        shown = 0.5 / categories + (0.5 / interests if candidate in subset else 0)
        total += shown
        met += shown * (candidate in subset)
    return click * met / total


def test_best_scores_match_an_enumeration_of_interests():
    data = synthetic_log(12, 9, interests=3, categories=6, click=0.8, held_out=1, seed=2)
    cate = data.behaviors["hist"].columns["cate_id"]
    for part, samples in data.parts.items():
        start, end = samples.history["hist"]
        expected = [
            brute_best(
                (cate[start[row] : end[row]] - 2).tolist(),
                samples.columns["cate_id"][row] - 2,
                interests=3,
                categories=6,
                click=0.8,
            )
            for row in range(len(samples))
        ]
        np.testing.assert_allclose(bayes_optimal_scores(data, part), expected)


def test_best_scores_are_calibrated():
    data = synthetic_log(20_000, 12, interests=4, categories=30, held_out=1, seed=3)
    scores, label = bayes_optimal_scores(data, "train"), data.parts["train"].label
    values, which = np.unique(scores.round(9), return_inverse=True)
    assert 4 < len(values) < 10  # Seen, and by number of interests.
    counts = np.bincount(which)
    rates = np.bincount(which, label) / counts
    # Within four standard errors, for each score.
    error = np.sqrt(values * (1 - values) / counts)
    assert (np.abs(rates - values) <= 4 * error).all()


def test_best_reachable_equals_the_metrics_of_the_best_scores():
    data = synthetic_log(300, 16, seed=4)
    samples, scores = data.parts["test"], bayes_optimal_scores(data, "test")
    best = data.report["best_reachable"]["test"]
    clipped = np.clip(scores, 1e-7, 1 - 1e-7)
    logloss = -np.mean(np.where(samples.label == 1, np.log(clipped), np.log(1 - clipped)))
    np.testing.assert_allclose(best["logloss"], logloss, atol=1e-6)
    positive, negative = scores[samples.label == 1], scores[samples.label == 0]
    difference = positive[:, None] - negative[None, :]
    auc = np.mean((difference > 0) + 0.5 * (difference == 0))
    np.testing.assert_allclose(best["auc"], auc)
    areas, rows = [], []
    for user in range(300):
        mine = samples.group == user
        positive = scores[mine & (samples.label == 1)]
        negative = scores[mine & (samples.label == 0)]
        if positive.size and negative.size:
            difference = positive[:, None] - negative[None, :]
            areas.append(np.mean((difference > 0) + 0.5 * (difference == 0)))
            rows.append(mine.sum())
    np.testing.assert_allclose(best["gauc"], np.average(areas, weights=rows))


def test_best_reachable_is_independent_of_chunks(monkeypatch):
    monkeypatch.setattr(synthetic_law, "USERS_AT_ONCE", 100)
    data = synthetic_log(250, 16, seed=4)
    for part, samples in data.parts.items():
        label, scores = samples.label, bayes_optimal_scores(data, part)
        expected = {
            "gauc": metrics.gauc(label, scores, samples.group),
            "auc": metrics.auc(label, scores),
            "logloss": metrics.logloss(label, scores),
        }
        assert data.report["best_reachable"][part] == pytest.approx(expected, rel=1e-12)


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_written_log_equals_the_log_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(synthetic_law, "USERS_AT_ONCE", 20)
    options = {"interests": 3, "categories": 12, "click": 0.8, "held_out": 2, "dim": 4, "seed": 5}
    data = synthetic_log(50, 10, **options)
    data.save(tmp_path / "saved")
    write_synthetic_log(tmp_path / "written", 50, 10, **options)
    assert files(tmp_path / "written") == files(tmp_path / "saved")
    assert len(files(tmp_path / "written")) == 2 + 4 + 3 * 7
    loaded = PreparedData.load(tmp_path / "written")
    assert loaded.behaviors["hist"].users == 50
    assert loaded.report == data.report
    np.testing.assert_array_equal(
        bayes_optimal_scores(loaded, "test"), bayes_optimal_scores(data, "test")
    )


def test_log_is_written_completely_or_not_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(synthetic_law, "USERS_AT_ONCE", 20)
    write_synthetic_log(tmp_path / "data", 30, 10, seed=1)
    before = files(tmp_path / "data")
    with pytest.raises(FileExistsError, match="`folder` must be new or empty"):
        write_synthetic_log(tmp_path / "data", 30, 10, seed=2)
    draw = synthetic_law.SyntheticLaw._draw

    def fail_at_the_second(self, rng):
        if (tmp_path / "drawn").exists():
            raise OSError(28, "No space left on device")
        (tmp_path / "drawn").touch()
        return draw(self, rng)

    monkeypatch.setattr(synthetic_law.SyntheticLaw, "_draw", fail_at_the_second)
    with pytest.raises(OSError, match="No space left on device"):
        write_synthetic_log(tmp_path / "data", 30, 10, seed=2, overwrite=True)
    assert files(tmp_path / "data") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "drawn"]


def test_undefined_metrics_are_none():
    data = synthetic_log(30, 8, held_out=1)  # One test row per user, so GAUC is undefined.
    assert data.report["best_reachable"]["test"]["gauc"] is None


def test_target_attention_is_better_than_a_mean():
    data = synthetic_log(12_000, 32, interests=8, items_per_category=5)
    auc = {}
    for build, options in [(build_din, {"attention_units": (32,)}), (build_base, {})]:
        keras.utils.set_random_seed(0)
        model = build(data.spec, hidden_units=(64, 32), **options)
        model.compile(keras.optimizers.Adam(3e-3), "binary_crossentropy", metrics=["AUC"])
        model.fit(data.dataset("train", 512, shuffle=True), epochs=2, verbose=0, shuffle=False)
        _, auc[model.name] = model.evaluate(data.dataset("test", 4096), verbose=0)
    best = data.report["best_reachable"]["test"]["auc"]
    assert auc["base"] < 0.76
    assert 0.84 < auc["din"] < best + 0.01


@pytest.mark.parametrize(
    "options, message",
    [
        ({"users": 0}, "`users` must be a positive integer"),
        ({"interests": 9, "categories": 8}, "`interests` must not be more than `categories`"),
        ({"click": 0}, "`click` must be a probability above 0. Received: click=0"),
        ({"click": 1.5}, "`click` must be a probability above 0. Received: click=1.5"),
        ({"held_out": 20}, "`held_out` must leave training impressions"),
        ({"seed": -1}, "`seed` must be a non-negative integer"),
    ],
)
def test_invalid_arguments_raise(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        synthetic_log(**options)
    with pytest.raises(ValueError, match=message):
        write_synthetic_log(tmp_path / "data", **options)
    assert not list(tmp_path.iterdir())
