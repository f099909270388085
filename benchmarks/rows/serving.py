"""serving: milliseconds of a request to rank, p50 and p99, in process, one after the other.

Ours by the signature `rank` of an exported version, by indices and by strings; plain Keras 3 and
DeepCTR by the signature of their SavedModels, a row a candidate, the history repeated in each; all
on tensors that are ready in memory, in one process, in turn, ten times in a row. FuxiCTR has no
SavedModel: in PyTorch, in a process of its own. Histories are full, nothing is padded. The floor is
operations over the machine's rate of matrix products, as in training, forward only.
"""

from floor import ranking_operations
from process import Failed, ask
from serving import SIZES
from table import Line

CASES = ((1, 50, 1), (1, 50, 100), (1, 50, 500), (1, 500, 1), (1, 500, 100), (1, 500, 500))
BATCH = (64, 50, 100)  # users, history, candidates
QUICK = ((1, 50, 500),)
GOALS = {(1, 50, 500): 4, (1, 500, 500): 5}  # How much faster than a model that repeats.
RAW = 1.2  # How much longer strings may take than indices.
REPEATING = ("plain Keras 3", "DeepCTR")


def lines(bench):
    version = ask("serving", "export", folder=bench.folder / "indices")["version"]
    words = ask("serving", "export", folder=bench.folder / "words", raw=True)["version"]
    items, categories = SIZES.values()
    build = {"items": items, "categories": categories, "dim": 64}
    rate, saved = bench.matrix_rate(), {}
    for case in QUICK if bench.quick else (*CASES, BATCH):
        sizes = dict(zip(("users", "history", "candidates"), case, strict=True))
        history = sizes["history"]
        if history not in saved:
            saved[history] = {
                peer: bench.peer(peer, "save", history=history, folder=folder, **build)
                for peer in REPEATING
                if peer in bench.pythons
                for folder in [bench.folder / f"{peer}_{history}"]
            }
        folders = {n: s["folder"] for n, s in saved[history].items() if not isinstance(s, Failed)}
        options = {**sizes, "seconds": bench.seconds}
        taken = ask("serving", "rank", version=version, words=words, peers=folders, **options)
        ours, of_words = taken.pop("indices"), taken.pop("strings")
        cells = dict.fromkeys(saved[history], "failed") | {n: both(t) for n, t in taken.items()}
        for peer in set(bench.pythons) - set(REPEATING):
            answer = bench.peer(peer, "serve", **sizes, **build)
            cells[peer] = "failed" if isinstance(answer, Failed) else both(answer)
        name = "{users} x {candidates} candidates, history {history}, ms".format(**sizes)
        goal, met, result = "", None, "no SavedModel of a peer"
        if taken:
            best = min(taken, key=lambda peer: taken[peer]["p50"])
            ratio = taken[best]["p50"] / ours["p50"]
            result = f"{ratio:.2f}x faster than {best}"
            times = GOALS.get(case, 1 if case[2] == 1 else None)
            if times:
                goal, met = f"at least {times}x", ratio >= times
        yield Line("serving", name, both(ours), cells, result, goal, met)
        floor = ranking_operations(**sizes, dim=128) / rate
        yield Line(
            "serving",
            f"{name}: floor",
            f"{1e3 * floor:.2f}",
            result=f"{floor / ours['p50']:.0%} of it reached",
        )
        longer = of_words["p50"] / ours["p50"]
        yield Line(
            "serving",
            f"{name}: strings",
            both(of_words),
            result=f"{longer:.2f}x indices",
            goal=f"at most {RAW}x",
            met=longer <= RAW,
        )


def both(answer: dict) -> str:
    """`3.1 / 4.0`: p50 and p99 in milliseconds."""
    return f"{1e3 * answer['p50']:.2f} / {1e3 * answer['p99']:.2f}"
