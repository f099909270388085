"""The comparison of heads for several labels: the whole command on a few rows of the slice."""

import json

import numpy as np
import pytest

from examples.labels import __main__ as labels
from keras_din import metrics


def test_command(tmp_path, capsys):
    words = ["--runs", str(tmp_path), "--models", labels.ONE, "MMoE, ESMM", "--seeds", "0"]
    labels.main([*words, "--epochs", "1", "--rows", "1500"])
    output = capsys.readouterr().out
    lines = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()]
    assert [line["model"] for line in lines] == [labels.ONE, "MMoE, ESMM"]
    assert all(set(line["test"]) == {"click", "long_view"} for line in lines)
    found = np.load(tmp_path / "MMoE,_ESMM-fixed-0.npz")
    scores = {name: found[f"{name} scores"] for name in ("click", "long_view")}
    assert (scores["long_view"] <= scores["click"]).all()  # A product of probabilities.
    gauc = metrics.gauc(found["long_view labels"], scores["long_view"], found["groups"])
    assert lines[1]["test"]["long_view"]["gauc"] == pytest.approx(gauc)
    assert output.count("| MMoE, ESMM | fixed | 1 |") == 2
    # Finished runs are not repeated.
    labels.main(["--runs", str(tmp_path), "--read"])
    assert output.endswith(capsys.readouterr().out)


def test_labels_of_each_model():
    data = labels.load(None, rows=100)
    of_one = labels.datasets_of(data, labels.ONE)
    assert [[label.name for label in each.spec.labels] for each in of_one] == [
        ["click"],
        ["long_view"],
    ]
    (plain,), (product,) = (labels.datasets_of(data, model) for model in ("MMoE", "ESMM"))
    assert not plain.spec.factors
    assert list(product.spec.factors) == ["long_view_given_ctr"]
    assert data.report["rows_aside"]["'long_view' is 1 where 'is_click' is 0"]["rows"] == 196
