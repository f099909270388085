"""serving: milliseconds of a ranking request, p50 and p99, in one process, one call at a time.

Ours is the signature `rank` of an exported version, once with indices and once with strings. Plain
Keras 3 and DeepCTR are the signatures of their SavedModels, one row per candidate, each with a copy
of the history. All are called on tensors that are ready in memory, in one process, in turn, ten
calls per turn. FuxiCTR has no SavedModel: it runs in PyTorch, in a process of its own. Histories
are full, nothing is padded. The roofline is the operations over the rate of matrix products, as in
training, forward alone.
"""

import numpy as np
from harness.electronics import VOCABULARY_SIZES
from harness.process import TaskFailed, run_task, task_main
from harness.roofline import ranking_operations
from harness.table import Line

# users, history, candidates
SINGLE = ((1, 50, 1), (1, 50, 100), (1, 50, 500), (1, 500, 1), (1, 500, 100), (1, 500, 500))
BATCH = (64, 50, 100)
QUICK = ((1, 50, 500),)
GOAL_RATIOS = {(1, 50, 500): 4, (1, 500, 500): 5}  # Case -> multiple of the best SavedModel.
MAX_STRINGS_RATIO = 1.2  # Latency of strings over that of indices.
MAX_LENGTH = 1000
PEERS_WITH_SAVED_MODEL = ("plain Keras 3", "DeepCTR")


def lines(runner):
    exported = {}
    for name in ("indices", "strings"):
        options = {"max_length": MAX_LENGTH, "strings": name == "strings"}
        folder = runner.folder / name
        exported[name] = run_task("harness.our_din", "export", folder=folder, **options)["version"]
    matrix_rate, saved = runner.matrix_rate(), {}
    for case in QUICK if runner.quick else (*SINGLE, BATCH):
        sizes = dict(zip(("users", "history", "candidates"), case, strict=True))
        history = sizes["history"]
        if history not in saved:
            saved[history] = _save_peers(runner, history)
        yield from _case_lines(runner, case, sizes, exported, saved[history], matrix_rate)


def _save_peers(runner, history: int) -> dict:
    """Returns peer -> the result of its task `"save"`, or the `TaskFailed`."""
    return {
        peer: runner.peer(
            peer,
            "save",
            history=history,
            folder=runner.folder / f"{peer}_{history}",
            **_peer_sizes(),
        )
        for peer in PEERS_WITH_SAVED_MODEL
        if peer in runner.pythons
    }


def _peer_sizes() -> dict:
    items, categories = VOCABULARY_SIZES.values()
    return {"items": items, "categories": categories, "dim": 64}


def _case_lines(runner, case, sizes: dict, exported: dict, saved: dict, matrix_rate: float):
    folders = {n: s["folder"] for n, s in saved.items() if not isinstance(s, TaskFailed)}
    options = {**exported, **sizes, "seconds": runner.seconds}
    taken = run_task("rows.serving", "rank", peers=folders, **options)
    ours, of_strings = taken.pop("indices"), taken.pop("strings")
    cells = dict.fromkeys(saved, "failed") | {n: _percentiles(t) for n, t in taken.items()}
    for peer in set(runner.pythons) - set(PEERS_WITH_SAVED_MODEL):
        result = runner.peer(peer, "serve", **sizes, **_peer_sizes())
        cells[peer] = "failed" if isinstance(result, TaskFailed) else _percentiles(result)
    name = "{users} x {candidates} candidates, history {history}, ms".format(**sizes)
    goal, met, result = "", None, "no SavedModel of a peer"
    if taken:
        best = min(taken, key=lambda peer: taken[peer]["p50"])
        ratio = taken[best]["p50"] / ours["p50"]
        result = f"{ratio:.2f}x faster than {best}"
        goal_ratio = GOAL_RATIOS.get(case, 1 if sizes["candidates"] == 1 else None)
        if goal_ratio:
            goal, met = f"at least {goal_ratio}x", ratio >= goal_ratio
    yield Line("serving", name, _percentiles(ours), cells, result, goal, met)
    roofline = ranking_operations(**sizes, dim=128) / matrix_rate
    share = f"{roofline / ours['p50']:.0%} of it reached"
    yield Line("serving", f"{name}: roofline", f"{1e3 * roofline:.2f}", result=share)
    ratio = of_strings["p50"] / ours["p50"]
    yield Line(
        "serving",
        f"{name}: strings",
        _percentiles(of_strings),
        result=f"{ratio:.2f}x indices",
        goal=f"at most {MAX_STRINGS_RATIO}x",
        met=ratio <= MAX_STRINGS_RATIO,
    )


def _percentiles(result: dict) -> str:
    """Formats p50 and p99 in milliseconds as `3.1 / 4.0`."""
    return f"{1e3 * result['p50']:.2f} / {1e3 * result['p99']:.2f}"


def rank(
    indices: str,
    strings: str,
    peers: dict,
    users: int,
    history: int,
    candidates: int,
    seconds: float,
) -> dict:
    """Measures the latencies of `rank` and of the peers' SavedModels, in turn.

    Args:
        indices: Folder of our version that takes indices.
        strings: Folder of our version that takes strings.
        peers: Peer -> folder of its SavedModel.
        users: Users of a request.
        history: Behaviors per user.
        candidates: Candidates per user.
        seconds: About how long each is called.

    Returns:
        `"indices"`, `"strings"` or peer -> the same as `timing.latencies`.
    """
    from harness.our_din import rank_function, strings_of
    from harness.rank_request import make_request, one_row_per_candidate
    from harness.timing import alternating_latencies

    inputs = make_request(*VOCABULARY_SIZES.values(), users, history, candidates)
    calls = {
        "indices": rank_function(indices, inputs),
        "strings": rank_function(strings, strings_of(inputs)),
    }
    rows = one_row_per_candidate(inputs)
    calls |= {name: _saved_model_function(folder, rows) for name, folder in peers.items()}
    return alternating_latencies(calls, seconds)


def _saved_model_function(folder: str, inputs: dict):
    """A function without arguments that calls a peer's SavedModel once."""
    import tensorflow as tf

    loaded = tf.saved_model.load(folder)
    signature = loaded.signatures["serving_default"]
    specs = signature.structured_input_signature[1]
    tensors = {}
    for name, values in inputs.items():
        shape = (-1,) if specs[name].shape.rank == 1 else (len(values), -1)
        tensors[name] = tf.constant(np.reshape(values, shape), specs[name].dtype)

    def call(loaded=loaded):  # The argument keeps the model alive.
        return [each.numpy() for each in signature(**tensors).values()]

    return call


if __name__ == "__main__":
    task_main(rank=rank)
