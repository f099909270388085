"""Exports of a calibrated model: both signatures, `keras_din.json`, and files of other runtimes."""

import json

import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din import serving
from keras_din.calibration import calibrate
from keras_din.cli import main
from keras_din.losses import BinaryCrossentropy
from tests.calibration.shared import SPEC, arrays_of, dataset_of, model_of

ROWS = {
    "tab": np.array(["home", "search", "mail", "elsewhere"]),
    "item": np.array([[2, 0], [3, 4], [5, 6], [7, 8]], "int32"),
    "price": np.array([[1, 1], [2, 2], [3, 9], [4, 4]], "float32"),
    "score": np.array([[1, 2], [0, -1], [2, -9], [40, 3]], "float32"),
}
INDICES = ROWS | {
    "tab": np.array([2, 3, 4, 1], "int32"),
    "price": np.array([[3, 3], [3, 3], [3, 4], [3, 3]], "int32"),
}


@pytest.fixture(scope="module")
def calibrated():
    x, y = arrays_of(rows=1000, offsets=(0, 0, 2, -1, 0))
    model = model_of(loss=BinaryCrossentropy(20))
    return calibrate(model, dataset_of(x, y), by="tab", test=dataset_of(x, y))


def test_version_serves_calibrated_click_rates(
    calibrated, tmp_path, checked_by_one_process, capsys
):
    version = kd.export(calibrated, SPEC, tmp_path / "lr")
    assert capsys.readouterr().out == ""  # Nothing was assumed.
    score = tf.saved_model.load(str(version)).signatures["rank"]
    answer = score(**{name: tf.constant(values) for name, values in ROWS.items()})
    expected = np.asarray(calibrated(INDICES))
    np.testing.assert_allclose(answer["ctr"], expected, atol=1e-6)
    assert answer["ctr"][0, 1] == 0  # Padding.
    assert answer["order"].numpy().tolist() == [[0, 1]] * 4
    layer = calibrated.get_layer("calibration")
    ctr = json.loads((version / "keras_din.json").read_text())["outputs"]["ctr"]
    assert ctr["is"] == "the click rate of the log"
    assert set(ctr["known_from"].values()) == {"the calibration"}
    found = ctr["calibration"]
    assert (found["method"], found["by"]) == ("isotonic", "tab")
    assert (found["logits"], found["calibrated"]) == tuple(layer.curves[0])
    assert [(each["index"], each["value"]) for each in found["values"]] == [
        (1, None),
        (2, "home"),
        (3, "search"),
    ]
    assert found["values"][1]["calibrated"] == layer.curves[2][1]
    assert found["report"] == layer.report
    assert found["report"]["test"]["before"]["ece"] > found["report"]["test"]["after"]["ece"]
    assert main(["inspect", str(version)]) == 0
    printed = capsys.readouterr().out
    assert "the click rate of the log, calibrated (isotonic by tab); before: calibration" in printed


def test_raw_output_is_the_calibrated_one(calibrated, tmp_path, unchecked):
    version = kd.export(calibrated, SPEC, tmp_path / "lr", raw=True)
    score = tf.saved_model.load(str(version)).signatures["rank"]
    answer = score(**{name: tf.constant(values) for name, values in ROWS.items()})
    np.testing.assert_allclose(answer["ctr"], np.asarray(calibrated(INDICES)), atol=1e-6)


def test_factors_of_products_are_not_calibrated(tmp_path, unchecked):
    labels = [kd.Label("click"), kd.Label("buy", output="cvr", given="click")]
    spec = kd.FeatureSpec(target=[kd.Categorical("item", 9, dim=2)], labels=labels)
    rng = np.random.default_rng(0)
    click = rng.integers(2, size=(200, 1)).astype("float32")
    labels = {"ctr": click, "cvr": click * rng.integers(2, size=(200, 1)).astype("float32")}
    rows = dataset_of({"item": rng.integers(2, 9, (200, 1)).astype("int32")}, labels)
    model = kd.build_base(spec, hidden_units=[2])
    calibrated = calibrate(model, rows, "isotonic")
    version = kd.export(calibrated, spec, tmp_path / "din", raw=True)
    content = json.loads((version / "keras_din.json").read_text())
    assert content["factors"]["cvr_given_ctr"]["is"].endswith("given click, before calibration")
    score = tf.saved_model.load(str(version)).signatures["rank"]
    answer = score(item=tf.constant([[2, 3]]))
    own, raw = (each({"item": np.array([[2, 3]], "int32")}) for each in (calibrated, model))
    np.testing.assert_allclose(answer["cvr"], own["cvr"], atol=1e-6)
    np.testing.assert_allclose(answer["cvr_given_ctr"], raw["cvr"] / raw["ctr"], atol=1e-5)


def test_version_without_calibration(tmp_path, unchecked):
    version = kd.export(model_of(), SPEC, tmp_path / "lr", raw=True)
    assert (
        json.loads((version / "keras_din.json").read_text())["outputs"]["ctr"]["calibration"]
        is None
    )


@pytest.mark.parametrize(
    "write, packages",
    [("export_onnx", ["tf2onnx", "onnxruntime"]), ("export_litert", ["ai_edge_litert"])],
)
def test_files_of_other_runtimes(calibrated, tmp_path, write, packages):
    """`export_onnx` and `export_litert` compare the file with the model to 1e-5."""
    for package in packages:
        pytest.importorskip(package)
    assert getattr(serving, write)(calibrated, SPEC, tmp_path / "file").is_file()
