"""The table of `training_defaults.py` by hand, and its settings."""

import inspect
import json


def test_table_of_two_runs_by_hand(tmp_path, capsys):
    import training_defaults

    def line(seed, gauc):
        evaluations = [
            {"step": 0, "logloss": 0.7, "calibration": 1.0},
            {"step": 5, "logloss": 0.5, "calibration": 1.1},
            {"step": 10, "logloss": 0.6, "calibration": 1.2},
        ]
        test = {"gauc": gauc, "logloss": 0.55, "calibration": 0.9}
        key = {"data": "beauty", "model": "din", "setting": "s", "seed": seed}
        return json.dumps({**key, "test": test, "evaluations": evaluations, "best_step": 5})

    file = tmp_path / "runs.jsonl"
    file.write_text(f"{line(0, 0.6)}\n{line(1, 0.62)}\n")
    training_defaults.main(["--read", str(file)])
    *_, row = capsys.readouterr().out.splitlines()
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:5] == ["beauty", "din", "s", "2", "0.6100 ± 0.0141"]  # .01 sqrt(2)
    assert cells[7:] == ["1.1000 ± 0.0000", "0.1000 ± 0.0000", "1 of 2/1 of 2"]


def test_settings_are_arguments_of_train():
    import accuracy
    import training_defaults

    parameters = inspect.signature(training_defaults.train).parameters
    for _, arguments in training_defaults.SETTINGS.values():
        assert arguments.keys() <= parameters.keys()
    for _, arguments in accuracy.DATA.values():
        assert arguments.keys() <= parameters.keys()
