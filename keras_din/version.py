"""The version of keras_din."""

__version__ = "0.2.0"
