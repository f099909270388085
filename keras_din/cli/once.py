"""The action of options such as `--target A,B`: values that are given later are an error."""

import argparse

__all__ = ["Once", "without_repeated_lists"]


class Once(argparse.Action):
    """Stores a value, as argparse does, but does not replace a list or a dict by another one.

    As usual, the last one of several single values counts, so that a script can change options.
    """

    options: argparse.Namespace | None = None

    def __call__(self, parser, namespace, values, option_string=None):
        is_repeated = self.option_strings and self.options is namespace and values != self.before
        if is_repeated and isinstance(values, (list, dict)) and type(values) is type(self.before):
            raise argparse.ArgumentError(
                self,
                f"must be given once, with several values separated by commas. Received: "
                f"{self.before} and {values}",
            )
        self.options, self.before = namespace, values
        setattr(namespace, self.dest, values)


def without_repeated_lists(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Lets a parser use `Once` for options that take one value. Call it before they are added."""
    parser.register("action", None, Once)
    parser.register("action", "store", Once)
    return parser
