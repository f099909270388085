"""What the rows measure with: data and batches made once, ours and the peers asked in turn."""

import pathlib

import peers
from process import Failed, ask


class Bench:
    """One run of the benchmark.

    Args:
        folder: Where data is written; what was made once is taken again.
        peers_folder: Folder of the peers' environments, or `None`.
        quick: Whether each row takes its few cases.

    Attributes:
        seconds: About how long one of the three runs of a measurement takes.
        absent: Peer -> why it is not measured at all.
        versions: Name -> version of what was measured.
        rates: The matrix rates that were measured, operations a second.
    """

    def __init__(self, folder, peers_folder=None, quick: bool = False):
        self.folder = pathlib.Path(folder).absolute()
        self.quick = quick
        self.seconds = 0.4 if quick else 1.5
        self.pythons, self.absent, self.versions = {}, {}, {}
        self.made, self.rates = {}, []
        for peer in peers.ENVIRONMENTS:
            python, reason = peers.python_of(peer, peers_folder)
            if python:
                self.pythons[peer] = python
            else:
                self.absent[peer] = reason

    def data(self, kind: str, **options) -> tuple:
        """`(folder, facts)` of data of `electronics.py`; `facts` has `rows` and `history`."""
        key = "_".join([kind, *(f"{name}{value}" for name, value in options.items())])
        if key not in self.made:
            folder = self.folder / key
            facts = ask("electronics", "save", kind=kind, folder=folder, **options)
            self.made[key] = folder, facts
        return self.made[key]

    def ours(self, task: str, **options) -> dict:
        """What `ours.py` measures."""
        return self._seen(ask("ours", task, seconds=self.seconds, **options))

    def theirs(self, task: str, data, batch_size: int, length: int, dim=64, shuffle=True) -> dict:
        """Peer -> what it measures, or `Failed`, on the batches of a data set cut at `length`."""
        if not self.pythons:
            return {}
        file = self.folder / "batches.npz"
        cut = {"batch_size": batch_size, "length": length, "shuffle": shuffle}
        ask("batches", "save", data=data, file=file, **cut)
        result = self.peers(task, batches=file, dim=dim)
        file.unlink()
        return result

    def peers(self, task: str, **options) -> dict:
        """Peer -> what its task gives, or `Failed`."""
        return {peer: self.peer(peer, task, **options) for peer in self.pythons}

    def peer(self, peer: str, task: str, **options):
        """What a task of one peer gives, or `Failed`."""
        options |= {"python": self.pythons[peer], "seconds": self.seconds}
        try:
            return self._seen(ask(peers.MODULES[peer], task, **options))
        except Failed as failed:
            return failed

    def matrix_rate(self) -> float:
        """Operations a second that the machine's matrix products reach now."""
        self.rates.append(ask("floor", "rate", seconds=self.seconds)["rate"])
        return self.rates[-1]

    def _seen(self, answer: dict) -> dict:
        self.versions |= answer["versions"]
        return answer


def figures(answers: dict, figure) -> dict:
    """Peer -> figure of its answer; who failed stays so."""
    return {
        name: each if isinstance(each, Failed) else figure(each) for name, each in answers.items()
    }
