"""The appended days in a folder of prepared data, and the lock of an append."""

import contextlib
import json
import pathlib
import shutil

from keras_din.atomic_write import atomic_file
from keras_din.data.prepare.day import Day
from keras_din.data.prepare.item_catalog import ItemCatalog
from keras_din.data.prepare.met_items import MetItems, file_of
from keras_din.data.prepare.vocabulary_state import VocabularyState
from keras_din.data.store.file_names import check_files, file_names
from keras_din.data.store.saved_vectors import load_vectors, save_vectors
from keras_din.features import FeatureSpec

DAYS, _HEADER, _LOCK = "days", "days.json", ".append.lock"
_SPEC, VOCABULARIES, _CATALOG = "spec.json", "vocabularies", "catalog"


def save_growth(
    folder: pathlib.Path,
    spec: FeatureSpec,
    vocabularies: dict,
    catalog: ItemCatalog | None = None,
) -> None:
    """Writes what each append changes to a folder.

    That is the spec with its vectors, the states of its vocabularies, and the catalog of items.
    """
    (folder / _SPEC).write_text(spec.to_json(), encoding="utf-8")
    save_vectors(folder, spec)
    for name, state in vocabularies.items():
        state.save(folder / VOCABULARIES / name)
    if catalog is not None:
        catalog.save(folder / _CATALOG)


def load_growth(folder: pathlib.Path) -> tuple:
    """Reads what `save_growth` wrote: `(spec, vocabularies, catalog)`."""
    spec = FeatureSpec.from_json((folder / _SPEC).read_text(encoding="utf-8"))
    spec = load_vectors(folder, spec)
    states = folder / VOCABULARIES
    names = sorted(each.name for each in states.iterdir()) if states.is_dir() else []
    vocabularies = {n: VocabularyState.load(states / n, spec.tables[n].values) for n in names}
    catalog = folder / _CATALOG
    return spec, vocabularies, ItemCatalog.load(catalog) if catalog.is_dir() else None


def save_days(folder: pathlib.Path, data) -> None:
    """Writes all days of data, what identifies the logs and the `MetItems` to its new folder."""
    if not data.days and not data.deliveries:
        return
    (folder / DAYS).mkdir()
    for day in data.days:
        (folder / DAYS / _name(day)).mkdir()
        day.save(folder / DAYS / _name(day))
    if data.known_met_items is not None:
        data.known_met_items.save(folder / DAYS)
    _write_header(folder, data, None)


def append_day(folder: pathlib.Path, data) -> None:
    """Adds the last day of data to the folder of the other days.

    The header is replaced at the end, so that an interrupted append changes nothing. What it left
    is removed by the next one.
    """
    day = data.days[-1]
    growth = f"growth-{day.number:06d}"
    days = folder / DAYS
    days.mkdir(exist_ok=True)
    before = _read_header(folder)
    _remove_others(days, before)
    if not before:  # So that a lost header of days is not taken for an interrupted append.
        _write_json(days / _HEADER, {})
    numbers = [] if data.known_met_items is None else list(data.known_met_items.arrays)
    new_numbers = [n for n in numbers if n not in before.get("met_items", [])]
    try:
        for name, save in (
            (_name(day), day.save),
            (growth, lambda path: save_growth(path, data.spec, data.vocabularies, data.catalog)),
        ):
            (days / name).mkdir()
            save(days / name)
        if new_numbers:
            data.known_met_items.save(days, new_numbers)
        _write_header(folder, data, growth)
    except BaseException:
        if _read_header(folder) == before:
            _remove_others(days, before)
        raise
    _remove_others(days, _read_header(folder))


def _remove_others(days: pathlib.Path, header: dict) -> None:
    """Removes what the header does not name."""
    kept = [*header.get("days", []), header.get("growth"), _HEADER]
    kept += map(file_of, header.get("met_items", []))
    for entry in days.iterdir():
        if entry.name not in kept:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def load_days(folder: pathlib.Path) -> tuple:
    """Returns `(spec, vocabularies, catalog, met_items, days, header)`.

    `days` is a function, and `header` a dict.

    The function takes the spec and the vocabularies and returns the `Day`s. The dict may have
    `deliveries` and `last_time` of the data. An append that ends at the same time removes the
    growth before it and `MetItems` that it merged; then the new ones are read.
    """
    while True:
        header = _read_header(folder)
        growth = header.get("growth")
        try:
            of_growth = folder / DAYS / growth if growth else folder
            check_files(of_growth, header.get("growth_files", ()))
            spec, vocabularies, catalog = load_growth(of_growth)
            numbers = header.get("met_items")
            met_items = None if numbers is None else MetItems.load(folder / DAYS, numbers)
        except (FileNotFoundError, ValueError):
            if _read_header(folder) == header:
                raise
        else:
            if _read_header(folder) == header:
                break

    def load(spec, vocabularies):
        names = header.get("days", [])
        loaded = [Day.load(folder / DAYS / name, spec) for name in names]
        return tuple(day.updated(spec, vocabularies) for day in loaded)

    return spec, vocabularies, catalog, met_items, load, header


def day_folders(folder: pathlib.Path, days: tuple) -> list:
    """Returns the folder of each appended day."""
    return [folder / DAYS / _name(day) for day in days]


def count_days(folder: pathlib.Path) -> int:
    """Returns the number of appended days in a folder, without loading them."""
    return len(_read_header(folder).get("days", []))


@contextlib.contextmanager
def append_lock(folder: pathlib.Path, wait: bool):
    """Holds the lock of a folder, which the system releases if the process ends.

    Raises:
        BlockingIOError: If another process holds it and `wait` is not set.
    """
    import fcntl  # Not on Windows.

    with (folder / _LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise BlockingIOError(
                f"No other process may append to `folder` at the same time. Received: {folder}, "
                "which another process appends to. Pass wait=True (on the command line `--wait`) "
                "to wait for it."
            ) from None
        yield


def _name(day: Day) -> str:
    return f"{day.number:06d}"


def _read_header(folder: pathlib.Path) -> dict:
    """Returns the header of the days, empty if there are none.

    Raises:
        ValueError: If there are days without a header.
    """
    days = folder / DAYS
    if (days / _HEADER).is_file():
        return json.loads((days / _HEADER).read_text(encoding="utf-8"))
    if days.is_dir() and any(days.iterdir()):
        raise ValueError(
            f"The folder of appended days must have a {_HEADER}: copy it again. If the first "
            "append was interrupted, remove the folder, and append again. "
            f"Received: {days} without it."
        )
    return {}


def _write_header(folder: pathlib.Path, data, growth: str | None) -> None:
    header = {
        "days": [_name(day) for day in data.days],
        "growth": growth,
        "deliveries": data.deliveries,
        "last_time": data.last_time,
    }
    if data.known_met_items is not None:
        header["met_items"] = list(data.known_met_items.arrays)
    if growth is not None:
        header["growth_files"] = file_names(folder / DAYS / growth)
    _write_json(folder / DAYS / _HEADER, header)


def _write_json(file: pathlib.Path, content: dict) -> None:
    with atomic_file(file) as partial:
        partial.write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")
