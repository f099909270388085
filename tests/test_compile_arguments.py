"""The arguments of `compile` for several outputs."""

import keras
import pytest

from keras_din.compile_arguments import compile_arguments

OUTPUTS = ["ctr", "cvr"]


def arguments(outputs=OUTPUTS, loss="mse", loss_weights=None, metrics=None, weighted_metrics=None):
    return compile_arguments(outputs, loss, loss_weights, metrics, weighted_metrics)


@pytest.mark.parametrize("outputs", [[], ["ctr"]])
def test_arguments_of_a_single_output_do_not_change(outputs):
    given = {"loss": ["mse"], "loss_weights": [2.0], "metrics": [["AUC"]]}
    assert arguments(outputs, **given) == {**given, "weighted_metrics": None}


def test_one_loss_is_repeated_for_weights_and_missing_weights_are_1():
    assert arguments()["loss"] == "mse"
    for weights in ({"ctr": 1.0, "cvr": 0.5}, {"cvr": 0.5}):
        found = arguments(loss_weights=weights)
        assert found["loss"] == {"ctr": "mse", "cvr": "mse"}
        assert found["loss_weights"] == {"ctr": 1.0, "cvr": 0.5}
    found = arguments(loss={"cvr": "mse"}, loss_weights={"cvr": 0.5})
    assert (found["loss"], found["loss_weights"]) == ({"cvr": "mse"}, {"cvr": 0.5})


def test_a_list_of_metrics_belongs_to_each_output():
    for name in ("metrics", "weighted_metrics"):
        names = ["AUC", "accuracy"]
        assert arguments(**{name: names})[name] == {"ctr": names, "cvr": names}
        auc = keras.metrics.AUC(num_thresholds=7, name="auc")
        found = arguments(**{name: [auc, "mse"]})[name]
        assert found["ctr"] == [auc, "mse"]
        assert found["cvr"][0] is not auc
        assert found["cvr"][0].get_config() == auc.get_config()
        for nothing in (None, [], {}):
            assert arguments(**{name: nothing})[name] == nothing


def test_no_metric_object_is_shared():
    auc, other = keras.metrics.AUC(), keras.metrics.AUC()
    found = arguments(metrics={"ctr": [auc], "cvr": [auc]}, weighted_metrics={"cvr": auc})
    objects = [found["metrics"]["ctr"][0], found["metrics"]["cvr"][0]]
    objects.append(found["weighted_metrics"]["cvr"])
    assert objects[0] is auc
    assert len(set(map(id, objects))) == 3
    found = arguments(metrics={"ctr": [auc], "cvr": [other]})["metrics"]
    assert (found["ctr"][0], found["cvr"][0]) == (auc, other)


@pytest.mark.parametrize(
    "given, message",
    [
        ({"loss": ["mse", "bce"]}, r"one loss for all outputs, or a dict .*Write `loss=\{'ctr': "),
        ({"loss_weights": [1, 2]}, r"must be a dict .* Write `loss_weights=\{'ctr': \.\.\., 'cvr'"),
        ({"loss_weights": 2.0}, r"`loss_weights` .* must be a dict .* Received: loss_weights=2.0"),
        ({"metrics": [["AUC"], ["mse"]]}, r"one list of metrics for all outputs, or a dict"),
        ({"metrics": ["AUC", None]}, r"Write `metrics=\{'ctr': \.\.\., 'cvr': \.\.\.\}`\."),
        ({"weighted_metrics": [["AUC"], []]}, r"Write `weighted_metrics=\{"),
        ({"loss": {"crt": "mse"}}, r"`loss` must have names of the model's outputs, \['ctr', 'cvr"),
        ({"loss_weights": {"crt": 1}}, r"`loss_weights` must have .* Received: .* of \['crt'\]"),
        ({"metrics": {"ctr": ["AUC"], "like": []}}, r"`metrics` must have names of the model's "),
        ({"weighted_metrics": {"like": ["AUC"]}}, r"`weighted_metrics` must have names of"),
        (
            {"loss": {"ctr": "mse"}, "loss_weights": {"ctr": 1, "cvr": 2}},
            r"`loss_weights` must have names of outputs with a loss, \['ctr'\]",
        ),
    ],
)
def test_lists_per_output_and_names_of_no_output_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        arguments(**given)
