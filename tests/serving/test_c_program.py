"""The C program of the examples scores rows without Python."""

import os
import pathlib
import shutil
import subprocess

import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.serving import saved_model
from keras_din.serving.version.description import read_description
from tests.models.shared import randomized

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
    words += ["-Wall", "-Wextra", "-Werror"]
    done = run(words)
    assert done.returncode == 0, done.stderr
    return program, words


@pytest.fixture(scope="module")
def checked(score):
    """The program with AddressSanitizer, which takes seconds to start."""
    program, words = score
    sanitizer = _sanitizer(words[0], program.parent)
    if not sanitizer:
        pytest.skip("no AddressSanitizer: cc makes no program with it that runs")
    checked = program.with_name("checked")
    done = run([checked if word is program else word for word in words] + sanitizer)
    assert done.returncode == 0, done.stderr
    return checked


def run(words):
    # Leaks of TensorFlow at the end of the process are ignored.
    environment = os.environ | {"ASAN_OPTIONS": "detect_leaks=0"}
    return subprocess.run(
        list(map(str, words)),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=120,
        env=environment,
    )


def _sanitizer(compiler, folder):
    """Returns the compiler options for AddressSanitizer, or none if it does not work here."""
    (folder / "empty.c").write_text("int main(void) { return 0; }\n")
    words = ["-g", "-fsanitize=address", "-fno-omit-frame-pointer"]
    made = run([compiler, folder / "empty.c", "-o", folder / "empty", *words])
    return words if made.returncode == 0 and run([folder / "empty"]).returncode == 0 else []


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
    tensor = read_description(version)["signatures"]["serving_default"]["outputs"]["ctr"]["tensor"]
    words = [score[0], str(version), tensor, *(f"{name}={text}" for name, text in ROW.items())]
    done = run(words)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(float(ctr[0]), abs=1e-6)


def test_errors_are_reported(exports, score):
    version = exports["din"][1]
    for words, message in [
        ([str(version.parent), "x:0", "a=b"], "no version could be loaded: Could not find"),
        ([str(version), "x:0", "a=b"], "x:0"),
    ]:
        done = run([score[0], *words])
        assert done.returncode == 1
        assert message in done.stderr


ITEM = kd.Categorical("item", vocabulary=["tea", "pot"], dim=2)
WORDS = kd.Bag("words", vocabulary=["a", "b", "c"], dim=2, pooling="sum", max_values=9)
MARKS = kd.Bag("marks", vocabulary=[7, 0], dim=2, max_values=9)


@pytest.fixture(scope="module")
def bags(tmp_path_factory):
    spec = kd.FeatureSpec(
        context=[MARKS],
        target=[ITEM, WORDS],
        sequences=[kd.Sequence("hist", of=[ITEM, WORDS], side_features=[MARKS])],
    )
    model = randomized(kd.build_base(spec, hidden_units=(4,), activation="relu"), scale=0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saved_model, "check_parity", lambda *arguments: {})
        version = kd.export(model, spec, tmp_path_factory.mktemp("bags"))
    tensor = read_description(version)["signatures"]["serving_default"]["outputs"]["ctr"]["tensor"]
    return version, tf.saved_model.load(str(version)).signatures["serving_default"], tensor


NO_ROW = {
    "item": np.array(["pot"], object),
    "words": np.zeros((1, 0), object),
    "marks": np.zeros((1, 0), np.int64),
    "hist_item": np.zeros((1, 0), object),
    "hist_words": np.zeros((1, 0, 0), object),
    "hist_marks": np.zeros((1, 0, 0), np.int64),
}
ROW_OF_BAGS = {
    "item": np.array(["pot"], object),
    "words": np.array([["a", "b"]], object),
    "marks": np.array([[0, 7]], np.int64),
    "hist_item": np.array([["tea", "pot", "tea"]], object),
    "hist_words": np.array([[["a", "b"], ["", ""], ["c", ""]]], object),
    "hist_marks": np.array([[[7, -1], [0, 7], [-1, -1]]], np.int64),
}
ONE_EMPTY_BAG = NO_ROW | {
    "hist_item": np.array([["tea"]], object),
    "hist_words": np.zeros((1, 1, 0), object),
    "hist_marks": np.array([[[7]]], np.int64),
}


def as_words(row):
    """Returns the command-line arguments for a row."""

    def bag(values):
        return ",".join(str(value) for value in values if value not in ("", -1))

    behaviors = lambda bags: "".join(f"{bag(values)};" for values in bags)  # noqa: E731
    return [
        f"item={row['item'][0]}",
        f"words={bag(row['words'][0])}",
        f"marks[-1]={bag(row['marks'][0])}",
        f"hist_item={','.join(row['hist_item'][0])}",
        f"hist_words={behaviors(row['hist_words'][0])}",
        f"hist_marks[-1]={behaviors(row['hist_marks'][0])}",
    ]


@pytest.mark.parametrize("row", [NO_ROW, ROW_OF_BAGS, ONE_EMPTY_BAG], ids=["no", "bags", "empty"])
def test_bags_in_behaviors(bags, score, row):
    version, signature, tensor = bags
    done = run([score[0], version, tensor, *as_words(row)])
    assert done.returncode == 0, done.stderr
    types = signature.structured_input_signature[1]
    expected = signature(**{k: tf.constant(v, types[k].dtype) for k, v in row.items()})["ctr"]
    assert float(done.stdout) == pytest.approx(float(expected[0]), abs=1e-6)


def test_the_memory_of_the_program(bags, checked):
    """Bags of behaviors were once written out of bounds."""
    version, _, tensor = bags
    done = run([checked, version, tensor, *as_words(ROW_OF_BAGS)])
    assert done.returncode == 0, done.stderr
    done = run([checked, version, tensor, f"marks={'1' * 300}"])
    assert done.returncode == 1
    assert "AddressSanitizer" not in done.stderr
    assert "a number must have fewer than 64 characters" in done.stderr
