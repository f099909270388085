"""The example of position bias: its law, its measure, and the order of its models."""

import numpy as np
import pytest

from examples.position import (
    SEEN,
    SLOTS,
    click_rates,
    main,
    make_log,
    ordered_pairs,
    position_bias_of,
    train,
)


def test_log_follows_the_law():
    quality, rates = click_rates(0)
    log = make_log(0, requests=20_000)
    rate = SEEN[log["position"] - 1] * rates[log["group"], log["item"]]
    for position in range(1, SLOTS + 1):
        at = (log["position"] == position).to_numpy()
        assert abs(log["click"][at].mean() - rate[at].mean()) < 0.015
    # The policy shows better items first. A random order does not.
    mean = quality[log["item"]].reshape(-1, SLOTS).mean(axis=0)
    assert (np.diff(mean) < 0).all()
    log = make_log(0, requests=20_000, by_policy=False)
    assert np.ptp(quality[log["item"]].reshape(-1, SLOTS).mean(axis=0)) < 0.1


def test_ordered_pairs_by_hand():
    _, rates = click_rates(1)
    assert ordered_pairs(rates**2, rates) == 1
    assert ordered_pairs(-rates, rates) == 0


@pytest.mark.slow
def test_position_ranks_better_than_plain_and_feature():
    rates = click_rates(0)[1]
    scores = {kind: train(kind, 0, requests=20_000) for kind in ("plain", "feature", "Position")}
    pairs = {kind: ordered_pairs(each, rates) for kind, (each, _) in scores.items()}
    assert pairs["Position"] > pairs["plain"] + 0.03
    assert pairs["Position"] > pairs["feature"]
    found = position_bias_of(scores["Position"][1]).probabilities()
    np.testing.assert_allclose(found, SEEN, atol=0.15)


def test_main_prints_all_models(monkeypatch, capsys):
    model = train("Position", 0, requests=20, epochs=1)[1]
    of_seed = lambda kind, seed: (click_rates(seed)[1], model)  # noqa: E731
    monkeypatch.setattr("examples.position.train", of_seed)
    main(seeds=(0, 1))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert all("pairs 1.000 +- 0.000" in line for line in lines)
