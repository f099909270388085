"""Reads pickles of plain data without calling anything that they name."""

import math
import pickle

import numpy as np

_NUMBER_TYPES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
_NDARRAY = "numpy.ndarray"  # A pickle of an array refers to this class without calling it.


def load_plain(file):
    """Reads the next pickle of a file: numbers, text, lists, tuples, dicts, arrays of numbers.

    A pickle can make the reader call any function with any arguments. This reader allows only
    the few names that NumPy and Python 3 use for arrays, numbers and bytes. This file implements
    each of them, and checks the arguments before they reach NumPy. A malicious file can still
    allocate a lot of memory.

    Args:
        file: A binary file. Its position is after the pickle when the function returns.

    Returns:
        The object. Strings of Python 2 are decoded as Latin-1.

    Raises:
        ValueError: If the pickle names something else, is damaged, or does not exist.
    """
    try:
        return _Unpickler(file, encoding="latin1").load()
    except Exception as error:  # A damaged pickle can raise nearly anything.
        raise ValueError(f"A pickle must hold plain data. Received: {error}") from error


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        try:
            return _ALLOWED[module.replace("numpy._core", "numpy.core"), name]
        except KeyError:
            raise pickle.UnpicklingError(f"one that names {module}.{name}.") from None


class _AllowedFunction:
    """A function that a pickle may call but not modify."""

    __slots__ = ("call",)

    def __init__(self, call):
        self.call = call

    def __call__(self, *args):
        return self.call(*args)

    def __setstate__(self, state):
        raise pickle.UnpicklingError("one that changes a function.")


class _Type:
    """The type of an array's numbers. `dtype` is the NumPy dtype."""

    __slots__ = ("dtype",)

    def __init__(self, name, *_):
        if name not in _NUMBER_TYPES:
            raise pickle.UnpicklingError(f"an array of {name!r}; arrays must hold numbers.")
        self.dtype = np.dtype(name)

    def __setstate__(self, state):
        _, order, *fields = state[:5]
        if order not in ("<", ">", "|", "=") or any(field is not None for field in fields):
            raise pickle.UnpicklingError(f"an array with the type {state!r}.")
        if order in "<>":
            self.dtype = self.dtype.newbyteorder(order)


class _Array(np.ndarray):
    """An array that checks its state before NumPy uses it."""

    def __setstate__(self, state):
        _, shape, kind, fortran, values = state
        values = values.encode("latin1") if isinstance(values, str) else values
        size = math.prod(shape) * kind.dtype.itemsize
        if not isinstance(values, bytes) or size != len(values) or min(shape, default=0) < 0:
            raise pickle.UnpicklingError(f"an array whose values do not fill {shape!r}.")
        super().__setstate__((1, tuple(shape), kind.dtype, bool(fortran), values))


def _reconstruct(cls, *_):
    if cls is not _NDARRAY:
        raise pickle.UnpicklingError(f"an array of the class {cls!r}.")
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


_ALLOWED = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _AllowedFunction(_Type),
    ("numpy.core.multiarray", "_reconstruct"): _AllowedFunction(_reconstruct),
    ("numpy.core.multiarray", "scalar"): _AllowedFunction(_scalar),
    ("numpy.core.numeric", "_frombuffer"): _AllowedFunction(_from_buffer),  # Protocol 5.
    # Python 3 writes bytes with these in protocols below 3.
    ("_codecs", "encode"): _AllowedFunction(_encode),
    ("builtins", "bytes"): _AllowedFunction(_no_bytes),
    ("__builtin__", "bytes"): _AllowedFunction(_no_bytes),
}
