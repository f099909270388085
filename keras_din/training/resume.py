"""When a run resumes: checks that the new arguments and the data are those of the run."""

import os
import pathlib

from keras_din.checks import json_values, local_path
from keras_din.training.run_folder import RUN, read_run, write_json
from keras_din.workers import is_chief


def resume_arguments(
    folder: pathlib.Path, found: str, arguments: dict, defaults: dict, epochs: int | None
) -> dict:
    """Returns the arguments of the run in `folder`.

    A larger `epochs` and other `shards` are written to `run.json`.

    Args:
        folder: The folder of the run.
        found: The fingerprint of the data.
        arguments: The arguments of this call. Those that are not the default are checked.
        defaults: The default of each argument.
        epochs: The number of epochs of this call, or `None`.

    Raises:
        ValueError: If the data or a given argument differs from the run.
    """
    content = read_run(folder)
    if content["fingerprint"] != found:
        raise ValueError(
            f"A run must resume with its own data, of {content['data']}. "
            f"Received: other data for {folder}. If days were appended to the data, `update` "
            "(`keras-din update`) trains the run on them."
        )
    given = {name: value for name, value in arguments.items() if value != defaults[name]}
    # A run of an earlier version has no value of a newer argument.
    run_arguments = {name: defaults[name] for name in arguments} | check_resumed(folder, given)
    changed = {"shards": arguments["shards"]} if "shards" in given else {}
    if epochs is not None and epochs > run_arguments["epochs"]:
        changed["epochs"] = epochs
    run_arguments = run_arguments | changed
    if changed and is_chief():
        write_json(folder / RUN, content | {"arguments": run_arguments})
    return run_arguments


def check_resumed(folder: str | os.PathLike, given: dict) -> dict:
    """Returns the arguments of a run, or raises a `ValueError` for a given one that differs.

    Args:
        folder: The folder of the run.
        given: The given arguments of `train`. `epochs` and `shards` may differ.

    Returns:
        All arguments of the run, a dict.

    Raises:
        ValueError: If an argument differs.
        FileNotFoundError: If the folder has no run.

    Example:

    ```python
    from keras_din.training import check_resumed, train

    data = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
    run = train(data, "runs/popularity", model="popularity", verbose=0)
    check_resumed("runs/popularity", {"model": "popularity"})["batch_size"]
    ```
    """
    run_arguments = read_run(local_path("folder", folder))["arguments"]
    for name, value in given.items():
        of_run = run_arguments.get(name)
        if name not in ("epochs", "shards") and json_values(name, value) != of_run:
            raise ValueError(
                f"`{name}` must be the same as in the run that resumes, {of_run!r}: "
                "leave it out, or train a new run in another folder. "
                f"Received: {name}={value!r} for {folder}."
            )
    return run_arguments
