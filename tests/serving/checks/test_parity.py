"""The parity check in another process finds differences and reports errors."""

import numpy as np
import pytest

import keras_din as kd
from keras_din.serving.checks import parity
from keras_din.serving.sample_rows import one_candidate_per_row, sample_rows
from tests.serving.one_process import check_exports_with
from tests.serving.specs import SPEC


def test_functions_and_session_agree(exports):
    model, version = exports["din"]
    sample = sample_rows(SPEC, rows=5, seed=3)
    cases = [
        ("rank", sample.raw),
        ("serving_default", one_candidate_per_row(SPEC, sample.raw)),
    ]
    live = model.predict_on_batch(sample.indices)
    for answers in parity.score_in_another_process(version, cases):
        assert set(answers[0]) == {"ctr", "order"}
        np.testing.assert_allclose(answers[0]["ctr"], live, rtol=0, atol=1e-5)
        np.testing.assert_allclose(answers[1]["ctr"], live.reshape(-1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("max_length", [20, 499, 500, 1500])
def test_a_history_longer_than_max_length_is_scored(monkeypatch, max_length):
    item = kd.Categorical("item", 9)
    spec = kd.FeatureSpec(
        target=[item], sequences=[kd.Sequence("hist", of=[item], max_length=max_length)]
    )
    seen = []

    def score(folder, cases):
        seen.extend((rows["hist_item"] != 0).sum(axis=1).max(initial=0) for _, rows in cases)
        raise InterruptedError

    monkeypatch.setattr(parity, "score_in_another_process", score)
    with pytest.raises(InterruptedError):
        parity.check_parity("folder", spec, lambda x: 0)
    assert max_length < max(seen) <= max_length + 10


def test_error_of_the_process_is_reported(tmp_path, monkeypatch):
    script = tmp_path / "fails.py"
    script.write_text("import sys; sys.exit(f'no memory for {sys.argv[1:]}')")
    monkeypatch.setattr(parity.parity_process, "__file__", str(script))
    with pytest.raises(RuntimeError, match=r"could not score '.*nothing':\nno memory for \['.*'\]"):
        parity.score_in_another_process(tmp_path / "nothing", [])


def test_error_of_tensorflow_is_reported(tmp_path):
    with pytest.raises(RuntimeError, match=r"(?s)could not score '.*nothing': ?.*SavedModel"):
        parity.score_in_another_process(tmp_path / "nothing", [])


def test_one_process_for_many_exports(exports, one_process, tmp_path):
    sample = sample_rows(SPEC, rows=4, seed=3)
    cases = [("rank", sample.raw)]
    with check_exports_with(one_process):
        for name in ("din", "lr"):
            for (answers,) in parity.score_in_another_process(exports[name][1], cases):
                live = exports[name][0].predict_on_batch(sample.indices)
                np.testing.assert_allclose(answers["ctr"], live, rtol=0, atol=1e-5)
        with pytest.raises(RuntimeError, match=r"(?s)could not score '.*nothing': ?.*SavedModel"):
            parity.score_in_another_process(tmp_path / "nothing", [])
        other = kd.build_lr(SPEC)
        with pytest.raises(RuntimeError, match="must score as the live model does"):
            parity.check_parity(exports["lr"][1], SPEC, other.predict_on_batch)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda one, many: one["ctr"].__setitem__(3, 0.6), "difference of serving_default was 0.1"),
        (lambda one, many: many["ctr"].__setitem__((1, 0), np.nan), "difference of rank was nan"),
        (lambda one, many: many["order"].__setitem__(2, [0, 0, 0]), "`order` .* must sort `ctr`"),
    ],
)
@pytest.mark.parametrize("way", [0, 1])
def test_differences_are_found(monkeypatch, change, message, way):
    live = lambda x: np.full(x["item"].shape, 0.5)  # noqa: E731

    def fake(folder, cases):
        ways = [[], []]
        for answers in ways:
            for _, rows in cases[1::2]:
                real = rows["item"] != ""
                ctr = np.where(real, 0.5, 0)
                order = np.argsort(np.where(real, -ctr, 1), axis=1, kind="stable")
                answers += [{"ctr": ctr.flatten()}, {"ctr": ctr, "order": order}]
        change(*ways[way][:2])
        return tuple(ways)

    monkeypatch.setattr(parity, "score_in_another_process", fake)
    with pytest.raises(RuntimeError, match=message):
        parity.check_parity("folder", SPEC, live)
