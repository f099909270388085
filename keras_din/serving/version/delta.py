"""`make_delta`, `read_delta`, `apply_delta`: only what differs between two versions is sent."""

import os
import pathlib

from keras_din.checks import local_path, positive_integer
from keras_din.serving.version.delta_file import checksums, open_delta, write_delta
from keras_din.serving.version.folders import DELTA_SUFFIX, new_version, versions
from keras_din.serving.version.rollback import is_copy


def make_delta(
    base: str | os.PathLike, version: str | os.PathLike, file: str | os.PathLike | None = None
) -> pathlib.Path:
    """Writes what differs between two exported versions to one file.

    A trainer sends the file instead of the new version to servers that have the older one. There,
    `apply_delta` makes the new version. All its files have the same bytes as those of the trainer.

    The file contains the bytes that changed: rows of tables, dense weights, new values of
    vocabularies. It has checksums of itself, of the older version and of the new one. Anything may
    differ between the versions, such as the features or the dtype of the tables, but then the file
    is larger.

    Args:
        base: Folder of the version that the servers have.
        version: Folder of a newer version.
        file: The file. It is replaced if it exists. Defaults to the name of `version` with the
            suffix `.delta`, next to it. TensorFlow Serving reads only folders whose name is a
            number, so the file does not disturb a server. `keep` of `export` and `apply_delta`
            removes it with its version.

    Returns:
        The file, a `pathlib.Path`.

    Raises:
        ValueError: If `version` is not newer than `base`.
        FileNotFoundError: If one of them is not a version.
        OSError: If the file cannot be written.

    Example:

    ```python
    from keras_din.serving import make_delta

    spec = kd.FeatureSpec(target=[kd.Categorical("item_id", 100, dim=2)])
    base, new = (kd.export(kd.build_lr(spec), spec, "exported_models/lr", raw=True) for _ in "ab")
    make_delta(base, new)
    ```
    """
    from keras_din.serving.version.delta_counts import count_changes

    base = version_folder("base", base)
    version = version_folder("version", version)
    if int(base.name) >= int(version.name):
        raise ValueError(
            "`version` must be newer than `base`: its number must be larger. "
            f"Received: version {version.name}, base {base.name}."
        )
    file = local_path(
        "file", version.with_name(version.name + DELTA_SUFFIX) if file is None else file
    )
    facts = {
        "base": int(base.name),
        "version": int(version.name),
        "bytes_of_version": sum(f.stat().st_size for f in version.rglob("*") if f.is_file()),
    }
    write_delta(file, base, version, facts | count_changes(base, version))
    return file


def read_delta(delta: str | os.PathLike) -> dict:
    """Returns the facts about a delta.

    Args:
        delta: A file that `make_delta` wrote.

    Returns:
        A dict with these entries:

        - `base` and `version`: the numbers of the older and of the new version.
        - `bytes` of the file, and `bytes_of_version`, the size of the new version.
        - `tables`: name of a layer -> number of `rows`, `changed` rows and `added` rows. Values of
          new rows are part of the delta, and so are rows of removed values if they changed.
        - `values`: name of a table -> number of `new` and `removed` values of the vocabulary. It is
          empty if the specs of the versions differ in more than the values.
        - `base_files` and `files`: SHA-256 by path, of both versions.

    Raises:
        ValueError: If the file is not a delta, or is not complete and unchanged.
        FileNotFoundError: If there is no file.
    """
    delta = local_path("delta", delta)
    with open_delta(delta) as opened:
        return opened.header | {"bytes": delta.stat().st_size}


def apply_delta(
    version: str | os.PathLike, delta: str | os.PathLike, *, keep: int | None = None
) -> pathlib.Path:
    """Makes the next version from an older one and a delta, as `export` would write it.

    The new version has the number of the version that the delta was made from, and is next to the
    older one. All its files have the same bytes. It is written completely or not at all: a server
    that polls the folder never sees a part of it.

    Args:
        version: Folder of the version that the delta is based on, or of the versions that contain
            it, such as `"exported_models/din"`.
        delta: A file that `make_delta` wrote.
        keep: Number of versions to keep, with the new one. Older versions are removed, with their
            deltas. By default all versions are kept.

    Returns:
        The folder of the new version, a `pathlib.Path`.

    Raises:
        ValueError: If the delta is not complete and unchanged, if it was applied before, if there
            is a newer version, if its base is another version, or if a file of its base changed.
            Nothing is published.
        FileNotFoundError: If there is no such file or version.
        RuntimeError: If the result differs from the version of the trainer. Nothing is published.
        OSError: If the folder cannot be written. Nothing is published.

    Example:

    ```python
    import shutil

    from keras_din.serving import apply_delta, make_delta

    spec = kd.FeatureSpec(target=[kd.Categorical("item_id", 100, dim=2)])
    base, new = (kd.export(kd.build_lr(spec), spec, "trainer/lr", raw=True) for _ in "ab")
    shutil.copytree(base, f"server/lr/{base.name}")
    apply_delta("server/lr", make_delta(base, new))
    ```
    """
    if keep is not None:
        keep = positive_integer("keep", keep)
    path = local_path("version", version)
    with open_delta(local_path("delta", delta)) as opened:
        header = opened.header
        base = _base(path, header)
        with new_version(base.parent, keep, header["version"]) as new:
            opened.write_files(base, new.folder)
            differ = _differences(header["files"], checksums(new.folder))
            if differ:
                raise RuntimeError(
                    "The result must have the same files as the version that the delta was made "
                    f"from. Received: {differ}. Copy the full version."
                )
    assert new.published is not None, "`new_version` has published it"
    return new.published


def version_folder(name: str, path) -> pathlib.Path:
    """Returns the folder of a version, with its number as its name.

    Raises:
        FileNotFoundError: If `path` is not the folder of a version.
    """
    folder = local_path(name, path)
    if not folder.name.isdecimal():  # A link to a version, or the current folder.
        folder = folder.resolve()
    is_number = folder.name.isascii() and folder.name.isdecimal()
    if not is_number or not (folder / "saved_model.pb").is_file():
        raise FileNotFoundError(
            f"`{name}` must be the folder of a version that `export` wrote, such as "
            f"exported_models/din/1795599111. Received: {path}"
        )
    return folder


def _base(path: pathlib.Path, header: dict) -> pathlib.Path:
    """Returns the folder of the version that a delta is based on, after it was checked.

    Args:
        path: The folder of a version or of versions.
        header: The header of the delta.
    """
    number, new = header["base"], header["version"]
    what = f"A delta from version {number} to version {new}"
    folder = version_folder("version", path) if (path / "saved_model.pb").is_file() else None
    parent = path if folder is None else folder.parent
    present = versions(parent)
    if not present:
        raise FileNotFoundError(
            "`version` must be the folder of a version, or of versions. "
            f"Received: {path}, without a version."
        )
    if new in present:
        raise ValueError(
            f"{what} must be applied once. Received: {parent}, where version {new} exists already."
        )
    if present[-1] > new:
        made = ", which `rollback` made" if is_copy(parent / str(present[-1])) else ""
        raise ValueError(
            f"{what} must be applied before there is a newer version. Received: {parent}, with "
            f"version {present[-1]}{made}. Export again, and make a delta to that version."
        )
    received = present if folder is None else [int(folder.name)]
    if number not in received:
        gap = received[-1] < number
        raise ValueError(
            f"{what} must be applied to version {number}. Received: version "
            f"{', '.join(map(str, received))}. "
            + ("Apply the deltas in between first." if gap else "Make a delta from that version.")
        )
    base = parent / str(number)
    differ = _differences(header["base_files"], checksums(base))
    if differ:
        raise ValueError(
            f"{what} must be applied to version {number} as `make_delta` found it, without a "
            f"change. Received: {base}, with {differ}. Copy the full version."
        )
    return base


def _differences(expected: dict[str, str], found: dict[str, str]) -> str:
    """Describes the differences of two results of `checksums`. It is empty if there are none."""
    names = {
        "other content of": [n for n in expected if n in found and expected[n] != found[n]],
        "no": [name for name in expected if name not in found],
        "in addition": [name for name in found if name not in expected],
    }
    return "; ".join(f"{word} {', '.join(each)}" for word, each in names.items() if each)
