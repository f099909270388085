"""The action of options that take one value: another column or list is an error."""

import argparse

__all__ = ["Once", "without_repeated_options"]


class Once(argparse.Action):
    """Stores a value, as argparse does, but does not replace a text, a list or a dict by another.

    As usual, the last one of several numbers or choices counts, so that a script can change
    options.
    """

    options: argparse.Namespace | None = None

    def __call__(self, parser, namespace, values, option_string=None):
        is_repeated = self.option_strings and self.options is namespace and values != self.before
        both = (self.before, values) if is_repeated and self.choices is None else ()
        if any(isinstance(each, (str, list, tuple, dict)) for each in both):
            raise argparse.ArgumentError(
                self,
                "must be given once; if it takes several values, separate them by commas. "
                f"Received: {self.before} and {values}",
            )
        self.options, self.before = namespace, values
        setattr(namespace, self.dest, values)


def without_repeated_options(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Lets a parser use `Once` for options that take one value. Call it before they are added."""
    parser.register("action", None, Once)
    parser.register("action", "store", Once)
    return parser
