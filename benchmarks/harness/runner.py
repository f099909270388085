"""Runs the measurements of the rows: makes data once, runs our tasks and the peers'."""

import pathlib

import peers

from harness.process import TaskFailed, run_task


class Runner:
    """One run of the benchmark.

    Args:
        folder: Where data is written. Data that was made once is used again.
        peers_folder: Folder of the peers' environments, or `None`.
        quick: Whether each row measures few cases.
        log_rows: The rows of the log of `many_files`, or `None` for its own number.

    Attributes:
        seconds: About how long one run of a measurement takes.
        pythons: Peer -> interpreter of its environment.
        unavailable: Peer -> why it is not measured.
        versions: Name -> version of what was measured.
        matrix_rates: The matrix rates that were measured, in operations per second.
    """

    def __init__(self, folder, peers_folder=None, quick: bool = False, log_rows: int | None = None):
        self.folder = pathlib.Path(folder).absolute()
        self.quick, self.log_rows = quick, log_rows
        self.seconds = 0.4 if quick else 1.5
        self.pythons, self.unavailable, self.versions = {}, {}, {}
        self.matrix_rates, self._data = [], {}
        for peer in peers.ENVIRONMENTS:
            python, reason = peers.python_of(peer, peers_folder)
            if python:
                self.pythons[peer] = python
            else:
                self.unavailable[peer] = reason

    def data(self, kind: str, **options) -> tuple:
        """Returns `(folder, facts)` of data of `data_sets.py`; see `data_sets.save`."""
        key = "_".join([kind, *(f"{name}{value}" for name, value in options.items())])
        if key not in self._data:
            folder = self.folder / key
            facts = run_task("harness.data_sets", "save", kind=kind, folder=folder, **options)
            self._data[key] = folder, facts
        return self._data[key]

    def ours(self, task: str, **options) -> dict:
        """Returns the result of a task of `our_din.py`."""
        return self._record(run_task("harness.our_din", task, seconds=self.seconds, **options))

    def peers(self, task: str, data, batch_size: int, length: int, dim=64, shuffle=True) -> dict:
        """Runs a task of each peer on the batches of a data set, histories cut at `length`.

        Returns:
            Peer -> its result, or the `TaskFailed`.
        """
        if not self.pythons:
            return {}
        file = self.folder / "batches.npz"
        cut = {"batch_size": batch_size, "length": length, "shuffle": shuffle}
        run_task("harness.batch_file", "write", data=data, file=file, **cut)
        result = {peer: self.peer(peer, task, batches=file, dim=dim) for peer in self.pythons}
        file.unlink()
        return result

    def peer(self, peer: str, task: str, **options):
        """Returns the result of a task of one peer, or the `TaskFailed`."""
        options |= {"python": self.pythons[peer], "seconds": self.seconds}
        try:
            return self._record(run_task(peers.MODULES[peer], task, **options))
        except TaskFailed as error:
            return error

    def matrix_rate(self) -> float:
        """Measures the operations per second that matrix products reach now."""
        result = run_task("harness.roofline", "matrix_rate", seconds=self.seconds)
        self.matrix_rates.append(result["rate"])
        return result["rate"]

    def _record(self, result: dict) -> dict:
        self.versions |= result["versions"]
        return result


def map_results(results: dict, function) -> dict:
    """Applies a function to the results of peers. A `TaskFailed` stays as it is."""
    return {
        name: each if isinstance(each, TaskFailed) else function(each)
        for name, each in results.items()
    }
