"""The project: layers, style, public names, and modules that an import loads."""

import pathlib
import re
import subprocess
import sys

import pytest

import keras_din

ROOT = pathlib.Path(__file__).parent.parent


def run(*words, **keywords):
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False, **keywords
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("words", [["check"], ["format", "--check"]])
def test_ruff(words):
    code, output = run("-m", "ruff", *words, "--no-cache", ".")
    assert code == 0, output


def test_modules_import_lower_layers_only():
    code, output = run(
        "-c",
        "import sys; from importlinter.cli import lint_imports_command as c; c(sys.argv[1:])",
        "--no-cache",
    )
    assert code == 0, output
    assert " 0 broken" in output


def test_public_names():
    assert keras_din.__all__ == [
        "__version__",
        "Bag",
        "Bucketized",
        "CTRModel",
        "Calendar",
        "Categorical",
        "Count",
        "Elapsed",
        "Evaluation",
        "FeatureSpec",
        "HistorySize",
        "Label",
        "LastMatch",
        "MODELS",
        "Match",
        "Numeric",
        "Position",
        "Sequence",
        "Table",
        "Vector",
        "build_base",
        "build_bst",
        "build_dcn",
        "build_deepfm",
        "build_dien",
        "build_din",
        "build_lr",
        "build_multi_task",
        "build_pnn",
        "build_popularity",
        "build_wide_deep",
        "calibration",
        "data",
        "distributed",
        "evaluate",
        "evaluation",
        "export",
        "feature_importance",
        "grow",
        "layers",
        "losses",
        "metrics",
        "migrate",
        "models",
        "optimizers",
        "plots",
        "serving",
        "training",
        "with_shards",
        "without_position",
    ]
    assert dir(keras_din) == sorted(keras_din.__all__)
    assert all(getattr(keras_din, name) is not None for name in keras_din.__all__)
    assert callable(keras_din.export)
    with pytest.raises(AttributeError, match="has no attribute 'build_dinn'"):
        _ = keras_din.build_dinn


@pytest.mark.parametrize("package", ["data", "layers", "losses", "metrics", "models", "ops"])
def test_all_of_packages_exists(package):
    module = __import__(f"keras_din.{package}", fromlist=["*"])
    names = getattr(module, "__all__", [n for n in dir(module) if not n.startswith("_")])
    assert all(hasattr(module, name) for name in names)


def test_import_loads_only_needed_modules():
    script = """
import sys, keras_din
print(sorted(name for name in sys.modules if name.startswith(("keras_din", "pandas", "pyarrow"))))
"""
    code, output = run("-c", script)
    assert code == 0, output
    loaded = next(line for line in output.splitlines() if line.startswith("["))
    assert "'keras_din.models.din'" in loaded
    # Keras loads a saved model only if the classes of its layers were imported. The layers of
    # `serving` are in no saved model.
    files = [*ROOT.glob("keras_din/*.py"), *ROOT.glob("keras_din/[!s]*/**/*.py")]
    for file in files:
        if re.search(r"^@.*register_keras_serializable", file.read_text(), re.MULTILINE):
            name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            assert f"'{name}'" in loaded, name
    for package in ("data", "serving", "calibration", "evaluation", "training", "plots", "cli"):
        assert f"'keras_din.{package}'" not in loaded


def test_public_names_have_docstrings():
    for name in keras_din.__all__:
        value = getattr(keras_din, name)
        if not isinstance(value, (str, dict)):
            assert (value.__doc__ or "").strip(), name


def test_short_pyproject_without_pins():
    text = (ROOT / "setup.cfg").read_text()
    assert not re.search(r"==", text.split("[tool:pytest]")[0])
    assert len((ROOT / "pyproject.toml").read_text().splitlines()) < 30
