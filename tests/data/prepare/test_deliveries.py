"""Files, and starts of files, whose rows were read before are left out, and no other rows."""

import numpy as np
import pandas as pd
import pytest

from keras_din.data import PreparedData, append_to_folder, prepare_impressions
from keras_din.data.store import arrays
from tests.data.prepare.shared import a_day

COLUMNS = {"user": "user", "time": "time", "label": "click", "target": ["item"], "dim": 2}


def written(folder, days, kind="csv", **changes):
    """One file per day, in the order of the days."""
    folder.mkdir(exist_ok=True)
    for day in days:
        log = a_day(day).assign(**changes)
        getattr(log, f"to_{kind}")(folder / f"{day}.{kind}", index=False)
    return str(folder / f"*.{kind}")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_pattern_that_matches_files_of_before(tmp_path, capsys, kind):
    log = written(tmp_path / "logs", [0, 1], kind)
    prepare_impressions(log, **COLUMNS).save(tmp_path / "data")
    written(tmp_path / "logs", [2, 3], kind)
    data = append_to_folder(tmp_path / "data", log)
    assert "read before: " in capsys.readouterr().out
    assert len(data.days[0].samples) == 2 * 16
    assert data.days[0].report["rows_kept"] == 2 * 16
    shown = pd.Timestamp(data.days[0].report["time_from"])
    assert shown == pd.Timestamp(a_day(2)["time"].min(), unit="s")
    assert data.days[0].report["users"] == 4
    assert [file.rsplit("/", 1)[1] for file in data.days[0].report["files_left_out"]] == [
        f"0.{kind}",
        f"1.{kind}",
    ]
    other = prepare_impressions(written(tmp_path / "first", [0, 1], kind), **COLUMNS)
    other = other.append(written(tmp_path / "next", [2, 3], kind))
    assert data.spec == other.spec
    pd.testing.assert_index_equal(data.days[0].users, other.days[0].users)
    for name, values in other.days[0].samples.arrays().items():
        if name != "line":
            assert (data.days[0].samples.arrays()[name] == values).all(), name
    assert append_to_folder(tmp_path / "data", log).deliveries == data.deliveries
    assert capsys.readouterr().out.endswith("nothing changed\n")
    assert len(PreparedData.load(tmp_path / "data").days) == 1


def test_the_log_of_prepare_itself(capsys):
    data = prepare_impressions(a_day(0), **COLUMNS)
    assert data.append(a_day(0).sample(frac=1, random_state=0)) is data
    assert capsys.readouterr().out.endswith("nothing changed\n")


def test_csv_and_parquet_of_the_same_rows(tmp_path):
    written(tmp_path / "logs", [0], "csv")
    written(tmp_path / "logs", [0], "parquet")
    data = prepare_impressions(tmp_path / "logs" / "0.csv", **COLUMNS)
    assert data.append(tmp_path / "logs" / "0.parquet") is data


@pytest.mark.parametrize("column", ["user", "time", "item", "click"])
def test_one_other_value_is_another_log(column):
    log, other = a_day(0), a_day(0)
    data = prepare_impressions(log, **COLUMNS)
    # Two rows exchange their values, so the values of each column stay the same.
    first, second = other.index[0], other.index[other[column] != other[column].iloc[0]][0]
    other.loc[[first, second], column] = other.loc[[second, first], column].to_numpy()
    assert len(data.append(other).days) == 1


def test_a_file_that_has_grown(tmp_path, capsys):
    path, log = tmp_path / "log.csv", a_day(1)
    data = prepare_impressions(a_day(0), **COLUMNS)
    for rows in (5, 9, 16):
        log.head(rows).to_csv(path, index=False)
        data = data.append(path)
    printed = capsys.readouterr().out
    assert "read before: the first 5 rows of the log\n" in printed
    assert "read before: the first 9 rows of the log\n" in printed
    assert [len(day.samples) for day in data.days] == [5, 4, 7]
    assert [day.report["rows_kept"] for day in data.days] == [5, 4, 7]
    assert [day.report["users"] for day in data.days] == [
        log["user"].iloc[rows].nunique() for rows in (slice(5), slice(5, 9), slice(9, None))
    ]
    shown = np.concatenate([day.samples.time for day in data.days])
    assert sorted(shown // 1_000_000) == sorted(log["time"])
    assert data.append(path) is data


def test_files_that_were_concatenated(tmp_path):
    data = prepare_impressions(a_day(0), **COLUMNS)
    data = data.append(a_day(1)).append(a_day(2))
    assert data.append(pd.concat([a_day(2), a_day(1)], ignore_index=True)) is data
    longer = data.append(pd.concat([a_day(1), a_day(2), a_day(3)], ignore_index=True))
    assert len(longer.days[-1].samples) == 16
    assert longer.days[-1].report["rows_read_before"] == {"the log": 32}


def test_long_logs_are_read_in_pieces(tmp_path, monkeypatch):
    log = written(tmp_path / "logs", [0, 1])
    whole = prepare_impressions(log, **COLUMNS).deliveries
    monkeypatch.setattr(arrays, "_ROWS_AT_ONCE", 5)
    assert prepare_impressions(log, **COLUMNS).deliveries == whole
    assert [rows for rows, _ in whole] == [16, 16, 32]
