"""Times and splits of whole logs: errors in Python and on the command line."""

import numpy as np
import pandas as pd
import pytest

from keras_din.cli import main
from keras_din.data import (
    ByTime,
    ByUser,
    LastFraction,
    PreparedData,
    prepare_impressions,
    prepare_interactions,
)

DAYS = [20220408, 20220409, 20220501, 20220502, 20220503]
DATES = pd.to_datetime([str(day) for day in DAYS])
WORDS = {"user": "user", "time": "day", "target": "item"}
OPTIONS = ["--user", "user", "--time", "day", "--target", "item", "--label", "click"]


def log(**columns) -> pd.DataFrame:
    frame = pd.DataFrame({"user": 7, "item": list("abcab"), "day": DAYS, "click": [1, 0, 1, 0, 1]})
    return frame.assign(**columns)


def moments(data) -> list:
    rows = np.concatenate([samples.time for samples in data.parts.values()])
    return sorted(rows.astype("datetime64[us]").astype("datetime64[D]").astype(str).tolist())


def prepared(frame, label="click", **options) -> PreparedData:
    if label is None:
        items = pd.DataFrame({"item": list("abcdefg")})
        return prepare_interactions(frame, items=items, **WORDS, **options)
    return prepare_impressions(frame, label=label, **WORDS, **options)


@pytest.mark.parametrize("label", ["click", None])
def test_calendar_numbers_require_a_format(label, tmp_path):
    log().to_csv(tmp_path / "log.csv", index=False)
    for source in (log(), log(day=[str(day) for day in DAYS]), tmp_path / "log.csv"):
        with pytest.raises(
            ValueError,
            match=r"20220408, which looks like.*'%Y%m%d' \(on the command line `--time-format`",
        ):
            prepared(source, label)
        data = prepared(source, label, time_format="%Y%m%d", split=ByTime(test_from="2022-05-02"))
        dates = ["2022-04-08", "2022-04-09", "2022-05-01", "2022-05-02", "2022-05-03"]
        assert moments(data)[-5:] == (dates if label else sorted(dates[1:] * 2)[-5:])
        assert data.report["time_from"].startswith("2022-04-08")
        assert data.report["time_unit"] == "date"


def test_leading_zeros_are_kept(tmp_path):
    log(day=["040408", "040409", "040501", "040502", "040503"]).to_csv(tmp_path / "log.csv")
    data = prepared(tmp_path / "log.csv", time_format="%y%m%d")
    assert moments(data)[0] == "2004-04-08"


def test_format_applies_to_prior_history():
    before = {"hist": pd.DataFrame({"user": [7], "item": ["c"], "day": [20220407]})}
    data = prepared(log(), time_format="%Y%m%d", prior_history=before)
    assert data.behaviors["hist"].time[0] == np.datetime64("2022-04-07", "us").astype(int)


@pytest.mark.parametrize("label", ["click", None])
@pytest.mark.parametrize(
    "split", [ByTime("2022-05-02", "2023-01-01"), LastFraction(0.2, 0.2), ByUser(0.1, 0.1)]
)
def test_part_without_rows_raises(label, split):
    frame = log(day=DATES)
    if isinstance(split, LastFraction):
        frame["day"] = frame["day"].where(frame["day"] < "2022-05-01", frame["day"].max())
    if isinstance(split, ByUser):
        with pytest.raises(ValueError, match="`split` must leave rows for training"):
            prepared(frame, label, split=split)
        return
    with pytest.raises(
        ValueError, match=r"must have rows, unless `allow_empty_parts` \(.*rows are"
    ):
        prepared(frame, label, split=split)
    data = prepared(frame, label, split=split, allow_empty_parts=True)
    assert len(data.parts) == 2


@pytest.mark.parametrize(
    "day, options, message",
    [
        (["08/04/2022"] * 5, {}, "'day' is not a time.*08/04/2022.*`time_format=` '%d/%m/%Y' or '"),
        (["2022-04-08"] * 4 + ["30.04.2022"], {}, "1 of 5 rows .* the first is '30.04.2022' in li"),
        (
            ["2022-04-08"] * 4 + ["30.04.2022"],
            {},
            r"Name their format, `time_format=` '%d\.%m\.%Y'",
        ),
        (DAYS, {"time_format": "%Y-%m-%d"}, "'day' is not a time.*to `time_format='%Y-%m-%d'`"),
    ],
)
def test_invalid_times_have_a_remedy(day, options, message):
    for label in ("click", None):
        with pytest.raises(ValueError, match=message):
            prepared(log(day=day), label, **options)


def test_part_with_only_first_behaviors_raises():
    frame = log(user=[1, 1, 1, 2, 2], day=DATES)
    split = ByTime(valid_from="2022-05-02", test_from="2022-05-03")
    with pytest.raises(ValueError, match=r"none for \['valid'\]"):
        prepared(frame, None, split=split)


def test_times_on_the_command_line(tmp_path, capsys):
    log().to_csv(tmp_path / "log.csv", index=False)
    words = ["prepare", str(tmp_path / "log.csv"), str(tmp_path / "data"), *OPTIONS]
    assert main(words) == 1
    assert "20220408, which looks like a date" in capsys.readouterr().err
    words += ["--time-format", "%Y%m%d", "--split", "by-time"]
    assert main([*words, "--test-from", "20230501"]) == 1
    assert "none for ['test']" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()
    assert main([*words, "--test-from", "20220502", "--valid-from", "2022-05-01"]) == 0
    parts = PreparedData.load(tmp_path / "data").parts
    assert {part: len(rows) for part, rows in parts.items()} == {"train": 2, "valid": 1, "test": 2}
    words = [*words, "--test-from", "20230501", "--allow-empty-parts", "--overwrite"]
    assert main(words) == 0
    assert list(PreparedData.load(tmp_path / "data").parts) == ["train"]


RECENT = [1_600_000_000 + 86_400 * day for day in range(5)]


@pytest.mark.parametrize("placeholder", [0, -1, 86_400])
@pytest.mark.parametrize("factor", [1, 1000])
@pytest.mark.parametrize("label", ["click", None])
def test_placeholders_among_times(placeholder, factor, label, capsys):
    if placeholder > 1:
        placeholder *= factor
    times = [factor * moment for moment in RECENT]
    times[3] = placeholder
    reason = "'day' is a placeholder for a missing time: it is decades before the others"
    unit = {1: "s", 1000: "ms"}[factor]
    if placeholder > 1 and factor > 1:  # Another unit is detected then.
        with pytest.raises(ValueError, match="must hold times of one unit"):
            prepared(log(day=times), label)
        return
    with pytest.raises(
        ValueError,
        match=rf"1 of 5 rows for this reason: {reason}; the first is {placeholder} in line 3\. "
        f"Correct the times of these rows.*`time_unit='{unit}'` .on the command line `--time-unit`",
    ):
        prepared(log(day=times), label)
    data = prepared(log(day=times), label, max_bad=0.2)
    assert data.report["rows_aside"][reason]["rows"] == 1
    assert data.report["time_from"].startswith("2020")
    assert data.bad_rows["reason"].tolist() == [reason]
    capsys.readouterr()
    data = prepared(log(day=times), label, time_unit=unit)
    assert data.report["time_from"].startswith(("1970", "1969"))
    assert capsys.readouterr().out.startswith(
        "Column 'day': 1 times are at or before 1970-01-02 and most are after 1980; the first is "
        "in line 3. They are kept, since `time_unit` or `time_format` is given.\n"
    )


def test_placeholder_dates():
    dates = DATES.strftime("%Y-%m-%d").tolist()
    for early in ("1970-01-01", "0001-01-01"):
        day = [early, *dates[1:]]
        with pytest.raises(ValueError, match=f"a missing time: .* is '{early}' in .*`time_format`"):
            prepared(log(day=day))
        assert prepared(log(day=day), time_format="%Y-%m-%d").report["time_from"][:10] == early


def test_small_numbers_are_times():
    """Some logs without dates count seconds from the first event."""
    assert prepared(log(day=[0, 5, 9, 20, 30])).report["time_from"].startswith("1970-01-01")
    assert prepared(log(day=[0, 5, 9, 20, 30]), time_unit="s").report["rows_kept"] == 5


def test_prior_history_without_times():
    prior_history = pd.DataFrame({"user": 7, "item": list("abc"), "day": [0, RECENT[0], RECENT[1]]})
    frame = log(day=[moment + 86_400 * 9 for moment in RECENT])
    with pytest.raises(ValueError, match="1 of 3 rows for this reason: the row is bad, or has no"):
        prepared(frame, prior_history={"hist": prior_history}, sequences={"hist": "click"})
    options = {"prior_history": {"hist": prior_history}, "sequences": {"hist": "click"}}
    assert prepared(frame, max_bad=0.5, **options).report["earlier_aside"] == {"hist": 1}
