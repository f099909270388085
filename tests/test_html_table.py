"""Tables in HTML: their cells, and the classes that notebooks show as tables."""

import keras_din as kd
from keras_din.html_table import html_table
from keras_din.metrics import Metrics
from keras_din.training import Run


def test_cells_are_escaped_and_rounded():
    assert html_table("A<B", ("x & y",), [(0.123456,), (12345,), ("<script>",), (True,)]) == (
        "<table>\n<caption>A&lt;B</caption>\n<thead><tr><th>x &amp; y</th></tr></thead>\n<tbody>\n"
        "<tr><td>0.1235</td></tr>\n<tr><td>12,345</td></tr>\n"
        "<tr><td>&lt;script&gt;</td></tr>\n<tr><td>True</td></tr>\n</tbody>\n</table>"
    )


def test_tables_of_notebooks(tmp_path):
    data = kd.data.load_kuairand()
    model = kd.build_lr(data.spec)
    run = Run(
        tmp_path, model, data.spec, {"valid": {"gauc": 0.5}, "test": {"gauc": 0.6, "rows": 3}}
    )
    spec = data.spec._repr_html_()
    assert "<td>target</td><td>video_id</td><td>Categorical(&#x27;video_id&#x27;" in spec
    assert "<td>sequence</td><td>hist</td>" in spec
    assert "<td>label</td><td>click</td>" in spec
    train = "<td>train</td><td>149,729</td><td>67,644</td><td>0.4518</td>"
    assert train in data._repr_html_()
    assert spec in data._repr_html_()
    assert "<th>valid</th><th>test</th>" in run._repr_html_()
    assert "<td>gauc</td><td>0.5000</td><td>0.6000</td>" in run._repr_html_()
    assert "<td>rows</td><td></td><td>3</td>" in run._repr_html_()
    assert "<td>gauc</td><td>0.5000</td>" in Metrics(gauc=0.5)._repr_html_()
