"""The C program of the examples: a version answers without Python."""

import pathlib
import shutil
import subprocess

import numpy as np
import pytest
import tensorflow as tf

from keras_din.serving.description import read_description

SOURCE = pathlib.Path(__file__).parent.parent.parent / "examples" / "serving" / "score.c"


@pytest.fixture(scope="module")
def score(tmp_path_factory):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: cc is not on the PATH")
    wheel = pathlib.Path(tf.__file__).parent
    libraries = ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"]
    if not all((wheel / library).exists() for library in libraries):
        pytest.skip(f"no C library of TensorFlow: not {' and '.join(libraries)} in {wheel}")
    program = tmp_path_factory.mktemp("c") / "score"
    words = [compiler, SOURCE, "-o", program, f"-I{wheel / 'include'}", f"-L{wheel}"]
    words += [f"-Wl,-rpath,{wheel}", *(f"-l:{library}" for library in libraries)]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


ROW = {
    "segment": "3",
    "age": "30.5",
    "words": "one",
    "city": "Zürich",
    "price": "1.25",
    "item": "té 3",
    "shop": "0",
    "hist_item": "té 5,,unknown",
    "hist_shop": "7,7,4611686018427387905",
    "hist_action": "1,2,3",
    "hist_s": "0.5,0,-1",
    "shops_shop": "",
}


def read(text, spec):
    values = text.split(",") if spec.shape.rank == 2 else [text]
    values = [] if values == [""] and spec.shape.rank == 2 else values
    values = np.array(values, object if spec.dtype == tf.string else spec.dtype.as_numpy_dtype)
    return tf.constant(values.reshape((1, -1) if spec.shape.rank == 2 else (1,)), spec.dtype)


def test_a_row_is_scored_without_python(exports, score):
    version = exports["din"][1]
    signature = tf.saved_model.load(str(version)).signatures["serving_default"]
    inputs = signature.structured_input_signature[1]
    ctr = signature(**{name: read(text, inputs[name]) for name, text in ROW.items()})["ctr"]
    told = read_description(version)["signatures"]["serving_default"]["outputs"]["ctr"]["tensor"]
    words = [str(score), str(version), told, *(f"{name}={text}" for name, text in ROW.items())]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(float(ctr[0]), abs=1e-6)


def test_what_is_wrong_is_told(exports, score):
    version = exports["din"][1]
    for words, message in [
        ([str(version.parent), "x:0", "a=b"], "no version could be loaded: Could not find"),
        ([str(version), "x:0", "a=b"], "x:0"),
    ]:
        done = subprocess.run([str(score), *words], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert message in done.stderr
