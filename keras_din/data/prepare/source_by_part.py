"""Opens a log whose parts are separate tables, such as a file for training and one for the test."""

import pandas as pd

from keras_din.data.prepare.split import PARTS
from keras_din.data.reading.csv_file import CsvFile
from keras_din.data.reading.iterated_tables import FrameSource
from keras_din.data.reading.many_files import partition_of
from keras_din.data.reading.pieces import Piece, Pieces
from keras_din.data.reading.source import ArrowSource, as_source, has_lines, unpacked

PART = "(part)"  # The column with the part of each row.


def as_source_by_part(source, split, sep=None, header=None, names=None) -> tuple:
    """Opens a log.

    Args:
        source: A table, see `as_source`, or a dict: name of the part -> table.
        split: The split, `None` for a dict.
        sep: See `as_source`.
        header: See `as_source`.
        names: See `as_source`.

    Returns:
        `(source, split)`. The tables of a dict are one table with the column `PART`, which is the
        split.
    """
    if not isinstance(source, dict):
        return as_source(source, sep, header, names), split
    check_parts_of_source(source, split)
    pieces = []
    for part in [part for part in PARTS if part in source]:
        table = as_source(source[part], sep, header, names)
        pieces += [
            Piece(piece.source, piece.folders | {PART: part}) for piece in _pieces(part, table)
        ]
    forms = {piece.name: _form(piece.source) for piece in pieces}
    if len({*forms.values()}) > 1:
        raise ValueError(
            "The tables of all parts must be CSV, or all JSON lines, or none of these. "
            f"Received: {forms}."
        )
    return Pieces(f"the tables of {list(source)}", pieces, unpacked), PART


def check_parts_of_source(source: dict, split) -> None:
    """Raises a `ValueError` unless a dict has tables of parts and no split divides them."""
    if split is not None or "train" not in source or set(source) - set(PARTS):
        raise ValueError(
            f"`source` must be a table, or a dict of tables by part, of {list(PARTS)}, with "
            f"'train' and without `split`. Received: {list(source)}, split={split!r}."
        )


def _form(source) -> str:
    """How the rows of a table are counted: as lines of text, or from 0."""
    return "CSV" if isinstance(source, CsvFile) else "JSON lines" if has_lines(source) else "rows"


def _pieces(part: str, table) -> list:
    """The files of a table, or the table itself."""
    if isinstance(table, Pieces):
        return table.pieces
    if isinstance(table, CsvFile):
        return [Piece(table, partition_of(table.path))]
    if isinstance(table, ArrowSource):
        return [Piece(table)]
    if isinstance(table, pd.DataFrame):
        frame = FrameSource(f"the table of {part!r}", table)
        read = frame.read(frame.names)
        return [Piece(ArrowSource(frame.what, read.schema, read.select))]
    raise ValueError(
        "The table of a part must be a DataFrame, an Arrow table, or files. "
        f"Received: {type(table).__name__} for {part!r}."
    )
