"""The arguments of a run that resumes: its own, which those of the call must not contradict."""

import os
import pathlib

from keras_din.checks import json_values, local_path
from keras_din.training.data_fingerprint import fingerprint
from keras_din.training.run_folder import RUN, read_run, write_json


def resume_arguments(
    folder: pathlib.Path, data, arguments: dict, defaults: dict, epochs: int | None
) -> dict:
    """The arguments of the run in `folder`. More `epochs` than before are written down for good.

    Args:
        folder: The folder of the run.
        data: Its data.
        arguments: Those of this call. One that differs from its default was given.
        defaults: The default of each.
        epochs: The number of epochs of this call, or `None`.

    Raises:
        ValueError: When the data or an argument that was given is not that of the run.
    """
    content = read_run(folder)
    if content["fingerprint"] != fingerprint(data):
        raise ValueError(
            f"A run must resume with its own data, that of {content['data']}. "
            f"Received: other data for {folder}."
        )
    given = {name: value for name, value in arguments.items() if value != defaults[name]}
    kept = check_resumed(folder, given)
    if epochs is not None and epochs > kept["epochs"]:
        kept = kept | {"epochs": epochs}
        write_json(folder / RUN, content | {"arguments": kept})
    return kept


def check_resumed(folder: str | os.PathLike, given: dict) -> dict:
    """The arguments of the run in `folder`, or a `ValueError` that names one that differs.

    Args:
        folder: The folder of the run.
        given: Arguments of `train` that were given. `epochs` may differ.
    """
    kept = read_run(local_path("folder", folder))["arguments"]
    for name, value in given.items():
        if name != "epochs" and json_values(name, value) != kept[name]:
            raise ValueError(
                f"`{name}` must be that of the run when it resumes, {kept[name]!r}: leave it out, "
                f"or train anew in another folder. Received: {name}={value!r} for {folder}."
            )
    return kept
