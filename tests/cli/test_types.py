"""Types of columns that `keras-din prepare` prints, and options that declare them."""

import json
import re

import pandas as pd
import pytest

import keras_din as kd
from keras_din.cli import main
from keras_din.data import PreparedData
from keras_din.features import Bag, Categorical, Numeric


def write_log(folder, rows=40):
    log = pd.DataFrame(
        {
            "user": [f"u{row % 4}" for row in range(rows)],
            "item": [f"i{row % 7}" for row in range(rows)],
            "ts": range(1_700_000_000, 1_700_000_000 + rows),
            "click": [row % 3 % 2 for row in range(rows)],
            "price": [row % 5 for row in range(rows)],
            "size": [["1.5", "-", "2.5", "NA"][row % 4] for row in range(rows)],
            "zip": [["07000", "08000"][row % 2] for row in range(rows)],
            "device": [f"d{row % 9}" for row in range(rows)],
            "genres": [["A|B", "", "B"][row % 3] for row in range(rows)],
        }
    )
    log.to_csv(folder / "log.csv", index=False)


def prepare(folder, *words, context="price,size,zip,device,genres"):
    words = ["--context", context, *words] if context else words
    fixed = ["--user", "user", "--time", "ts", "--label", "click", "--target", "item"]
    split = ["--split", "leave-one-out", "--overwrite"]
    split += [] if "--dim" in words else ["--dim", "4"]
    code = main(["prepare", str(folder / "log.csv"), str(folder / "data"), *fixed, *split, *words])
    return PreparedData.load(folder / "data").spec.features if code == 0 else None


def test_types_are_printed_with_their_reason(tmp_path, capsys):
    write_log(tmp_path)
    assert isinstance(prepare(tmp_path)["price"], Categorical)
    lines = capsys.readouterr().out.splitlines()
    start = lines.index("types (change them with --numeric, --categorical, --hash, --bags):")
    assert lines[start + 1 : start + 7] == [
        "  item: categorical: the item, such as 'i0'",
        "  price: categorical: whole numbers may be ids or amounts; they count as ids, such as '0'",
        "  size: numeric: decimal numbers, such as '1.5'; missing: 'NA' 10, '-' 10",
        "  zip: categorical: whole numbers in an unusual notation, such as '07000'",
        "  device: categorical: text, such as 'd0'",
        "  genres: categorical: text, such as 'A|B'; missing: '' 13",
    ]


def test_declared_types_are_used(tmp_path, capsys):
    write_log(tmp_path)
    words = ["--numeric", "price", "--categorical", "zip,size", "--hash", "device=100000"]
    features = prepare(tmp_path, *words, "--bag", "genres")
    assert features["price"] == Numeric("price", mean=61 / 32, std=features["price"].std)
    assert features["device"] == Categorical("device", hash_buckets=100_000, dim=4)
    assert set(features["zip"].vocabulary) == {"07000", "08000"}
    assert set(features["size"].vocabulary) == {"1.5", "2.5"}
    assert features["genres"] == Bag("genres", vocabulary=["B", "A"], dim=4)
    assert "price: numeric: named in `numeric`, such as '0'" in capsys.readouterr().out


def test_types_of_a_file(tmp_path):
    write_log(tmp_path)
    types = {"price": "numeric", "zip": "categorical", "device": {"hash": 50}, "genres": "bag"}
    (tmp_path / "types.json").write_text(json.dumps(types))
    features = prepare(tmp_path, "--spec", str(tmp_path / "types.json"))
    assert isinstance(features["price"], Numeric)
    assert features["device"].hash_buckets == 50
    assert isinstance(features["genres"], Bag)
    # Options take precedence over the file.
    features = prepare(tmp_path, "--spec", str(tmp_path / "types.json"), "--categorical", "price")
    assert isinstance(features["price"], Categorical)


FEATURES = {
    "price": "numeric",
    "ago": {"type": "Elapsed", "boundaries": [5, 60], "in": ["side_features"]},
    "hour": {
        "type": "Calendar",
        "part": "hour_of_day",
        "dim": 2,
        "time_zone": "Europe/Berlin",
        "in": ["context", "side_features"],
    },
    "device": {"type": "Categorical", "hash_buckets": 50},
}
AGO = kd.Elapsed("ago", boundaries=[5, 60], dim=4)
HOUR = kd.Calendar("hour_of_day", name="hour", time_zone="Europe/Berlin", dim=2)


def test_features_of_a_file(tmp_path, capsys):
    write_log(tmp_path)
    (tmp_path / "features.json").write_text(json.dumps(FEATURES))
    words = ["--spec", str(tmp_path / "features.json"), "--side-features", "zip"]
    features = prepare(tmp_path, *words, context="price,device")
    spec = PreparedData.load(tmp_path / "data").spec
    assert [each.name for each in spec.sequences[0].side_features] == ["zip", "ago", "hour"]
    assert [each.name for each in spec.context] == ["price", "device", "hour"]
    assert features["ago"] == AGO  # As wide as --dim.
    assert features["hour"] == HOUR
    assert features["device"] == Categorical("device", hash_buckets=50, dim=4)
    # The folder of the data has the file, and reading it from there replaces the data.
    file = tmp_path / "data" / "features.json"
    assert f"types and features to edit and pass to --spec: {file}" in capsys.readouterr().out
    assert json.loads(file.read_text()) == FEATURES
    assert prepare(tmp_path, "--spec", str(file), *words[2:], context="price,device") == features
    assert json.loads(file.read_text()) == FEATURES


def test_features_of_a_file_for_behaviors_and_rows(tmp_path):
    features = {name: FEATURES[name] for name in ("ago", "hour")}
    (tmp_path / "features.json").write_text(json.dumps(features))
    write_log(tmp_path)
    rows = pd.read_csv(tmp_path / "log.csv")
    rows["item"] = [f"i{row}" for row in range(len(rows))]
    rows.to_csv(tmp_path / "log.csv", index=False)
    rows["hist_item"] = [["i1", "i2"]] * len(rows)
    rows["hist_time"] = [[1_600_000_000_000_000, 1_650_000_000_000_000]] * len(rows)
    rows.to_parquet(tmp_path / "rows.parquet")
    words = ["--time", "ts", "--target", "item", "--spec", str(tmp_path / "features.json")]
    words += ["--dim", "4", "--overwrite"]
    for kind in (["log.csv", "--user", "user"], ["rows.parquet", "--rows", "--label", "click"]):
        log, data = tmp_path / kind[0], tmp_path / "data"
        assert main(["prepare", str(log), str(data), *kind[1:], *words]) == 0
        spec = PreparedData.load(data).spec
        assert spec.context == (HOUR,)
        assert spec.sequences[0].side_features == (AGO, HOUR)


def test_vectors_are_features_of_the_item(tmp_path, capsys):
    write_log(tmp_path)
    titles = pd.DataFrame({"item": [f"i{i}" for i in range(6)]})
    titles["embedding"] = [[float(i), 1.0] for i in range(6)]
    titles.to_parquet(tmp_path / "titles.parquet")
    words = ["--vectors", f"title={tmp_path / 'titles.parquet'}"]
    title = prepare(tmp_path, *words, context="price")["title"]
    assert (title.size, title.of, title.project_to, title.storage) == (2, "item", 4, "float16")
    assert title.vectors.values[2:, 1].tolist() == [1] * 7
    spec = PreparedData.load(tmp_path / "data").spec
    assert [feature.name for feature in spec.target] == ["item", "title"]
    assert spec.sequences[0].of == spec.target
    assert "'title': 1 of 7 values of 'item'; they have the mean" in capsys.readouterr().out
    # The width of one feature, and another place.
    widths = ["--dim", "title=3", "--side-features", "title"]
    title = prepare(tmp_path, *words, *widths, context=None)["title"]
    assert title.project_to == 3
    assert PreparedData.load(tmp_path / "data").spec.sequences[0].side_features == (title,)
    # The other arguments are in a file.
    entry = {"type": "Vector", "size": 2, "of": "item", "storage": "int8", "in": ["target"]}
    (tmp_path / "features.json").write_text(json.dumps({"title": entry}))
    words += ["--spec", str(tmp_path / "features.json")]
    title = prepare(tmp_path, *words, context="price")["title"]
    assert (title.project_to, title.storage, title.vectors.rows) == (None, "int8", 9)


def test_features_of_a_spec_are_used_unchanged(tmp_path):
    write_log(tmp_path)
    first = prepare(tmp_path, "--numeric", "price", "--hash", "device=50", "--bags", "genres")
    (tmp_path / "spec.json").write_bytes((tmp_path / "data" / "spec.json").read_bytes())
    write_log(tmp_path, rows=64)  # With other frequencies and another mean.
    assert (
        prepare(tmp_path, "--numeric", "price", "--hash", "device=50", "--bags", "genres") != first
    )
    assert prepare(tmp_path, "--spec", str(tmp_path / "spec.json")) == first


INVALID_FILES = {
    "types": '{"price": "number"}',
    "kind": '{"ago": {"type": "Elapse"}}',
    "place": '{"ago": {"type": "Elapsed", "in": ["context"]}}',
    "none_in": '{"ago": {"type": "Elapsed"}}',
    "twice": '{"ago": {"type": "Elapsed", "in": ["side_features"]}, "ago": "numeric"}',
}


@pytest.mark.parametrize(
    "words, message",
    [
        (["--numeric", "price", "--hash", "price=5"], "one of `--numeric`.* 'price' in two"),
        (["--numeric", "prize"], r"Only features must have types.* Received: \['prize'\]"),
        (["--spec", "{}/none.json"], "No such file"),
        (["--spec", "{}/log.csv"], "`--spec` must be a JSON file. Received: .*log.csv"),
        (["--spec", "{}/types.json"], r"\"in\": \[PLACE\]\}. Received: 'number' for 'price'"),
        (["--spec", "{}/kind.json"], r"must be one of .* Received: 'Elapse'. It is in .*kind.json"),
        (["--spec", "{}/place.json"], r"`in` of the Elapsed 'ago' .*: 'context'.*/place.json"),
        (["--spec", "{}/none_in.json"], r"with a place in `in`: .* Received: \['ago'\]"),
        (["--spec", "{}/twice.json"], r"twice.json \(twice in one object: 'ago'\)"),
        (["--spec", "{}/kind.json", "--features", "auto"], "must be given without `--spec`"),
        (["--time-zone", "UTC"], "`--time-zone` requires `--features auto`"),
        (["--features", "auto", "--time-zone", "Mars"], "Received: time_zone='Mars'"),
        (["--vectors", "title={}/log.csv"], "of 'title' must be in a Parquet.*: a CSV file"),
        (["--vectors", "title={}/none.parquet"], "No such file"),
    ],
)
def test_invalid_types_fail(tmp_path, capsys, words, message):
    write_log(tmp_path)
    for name, text in INVALID_FILES.items():
        (tmp_path / f"{name}.json").write_text(text)
    assert prepare(tmp_path, *[word.replace("{}", str(tmp_path)) for word in words]) is None
    error = capsys.readouterr().err
    assert re.search(message, error), error


def test_invalid_buckets_fail(tmp_path, capsys):
    for word in ("device", "device=x", "device=0", "=5"):
        with pytest.raises(SystemExit):
            prepare(tmp_path, "--hash", word)
        assert "must be NAME=BUCKETS, as in device=100000. Received: " in capsys.readouterr().err
