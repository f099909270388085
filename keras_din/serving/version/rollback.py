"""`rollback`: an older version is published again, under a new number."""

import json
import os
import pathlib
import shutil

from keras_din.checks import local_path
from keras_din.serving.version.folders import (
    DESCRIPTION_FILE,
    check_versions_folder,
    new_version,
    versions,
)

ORIGIN = "copy_of_version"


def rollback(path: str | os.PathLike, version: int | None = None) -> pathlib.Path:
    """Publishes a copy of an older version, which servers then load as the newest.

    TensorFlow Serving serves the version with the highest number. So the older version receives a
    new number, and no version is removed. `keras_din.json` in the copy has the number of the
    original as `copy_of_version`.

    A version that `apply_delta` made is a version like any other. After a rollback, a delta can be
    applied if its base is still there and its version is newer than the copy, so a delta that was
    made before the rollback is refused. With many servers, call `rollback` once, where versions are
    exported, and send `make_delta(bad_version, copy)`.

    Args:
        path: Folder of the versions, such as `"exported_models/din"`.
        version: The number of the version. Defaults to the one before the newest. If the newest is
            itself the result of a rollback, it is the one before its original.

    Returns:
        The folder of the copy, a `pathlib.Path`.

    Raises:
        ValueError: If there is no such version, it is the one that is served already, or `path`
            is the folder of a version.
        OSError: If the folder cannot be written. Nothing is published then.

    Example:

    ```python
    from keras_din.serving import rollback

    spec = kd.FeatureSpec(target=[kd.Categorical("item_id", 100, dim=2)])
    for _ in range(2):
        kd.export(kd.build_lr(spec), spec, "exported_models/daily", raw=True)
    rollback("exported_models/daily")
    ```
    """
    path = check_versions_folder(local_path("path", path))
    present = [number for number in versions(path) if _is_version(path / str(number))]
    served = _origin(path / str(present[-1])) if present else None
    older = [number for number in present if served is not None and number < served]
    if version is None:
        if not older:
            raise ValueError(
                "`path` must have a version that is older than the one that is served. "
                f"Received: {path}, with the versions {present}."
            )
        version = older[-1]
    elif version not in present or _origin(path / str(version)) == served:
        raise ValueError(
            f"`version` must be one of {present} with another content than the newest. "
            f"Received: version={version}."
        )
    source = path / str(version)
    with new_version(path) as new:
        shutil.copytree(source, new.folder, dirs_exist_ok=True)
        description = json.loads((new.folder / DESCRIPTION_FILE).read_text(encoding="utf-8"))
        description[ORIGIN] = _origin(source)
        text = json.dumps(description, indent=1, ensure_ascii=False, allow_nan=False)
        (new.folder / DESCRIPTION_FILE).write_text(text, encoding="utf-8")
    assert new.published is not None, "`new_version` has published it"
    return new.published


def is_copy(folder: pathlib.Path) -> bool:
    """Whether the folder of a version has a copy that `rollback` made."""
    return (folder / DESCRIPTION_FILE).is_file() and _origin(folder) != int(folder.name)


def _is_version(folder: pathlib.Path) -> bool:
    return (folder / DESCRIPTION_FILE).is_file() and (folder / "saved_model.pb").is_file()


def _origin(folder: pathlib.Path) -> int:
    """Returns the number of the version that a version is a copy of, or else its own."""
    description = json.loads((folder / DESCRIPTION_FILE).read_text(encoding="utf-8"))
    return int(description.get(ORIGIN, folder.name))
