"""Files of JSON lines: the data of a DataFrame, nested objects, mixed types, bad lines."""

import gzip
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from keras_din.cli import main
from keras_din.data import (
    prepare_impressions,
    prepare_interactions,
    prepare_rows,
    rows_dataset,
)
from keras_din.data.reading import json_lines
from keras_din.data.reading.source import as_source, to_frame
from keras_din.data.reading.table import read_table
from tests.data.reading.shared import WORDS, a_log, check_equal

# One object per line, as published in 2023: https://amazon-reviews-2023.github.io
REVIEW_2023 = (
    '{{"rating": 5.0, "title": "Nice, \\"really\\"", "text": "{text}", "images": '
    '[{{"small_image_url": "https://m"}}], "asin": "{item}", "parent_asin": "{item}", '
    '"user_id": "{user}", "timestamp": {time}, "helpful_vote": 0, "verified_purchase": true}}'
)
# As published in 2018.
REVIEW_2018 = (
    '{{"overall": 4.0, "vote": "5", "verified": true, "reviewTime": "01 1, 2018", "reviewerID": '
    '"{user}", "asin": "{item}", "style": {{"Format:": " {text}"}}, "unixReviewTime": {time}}}'
)


def lines_of(form: str, unit: int = 1) -> list:
    return [
        form.format(user=f"U{user}", item=f"B00{item}", text="été", time=unit * (10**9 + 86400 * n))
        for user in range(4)
        for n, item in enumerate(range(user, user + 4))
    ]


def write(path, lines, end: str = "\n"):
    path.write_text(end.join(lines) + end, encoding="utf-8", newline="")
    return path


def to_lines(frame: pd.DataFrame) -> list:
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [json.dumps(row, ensure_ascii=False) for row in rows]


@pytest.mark.parametrize("end", [".json", ".jsonl.gz", ".ndjson.zst", ".csv"])
def test_a_log_is_the_same_as_its_frame(tmp_path, end):
    log = a_log()
    content = "".join(f"{line}\n" for line in to_lines(log)).encode()
    path = tmp_path / f"log{end}"
    path.write_bytes(gzip.compress(content) if end.endswith("gz") else content)
    if end.endswith("zst"):
        with pa.CompressedOutputStream(str(path), "zstd") as file:
            file.write(content)
    data = prepare_impressions(path, **WORDS)
    check_equal(data, prepare_impressions(log, **WORDS))
    assert data.parts["train"].line.min() == 1  # Lines, not row numbers.


def test_both_ways_of_reading_agree(tmp_path):
    frame = pd.DataFrame({"a": ["1", None, "x"], "n": [1, None, 3], "b": [True, None, False]})
    frame["n"] = frame["n"].astype("Int64")
    frame["price"] = [1.0, 2.5, None]
    frame["tags"] = [["u", "v"], [], None]
    path = write(tmp_path / "a.json", to_lines(frame))
    of_arrow, lines, bad = as_source(path).json_lines.read(list(frame))
    of_python, *_ = as_source(path).json_lines._read_by_line(list(frame))
    assert (
        of_arrow.to_pylist()
        == of_python.to_pylist()
        == frame.astype(object).where(frame.notna(), None).to_dict("records")
    )
    assert of_arrow.schema.types == of_python.schema.types
    assert (lines.tolist(), bad) == ([1, 2, 3], [])


def test_reviews_of_2018_and_2023(tmp_path):
    new = write(tmp_path / "Books.jsonl", lines_of(REVIEW_2023, 1000))
    old = write(tmp_path / "Books_5.json", lines_of(REVIEW_2018))
    meta = [{"parent_asin": f"B00{n}", "details": {"Brand": "A"}} for n in range(8)]
    meta[1] = {"parent_asin": "B001", "details": {}}
    items = write(tmp_path / "meta.jsonl", map(json.dumps, meta))
    data = prepare_interactions(
        new,
        user="user_id",
        time="timestamp",
        target=["parent_asin", "details_Brand"],
        items=items,
        dim=4,
    )
    assert data.spec.features["details_Brand"].vocabulary == ("A",)
    of_old = prepare_interactions(
        old, user="reviewerID", time="unixReviewTime", target=["asin"], dim=4
    )
    np.testing.assert_array_equal(data.parts["test"].time, of_old.parts["test"].time)
    assert data.report["time_unit"] == "ms"
    wrong = {"user": "user_id", "time": "timestamp", "dim": 4}
    with pytest.raises(ValueError, match=r"'images' must hold text.*\[\{\"small_image.* in line 1"):
        prepare_interactions(new, target=["asin", "images"], **wrong)
    with pytest.raises(ValueError, match=r"'style'.*holds objects.*columns \['style_Format_'\]"):
        prepare_interactions(
            old, user="reviewerID", time="unixReviewTime", target=["asin", "style"], dim=4
        )


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_bad_lines_are_kept_aside(tmp_path, end):
    lines = lines_of(REVIEW_2018)
    lines[3:3] = ["", '{"asin": "B1", ', "[1, 2]", '{"asin": "\\ud800"}', "7"]
    path = write(tmp_path / "a.json", lines, end)
    path.write_bytes(path.read_bytes() + b'{"asin": "\xff"}\n')
    words = {"user": "reviewerID", "time": "unixReviewTime", "target": ["asin"], "dim": 4}
    data = prepare_interactions(path, **words, max_bad=0.3)
    assert data.bad_rows is not None
    assert data.bad_rows["line"].tolist() == [5, 6, 7, 8, 22]
    assert data.bad_rows["reason"].tolist() == [
        'no JSON object: {"asin": "B1",',
        "no JSON object: [1, 2]",
        "not UTF-8",
        "no JSON object: 7",
        "not UTF-8",
    ]
    with pytest.raises(ValueError, match=r"strict.*in line 5: no JSON object: \{\"asin"):
        prepare_interactions(path, **words, strict=True)
    with pytest.raises(ValueError, match=r"At most 1 %.*3 of 21 rows.*the first is in line 5"):
        prepare_interactions(path, **words)
    other = write(tmp_path / "b.json", lines_of(REVIEW_2018))
    data = prepare_interactions([other, path], **words, max_bad=0.3)
    assert data.bad_rows is not None
    assert data.bad_rows["line"].tolist() == [5, 6, 7, 8, 22]
    assert set(data.bad_rows["file"]) == {str(path)}


def test_types_of_columns(tmp_path):
    lines = ['{"id": 1, "n": 1, "flag": 1, "tags": ["a"], "x": {"y": 1}}']
    lines += ['{"id": "007", "n": 2.5, "flag": true, "tags": [1], "x": 3}']
    lines += ['{"id": 12345678901234567890, "time": "2020-01-01", "x": {"y": null}}']
    frame = to_frame(write(tmp_path / "a.json", lines))
    assert frame["id"].tolist() == ["1", "007", "12345678901234567890"]
    assert frame["n"].tolist()[:2] == [1, 2.5]
    assert frame["flag"].tolist()[:2] == ["1", "true"]
    assert [None if tags is None else list(tags) for tags in frame["tags"]] == [["a"], ["1"], None]
    assert frame["time"].tolist()[2] == "2020-01-01"  # Text stays text.
    assert frame["x_y"].tolist()[:1] == [1]
    lines = ['{"a_b": 1, "a": {"b": 2}}']
    with pytest.raises(ValueError, match=r"'a_b' must be one field.*\['a_b'\] and \['a', 'b'\]"):
        to_frame(write(tmp_path / "b.json", lines))
    lines = ['{"tags": ["a"]}', '{"tags": "b"}']
    with pytest.raises(ValueError, match=r"line 1 of .*: 'tags' is a list, .*: \[\"a\"\]"):
        to_frame(write(tmp_path / "c.json", lines))


def test_types_that_change_after_the_first_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(json_lines, "_HEAD", 2)
    lines = ['{"id": 1, "price": null}'] * 3 + ['{"id": "x", "price": 2.5}']
    frame = to_frame(write(tmp_path / "a.json", lines))
    assert frame["id"].tolist() == ["1", "1", "1", "x"]
    assert frame["price"].tolist()[3] == 2.5
    with pytest.raises(ValueError, match=r"Columns \['late'\] must be in .*columns: \['id', 'p"):
        read_table(write(tmp_path / "b.json", [*lines, '{"late": 1}']), ["late"])


def test_a_field_that_a_file_lacks_is_missing(tmp_path):
    rows = [{"user": "a", "brand": "x"}, {"user": "b"}, {"user": "c"}]
    files = [write(tmp_path / f"{n}.json", [json.dumps(row)]) for n, row in enumerate(rows)]
    frame, _ = read_table(files, ["user", "brand"])
    assert frame["user"].tolist() == ["a", "b", "c"]
    assert frame["brand"].isna().tolist() == [False, True, True]
    with pytest.raises(ValueError, match=r"Columns \['color'\] must be in"):
        read_table(files, ["color"])


def test_a_frame_of_bad_lines_raises(tmp_path):
    path = write(tmp_path / "a.json", ['{"user": 1}', "{", '{"user": 2}'])
    for source in (path, [path]):
        with pytest.raises(
            ValueError, match=r"must be a JSON object.* Received: line 2 of .*a\.json: no JSON"
        ):
            to_frame(source)


def test_options_of_csv_files_raise(tmp_path):
    path = write(tmp_path / "a.json", ['{"user": 1}'])
    with pytest.raises(ValueError, match="must not be given unless the table is a CSV file"):
        as_source(path, sep=";")


def test_histories_are_lists(tmp_path, capsys):
    rows = [{"item": i, "hist_item": h, "click": c} for i, h, c in [("a", ["b"], 1), ("b", [], 0)]]
    lines = [*map(json.dumps, rows), '{"item":', json.dumps({"item": "c", "click": 1})]
    path = write(tmp_path / "rows.json", lines)
    words = {"label": "click", "target": ["item"], "dim": 4, "max_bad": 0.5}
    data = prepare_rows(path, **words)
    assert np.diff(data.behaviors["hist"].offsets).tolist() == [1, 0, 0]
    assert data.parts["train"].line.tolist() == [1, 2, 4]
    item = data.spec.features["item"].vocabulary
    ((x, _),) = rows_dataset(path, data.spec, "click", max_bad=0.5)
    assert [item[i - 2] for i in x["item"][:, 0]] == ["a", "b", "c"]
    assert "kept aside 1: no JSON object, first in line 3" in capsys.readouterr().out
    both = prepare_rows([path, write(tmp_path / "s.json", lines[:2])], **words)
    assert np.diff(both.behaviors["hist"].offsets).tolist() == [1, 0, 0, 1, 0]


def test_commands(tmp_path, capsys):
    path = write(tmp_path / "log.jsonl", [*to_lines(a_log()), '{"user": '])
    data, run, out = (str(tmp_path / name) for name in ("data", "run", "ctr.csv"))
    columns = ["--user", "user", "--time", "time", "--label", "click", "--max-bad", "0.1"]
    words = ["--target", "item,price", "--dim", "4", "--allow-empty-parts"]
    assert main(["prepare", str(path), data, *columns, *words]) == 0
    assert main(["train", data, run, "--model", "base", "--epochs", "1", "--quiet"]) == 0
    assert main(["predict", run, str(path), out, *columns]) == 0
    assert "not scored 1 invalid line: line 61 has no JSON object: {" in capsys.readouterr().out
    scores = pd.read_csv(out)
    assert scores["item"].tolist() == a_log()["item"].tolist()
    assert scores["ctr"].notna().all()
