"""LiteRT files give the scores of the live model."""

import sys

import pytest

import keras_din as kd
from keras_din.serving import export_litert
from keras_din.serving.formats.litert import open_litert
from tests.serving.formats.contract import FormatContract, needs
from tests.serving.specs import SPEC


@needs("ai_edge_litert")
@pytest.mark.filterwarnings("ignore")  # Deprecation warnings of the converter.
class TestLiteRT(FormatContract):
    export = staticmethod(export_litert)
    open = staticmethod(open_litert)


def test_without_the_extra(tmp_path, monkeypatch):
    for name in ("ai_edge_litert", "ai_edge_litert.interpreter"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RuntimeError, match=r"pip install 'keras_din\[litert\]'"):
        export_litert(kd.build_popularity(SPEC), SPEC, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
