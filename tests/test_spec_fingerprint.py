"""The fingerprint of a spec: the differences that it finds, and the models that have it."""

import binascii
import dataclasses
import json

import keras
import pandas as pd
import pytest
from hypothesis import given

import keras_din as kd
from keras_din.cli import main
from keras_din.embed import build_inputs, embed
from keras_din.models.popularity import build_popularity, fit_popularity
from keras_din.spec_fingerprint import (
    check_fingerprint,
    differences,
    fingerprint,
    fingerprints_of,
)
from keras_din.training import load_run, train
from tests.models.shared import BAGS, SPEC
from tests.specs import specs

WORDS = tuple("abcdefghijklmnopqrstuvwxyz")


def spec_of(vocabulary=WORDS, price=(3.0, 2.0), item="item", **kind):
    if kind.keys() <= {"capacity"}:
        kind = {"vocabulary": vocabulary} | kind
    item = kd.Categorical(item, **kind, dim=2)
    price = kd.Numeric("price", mean=price[0], std=price[1])
    return kd.FeatureSpec(target=[item, price], sequences=[kd.Sequence("hist", of=[item])])


def swapped(i, j, values=WORDS):
    values = list(values)
    values[i], values[j] = values[j], values[i]
    return values


@given(specs())
def test_no_difference_to_the_same_spec(spec):
    again = kd.FeatureSpec.from_json(spec.to_json())
    assert fingerprint(again) == fingerprint(spec)
    assert differences(fingerprint(spec), again) == []


def test_ignored_differences():
    text = fingerprint(SPEC)
    (hist,) = SPEC.sequences
    longer = dataclasses.replace(hist, max_length=7)
    assert differences(text, dataclasses.replace(SPEC, sequences=[longer])) == []
    assert differences(text, dataclasses.replace(SPEC, context=SPEC.context[::-1])) == []
    more = dataclasses.replace(SPEC, context=[*SPEC.context, kd.Numeric("more")])
    assert differences(text, more) == []
    wider = [dataclasses.replace(feature, max_values=3) for feature in BAGS.context[:1]]
    wider = dataclasses.replace(BAGS, context=[*wider, BAGS.context[1]])
    assert differences(fingerprint(BAGS), wider) == []
    # The last digits of a mean depend on the order of the rows.
    assert differences(fingerprint(spec_of()), spec_of(price=(3.0000000001, 2.0000000001))) == []


ORDER, OTHER = "the same values in another order", r"other values \(26 in the model, {} in the spec"


@pytest.mark.parametrize(
    "other, message",
    [
        (
            spec_of(swapped(0, 1)),
            f"'item': {ORDER}; they first differ at index 2, where the spec has 'b'",
        ),
        (
            spec_of(swapped(5, 6)),
            f"{ORDER}; they first differ at an index from 6 to 9, .* 'e' to 'h'",
        ),
        (spec_of([*WORDS[:-1], "Z"]), OTHER.format(26) + r"\); .* 18 to 27, .* 'q' to 'Z'"),
        (spec_of([*WORDS, "Z"]), OTHER.format(27) + r"\); the spec has more, from index 28 on"),
        (spec_of(WORDS[:3]), OTHER.format(3) + r"\); .* index from 4 to 5, where the spec has 'c'"),
        (spec_of(WORDS[:4]), OTHER.format(4) + r"\); .* at index 6, where the spec has nothing"),
        (spec_of(range(26)), "'item': its values are strings in the model, integers in the spec"),
        (
            spec_of(hash_buckets=26),
            "'item': its values are a vocabulary in .*, hash buckets in the",
        ),
        (spec_of(vocabulary_size=28), "'item': its values are a vocabulary in the model, indices"),
        (spec_of(price=(4.0, 2.0)), "'price': its mean is 3 in the model, 4 in the spec"),
        (spec_of(price=(3.0, 2.5)), "'price': its std is 2 in the model, 2.5 in the spec"),
        (spec_of(item="Item"), "input 'item' is feature 'item' in the model, nothing in the spec"),
    ],
)
def test_difference_is_described(other, message):
    model = keras.Sequential([kd.layers.RaggedToDense(fingerprint(spec_of()))])
    with pytest.raises(ValueError, match=rf"`spec` must have the features that .*{message}"):
        check_fingerprint(model, other)


def test_fingerprint_of_a_full_vocabulary_is_that_of_older_models():
    values = {"kind": "Categorical", "way": "vocabulary", "dtype": "string", "size": 3}
    digests = ["2757634b7f53cf25", "65c1f6a114f742d6", "6092a39fd7750011"]
    expected = {**values, "digests": digests, "unordered": 5925539243}
    for capacity in (None, 3):
        item = kd.Categorical("item", vocabulary=["a", "b", "c"], capacity=capacity)
        content = json.loads(fingerprint(kd.FeatureSpec(target=[item])))
        assert content["features"] == {"item": expected}


@pytest.mark.parametrize(
    "entries, capacity, message",
    [
        (WORDS, 40, "'item': its capacity is 32 in the model, 40 in the spec"),
        ([None, *WORDS[1:]], 32, r"other values .*\); they first differ at index 2, .* has None"),
        ([*WORDS, "Z"], 32, OTHER.format(27) + r"\); the spec has more, from index 28 on"),
        (WORDS[:4], 32, OTHER.format(4) + r"\); .* at index 6, where the spec has nothing"),
    ],
)
def test_difference_of_vocabularies_with_spare_rows(entries, capacity, message):
    model = keras.Sequential([kd.layers.RaggedToDense(fingerprint(spec_of(WORDS, capacity=32)))])
    check_fingerprint(model, spec_of(WORDS, capacity=32))
    with pytest.raises(ValueError, match=message):
        check_fingerprint(model, spec_of(entries, capacity=capacity))


@pytest.mark.parametrize("kind", [{"hash_buckets": 8}, {"vocabulary_size": 10}])
def test_different_number_of_values(kind):
    (word, size), message = *kind.items(), "'item': it has 8 values in the model, 9 in the spec"
    assert message in differences(fingerprint(spec_of(**kind)), spec_of(**{word: size + 1}))[0]


def test_difference_of_kind_and_of_padding_feature():
    item = kd.Categorical("item", 5)
    bag, one = kd.Bag("x", 4), kd.Categorical("x", 4)
    text = fingerprint(kd.FeatureSpec(target=[item, bag]))
    assert differences(text, kd.FeatureSpec(target=[item, one])) == [
        "feature 'x': a Bag in the model, a Categorical in the spec"
    ]
    text = fingerprint(kd.FeatureSpec(target=[item, one]))
    assert differences(text, kd.FeatureSpec(target=[one, item])) == [
        "padding of the target is determined by 'item' in the model, 'x' in the spec"
    ]


def test_clones_files_and_extended_models_have_the_fingerprint(tmp_path):
    spec = spec_of()
    model = build_popularity(spec)
    model.save(tmp_path / "model.keras")
    recalibrate = kd.metrics.recalibrate(model.output, 2)
    for other in (
        keras.saving.load_model(tmp_path / "model.keras"),
        keras.models.clone_model(model),
        keras.models.model_from_json(model.to_json()),
        type(model).from_config(model.get_config()),
        keras.Model(model.input, recalibrate),
        keras.Model(model.input, model(model.input)),
    ):
        assert fingerprints_of(other) == [fingerprint(spec)]


def test_models_composed_by_users(tmp_path):
    spec, other = spec_of(), spec_of(swapped(0, 1))
    x = embed(spec)
    ctr = keras.layers.Dense(1, activation="sigmoid")(x.target)[..., 0]
    assert fingerprints_of(keras.Model(x.inputs, ctr)) == [fingerprint(spec)]
    with pytest.raises(ValueError, match=r"`spec` must have the features .*'item': the same"):
        kd.CTRModel(x.inputs, ctr, spec=other)

    inputs = build_inputs(spec)
    ctr = keras.layers.Embedding(28, 1)(inputs["item"])[..., 0]
    assert fingerprints_of(kd.CTRModel(inputs, ctr)) == []
    model = kd.CTRModel(inputs, ctr, spec=spec)
    model.save(tmp_path / "model.keras")
    for each in (model, keras.saving.load_model(tmp_path / "model.keras")):
        check_fingerprint(each, spec)
        with pytest.raises(ValueError, match="they first differ at index 2"):
            check_fingerprint(each, other)
    again = kd.CTRModel(model.input, model.outputs, spec=model.get_config()["spec"])
    assert fingerprints_of(again) == [fingerprint(spec)]


def a_log():
    rows = [
        {"user": u, "item": f"i{(u + i) % 6}", "time": i, "click": (u + i) % 2}
        for u in range(8)
        for i in range(6)
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def data():
    columns = {"user": "user", "time": "time", "label": "click", "target": ["item"]}
    return kd.data.prepare_impressions(a_log(), **columns, dim=2)


def reordered(data):
    item = data.spec.target[0]
    other = kd.Categorical("item", vocabulary=item.vocabulary[::-1], dim=item.dim)
    (hist,) = data.spec.sequences
    spec = kd.FeatureSpec(target=[other], sequences=[dataclasses.replace(hist, of=[other])])
    return dataclasses.replace(data, spec=spec)


def test_data_of_another_spec_raises(data):
    model = kd.build_lr(data.spec)
    model.compile("sgd", "binary_crossentropy")
    mine, other = data.dataset("train"), reordered(data).dataset("train")
    message = (
        r"must have the features .*'item': the same values in another order; they first differ at"
    )
    model.evaluate(mine, verbose=0)
    kd.evaluate(model, mine)
    for use in (
        lambda: model.fit(other, shuffle=False),
        lambda: model.fit(mine, validation_data=other, shuffle=False),
        lambda: model.evaluate(other),
        lambda: model.predict(other),
        lambda: kd.evaluate(model, other),
        lambda: model.fit(mine, callbacks=[kd.Evaluation(other, monitor="val_auc")], shuffle=False),
        lambda: fit_popularity(build_popularity(data.spec), other),
    ):
        with pytest.raises(ValueError, match=message):
            use()


def test_run_of_another_spec_raises_in_every_command(data, tmp_path, capsys):
    data.save(tmp_path / "data")
    train(data, tmp_path / "run", model="popularity", epochs=1, verbose=0)
    reordered(data).save(tmp_path / "other")
    run, other = str(tmp_path / "run"), str(tmp_path / "other")
    assert load_run(run).spec == data.spec
    message = "'item': the same values in another order; they first differ at index 2"
    assert main(["evaluate", run, "--data", other]) == 1
    assert message in capsys.readouterr().err
    assert main(["predict", run, other, str(tmp_path / "ctr.csv")]) == 1
    assert message in capsys.readouterr().err

    (tmp_path / "run" / "spec.json").write_text(reordered(data).spec.to_json(), encoding="utf-8")
    for words in (
        ["evaluate", run, "--data", other],
        ["predict", run, other, str(tmp_path / "ctr.csv")],
        ["export", run, str(tmp_path / "din")],
        ["export", run, str(tmp_path / "din.onnx"), "--format", "onnx"],
    ):
        assert main(words) == 1
        error = capsys.readouterr().err
        assert f"{tmp_path / 'run' / 'spec.json'} must have the features" in error
        assert message in error


def test_another_label_is_another_spec(tmp_path):
    """The features are the same, so only the label distinguishes purchases from clicks."""
    clicks = spec_of()
    purchases = dataclasses.replace(clicks, labels=["buy"])
    message = r"labels by output are \{'buy': 'buy'\} in the model, \{'ctr': 'click'\} in the spec"
    assert differences(fingerprint(purchases), purchases) == []
    model = kd.build_base(purchases, hidden_units=[2])
    with pytest.raises(ValueError, match=message):
        check_fingerprint(model, clicks)
    with pytest.raises(ValueError, match=message):
        kd.export(model, clicks, tmp_path / "din")
    assert "labels" not in json.loads(fingerprint(clicks))
    # The default spec is equal to that of version 0.1, which had no labels.
    (difference,) = differences(fingerprint(clicks), purchases)
    assert "{'ctr': 'click'} in the model, {'buy': 'buy'}" in difference
    swapped_outputs = [kd.Label("buy", output="ctr"), kd.Label("click", output="buy")]
    both = dataclasses.replace(clicks, labels=["click", "buy"])
    assert differences(fingerprint(both), dataclasses.replace(clicks, labels=swapped_outputs))


def test_what_only_training_reads_of_a_label_is_no_difference():
    clicks = spec_of()
    one, other = (
        dataclasses.replace(clicks, labels=[kd.Label("watch", loss="huber", **options)])
        for options in ({}, {"weight": 2, "delta": 30})
    )
    assert fingerprint(one) == fingerprint(other)


def test_fingerprint_is_short_json():
    spec = spec_of([f"i{i}" for i in range(100_000)])
    text = fingerprint(spec)
    assert len(text) < 1000
    assert json.loads(text)["features"]["item"]["size"] == 100_000


@pytest.mark.parametrize("values", [("a", "\u00e9", "\ud800"), (3, -1, 10**18)])
def test_checksum_does_not_depend_on_order(values):
    """It is the sum of CRC-32 of the UTF-8 text of each value, with lone surrogates unchanged."""
    content = json.loads(fingerprint(spec_of(values)))["features"]["item"]
    texts = [str(value).encode("utf-8", "surrogatepass") for value in values]
    assert content["unordered"] == sum(binascii.crc32(text) for text in texts)
    assert list(content)[-2:] == ["digests", "unordered"]  # Saved models contain this text.


def test_equal_vocabularies_are_compared_only_by_digests(monkeypatch):
    text = fingerprint(spec_of())
    monkeypatch.setattr("keras_din.spec_fingerprint._unordered_checksum", None)
    assert differences(text, spec_of()) == []
    monkeypatch.undo()
    (found,) = differences(text, spec_of(swapped(0, 1)))
    assert "the same values in another order" in found
