"""The rows of the table: comparisons with known measurements, and some real measurements."""

import pathlib

import pytest

RESULT = {"versions": {}, "memory": 0}


class KnownFigures:
    """A `Runner` with known measurements: a list of steps for ours, and one for a peer or none."""

    quick, folder, seconds = False, pathlib.Path("nowhere"), 0.01
    pythons = {}  # noqa: RUF012

    def __init__(self, ours, peer=()):
        self._ours, self._peer = iter(ours), iter(peer)
        self.received = []

    def data(self, kind, **options):
        return "folder", {"rows": 1000, "history": 10.0}

    def ours(self, task, **options):
        self.received.append(options)
        step = next(self._ours)
        return {**RESULT, "step": step, "steps": step}

    def peers(self, task, *arguments, **options):
        step = next(self._peer, None)
        if step is None:
            return {}
        return {"DeepCTR": step if isinstance(step, Exception) else {**RESULT, "step": step}}

    def matrix_rate(self):
        return 2e11


def test_training_compares_with_the_best_peer_and_the_roofline():
    from harness.process import TaskFailed
    from harness.roofline import training_operations
    from rows import training

    runner = KnownFigures([0.01, 0.02, 0.025, 0.1], [0.02, 0.2, 0.25, TaskFailed("no memory")])
    lines = {line.case: line for line in training.lines(runner)}
    line = lines["batch 32, samples/s"]
    assert (line.ours, line.peers["DeepCTR"], line.met) == ("3,200", "1,600", False)
    assert line.result == "2.00x the best peer, DeepCTR"
    assert lines["batch 256, samples/s"].met
    assert lines["batch 1024, samples/s"].met
    assert lines["batch 4096, samples/s"].peers == {"DeepCTR": "failed"}
    assert lines["batch 4096, samples/s"].met is None
    assert lines["batch 4096, samples/s: DeepCTR"].result == "failed: no memory"
    share = 1024 / 0.025 / (2e11 / training_operations(10, 128))
    line = lines["batch 1024, share of the roofline"]
    assert (line.ours, line.met) == (f"{share:.1%}", share >= 0.35)
    assert lines["batch 32, share of the roofline"].goal == ""


def test_shards_are_compared_with_one_variable():
    from rows import table_shards

    runner = KnownFigures([[0.010, 0.011, 0.012, 0.014]])
    lines = {line.case: line for line in table_shards.lines(runner)}
    assert lines["4 shards, ms per step"].ours == "12.0"
    assert lines["step, 1 to 8 shards"].met is False  # 1.4 of at most 1.3.
    (options,) = runner.received
    assert (len(options["data"]), options["shards"]) == (4, (1, 2, 4, 8))


def test_vocabulary_compares_the_largest_with_the_smallest():
    from rows import vocabulary

    runner = KnownFigures([0.01, 0.5, 0.0131], [0.1] * 3)
    lines = {line.case: line for line in vocabulary.lines(runner)}
    line = lines["step, 63,001 to 10,000,000"]
    assert (line.ours, line.peers, line.met) == ("1.31x", {"DeepCTR": "1.00x"}, False)
    assert lines["10,000,000 items, peak memory, GB"].met  # The change of memory is 0.


def test_history_compares_the_largest_with_the_shortest():
    from rows import history

    runner = KnownFigures([[0.0256, 0.0256, 0.028, 0.026]], [0.0512] * 4)
    *cases, last = history.lines(runner)
    assert [line.ours for line in cases] == ["10.00", "10.00", "10.94", "10.16"]
    assert cases[0].peers == {"DeepCTR": "20.00"}
    assert (last.ours, last.met) == ("1.09x", True)
    assert runner.received == [{"data": ["folder"] * 4, "batch_size": 256}]


def test_grouped_compares_a_request_in_one_row_with_one_row_per_candidate():
    from rows import grouped

    two, twenty = grouped.lines(KnownFigures([0.01024, 0.01024, 0.01024, 0.0512]))
    assert (two.ours, two.met) == ("5.00", None)
    assert twenty.result == "4.00x cheaper than one per row, 10.00"
    assert twenty.met


def test_long_compares_with_short_histories_and_without_padding(monkeypatch):
    from rows import long

    received = []

    def run_task(module, task, **options):
        received.append(options)
        # 7 us per behavior and 1 ms per call. 10,000 positions of padding take 0.1 ms more.
        call = 7e-6 * options.get("history", 0) + 1e-3 + 1e-8 * options.get("padding", 0)
        return {"version": "v", "call": call, "memory": 2e6}

    monkeypatch.setattr(long, "run_task", run_task)
    runner = KnownFigures([0.04096, 0.04096, 0.045056, 0.04, 0.04])
    *_, training, r100, r1000, r10000, longer, padded, ratio = long.lines(runner)
    assert (training.ours, training.met) == ("1.10x", True)
    assert [line.ours for line in (r100, r1000, r10000)] == ["17.00", "8.00", "7.10"]
    assert r100.result == "2 MB"
    assert (longer.ours, longer.met) == ("0.89x", True)
    assert (padded.ours, ratio.ours, ratio.met) == ("17.99", "1.06x", True)
    assert received[-1]["padding"] == 9_900
    assert {options["batch_size"] for options in runner.received} == {256, 20, 2}


def test_inference_is_in_rows_per_second():
    from rows import inference

    line, made = inference.lines(KnownFigures([0.01, 0.0125], [0.08]))
    assert (line.ours, line.peers, line.met) == ("102,400", {"DeepCTR": "12,800"}, True)
    assert (made.ours, made.result, made.met) == ("81,920", "80% of it", None)


def test_serving_compares_with_the_best_saved_model(monkeypatch):
    from harness.process import TaskFailed
    from rows import serving

    def run_task(module, task, **options):
        if task == "export":
            return {"version": f"version {options['strings']}"}
        assert (options["indices"], options["strings"]) == ("version False", "version True")
        assert options["peers"] == {"plain Keras 3": "saved"}
        times = {"indices": 0.01, "strings": 0.013, "plain Keras 3": 0.045}
        return {name: {"p50": p50, "p99": 2 * p50} for name, p50 in times.items()}

    def peer(name, task, **options):
        return TaskFailed("no memory") if name == "DeepCTR" else {"folder": "saved"}

    monkeypatch.setattr(serving, "run_task", run_task)
    runner = KnownFigures([])
    runner.quick, runner.peer = True, peer
    runner.pythons = {"plain Keras 3": "python", "DeepCTR": "python"}
    line, roofline, strings = serving.lines(runner)
    assert (line.case, line.ours) == ("1 x 500 candidates, history 50, ms", "10.00 / 20.00")
    assert line.peers == {"plain Keras 3": "45.00 / 90.00", "DeepCTR": "failed"}
    assert (line.result, line.met) == ("4.50x faster than plain Keras 3", True)
    assert roofline.ours == f"{1e3 * serving.ranking_operations(1, 50, 500, 128) / 2e11:.2f}"
    assert (strings.result, strings.met) == ("1.30x indices", False)


def test_input_compares_with_ready_batches(monkeypatch):
    from rows import input

    taken = {"with_pipeline": 0.005, "ready": 0.004, "waiting": 0.0005}
    monkeypatch.setattr(input, "run_task", lambda module, task, **options: taken)
    line, _ = input.lines(KnownFigures([]))
    assert (line.case, line.ours) == ("batch 32, ms per step", "5.00")
    assert line.result == "4.00 on ready batches; 10% of it waits for a batch"


def test_steps_with_and_without_the_pipeline(tmp_path):
    from harness.data_sets import electronics
    from rows.input import steps

    electronics(users=300, items=500, dim=4, max_length=10).save(tmp_path)
    taken = steps(str(tmp_path), 4, seconds=0.01)
    assert set(taken) == {"with_pipeline", "ready", "waiting"}
    assert min(taken.values()) > 0


def test_log_is_written_and_prepared(tmp_path):
    from rows.prepare import prepare, write

    rows = write(str(tmp_path), users=200)["rows"]
    for kind in ("parquet", "csv"):
        result = prepare(str(tmp_path / f"log.{kind}"), str(tmp_path / kind))
        assert result["seconds"] > 0
        assert result["memory"] > 0
    assert 200 * 5 <= rows < 200 * 20


def test_log_is_written_and_read_in_batches(tmp_path):
    from rows.streamed import read, write

    folder = str(tmp_path / "log")
    assert write(folder, users=20)["seconds"] > 0
    assert read(folder, batch_size=32, batches=3)["rate"] > 0


@pytest.mark.parametrize("data", ["kuairand", "synthetic"])
def test_first_step_is_timed(data, monkeypatch):
    from rows.start import first_step

    import keras_din as kd

    few = kd.data.synthetic_log(60)
    monkeypatch.setattr(kd.data, "load_kuairand", lambda: few)
    monkeypatch.setattr(kd.data, "synthetic_log", lambda: few)
    assert first_step(data)["seconds"] > 0


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_log_of_several_files_is_written_and_read(tmp_path, kind):
    from rows.many_files import one_frame, prepare, read, write

    folder = str(tmp_path / "log")
    write(folder, kind, rows=3000, files=3)
    assert len(list((tmp_path / "log").iterdir())) == 3
    for task in (read, prepare, *([one_frame] if kind == "parquet" else [])):
        assert task(folder)["seconds"] > 0


def test_counts_of_a_small_log():
    from rows.counts import count

    result = count(rows=1000)
    assert len(result["seconds"]) == 3
    assert all(seconds > 0 for seconds in result["seconds"].values())


@pytest.mark.parametrize("kind", ["impressions", "behaviors"])
def test_a_day_is_appended_to_logs_of_two_sizes(tmp_path, kind):
    from rows.append import append, grow

    from keras_din.data import PreparedData

    folder = str(tmp_path)
    for times in (1, 3):
        grow(folder, rows=5000, times=times, kind=kind)
        assert append(folder, rows=500, kind=kind)["seconds"] > 0
        data = PreparedData.load(tmp_path / "data")
        assert len(data.days) == times - 1
        assert not (tmp_path / "copy").exists()


def test_many_files_has_as_many_rows_as_the_argument(monkeypatch, tmp_path):
    from harness.runner import Runner
    from rows import many_files

    written = []

    def known(module, task, **options):
        written.extend([options] if task == "write" else [])
        return {"bytes": 59 * 1000 if task == "read" else 61 * 1000, "seconds": 2}

    monkeypatch.setattr(many_files, "run_task", known)
    read, prepare = many_files.lines(Runner(tmp_path, log_rows=1000))
    assert [(each["rows"], each["files"]) for each in written] == [(1000, 100)]
    assert (read.ours, read.met, prepare.met) == ("500", True, False)
    assert prepare.result == "61 bytes per row at the peak"
