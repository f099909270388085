"""Random sequences of appends against a brute-force model of the whole log."""

import os

import pytest

from keras_din.data import PreparedData, append_to_folder
from tests.sequences.prepared_rows import check_data, check_replay
from tests.sequences.random_logs import Logs

# A long run: `KERAS_DIN_SEQUENCES=200 python -m pytest -m "" tests/sequences/test_appends.py`.
SEQUENCES = int(os.environ.get("KERAS_DIN_SEQUENCES", "6"))


@pytest.mark.parametrize("seed", range(SEQUENCES))
def test_a_sequence_of_appends(tmp_path, seed):
    logs = Logs(seed, tmp_path / "data")
    for step in range(8):
        index = {n: {v: i for i, v in enumerate(e.entries)} for n, e in logs.whole.entries.items()}
        born = {name: dict(e.born) for name, e in logs.whole.entries.items()}
        logs.append()
        data = PreparedData.load(tmp_path / "data")
        check_data(data, logs.whole)
        for name, entries in logs.whole.entries.items():
            for value, number in entries.born.items():
                if born[name].get(value) == number:  # It has lived since then.
                    assert entries.entries[index[name][value]] == value
        if logs.rng.random() < 0.3:
            check_replay(data, logs.whole, len(data.days) - 1, 0.3)
        if logs.rng.random() < 0.3:
            before = sorted((tmp_path / "data").rglob("*"))
            log = logs.frames[logs.rng.integers(1, len(logs.frames))]
            again = append_to_folder(tmp_path / "data", log.sample(frac=1, random_state=step))
            assert len(again.days) == len(data.days)
            assert sorted((tmp_path / "data").rglob("*")) == before
