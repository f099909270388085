"""The check for skew finds planted differences and names the inputs that differ."""

import dataclasses
import shutil
import warnings

import numpy as np
import pytest

import keras_din as kd
from keras_din.serving import saved_model
from keras_din.serving.checks.skew import find_skew, raw_rows
from keras_din.serving.graph import signatures
from keras_din.serving.sample_rows import sample_rows
from tests.models.shared import randomized
from tests.serving.specs import SPEC


def export(model, spec, path):
    """Exports a version without the check in another process."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The warning about missing warm-up requests.
        patch.setattr(saved_model, "check_parity", lambda *arguments: {})
        return kd.export(model, spec, path)


def build(spec):
    return randomized(kd.build_base(spec, hidden_units=(8,)), scale=0.2)


@pytest.fixture(scope="module")
def live():
    return build(SPEC)


@pytest.fixture(scope="module")
def version(live, tmp_path_factory):
    return export(live, SPEC, tmp_path_factory.mktemp("exports"))


def skew_of(version, live, rows=30):
    batches = [sample_rows(SPEC, rows=rows, seed=seed)[:] for seed in (3, 4)]
    return find_skew(version, SPEC, live.predict_on_batch, batches)


def test_no_skew(version, live):
    skew = skew_of(version, live)
    assert skew.rows == 60
    assert not skew.found
    assert (skew.inputs, skew.spec, skew.explained_by) == ({}, [], {})


def test_no_skew_in_rows_of_the_pipeline(version, live):
    x = sample_rows(SPEC, rows=30, seed=5).indices
    # Every integer has a bucket, so no other raw value is out-of-vocabulary.
    assert (x["hist_action"] != 1).all()
    assert not find_skew(version, SPEC, live.predict_on_batch, [(raw_rows(SPEC, x), x)]).found


def test_a_vocabulary_in_another_order(version, live, tmp_path):
    changed = shutil.copytree(version, tmp_path / "1")
    file = changed / "assets" / "item.txt"
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[4:6] == ["té 4", "té 5"]
    lines[4:6] = lines[5:3:-1]
    file.write_text("\n".join(lines), encoding="utf-8")
    skew = skew_of(changed, live)
    assert skew.found
    assert set(skew.inputs) == {"item", "hist_item"}
    found = skew.inputs["item"]
    raw = np.concatenate([sample_rows(SPEC, rows=30, seed=seed).raw["item"] for seed in (3, 4)])
    moved = np.isin(raw, ["té 4", "té 5"])
    assert (found.values, found.rows) == (moved.sum(), moved.any(axis=1).sum())
    assert raw[found.row][moved[found.row]][0] == found.raw
    assert found.pipeline == {"té 4": 6, "té 5": 7}[found.raw] == 13 - found.served
    assert skew.spec == [
        "item: vocabulary is another; first at index 6: 'té 5' in the version, 'té 4' in the model"
    ]
    largest = skew.worst[0]
    assert abs(largest.live - largest.served) == pytest.approx(max(skew.largest.values()))
    assert max(skew.largest.values()) > 1e-3


def test_other_values_are_found_even_if_no_row_shows_them(version, live, tmp_path):
    changed = shutil.copytree(version, tmp_path / "1")
    file = changed / "assets" / "item.txt"
    lines = file.read_text(encoding="utf-8").splitlines()
    lines[4:6] = lines[5:3:-1]
    file.write_text("\n".join(lines), encoding="utf-8")
    raw, x = sample_rows(SPEC, rows=30, seed=3)[:]
    same = ~np.isin(raw["item"], ["té 4", "té 5"]).any(axis=1)
    same &= ~np.isin(raw["hist_item"], ["té 4", "té 5"]).any(axis=1)
    rows = [{name: values[same] for name, values in each.items()} for each in (raw, x)]
    skew = find_skew(changed, SPEC, live.predict_on_batch, [rows])
    assert skew.rows == same.sum() > 0
    assert skew.inputs == {}
    assert max(skew.largest.values()) < 1e-5
    assert skew.found
    assert skew.values == [
        "feature 'item': the same values in another order; they first differ at an index "
        "from 6 to 9, where the version has 'té 5' to 'té 7'"
    ]


def test_a_history_in_another_order(live, tmp_path, monkeypatch):
    original = signatures.model_inputs

    def reversed_history(spec, encoder, inputs):
        x = original(spec, encoder, inputs)
        return x | {name: x[name][:, ::-1] for name in x if name.startswith("hist_")}

    monkeypatch.setattr(signatures, "model_inputs", reversed_history)
    skew = skew_of(export(live, SPEC, tmp_path), live)
    assert skew.found
    assert max(skew.largest.values()) < 1e-5  # A mean does not depend on the order.
    assert set(skew.inputs) == {"hist_item", "hist_shop", "hist_action", "hist_s"}


def test_histories_of_another_length(live, tmp_path):
    shorter = dataclasses.replace(SPEC.sequences[1], max_length=3)
    spec = dataclasses.replace(SPEC, sequences=[SPEC.sequences[0], shorter])
    skew = skew_of(export(live, spec, tmp_path), live)
    assert list(skew.inputs) == ["shops_shop"]
    found = skew.inputs["shops_shop"]
    assert (found.raw, found.served) == (None, 3)
    assert found.pipeline in (4, 5)
    assert skew.spec == ["shops: max_length is 3 in the version, 5 in the model"]


def test_another_mean(live, tmp_path):
    other = dataclasses.replace(SPEC.context[1], mean=1.5)
    context = [SPEC.context[0], other, *SPEC.context[2:]]
    spec = dataclasses.replace(SPEC, context=context)
    model = build(spec)
    model.set_weights(live.get_weights())
    skew = skew_of(export(model, spec, tmp_path), live)
    assert skew.found
    assert skew.inputs == {}
    assert skew.spec == ["age: mean is 1.5 in the version, 1.0 in the model"]
    assert [name for name, left in skew.explained_by.items() if left <= 1e-5] == ["age"]


@pytest.mark.parametrize(
    "table, named", [("item", ["item"]), ("action", ["action", "hist"]), ("city", ["city"])]
)
def test_another_row_of_a_table(version, live, table, named):
    weights = live.get_weights()
    rows = live.get_layer(f"embedding_{table}").get_weights()[0]
    rows[3:] += 1.0  # Not the row of the first hash bucket, which ablated values use.
    live.get_layer(f"embedding_{table}").set_weights([rows])
    try:
        skew = skew_of(version, live)
    finally:
        live.set_weights(weights)
    assert (skew.inputs, skew.spec) == ({}, [])
    assert [name for name, left in skew.explained_by.items() if left <= 1e-5] == named


def test_nan(version, live):
    def none(x):
        ctr = live.predict_on_batch(x)
        ctr[2] = np.nan
        return ctr

    x = sample_rows(SPEC, rows=4).indices
    skew = find_skew(version, SPEC, none, [(raw_rows(SPEC, x), x)])
    assert skew.found
    assert skew.worst[0].row == 2


def test_invalid_arguments(version, live):
    other = kd.FeatureSpec(target=SPEC.target, context=SPEC.context[1:])
    with pytest.raises(ValueError, match=r"which differs in \['hist_action', .*'segment'"):
        find_skew(version, other, live.predict_on_batch, [])
    with pytest.raises(ValueError, match="`batches` must hold at least one batch"):
        find_skew(version, SPEC, live.predict_on_batch, [])
