"""Pickles of plain data, read without calling anything that they name."""

import math
import pickle

import numpy as np

_NUMBERS = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
_NDARRAY = "numpy.ndarray"  # A pickle of an array names it, and does not call it.


def load_plain(file):
    """The next pickle of a file: numbers, text, lists, tuples, dicts, arrays of numbers.

    A pickle may name any function and have it called with any arguments. Here only the few
    names have a meaning with which numpy and Python 3 write arrays, numbers and bytes, and what
    they mean is in this file: nothing of numpy is given the file's arguments unchecked. A file
    made to do harm can still ask for much memory.

    Args:
        file: A binary file. It stands behind the pickle afterwards.

    Returns:
        The object. Strings of Python 2 are decoded as Latin-1.

    Raises:
        ValueError: When the pickle names something else, or is damaged, or there is none.
    """
    try:
        return _Unpickler(file, encoding="latin1").load()
    except Exception as error:  # A damaged pickle can raise nearly anything.
        raise ValueError(f"A pickle must hold plain data. Received: {error}") from error


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        try:
            return _MEANINGS[module.replace("numpy._core", "numpy.core"), name]
        except KeyError:
            raise pickle.UnpicklingError(f"one that names {module}.{name}.") from None


class _Meaning:
    """A function that a pickle may call, and not change."""

    __slots__ = ("call",)

    def __init__(self, call):
        self.call = call

    def __call__(self, *args):
        return self.call(*args)

    def __setstate__(self, state):
        raise pickle.UnpicklingError("one that changes a function.")


class _Type:
    """The type of an array's numbers; `dtype` is the numpy one."""

    __slots__ = ("dtype",)

    def __init__(self, name, *_):
        if name not in _NUMBERS:
            raise pickle.UnpicklingError(f"an array of {name!r}; arrays must hold numbers.")
        self.dtype = np.dtype(name)

    def __setstate__(self, state):
        _, order, *fields = state[:5]
        if order not in ("<", ">", "|", "=") or any(field is not None for field in fields):
            raise pickle.UnpicklingError(f"an array with the type {state!r}.")
        if order in "<>":
            self.dtype = self.dtype.newbyteorder(order)


class _Array(np.ndarray):
    """An array whose state is checked before numpy takes it."""

    def __setstate__(self, state):
        _, shape, kind, fortran, values = state
        values = values.encode("latin1") if isinstance(values, str) else values
        size = math.prod(shape) * kind.dtype.itemsize
        if not isinstance(values, bytes) or size != len(values) or min(shape, default=0) < 0:
            raise pickle.UnpicklingError(f"an array whose values do not fill {shape!r}.")
        super().__setstate__((1, tuple(shape), kind.dtype, bool(fortran), values))


def _reconstruct(of, *_):
    if of is not _NDARRAY:
        raise pickle.UnpicklingError(f"an array of the class {of!r}.")
    return np.zeros(0, np.int8).view(_Array)


def _from_buffer(values, kind, shape, order):
    return np.frombuffer(bytes(values), kind.dtype).reshape(shape, order=order).copy()


def _scalar(kind, value):
    value = value.encode("latin1") if isinstance(value, str) else value
    if not isinstance(value, bytes) or len(value) != kind.dtype.itemsize:
        raise pickle.UnpicklingError(f"a number with the value {value!r}.")
    return np.frombuffer(value, kind.dtype)[0]


def _encode(text, encoding):
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"text in {encoding!r}.")
    return text.encode("latin1")


def _no_bytes():
    return b""


_MEANINGS = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Meaning(_Type),
    ("numpy.core.multiarray", "_reconstruct"): _Meaning(_reconstruct),
    ("numpy.core.multiarray", "scalar"): _Meaning(_scalar),
    ("numpy.core.numeric", "_frombuffer"): _Meaning(_from_buffer),  # Protocol 5.
    # As Python 3 writes bytes below protocol 3.
    ("_codecs", "encode"): _Meaning(_encode),
    ("builtins", "bytes"): _Meaning(_no_bytes),
    ("__builtin__", "bytes"): _Meaning(_no_bytes),
}
