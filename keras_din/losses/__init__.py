"""Losses of models: a mean over the real candidates of a batch."""

from keras_din.losses.binary_crossentropy import BinaryCrossentropy

__all__ = ["BinaryCrossentropy"]
