"""ONNX files give the scores of the live model."""

import sys

import pytest

import keras_din as kd
from keras_din.serving import export_onnx
from keras_din.serving.formats.onnx import open_onnx
from tests.serving.formats.contract import FormatContract, needs
from tests.serving.specs import SPEC


@needs("tf2onnx", "onnx", "onnxruntime")
@pytest.mark.filterwarnings("ignore")  # Deprecation warnings of the converter.
class TestONNX(FormatContract):
    export = staticmethod(export_onnx)
    open = staticmethod(open_onnx)


def test_without_the_extra(tmp_path, monkeypatch):
    for name in ("onnxruntime",):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RuntimeError, match=r"pip install 'keras_din\[onnx\]'"):
        export_onnx(kd.build_popularity(SPEC), SPEC, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
