"""All models get the same samples, and their steps run: ours, also padded, and plain Keras."""

import numpy as np
import pytest


def test_peers_get_the_same_samples_in_the_same_order(tmp_path):
    from harness.batch_file import read, write
    from harness.data_sets import electronics

    data = electronics(users=40, items=300)
    data.save(tmp_path / "data")
    file = str(tmp_path / "batches.npz")
    written = write(str(tmp_path / "data"), file, batch_size=16, length=5)
    arrays = read(file)
    rows = np.random.default_rng([0, 0]).permutation(len(data.parts["train"]))
    samples, log = data.parts["train"], data.behaviors["hist"].columns
    assert written["batches"] == len(rows) // 16 == len(arrays["label"])
    assert (arrays["items"], arrays["categories"]) == (302, 803)
    for place, row in enumerate(rows[: 16 * written["batches"]]):
        at = divmod(place, 16)
        assert arrays["label"][at] == samples.label[row]
        start, end = (bound[row] for bound in samples.history["hist"])
        for name in ("item_id", "cate_id"):
            assert arrays[name][at] == samples.columns[name][row]
            history = log[name][max(start, end - 5) : end].tolist()
            assert arrays[f"hist_{name}"][at].tolist() == history + [0] * (5 - len(history))


def test_steps_of_our_model_and_of_plain_keras(tmp_path):
    from harness.batch_file import write
    from harness.data_sets import electronics
    from harness.our_din import predict, train
    from harness.process import run_task

    data = str(tmp_path / "data")
    electronics(users=300, items=500, dim=4, max_length=10).save(data)
    assert train(data, 32, seconds=0.01)["step"] > 0
    assert train(data, 32, seconds=0.01, by_request=True)["step"] > 0
    assert predict(data, 32, seconds=0.01, cached_batches=2)["step"] > 0
    file = str(tmp_path / "batches.npz")
    write(data, file, batch_size=32, length=10)
    options = {"batches": file, "dim": 4, "seconds": 0.01}
    result = run_task("peers.din_keras", "train", timeout=120, **options)
    assert result["step"] > 0
    assert result["memory"] > 0
    assert "Keras" in result["versions"]


def test_padded_batches_of_our_model(tmp_path):
    from harness.batch_file import read, write
    from harness.data_sets import electronics
    from harness.our_padded_din import RepeatedBatches, build

    electronics(users=200, dim=4).save(tmp_path / "data")
    write(tmp_path / "data", tmp_path / "batches.npz", batch_size=32, length=7)
    arrays = read(tmp_path / "batches.npz")
    batches = RepeatedBatches(arrays, len(arrays["label"]) + 1)
    again, first = batches[len(arrays["label"])][0], batches[0][0]
    assert list(again) == list(first) == ["item_id", "cate_id", "hist_item_id", "hist_cate_id"]
    assert all((again[name] == first[name]).all() for name in first)
    model = build(arrays, dim=4, length=7)
    x, y = batches[0]
    assert model.predict_on_batch(x).shape == y.shape == (32, 1)
    assert np.isfinite(model.train_on_batch(x, y))


def test_rank_of_an_export_by_strings(tmp_path, monkeypatch):
    from harness import our_din
    from harness.rank_request import make_request, one_row_per_candidate

    sizes = {"item_id": 30, "cate_id": 5}
    monkeypatch.setattr(our_din, "VOCABULARY_SIZES", sizes)
    inputs = make_request(*sizes.values(), users=2, history=4, candidates=3)
    version = our_din.export(str(tmp_path), 10, strings=True)["version"]
    assert our_din.rank_function(version, our_din.strings_of(inputs))().shape == (2, 3)
    assert our_din.strings_of({"hist_cate_id": np.array([[7]])})["hist_cate_id"] == "c000000007"
    rows = one_row_per_candidate(inputs)
    assert rows["item_id"].tolist() == inputs["item_id"].ravel().tolist()
    for row in range(6):
        assert (rows["hist_item_id"][row] == inputs["hist_item_id"][row // 3]).all()


def test_missing_environment_has_a_reason(tmp_path, capsys):
    import sys

    from peers import install, python_of

    assert python_of("plain Keras 3", None) == (sys.executable, None)
    assert "see peers/install.py" in python_of("FuxiCTR", tmp_path)[1]
    install.main([str(tmp_path), "--only", "fuxictr"])
    assert "its models are not on PyPI" in python_of("FuxiCTR", tmp_path)[1]
    install.main([str(tmp_path), "--only", "fuxictr", "--fuxictr", str(tmp_path)])
    assert "is no checkout of FuxiCTR" in python_of("FuxiCTR", tmp_path)[1]


@pytest.mark.parametrize("task, accesses, passes", [("train", 6, 3), ("predict", 1, 1)])
def test_gpu_roofline_by_hand(task, accesses, passes):
    from accelerator import DIM, roofline
    from harness.roofline import ranking_operations

    by_operations, by_bytes = roofline(10, task, 3, {"rate": 1e6, "bandwidth": 1e3})
    forward = 10 * ranking_operations(1, 3, 1, 2 * DIM)
    assert by_operations == pytest.approx(passes * forward / 1e6)
    # Three behaviors and a candidate, two tables, four bytes per number.
    assert by_bytes == 10 * 4 * accesses * 2 * DIM * 4 / 1e3


def test_mean_and_padded_length_of_a_batch_file(tmp_path):
    from accelerator import measure_lengths

    history = np.array([[[5, 6, 0], [7, 0, 0]]])
    np.savez(tmp_path / "batches.npz", hist_item_id=history)
    assert measure_lengths(tmp_path / "batches.npz") == {"history": 1.5, "padded": 3}
