"""Files of another version of keras_din."""

import json
import zipfile

import keras
import pytest

import keras_din as kd
from keras_din.layers import ClickProbability, CrossNetwork
from keras_din.optimizers import LazyAdam, RowwiseAdagrad

REMEDY = r"must be written by keras_din 0\.2 or later\. Train it again, or .* with keras_din 0\.1 "


def rewritten(model, file, old, new):
    """Saves a model with a config in which `new` takes the place of `old`, and returns the file."""
    model.save(file)
    with zipfile.ZipFile(file) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    assert old in contents["config.json"].decode()
    contents["config.json"] = contents["config.json"].replace(old.encode(), new.encode())
    json.loads(contents["config.json"])
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return file


def zoo_model():
    return kd.build_lr(kd.FeatureSpec(target=[kd.Categorical("item", 9, dim=2)]))


@pytest.mark.parametrize(
    "layer",
    [
        "BehaviourTransformer",
        "InterestEvolutionLayer",
        "InterestExtractorLayer",
        "Pack",
        "Padded",
        "SequencePoolingLayer",
        "TakeRows",
    ],
)
def test_layers_of_0_1_are_recognized(layer):
    config = {"module": f"keras_din.layers.{layer.lower()}", "class_name": layer}
    config |= {"config": {"name": "a"}, "registered_name": f"keras_din>{layer}"}
    with pytest.raises(ValueError, match=f"{REMEDY}.* with the layer {layer}"):
        keras.saving.deserialize_keras_object(config)


def test_a_file_of_a_model_of_0_1(tmp_path):
    """Of a CTRModel and of a Keras model."""
    model = zoo_model()
    for each in (model, keras.Model(model.input, model.output)):
        file = rewritten(each, tmp_path / "model.keras", "RaggedToDense", "Padded")
        with pytest.raises(ValueError, match=f"{REMEDY}.* Received: a file of .* the layer Padded"):
            keras.saving.load_model(file)


@pytest.mark.parametrize("optimizer", [LazyAdam, RowwiseAdagrad])
def test_an_optimizer_of_0_1(tmp_path, optimizer):
    model = zoo_model()
    model.compile(optimizer(), "mse")
    argument = "mini_batch_aware"
    file = rewritten(model, tmp_path / "model.keras", f"{argument}_l2", argument)
    received = rf"{optimizer.__name__}\({argument}=\.\.\.\)"
    with pytest.raises(ValueError, match=f"{REMEDY}.* {received}"):
        keras.saving.load_model(file)


def test_a_cross_network_of_0_1(tmp_path):
    x = keras.Input((4,), name="x")
    ctr = ClickProbability()(keras.ops.sum(CrossNetwork([None])(x), axis=-1))
    model = kd.CTRModel({"x": x}, ctr)
    file = rewritten(model, tmp_path / "model.keras", '"num_experts"', '"experts"')
    with pytest.raises(ValueError, match=rf"{REMEDY}.* CrossNetwork\(experts=\.\.\.\)"):
        keras.saving.load_model(file)


def test_a_layer_of_a_later_version(tmp_path):
    file = rewritten(zoo_model(), tmp_path / "model.keras", "RaggedToDense", "LaterLayer")
    message = "must have layers of this version of keras_din.* with the layer LaterLayer"
    with pytest.raises(ValueError, match=message):
        keras.saving.load_model(file)
