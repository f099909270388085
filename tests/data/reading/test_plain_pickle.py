"""Plain data is unpickled unchanged. No function in a pickle is called."""

import io
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_din.data.reading.plain_pickle import load_plain

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def loaded(content: bytes):
    return load_plain(io.BytesIO(content))


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(PLAIN | st.binary(max_size=9), st.sampled_from(PROTOCOLS))
def test_plain_values(value, protocol):
    assert loaded(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "array",
    [
        np.arange(5, dtype=np.int32),
        np.zeros(0, np.int64),
        np.arange(6, dtype=">i2"),
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3)),
        np.array([True, False]),
        np.array(7),
    ],
)
def test_arrays(array, protocol):
    same, again = loaded(pickle.dumps([array, array], protocol))
    assert same is again
    np.testing.assert_array_equal(np.asarray(same), array, strict=array.dtype.isnative)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("number", [np.int64(-3), np.float32(1.5), np.bool_(True), np.uint8(200)])
def test_numbers_of_numpy(number, protocol):
    same = loaded(pickle.dumps(number, protocol))
    assert same == number
    assert same.dtype == number.dtype


def test_pickles_of_python_2():
    """Python 2 made it: `pickle.dumps((np.array([1, 258], "<i4"), np.int64(5), "caf\\xe9"), 2)`."""

    def text(value):
        return b"U" + bytes([len(value)]) + value

    def kind(name):
        state = b"(K\x03" + text(b"<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        return b"cnumpy\ndtype\n" + text(name) + b"K\x00K\x01\x87R" + state

    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R"
    )
    array += b"(K\x01K\x02\x85" + kind(b"i4") + b"\x89" + text(struct.pack("<2i", 1, 258)) + b"tb"
    number = (
        b"cnumpy.core.multiarray\nscalar\n" + kind(b"i8") + text(struct.pack("<q", 5)) + b"\x86R"
    )
    values, five, word = loaded(b"\x80\x02" + array + number + text(b"caf\xe9") + b"\x87.")
    assert values.tolist() == [1, 258]
    assert values.dtype == np.int32
    assert five == 5
    assert word == "caf\xe9"


def test_several_pickles_in_one_file():
    file = io.BytesIO(pickle.dumps([1], 2) + pickle.dumps((2,), 4))
    assert load_plain(file) == [1]
    assert load_plain(file) == (2,)
    with pytest.raises(ValueError, match="Received: Ran out of input"):
        load_plain(file)


class Calls:
    """An object whose pickle calls `function(*args)` when it is loaded."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def of_names(module: str, name: str, *args) -> bytes:
    """Returns a pickle that calls a function by name. The function need not exist here."""
    head = b"c" + f"{module}\n{name}\n".encode()
    return b"\x80\x02" + head + pickle.dumps(args, 2)[2:-1] + b"R."


@pytest.mark.parametrize(
    "module, name, args",
    [
        ("os", "system", ["touch {}"]),
        ("posix", "system", ["touch {}"]),
        ("subprocess", "check_call", [["touch", "{}"]]),
        ("builtins", "eval", ["open('{}', 'w')"]),
        ("__builtin__", "eval", ["open('{}', 'w')"]),
        ("builtins", "exec", ["open('{}', 'w')"]),
        ("builtins", "open", ["{}", "w"]),
        ("io", "open", ["{}", "w"]),
        ("_io", "FileIO", ["{}", "w"]),
        ("builtins", "getattr", [[], "append"]),
        ("builtins", "__import__", ["os"]),
        ("builtins", "bytearray", [10]),
        ("operator", "attrgetter", ["system"]),
        ("functools", "partial", [1]),
        ("copyreg", "_reconstructor", [1, 2, 3]),
        ("importlib", "import_module", ["os"]),
        ("pickle", "loads", [b"cos\nsystem\n."]),
        ("numpy", "load", ["{}"]),
        ("numpy", "memmap", ["{}", "i1", "w+", 0, [1]]),
        ("numpy", "save", ["{}", 1]),
        ("numpy", "ndarray.tofile", [1, "{}"]),
        ("numpy", "dtype.__class__", ["i4"]),
        ("numpy.f2py", "compile", ["end", "{}"]),
        ("numpy.f2py.crackfortran", "myeval", ["open('{}', 'w')"]),
        ("numpy.testing._private.utils", "runstring", ["open('{}', 'w')", {}]),
        ("numpy.core.multiarray", "fromfile", ["{}"]),
        ("numpy._core.multiarray", "_reconstruct.__class__", [1]),
        ("keras_din.data.reading.plain_pickle", "load_plain", [1]),
        ("pandas", "read_pickle", ["{}"]),
    ],
)
def test_other_names_raise(tmp_path, module, name, args):
    made = tmp_path / "made"
    put = lambda value: (  # noqa: E731
        value.replace("{}", str(made))
        if isinstance(value, str)
        else [put(v) for v in value]
        if isinstance(value, list)
        else value
    )
    content = of_names(module, name, *put(args))
    with pytest.raises(ValueError, match=rf"Received: one that names {module}\.{name}\."):
        loaded(content)
    # Protocol 4 uses other opcodes for names, and protocol 0 for instances.
    words = pickle.dumps(module, 4)[2:-1] + pickle.dumps(name, 4)[2:-1]
    with pytest.raises(ValueError, match=rf"names {module}\.{name}\."):
        loaded(b"\x80\x04" + words + b"\x93.")
    with pytest.raises(ValueError, match=rf"names {module}\.{name}\."):
        loaded(f"(S'{made}'\ni{module}\n{name}\n.".encode())
    assert not made.exists()


def test_pickle_of_python_calls_the_function(tmp_path):
    """Python's own unpickler runs the pickles that must raise here."""
    made = tmp_path / "made"
    pickle.loads(of_names("io", "open", str(made), "w")).close()
    assert made.exists()


def state_of(array, state) -> bytes:
    """Returns a pickle of an array with another state."""
    head = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    return head + pickle.dumps(state, 2)[2:-1] + b"b."


INT4 = np.dtype("i4")


@pytest.mark.parametrize(
    "content, message",
    [
        (pickle.dumps(np.array([[], {}], object), 2), "an array of 'O8'; arrays must hold numbers"),
        (pickle.dumps(np.array([("a", 1)], "U3,i4"), 2), "an array of 'V16'"),
        (pickle.dumps(np.array(["a"]), 2), "an array of 'U1'"),
        (pickle.dumps(np.datetime64("2020-01-01"), 2), "an array of 'M8'"),
        (pickle.dumps(np.array([[], {}], object), 5), "an array of 'O8'"),
        (of_names("numpy", "dtype", ["i4", "O"]), r"an array of \['i4', 'O'\]"),
        (of_names("numpy.core.multiarray", "_reconstruct", dict, (0,), "b"), "dict"),
        (of_names("numpy.core.multiarray", "_reconstruct", "list", (0,), "b"), "the class 'list'"),
        (of_names("_codecs", "encode", "x", "rot13"), "text in 'rot13'"),
        (of_names("_codecs", "encode", "x", "zlib_codec"), "text in 'zlib_codec'"),
        (of_names("builtins", "bytes", 10**12), "takes 0 positional arguments"),
        (of_names("numpy", "ndarray", (3,)), "not callable"),
        (state_of(INT4, (1, (2,), INT4, False, b"1234")), r"values do not fill \(2,\)"),
        (state_of(INT4, (1, (-1, -1), INT4, False, b"1234")), r"do not fill \(-1, -1\)"),
        (state_of(INT4, (1, (1,), INT4, False, [{}])), r"do not fill \(1,\)"),
        (state_of(INT4, (1, (2**62, 4), INT4, False, b"")), "do not fill"),
        (state_of(INT4, (1, (1,), "O", False, b"1234")), "no attribute 'dtype'"),
        (of_names("numpy.core.multiarray", "scalar", INT4, b"123"), "a number with the value"),
        # A state for a function would change it for later pickles.
        (b"\x80\x02c_codecs\nencode\n}U\x04callNsb.", "one that changes a function"),
        (b"\x80\x02c_codecs\nencode\nN}U\x04callNs\x86b.", "one that changes a function"),
        # The state of a dtype with fields and an invalid byte order.
        (b"\x80\x02cnumpy\ndtype\nU\x02i4\x85R(K\x03U\x01<N(U\x01at}tb.", "with the type"),
        (b"\x80\x02cnumpy\ndtype\nU\x02i4\x85R(K\x03U\x01xNNNtb.", "with the type"),
        (b"\x80\x02U\x01aQ.", "persistent"),
        (b"\x80\x02\x82\x01.", "unregistered extension"),
        (b"\x80\x02]K\x01", "Ran out of input"),
        (b"PK\x03\x04", "persistent"),
    ],
)
def test_invalid_pickles_raise(content, message):
    with pytest.raises(ValueError, match=rf"A pickle must hold plain data\. Received: .*{message}"):
        loaded(content)


@given(st.integers(min_value=0))
def test_truncated_pickle_raises(length):
    content = pickle.dumps([np.arange(3), (np.int64(4), "text", [1, 2.5])], 2)
    with pytest.raises(ValueError, match="must hold plain data"):
        loaded(content[: length % len(content)])
