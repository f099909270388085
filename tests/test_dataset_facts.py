"""The spec, groups and negative rate of datasets after transformations of `tf.data`."""

import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.dataset_facts import groups_of, negative_rate_of, spec_of, specs_of
from keras_din.evaluation import predict

DATA = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
CHANGES = {
    "take": lambda dataset: dataset.take(1),
    "skip": lambda dataset: dataset.skip(1),
    "prefetch": lambda dataset: dataset.prefetch(1),
    "map": lambda dataset: dataset.map(lambda x, y: (x, y, tf.ones_like(y))),
    "shuffle": lambda dataset: dataset.shuffle(2),
    "several": lambda dataset: dataset.unbatch().batch(4).cache().take(2),
    "concatenate": lambda dataset: dataset.concatenate(dataset),
    "sample": lambda dataset: tf.data.Dataset.sample_from_datasets([dataset, dataset], seed=0),
    "flat_map": lambda dataset: tf.data.Dataset.range(1).flat_map(lambda _: dataset),
    "interleave": lambda dataset: tf.data.Dataset.range(1).interleave(lambda _: dataset.take(1)),
}


def a_model(spec=DATA.spec):
    model = kd.models.build_lr(spec)
    model.compile("sgd", "binary_crossentropy", run_eagerly=True)
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


HALF, QUARTER = DATA.downsample_negatives(0.5), DATA.downsample_negatives(0.25)


class Holder:
    """An object with a dataset, such as a user's class of parts."""

    def __init__(self, dataset):
        self.train = dataset

    def part(self, _):
        return self.train


def flat_maps(dataset):
    """Yields datasets whose function finds `dataset` in one of many ways."""
    one, taken = tf.data.Dataset.range(1), dataset.take(1)
    in_list, in_dict, holder = [dataset], {"train": dataset}, Holder(dataset)
    yield one.flat_map(lambda _: taken)
    yield one.flat_map(lambda _: in_list[0])
    yield one.flat_map(lambda _: in_dict["train"])
    yield one.flat_map(lambda _: holder.train)
    yield one.flat_map(holder.part)
    yield one.interleave(lambda _: dataset, num_parallel_calls=1).prefetch(1)
    yield one.flat_map(lambda _: one.flat_map(lambda _: dataset))


def test_datasets_in_functions_are_found():
    for dataset in flat_maps(HALF.dataset("train", 8)):
        assert negative_rate_of(dataset) == 0.5
        assert spec_of(dataset) is DATA.spec
        with pytest.raises(ValueError, match="must have its attribute `groups`"):
            groups_of(dataset)


@pytest.mark.filterwarnings("ignore")  # AutoGraph cannot convert the generator of the order.
def test_datasets_that_functions_create_are_found():
    one = tf.data.Dataset.range(1)
    for part, rate in (("train", 0.5), ("valid", 1.0)):
        created = one.flat_map(lambda _, part=part: HALF.dataset(part, 8))
        assert negative_rate_of(created) == rate
        assert spec_of(created) is DATA.spec
    shuffled = one.interleave(lambda _: HALF.dataset("train", 8, shuffle=True))
    assert negative_rate_of(shuffled) == 0.5


def test_other_datasets_in_functions_are_not_sources():
    """A variable may have another value now, and a function of `map` reads no dataset."""
    dataset = HALF.dataset("train", 8)
    others = tf.data.Dataset.range(1).flat_map(lambda _: dataset)
    dataset = QUARTER.dataset("train", 8)
    assert negative_rate_of(others) == 1
    mapped = tf.data.Dataset.range(1).map(lambda i: (i, dataset.reduce(0, lambda n, _: n + 1)))
    assert negative_rate_of(mapped) == 1
    generated = tf.data.Dataset.from_generator(
        lambda: dataset, output_signature=dataset.element_spec
    )
    assert spec_of(generated) is None
    generated.spec, generated.negative_rate = DATA.spec, 0.25
    assert (spec_of(generated.take(1)), negative_rate_of(generated.take(1))) == (DATA.spec, 0.25)


def mixtures(one, other):
    yield one.concatenate(other)
    yield tf.data.Dataset.zip((one, other)).map(lambda a, b: a)
    yield tf.data.Dataset.sample_from_datasets([one, other], [0.5, 0.5], seed=0).prefetch(1)
    yield tf.data.Dataset.choose_from_datasets([one, other], tf.data.Dataset.range(2))
    yield tf.data.Dataset.range(1).flat_map(lambda _: one.concatenate(other))


def test_a_dataset_of_different_rates_is_refused():
    model = a_model()
    model.compile("sgd", kd.losses.BinaryCrossentropy(negative_rate=0.5), run_eagerly=True)
    message = (
        r"A dataset must have one rate of negatives\. .* `data\.downsample_negatives\(rate\)`; or, "
        r".* set `dataset\.negative_rate`\. Received: .* the rates 0\.5, 0\.25\."
    )
    half, quarter = (data.dataset("train", 8) for data in (HALF, QUARTER))
    for dataset in mixtures(half, quarter):
        with pytest.raises(ValueError, match=message):
            model.fit(dataset, verbose=0, shuffle=False)
        with pytest.raises(ValueError, match=message):
            kd.evaluate(model, dataset, groups=False)
    dataset = half.concatenate(quarter)
    kd.evaluate(model, dataset, groups=False, raw=True)
    dataset.negative_rate = 0.5
    model.fit(dataset, verbose=0, shuffle=False)
    for dataset in mixtures(half, half.take(1)):
        assert negative_rate_of(dataset) == 0.5
    with_index = tf.data.Dataset.zip((half, tf.data.Dataset.range(9)))
    assert negative_rate_of(with_index) == 0.5


def test_each_spec_of_a_mixture_is_checked():
    other = kd.data.synthetic_log(20, 8, interests=2, categories=9, held_out=1, dim=2)
    for dataset in mixtures(DATA.dataset("train", 8), other.dataset("train", 8)):
        assert specs_of(dataset) == [DATA.spec, other.spec]
        for use in (a_model().fit, a_model().predict, lambda data: predict(a_model(), data)):
            with pytest.raises(ValueError, match="must have the features that the model was buil"):
                use(dataset)


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
    model.compile("sgd", kd.losses.BinaryCrossentropy(negative_rate=0.25), run_eagerly=True)
    train = data.dataset("train")
    expected = kd.evaluate(model, train)
    assert kd.evaluate(model, train.prefetch(1).cache(), train.groups) == pytest.approx(expected)
    train.negative_rate = 1.0
    assert kd.evaluate(model, train)["logloss"] != pytest.approx(expected["logloss"])
