"""Metrics of workers with rows of their own equal those of one process."""

import numpy as np
import pytest

import keras_din as kd
from keras_din.evaluation import metrics_of_dataset
from keras_din.evaluation.metrics_of_workers import metrics_of_workers, number_metrics_of_workers
from tests.data.sharded.shared import COLUMNS, RICH, random_log
from tests.distributed.in_threads import run_workers


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("texts", [False, True])
def test_random_rows(monkeypatch, seed, texts):
    rng = np.random.default_rng(seed)
    workers, rows = 3, 200
    user = rng.integers(20, size=rows)
    y_true, y_pred = rng.integers(2, size=rows), rng.integers(1, 9, rows) / 10  # With ties.
    groups = np.array([f"u{each}" for each in user]) if texts else user // workers

    def of_worker(index):
        own = user % workers == index
        return metrics_of_workers(y_true[own], y_pred[own], groups[own])

    expected, by_group = kd.metrics.metrics_and_groups(y_true, y_pred, user)
    for metrics, of_groups in run_workers(monkeypatch, of_worker, workers):
        assert list(metrics) == list(expected)
        np.testing.assert_allclose(list(metrics.values()), list(expected.values()), rtol=1e-12)
        assert sorted(zip(*of_groups[1:4], strict=True)) == sorted(zip(*by_group[1:4], strict=True))
        assert of_groups[4:] == by_group[4:]
        assert len(set(of_groups.groups)) == len(by_group.groups)


def test_a_worker_whose_labels_are_all_missing(monkeypatch):
    y_true, y_pred, groups = np.array([1, 0, 1]), np.array([0.5, 0.3, 0.2]), np.array([3, 3, 3])
    rows = [slice(None), slice(0)]
    for metrics, by_group in run_workers(
        monkeypatch, lambda i: metrics_of_workers(y_true[rows[i]], y_pred[rows[i]], groups[rows[i]])
    ):
        assert metrics == pytest.approx(kd.metrics.all_metrics(y_true, y_pred, groups))
        assert len(by_group.groups) == 1


def test_without_groups_and_numbers(monkeypatch):
    y_true, y_pred = np.arange(6) % 2, np.arange(6) / 6
    parts = run_workers(monkeypatch, lambda i: metrics_of_workers(y_true[i::2], y_pred[i::2], None))
    for metrics, by_group in parts:
        assert by_group is None
        assert metrics == pytest.approx(kd.metrics.all_metrics(y_true, y_pred))
    parts = run_workers(monkeypatch, lambda i: number_metrics_of_workers(y_true[i:], y_pred[i:]))
    both = [np.concatenate([values, values[1:]]) for values in (y_true, y_pred)]
    assert parts[0] == parts[1] == pytest.approx(kd.metrics.number_metrics(*both))


def test_evaluate_and_predict_of_shards(monkeypatch, tmp_path):
    """With several labels, of which one is missing in some rows."""
    context = [kd.Numeric("price", transform="log1p")]
    options = RICH | {"label_map": {}, "max_bad": 0.5, "context": context}
    kd.data.prepare_shards(random_log(5, 400, 30), tmp_path / "data", 5, **COLUMNS | options)
    whole = kd.data.load_shards(tmp_path / "data")
    assert np.isnan(whole.parts["test"].labels["like"]).any()
    models = [kd.build_base(whole.spec, hidden_units=(3,)) for _ in range(2)]
    for model in models:
        model.set_weights(models[0].get_weights())
        model.compile(kd.optimizers.LazyAdam(), kd.losses.BinaryCrossentropy())

    def of_worker(index):
        data = kd.data.load_shards(tmp_path / "data", index, 2)
        batches = data.dataset("test", 7).prefetch(1)
        metrics = kd.evaluate(models[index], batches, groups=data.parts["test"].group)
        importance = kd.feature_importance(models[index], data.dataset("test", 7), repeats=1)
        return metrics, kd.evaluation.predict(models[index], batches), importance

    expected = kd.evaluate(models[0], whole.dataset("test", 7))
    found = run_workers(monkeypatch, of_worker)
    for metrics, _, importance in found:
        assert metrics == pytest.approx(expected, rel=1e-6, nan_ok=True)
        assert importance.attrs["baseline"] == pytest.approx(expected["ctr_gauc"], rel=1e-6)
        assert importance.equals(found[0][2])
    rows = [len(predictions.sizes) for _, predictions, _ in found]
    assert rows == [len(kd.data.load_shards(tmp_path / "data", i, 2).parts["test"]) for i in (0, 1)]


def test_datasets_of_other_workers_and_parts_of_batches_raise(monkeypatch, tmp_path):
    kd.data.prepare_shards(random_log(5), tmp_path / "data", 3, **COLUMNS, max_bad=0.5)
    data = kd.data.load_shards(tmp_path / "data", 0, 2)
    model = kd.build_lr(data.spec)
    with pytest.raises(ValueError, match=r"index=1, count=2\)`\. Received: data of index=0 and c"):
        run_workers(monkeypatch, lambda _: kd.evaluate(model, data.dataset("test")))
    whole = kd.data.load_shards(tmp_path / "data")
    with pytest.raises(ValueError, match=r"without `shard`\. Received: .* shard=\(1, 2\)"):
        run_workers(monkeypatch, lambda _: kd.evaluate(model, whole.dataset("test", shard=(1, 2))))
    with monkeypatch.context() as patched:  # The model of two workers, outside of their scope.
        patched.setattr(metrics_of_dataset, "worker_of", lambda *of: (0, 2) if of else (0, 1))
        with pytest.raises(ValueError, match=r"on each of them, in the scope of the strategy\."):
            kd.evaluate(model, data.dataset("test"))
    assert kd.evaluate(model, data.dataset("test"))["rows"] == len(data.parts["test"])
    both = data.dataset("test").concatenate(whole.dataset("test"))
    with pytest.raises(ValueError, match=r"of data of one worker\. Received: several sources"):
        run_workers(monkeypatch, lambda _: kd.evaluate(model, both, groups=False))
