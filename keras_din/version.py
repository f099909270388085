"""The version of keras_din."""

__version__ = "0.1.0"
