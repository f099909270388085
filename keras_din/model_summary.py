"""`print_parts`: prints the parts of a model as a table."""

from collections.abc import Callable, Sequence

import keras
import rich.box
import rich.console
import rich.padding
import rich.table
import rich.text
from absl import logging

from keras_din.model_parts import Part, model_parts

__all__ = ["print_parts"]

_WIDTH = 108  # The width of Keras' own tables.


def print_parts(
    model: keras.Model,
    totals: Sequence[str],
    line_length: int | None = None,
    print_fn: Callable | None = None,
    show_trainable: bool = False,
) -> None:
    """Prints the parts of a model, see `model_parts`, where `keras.Model.summary` prints layers.

    Args:
        model: A functional model.
        totals: The lines below the table.
        line_length: See `keras.Model.summary`.
        print_fn: See `keras.Model.summary`.
        show_trainable: See `keras.Model.summary`.
    """
    if print_fn is None and not keras.config.is_interactive_logging_enabled():
        print_fn = logging.info
    if print_fn is None:
        console = rich.console.Console(highlight=False)
    else:
        console = rich.console.Console(
            width=line_length, highlight=False, force_terminal=False, color_system=None
        )
    width = line_length or min(_WIDTH, console.width - 4)
    lines = [
        rich.text.Text(f'Model: "{model.name}"', style="bold"),
        _table(model_parts(model), show_trainable),
        *map(rich.text.Text, totals),
    ]
    if print_fn is None:
        console.print(*lines, sep="\n", width=width)
        return
    with console.capture() as capture:
        console.print(*lines, sep="\n", width=width)
    print_fn(capture.get())


def _table(parts: list[Part], show_trainable: bool) -> rich.table.Table:
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("Feature or layer", overflow="fold")
    table.add_column("Kind", overflow="fold")
    table.add_column("Table or shape", overflow="fold")
    table.add_column("Params", justify="right", no_wrap=True)
    if show_trainable:
        table.add_column("Trainable", no_wrap=True)
    section = None
    for part in parts:
        if part.section != section:
            section = part.section
            table.add_row(rich.text.Text(section, style="bold"))
        cells = [part.name, part.kind, part.size, f"{part.params:,}"]
        if show_trainable:
            cells.append({None: "-", True: "Y", False: "N"}[part.trainable])
        first, *others = map(rich.text.Text, cells)
        table.add_row(rich.padding.Padding(first, (0, 0, 0, 2)), *others)
    return table
