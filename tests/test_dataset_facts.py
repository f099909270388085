"""The spec, groups and negative rate of datasets after transformations of `tf.data`."""

import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.dataset_facts import groups_of, negative_rate_of, spec_of

DATA = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
CHANGES = {
    "take": lambda dataset: dataset.take(1),
    "skip": lambda dataset: dataset.skip(1),
    "prefetch": lambda dataset: dataset.prefetch(1),
    "map": lambda dataset: dataset.map(lambda x, y: (x, y, tf.ones_like(y))),
    "shuffle": lambda dataset: dataset.shuffle(2),
    "several": lambda dataset: dataset.unbatch().batch(4).cache().take(2),
    "concatenate": lambda dataset: dataset.concatenate(dataset),
}


def a_model(spec=DATA.spec):
    model = kd.models.build_lr(spec)
    model.compile("sgd", "binary_crossentropy")
    return model


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_evaluation_raises_if_a_transformation_lost_the_groups(change):
    whole = DATA.dataset("valid", 8)
    dataset, model = change(whole), a_model()
    message = (
        r"`dataset` must have its attribute `groups`, .* Pass `data\.dataset\(\"valid\"\)` without "
        r"shuffling .*`groups=False` to compute no GAUC\. "
        r"Received: a dataset that was transformed, .*Dataset\."
    )
    for call in (
        lambda: kd.evaluate(model, dataset),
        lambda: kd.Evaluation(dataset),
        lambda: kd.Evaluation(dataset, monitor="val_logloss"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert "gauc" not in kd.evaluate(model, dataset, groups=False)
    rows = sum(len(y) for _, y, *_ in dataset)
    assert "gauc" in kd.evaluate(model, dataset, np.resize(whole.groups, rows))
    assert kd.Evaluation(dataset, monitor="val_logloss", groups=False).groups is None
    with pytest.raises(
        ValueError, match='`monitor="val_gauc_then_logloss"` must be used with groups'
    ):
        kd.Evaluation(dataset, groups=False)


def test_evaluation_raises_if_shuffling_lost_the_groups():
    with pytest.raises(ValueError, match="Received: a dataset that was shuffled, _OptionsDataset"):
        kd.evaluate(a_model(), DATA.dataset("train", shuffle=True))


def test_datasets_of_other_libraries_have_no_groups():
    batches = tf.data.Dataset.from_tensors(({"x": [1.0]}, [0.0])).prefetch(1)
    for dataset in (batches, [1], None, batches.as_numpy_iterator()):
        assert groups_of(dataset) is spec_of(dataset) is None
        assert negative_rate_of(dataset) == 1


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_spec_of_a_transformed_dataset_is_checked(change):
    other = kd.data.synthetic_log(20, 8, interests=2, categories=9, held_out=1, dim=2)
    dataset, model = change(DATA.dataset("valid", 8)), a_model(other.spec)
    calls = [lambda: kd.evaluate(model, dataset, groups=False), lambda: model.fit(dataset)]
    calls.append(lambda: kd.evaluation.predict(model, dataset))
    for call in calls:
        with pytest.raises(ValueError, match="must have the features that the model was built wi"):
            call()


def test_spec_is_none_after_inputs_were_renamed():
    renamed = DATA.dataset("valid").map(lambda x, y: ({f"{name}_": x[name] for name in x}, y))
    assert spec_of(renamed) is None
    assert spec_of(renamed.take(1)) is None
    assert spec_of(DATA.dataset("valid").map(lambda x, y: x)) is DATA.spec


def test_negative_rate_survives_transformations():
    data = DATA.downsample_negatives(0.25)
    model = kd.models.build_lr(data.spec)
    model.compile("sgd", kd.losses.BinaryCrossentropy(negative_rate=0.25))
    train = data.dataset("train")
    expected = kd.evaluate(model, train)
    assert kd.evaluate(model, train.prefetch(1).cache(), train.groups) == pytest.approx(expected)
    train.negative_rate = 1.0
    assert kd.evaluate(model, train)["logloss"] != pytest.approx(expected["logloss"])
