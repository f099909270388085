"""serving: milliseconds of a request to rank, p50 and p99, in process, one after the other.

Ours by the signature `rank` of an exported version; plain Keras 3 and DeepCTR by the signature of
their SavedModels, a row a candidate, the history repeated in each, its tensors ready in memory;
FuxiCTR, which has no SavedModel, in PyTorch. Histories are full, nothing is padded. The floor is
operations over the machine's rate of matrix products, as in training, forward only.
"""

from bench import figures
from floor import ranking_operations
from process import ask
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
    of_words = ask("serving", "export", folder=bench.folder / "words", raw=True)["version"]
    items, categories = SIZES.values()
    rate = bench.matrix_rate()
    for case in QUICK if bench.quick else (*CASES, BATCH):
        sizes = dict(zip(("users", "history", "candidates"), case, strict=True))
        options = {**sizes, "seconds": bench.seconds}
        ours = ask("serving", "rank", version=version, **options)
        words = ask("serving", "rank", version=of_words, raw=True, **options)
        theirs = bench.peers("serve", items=items, categories=categories, dim=64, **sizes)
        p50 = figures(theirs, lambda answer: answer["p50"])
        repeating = {n: p50[n] for n in REPEATING if isinstance(p50.get(n), float)}
        name = "{users} x {candidates} candidates, history {history}, ms".format(**sizes)
        goal, met, result = "", None, "no SavedModel of a peer"
        if repeating:
            best = min(repeating, key=repeating.get)
            ratio = repeating[best] / ours["p50"]
            result = f"{ratio:.2f}x faster than {best}"
            times = GOALS.get(case, 1 if case[2] == 1 else None)
            if times:
                goal, met = f"at least {times}x", ratio >= times
        cells = {
            peer: both(each) if isinstance(each, dict) else "failed"
            for peer, each in theirs.items()
        }
        yield Line("serving", name, both(ours), cells, result, goal, met)
        floor = ranking_operations(**sizes, dim=128) / rate
        yield Line(
            "serving",
            f"{name}: floor",
            f"{1e3 * floor:.2f}",
            result=f"{floor / ours['p50']:.0%} of it reached",
        )
        longer = words["p50"] / ours["p50"]
        yield Line(
            "serving",
            f"{name}: strings",
            both(words),
            result=f"{longer:.2f}x indices",
            goal=f"at most {RAW}x",
            met=longer <= RAW,
        )


def both(answer: dict) -> str:
    """`3.1 / 4.0`: p50 and p99 in milliseconds."""
    return f"{1e3 * answer['p50']:.2f} / {1e3 * answer['p99']:.2f}"
