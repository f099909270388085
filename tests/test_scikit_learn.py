"""The import of scikit-learn, which is an extra."""

import sys

import pytest

from keras_din.scikit_learn import scikit_learn


def test_a_module_of_scikit_learn():
    assert scikit_learn("isotonic", "x").__name__ == "sklearn.isotonic"


def test_scikit_learn_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.isotonic", None)
    with pytest.raises(ImportError, match=r"`x` needs scikit-learn: .*keras_din\[calibration\]"):
        scikit_learn("isotonic", "`x`")
