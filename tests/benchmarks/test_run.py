"""The benchmark: its data's shape, its floor, what reaches the peers, and what its rows say."""

import pathlib
import sys

import numpy as np
import pytest

FOLDER = pathlib.Path(__file__).parents[2] / "benchmarks"
TRAIN = {"versions": {}, "memory": 0}


@pytest.fixture(autouse=True)
def folder_on_the_path(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(FOLDER)):
            del sys.modules[name]


def test_the_data_has_the_shape_that_it_names():
    from electronics import electronics, mean_history

    data = electronics(users=40_000)
    samples = data.parts["train"]
    assert len(samples) == pytest.approx(2_608_764 * 40_000 / 192_403, rel=0.05)
    assert samples.label.mean() == 0.5
    assert 9 < mean_history(data) < 12
    start, end = samples.history["hist"]
    assert np.median(end - start) == 4
    assert (end - start).max() > 400
    assert (end - start).min() == 1


def test_a_request_has_its_positive_where_the_user_went_on():
    from electronics import electronics

    data = electronics(users=50, candidates=3)
    samples, log = data.parts["train"], data.behaviors["hist"]
    _, end = samples.history["hist"]
    assert samples.label.tolist() == [1, 0, 0] * (len(samples) // 3)
    assert (samples.columns["item_id"][::3] == log.columns["item_id"][end[::3]]).all()
    assert (samples.columns["cate_id"][::3] == log.columns["cate_id"][end[::3]]).all()


def test_lengths_of_a_power_law_by_hand():
    from electronics import power_law

    assert power_law(6, rows=3, total=11).tolist() == [6, 3, 2]  # 6 / rank
    assert power_law(9, rows=3, total=12).tolist() == [9, 2, 1]
    assert power_law(2, rows=3, total=5).tolist() == [2, 2, 1]  # 2, 1, 1, and the rest.
    for longest in (20, 100, 430, 1000):
        lengths = power_law(longest, rows=256, total=2560)
        assert lengths.sum() == 2560
        assert (lengths[0], lengths.min() >= 1) == (longest, True)
        assert (np.diff(lengths) <= 0).all()


def test_skewed_batches_have_one_sum():
    from electronics import skewed

    start, end = skewed(100, batches=3, batch_size=32).parts["train"].history["hist"]
    lengths = (end - start).reshape(3, 32)
    assert lengths.sum(axis=1).tolist() == [320] * 3
    assert lengths.max(axis=1).tolist() == [100] * 3


def test_the_floor_by_hand():
    from floor import operations

    # Two behaviors of width 4, attention 3-2, top 5: a behavior 2*4*3 + 3*2 + 2*1 = 32, the
    # candidate 4*3 = 12, the top 8*5 + 5*1 = 45; 3 passes, 2 operations a multiply-add.
    assert operations(2, 4, attention=(3, 2), top=(5,)) == 6 * (2 * 32 + 12 + 45)


def test_the_time_of_a_step(monkeypatch):
    import measuring

    now, calls = [0.0], []

    def steps(number):
        calls.append(number)
        now[0] += number * (0.1 if len(calls) > 1 else 60)  # The first ones compile.

    monkeypatch.setattr(measuring.time, "perf_counter", lambda: now[0])
    assert measuring.seconds_a_step(steps, seconds=2.0) == pytest.approx(0.1)
    assert calls == [2, 1, 2, 4, 8, 20, 20, 20]
    twice = lambda number: steps(2 * number)  # noqa: E731
    assert measuring.seconds_in_turn([steps, twice], 2.0) == pytest.approx([0.1, 0.2])


def test_memory_counts_what_was_held():
    from measuring import memory, peak_memory

    before = memory()
    held = np.ones(2**25)
    assert memory() - before > held.nbytes * 0.9
    del held
    assert peak_memory() - before > 2**28 * 0.9


def test_peers_get_the_same_samples_in_the_same_order(tmp_path):
    from batches import save
    from electronics import electronics

    data = electronics(users=40, items=300)
    data.save(tmp_path / "data")
    said = save(str(tmp_path / "data"), str(tmp_path / "b.npz"), batch_size=16, length=5)
    with np.load(tmp_path / "b.npz") as arrays:
        found = dict(arrays)
    rows = np.random.default_rng([0, 0]).permutation(len(data.parts["train"]))
    samples, log = data.parts["train"], data.behaviors["hist"].columns
    assert said["batches"] == len(rows) // 16 == len(found["label"])
    assert (found["items"], found["categories"]) == (302, 803)
    for place, row in enumerate(rows[: 16 * said["batches"]]):
        at = divmod(place, 16)
        assert found["label"][at] == samples.label[row]
        start, end = (bound[row] for bound in samples.history["hist"])
        for name in ("item_id", "cate_id"):
            assert found[name][at] == samples.columns[name][row]
            history = log[name][max(start, end - 5) : end].tolist()
            assert found[f"hist_{name}"][at].tolist() == history + [0] * (5 - len(history))


def test_ours_and_the_plain_peer_run(tmp_path):
    from batches import save
    from electronics import electronics
    from ours import predict, train
    from process import ask

    data = str(tmp_path / "data")
    electronics(users=300, items=500, dim=4, max_length=10).save(data)
    assert train(data, 32, seconds=0.01)["step"] > 0
    assert train(data, 32, seconds=0.01, by_request=True)["step"] > 0
    assert predict(data, 32, seconds=0.01)["step"] > 0
    assert predict(data, 32, seconds=0.01, ready=2)["step"] > 0
    file = str(tmp_path / "batches.npz")
    save(data, file, batch_size=32, length=10)
    answer = ask("peers.din_keras", "train", batches=file, dim=4, seconds=0.01)
    assert answer["step"] > 0
    assert answer["memory"] > 0
    assert "Keras" in answer["versions"]


def test_a_process_that_fails_says_why(tmp_path):
    from process import Failed, ask

    with pytest.raises(Failed, match="No module named nothing"):
        ask("nothing", "train")
    with pytest.raises(Failed, match="took longer than 0 s"):
        ask("process", "train", timeout=0.001)


def test_a_log_is_written_and_prepared(tmp_path):
    from preparing import prepare, write

    rows = write(str(tmp_path), users=200)["rows"]
    for kind in ("parquet", "csv"):
        answer = prepare(str(tmp_path / f"log.{kind}"), str(tmp_path / kind))
        assert answer["seconds"] > 0
        assert answer["memory"] > 0
    assert 200 * 5 <= rows < 200 * 20


def test_the_first_step_is_timed():
    from starting import first_step

    assert first_step("synthetic")["seconds"] > 0


class Scripted:
    """A bench whose figures are known: a list of steps for ours, and one for a peer or none."""

    quick, folder, seconds = False, pathlib.Path("nowhere"), 0.01

    def __init__(self, ours, theirs=()):
        self._ours, self._theirs = iter(ours), iter(theirs)
        self.asked = []

    def data(self, kind, **options):
        return "folder", {"rows": 1000, "history": 10.0}

    def ours(self, task, **options):
        self.asked.append(options)
        step = next(self._ours)
        return {**TRAIN, "step": step, "steps": step}

    def theirs(self, task, *arguments, **options):
        step = next(self._theirs, None)
        if step is None:
            return {}
        return {"DeepCTR": step if isinstance(step, Exception) else {**TRAIN, "step": step}}

    def matrix_rate(self):
        return 2e11


def test_training_compares_with_the_best_peer_and_the_floor():
    from floor import operations
    from process import Failed
    from rows import training

    bench = Scripted([0.01, 0.02, 0.025, 0.1], [0.02, 0.2, 0.25, Failed("no memory")])
    lines = {line.case: line for line in training.lines(bench)}
    line = lines["batch 32, samples/s"]
    assert (line.ours, line.peers["DeepCTR"], line.met) == ("3,200", "1,600", False)
    assert line.result == "2.00x the best peer, DeepCTR"
    assert lines["batch 256, samples/s"].met
    assert lines["batch 1024, samples/s"].met
    assert lines["batch 4096, samples/s"].peers == {"DeepCTR": "failed"}
    assert lines["batch 4096, samples/s"].met is None
    assert lines["batch 4096, samples/s: DeepCTR"].result == "failed: no memory"
    share = 1024 / 0.025 / (2e11 / operations(10, 128))
    line = lines["batch 1024, share of the floor"]
    assert (line.ours, line.met) == (f"{share:.1%}", share >= 0.35)
    assert lines["batch 32, share of the floor"].goal == ""


def test_vocabulary_compares_the_last_with_the_first():
    from rows import vocabulary

    lines = {line.case: line for line in vocabulary.lines(Scripted([0.01, 0.5, 0.0131], [0.1] * 3))}
    line = lines["step, 63,001 to 10,000,000"]
    assert (line.ours, line.peers, line.met) == ("1.31x", {"DeepCTR": "1.00x"}, False)
    assert lines["10,000,000 items, peak memory, GB"].met  # Nothing was held.


def test_history_compares_the_most_with_the_shortest():
    from rows import history

    bench = Scripted([[0.0256, 0.0256, 0.028, 0.026]], [0.0512] * 4)
    *cases, last = history.lines(bench)
    assert [line.ours for line in cases] == ["10.00", "10.00", "10.94", "10.16"]
    assert cases[0].peers == {"DeepCTR": "20.00"}
    assert (last.ours, last.met) == ("1.09x", True)
    assert bench.asked == [{"data": ["folder"] * 4, "batch_size": 256}]


def test_grouped_compares_a_candidate_with_one_on_its_own():
    from rows import grouped

    two, twenty = grouped.lines(Scripted([0.01024, 0.01024, 0.01024, 0.0512]))
    assert (two.ours, two.met) == ("5.00", None)
    assert twenty.result == "4.00x cheaper than apart, 10.00"
    assert twenty.met


def test_long_compares_with_short_histories_and_without_padding(monkeypatch):
    from rows import long

    asked = []

    def ask(module, task, **options):
        asked.append(options)
        # 7 us a behavior and 1 ms a call; 10,000 positions of padding take another 0.1 ms.
        call = 7e-6 * options.get("history", 0) + 1e-3 + 1e-8 * options.get("padded", 0)
        return {"version": "v", "call": call, "memory": 2e6}

    monkeypatch.setattr(long, "ask", ask)
    bench = Scripted([0.04096, 0.04096, 0.045056, 0.04, 0.04])
    *_, training, r100, r1000, r10000, longer, padded, ratio = long.lines(bench)
    assert (training.ours, training.met) == ("1.10x", True)
    assert [line.ours for line in (r100, r1000, r10000)] == ["17.00", "8.00", "7.10"]
    assert r100.result == "2 MB"
    assert (longer.ours, longer.met) == ("0.89x", True)
    assert (padded.ours, ratio.ours, ratio.met) == ("17.99", "1.06x", True)
    assert asked[-1]["padded"] == 9_900
    assert {options["batch_size"] for options in bench.asked} == {256, 20, 2}


def test_inference_is_a_rate():
    from rows import inference

    line, made = inference.lines(Scripted([0.01, 0.0125], [0.08]))
    assert (line.ours, line.peers, line.met) == ("102,400", {"DeepCTR": "12,800"}, True)
    assert (made.ours, made.result, made.met) == ("81,920", "80% of it", None)


def test_a_run_says_what_failed_and_who_is_absent(tmp_path, monkeypatch, capsys):
    import run
    from process import Failed

    class Broken:
        @staticmethod
        def lines(bench):
            yield run.Line("grouped", "a case", "1", met=False)
            raise Failed("no memory")

    monkeypatch.setitem(run.ROWS, "grouped", Broken)
    Broken.__doc__ = "What it is."
    monkeypatch.setattr(run.Bench, "matrix_rate", lambda self: self.rates.append(2e11))
    file = tmp_path / "table.md"
    assert run.main(["--rows", "grouped", "--write", str(file)]) == 0
    text = file.read_text(encoding="utf-8")
    assert "a case" in text
    assert "failed: no memory" in text
    assert "| DeepCTR " in text
    assert "not measured: no --peers FOLDER" in text
    assert "200 GFLOP/s" in text
    assert "What it is." in text
    assert capsys.readouterr().out.strip() in text


def test_an_environment_that_was_not_made_has_a_reason(tmp_path):
    from peers import install, python_of

    assert python_of("plain Keras 3", None) == (sys.executable, None)
    assert "see peers/install.py" in python_of("FuxiCTR", tmp_path)[1]
    install.main([str(tmp_path), "--only", "fuxictr"])
    assert "its model zoo is not on PyPI" in python_of("FuxiCTR", tmp_path)[1]
    install.main([str(tmp_path), "--only", "fuxictr", "--fuxictr", str(tmp_path)])
    assert "is no checkout of FuxiCTR" in python_of("FuxiCTR", tmp_path)[1]


def test_the_floor_on_an_accelerator_by_hand():
    from accelerator import DIM, floor
    from floor import operations

    limits = {"rate": 1e6, "bandwidth": 1e3}
    by_operations, by_bytes = floor(10, "train", 3, limits)
    assert by_operations == 10 * operations(3, 2 * DIM) / 1e6
    # Three behaviors and a candidate, six accesses, two tables, four bytes a number.
    assert by_bytes == 10 * 4 * 6 * 2 * DIM * 4 / 1e3
    forward, read = floor(10, "predict", 3, limits)
    assert (forward, read) == pytest.approx((by_operations / 3, by_bytes / 6))


def test_padded_batches_reach_our_model(tmp_path):
    from accelerator_limits import facts
    from batches import save
    from electronics import electronics
    from ours_padded import Batches, din
    from peers.peer import read

    electronics(users=200, dim=4).save(tmp_path / "data")
    save(tmp_path / "data", tmp_path / "batches.npz", batch_size=32, length=7)
    assert 1 < facts(tmp_path / "batches.npz")["history"] <= 7
    arrays = read(tmp_path / "batches.npz")
    batches = Batches(arrays, len(arrays["label"]) + 1)
    again, first = batches[len(arrays["label"])][0], batches[0][0]
    assert list(again) == list(first) == ["item_id", "cate_id", "hist_item_id", "hist_cate_id"]
    assert all((again[name] == first[name]).all() for name in first)
    model = din(arrays, dim=4, length=7)
    x, y = batches[0]
    assert model.predict_on_batch(x).shape == y.shape == (32, 1)
    assert np.isfinite(model.train_on_batch(x, y))
