"""The tasks of a peer, on padded batches that are ready in memory. Requires only NumPy."""

from harness.batch_file import read
from harness.memory import peak_memory, resident_memory
from harness.rank_request import make_request, one_row_per_candidate
from harness.timing import latencies, seconds_per_step, steps_per_execution


def make_tasks(
    build,
    train_function,
    predict_function,
    versions: dict,
    *,
    save=None,
    score_function=None,
    is_keras: bool = True,
) -> dict:
    """Returns the tasks of a peer for `task_main`.

    Tasks `"train"` and `"predict"` return the time of a step, `"save"` writes a SavedModel, and
    `"serve"` returns latencies, for a peer without one.

    Args:
        build: Function of `items` and `categories` (sizes of the vocabularies), `dim` of each of
            the two and `length` of the histories. It returns a compiled model.
        train_function: Function of a model and batches. It returns a function of a number, which
            trains that many steps.
        predict_function: The same for steps of prediction.
        versions: Name -> version of what is measured.
        save: Function of a model and a folder. It writes a SavedModel.
        score_function: Function of a model and inputs, one row per candidate. It returns a function
            without arguments, which scores the rows once.
        is_keras: Whether `build` takes `steps_per_execution` too.
    """

    def step_task(function):
        def measure(batches: str, dim: int, seconds: float):
            batches = read(batches)
            sizes = {name: int(batches.pop(name)) for name in ("items", "categories")}
            memory_before = resident_memory()
            _, batch_size, length = batches["hist_item_id"].shape
            many = is_keras and function is train_function
            per_call = steps_per_execution(batch_size) if many else 1
            options = {"steps_per_execution": per_call} if is_keras else {}
            model = build(**sizes, dim=dim, length=length, **options)
            taken = seconds_per_step(function(model, batches), seconds) / per_call
            memory = peak_memory() - memory_before
            return {"step": taken, "memory": memory, "versions": versions}

        return measure

    def serve_task(items, categories, dim, users, history, candidates, seconds):
        request = make_request(items, categories, users, history, candidates)
        model = build(items=items, categories=categories, dim=dim, length=history)
        score = score_function(model, one_row_per_candidate(request))
        return {**latencies(score, seconds), "versions": versions}

    def save_task(items, categories, dim, history, folder, seconds):
        save(build(items=items, categories=categories, dim=dim, length=history), folder)
        return {"folder": folder, "versions": versions}

    tasks = {"train": step_task(train_function), "predict": step_task(predict_function)}
    if score_function:
        tasks["serve"] = serve_task
    if save:
        tasks["save"] = save_task
    return tasks
