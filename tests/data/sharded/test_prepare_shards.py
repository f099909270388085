"""All shards together are the data of one machine."""

import json
import multiprocessing
import time

import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.data.sharded import prepare_shards
from tests.data.sharded.shared import (
    BEHAVIORS,
    COLUMNS,
    RICH_BEHAVIORS,
    RICH_ON_ONE_MACHINE,
    assert_equal,
    random_log,
    with_tables,
)

SPLITS = {
    "default": None,
    "last": kd.data.LastFraction(0, 0.3),
    "leave one out": kd.data.LeaveOneOut(),
    "time": kd.data.ByTime(1_600_072_000),
}


def compare(tmp_path, seed, shards, split, is_rich):
    log = random_log(seed)
    log["last_shop"] = log["shop"].to_numpy()[::-1]
    options = COLUMNS | (RICH_ON_ONE_MACHINE if is_rich else {}) | {"split": split, "max_bad": 0.2}
    one = kd.data.prepare_impressions(log, **options)
    assert_equal(
        tmp_path / "data", one, kd.data.prepare_shards(log, tmp_path / "data", shards, **options)
    )


@pytest.mark.parametrize(
    "seed, shards, split, is_rich",
    [
        (0, 3, "default", True),
        (1, 6, "default", False),
        (2, 4, "last", True),
        (3, 1, "leave one out", True),
        (4, 5, "time", False),
    ],
)
def test_shards_equal_one_machine(tmp_path, seed, shards, split, is_rich):
    compare(tmp_path, seed, shards, SPLITS[split], is_rich)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_shards_of_random_logs_equal_one_machine(tmp_path, seed):
    split = list(SPLITS.values())[seed % 4]
    compare(tmp_path, 100 + seed, [1, 2, 7, 30][seed // 4 % 4], split, seed % 3 > 0)


def compare_behaviors(tmp_path, seed, shards, split, is_rich):
    log = random_log(seed)
    log["last_shop"] = log["shop"].to_numpy()[::-1]
    if seed % 3 == 0:
        log["item"] = log["item"].str[1:].astype("Int64")
    options = BEHAVIORS | (RICH_BEHAVIORS if is_rich else {}) | {"split": split, "max_bad": 0.2}
    if seed % 5 == 0:
        options["negatives"] = "other"
        log["other"] = (
            log["item"].dropna().sample(len(log), replace=True, random_state=0).to_numpy()
        )
    one = kd.data.prepare_interactions(log, **options)
    folder = tmp_path / "data"
    header = kd.data.prepare_shards(log, folder, shards, kind="interactions", **options)
    assert_equal(folder, one, header)


@pytest.mark.parametrize(
    "seed, shards, split, is_rich",
    [
        (30, 3, "last", True),
        (31, 6, "default", False),
    ],
)
def test_shards_of_behaviors_equal_one_machine(tmp_path, seed, shards, split, is_rich):
    compare_behaviors(tmp_path, seed, shards, SPLITS[split], is_rich)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_shards_of_random_behaviors_equal_one_machine(tmp_path, seed):
    split = list(SPLITS.values())[seed % 4]
    compare_behaviors(tmp_path, 200 + seed, [1, 2, 7, 30][seed // 4 % 4], split, seed % 3 > 0)


@pytest.mark.parametrize(
    "kind, seed, shards, write",
    [
        ("impressions", 40, 4, False),
        ("impressions", 41, 30, True),
        ("interactions", 42, 30, False),
        ("interactions", 43, 5, True),
    ],
)
def test_tables_of_items_and_users(tmp_path, kind, seed, shards, write):
    log, items, users = with_tables(random_log(seed), seed)
    log["shop"] = "of the log"  # Of clicks only, that of the table is used.
    if write:
        items.to_csv(tmp_path / "items.csv", index=False)
        items = tmp_path / "items.csv"
        users.to_parquet(tmp_path / "users.parquet", index=False)
        users = tmp_path / "users.parquet"
    options = BEHAVIORS | ({"label": "click"} if kind == "impressions" else {"negatives": 2})
    options |= {"context": ["segment", "price"], "side_features": ["rank"], "numeric": ["rank"]}
    options |= {"target": ["item", "shop", "tags", "hour"], "max_bad": 0.2, "min_count": 2}
    if kind == "interactions":  # A feature of items from the user of their first behavior.
        options["target"] = [*options["target"], "rank"]
        options["side_features"] = ["weight"]
    options |= {"items": items, "users": users}
    one = getattr(kd.data, f"prepare_{kind}")(log, **options)
    folder = tmp_path / "data"
    header = kd.data.prepare_shards(log, folder, shards, kind=kind, **options)
    assert_equal(folder, one, header)
    if kind == "interactions":
        drawn = set(one.catalog.items)
        assert {"i97", "i98", "i99"} <= drawn


@pytest.mark.parametrize("kind", ["impressions", "interactions"])
def test_counts_of_the_user(tmp_path, kind):
    counts = [kd.Count("met", of=["who", "item"]), kd.Count("of_shop", of=["shop", "who"])]
    options = BEHAVIORS | {"max_bad": 0.2, "target": ["item", "shop", *counts]}
    options |= {"context": ["who", kd.Count("rows", of="who", window="1d")], "bags": []}
    if kind == "impressions":
        rate = kd.Count("rate", of="who", event="click", kind="rate", base=0.4)
        options |= {"label": "click", "request": "request"}
        options["context"] = ["who", rate, kd.Count("age", of="who", event="like", kind="age")]
    log = random_log(45).dropna(subset="like")
    one = getattr(kd.data, f"prepare_{kind}")(log, **options)
    header = kd.data.prepare_shards(log, tmp_path / "data", 6, kind=kind, **options)
    assert one.spec.features["met"].std not in (None, 1)
    assert_equal(tmp_path / "data", one, header)
    # Counts of users have no snapshots, also if the user is a feature.
    assert not one.count_snapshots()
    for workers in (1, 6):
        data = kd.data.load_shards(tmp_path / "data", 0, workers)
        assert not data.past
        assert not data.count_snapshots()


def test_tables_without_rows_for_the_log_are_refused(tmp_path):
    log, items, users = with_tables(random_log(44), 44)
    options = {**COLUMNS, "max_bad": 0.2, "target": ["item", "shop", "tags"], "items": items}
    users["who"] = [f"other{i}" for i in range(len(users))]
    with pytest.raises(ValueError, match=r"`users` must have rows for the values of 'who' in the"):
        kd.data.prepare_shards(log, tmp_path / "a", 3, **options, users=users)
    with pytest.raises(ValueError, match=r"Columns \['price'\] must be in the log, or in `items`"):
        kd.data.prepare_shards(log, tmp_path / "a", 3, **options)
    twice = pd.concat([items, items])
    with pytest.raises(ValueError, match="`items` must have one row for each 'item'"):
        kd.data.prepare_shards(log, tmp_path / "a", 3, **options | {"items": twice}, users=users)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    "changes, options, error",
    [
        ({}, {"kind": "clicks"}, "`kind` must be one of 'impressions', 'interactions'"),
        ({}, {"seed": -1}, "`seed` must be a non-negative integer"),
        ({}, {"split": kd.data.LeaveOneOut(test=99)}, "must leave training rows with a history"),
        ({}, {"negatives": "shop"}, "'shop' must hold an item of the catalog"),
        ({"who": 1}, {}, r"Received: 1 user who met all \d+ items .* the first of them user 1"),
        ({"item": None}, {"max_bad": 1.0}, "must hold at least one good row"),
        ({}, {"vectors": {"item": 1}}, "must be prepared without `vectors`"),
        ({}, {"context": [kd.Count("n", of="item")]}, "must have the user among its keys `of`"),
    ],
)
def test_logs_of_behaviors_that_are_refused(tmp_path, changes, options, error):
    options = {"kind": "interactions", "max_bad": 0.2} | BEHAVIORS | options
    with pytest.raises(ValueError, match=error):
        kd.data.prepare_shards(random_log(34).assign(**changes), tmp_path / "data", 3, **options)
    assert not (tmp_path / "data").exists()


def test_a_shard_of_behaviors_takes_no_further_logs(tmp_path):
    """Its negatives would be drawn from the items of its own users only."""
    log = random_log(35)
    kd.data.prepare_shards(log, tmp_path, 1, kind="interactions", **BEHAVIORS, max_bad=0.2)
    with pytest.raises(
        ValueError, match="`append` to a log of behaviors requires all of its items"
    ):
        kd.data.load_shards(tmp_path).append(log)


def write_csv(folder, log):
    log = log.assign(rank=log["rank"].round(2))
    log.loc[log.index[:2], "rank"] = [3, 4]
    for number, piece in enumerate(np.array_split(np.arange(len(log)), 3)):
        log.iloc[piece].to_csv(folder / f"{number}.csv", index=False)


def write_one_csv(folder, log):
    log.to_csv(folder / "log.csv", index=False)
    with open(folder / "log.csv", "a") as file:
        file.write("too,few,fields\n")


def write_parquet(folder, log):
    log.iloc[:50].to_parquet(folder / "a.parquet", index=False, row_group_size=20)
    log.iloc[50:].to_parquet(folder / "b.parquet", index=False)


def write_json(folder, log):
    log.to_json(folder / "log.json", orient="records", lines=True)


def write_folders(folder, log):
    for part, rows in (("train", log.iloc[:80]), ("test", log.iloc[80:])):
        (folder / f"part={part}").mkdir()
        rows.to_csv(folder / f"part={part}" / "log.csv", index=False)


@pytest.mark.parametrize(
    "write", [write_csv, write_one_csv, write_parquet, write_json, write_folders]
)
def test_files_are_read_in_pieces(tmp_path, write):
    (tmp_path / "log").mkdir()
    write(tmp_path / "log", random_log(5))
    files = sorted((tmp_path / "log").iterdir())
    source = files[0] if len(files) == 1 else tmp_path / "log"
    options = COLUMNS | {"context": ["price", "hour", "rank"], "numeric": ["rank"], "max_bad": 0.2}
    if write is write_folders:
        options["split"] = "part"
    one = kd.data.prepare_impressions(source, **options)
    header = kd.data.prepare_shards(source, tmp_path / "data", 3, **options)
    assert_equal(tmp_path / "data", one, header)
    assert header["rows_aside"] == one.report["rows_aside"]
    types, of_one = header["report"]["columns"], one.report["columns"]
    for word in ("type", "reason"):
        assert {n: facts[word] for n, facts in types.items()} == {
            n: facts[word] for n, facts in of_one.items()
        }
    aside = one.report["rows_aside"].get("wrong number of fields", {}).get("rows", 0)
    bad = tmp_path / "data" / "bad_rows.csv"
    assert aside == (len(pd.read_csv(bad)) if bad.is_file() else 0)
    in_shards = [pd.read_csv(path) for path in (tmp_path / "data").rglob("bad_rows.csv")]
    places = [name for name in ("line", "file", "reason") if name in one.bad_rows]
    found = pd.concat(in_shards)[places].sort_values(places[::-1], ignore_index=True)
    expected = one.bad_rows[places].sort_values(places[::-1], ignore_index=True)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_text_in_one_file_is_text_in_all(tmp_path):
    (tmp_path / "log").mkdir()
    log = random_log(6).assign(code=[str(i % 5) for i in range(120)])
    log.loc[100, "code"] = "x1"
    write_csv(tmp_path / "log", log)
    options = COLUMNS | {"context": ["code"], "max_bad": 0.2}
    one = kd.data.prepare_impressions(tmp_path / "log", **options)
    header = kd.data.prepare_shards(tmp_path / "log", tmp_path / "data", 3, **options)
    assert "x1" in one.spec.features["code"].vocabulary
    assert_equal(tmp_path / "data", one, header)


def test_placeholders_and_units_are_those_of_the_whole_log(tmp_path):
    log = random_log(7)
    log["at"] *= 1_000  # Milliseconds.
    log.loc[log.index[:3], "at"] = [0, -1, 1]
    one = kd.data.prepare_impressions(log, **COLUMNS, max_bad=0.2)
    header = kd.data.prepare_shards(log, tmp_path / "data", 6, **COLUMNS, max_bad=0.2)
    assert one.report["time_unit"] == "ms"
    (reason,) = [each for each in one.report["rows_aside"] if "placeholder" in each]
    assert header["rows_aside"][reason]["rows"] == one.report["rows_aside"][reason]["rows"]
    assert_equal(tmp_path / "data", one, header)


@pytest.mark.parametrize("are_numbers", [True, False])
def test_times_are_numbers_or_dates_in_the_whole_log(tmp_path, are_numbers):
    log = random_log(15)
    others = log["who"] == log["who"].iloc[0]  # All rows of a user, who is most of a shard.
    dates = others if are_numbers else ~others
    text = pd.to_datetime(log["at"], unit="s").astype(str)
    log["at"] = np.where(dates, text, log["at"].astype(str))
    one = kd.data.prepare_impressions(log, **COLUMNS, max_bad=0.2)
    assert (
        one.report["rows_aside"]["'at' is not a time"]["rows"]
        == (others & log["item"].notna()).sum()
    )
    header = kd.data.prepare_shards(log, tmp_path / "data", 12, **COLUMNS, max_bad=0.2)
    assert header["rows_aside"] == one.report["rows_aside"]
    assert_equal(tmp_path / "data", one, header)


def test_the_majority_of_rows_decides_what_times_are(tmp_path):
    log = random_log(16)
    few = log["at"].rank(method="first") <= 40  # Many dates, which are equal.
    log["at"] = np.where(few, log["at"].astype(str), "2026-11-20")
    log.loc[log.index[-4:], "at"] = "2026-11-21"
    options = COLUMNS | {"max_bad": 0.5, "split": kd.data.ByTime("2026-11-21")}
    one = kd.data.prepare_impressions(log, **options)
    header = kd.data.prepare_shards(log, tmp_path / "data", 4, **options)
    assert_equal(tmp_path / "data", one, header)


def test_the_first_bad_row_of_all_shards(tmp_path):
    log = random_log(17)
    log = pd.concat([log, log.iloc[:30]], ignore_index=True)
    options = COLUMNS | {"duplicates": "drop", "max_bad": 0.2}
    one = kd.data.prepare_impressions(log, **options)
    header = kd.data.prepare_shards(log, tmp_path / "data", 6, **options)
    assert header["rows_aside"] == one.report["rows_aside"]


def test_a_log_with_an_order(tmp_path):
    log = random_log(8)
    log["at"] = np.random.default_rng(0).permutation(len(log)) // 2
    options = COLUMNS | {"time": None, "order": "at", "max_bad": 0.2}
    one = kd.data.prepare_impressions(log, **options)
    assert_equal(
        tmp_path / "data", one, kd.data.prepare_shards(log, tmp_path / "data", 4, **options)
    )


def test_too_many_bad_rows_of_all_shards(tmp_path):
    log = random_log(9)
    with pytest.raises(ValueError, match="At most 1 % of the rows of the log may be kept aside"):
        kd.data.prepare_shards(log.assign(item=log["shop"]), tmp_path / "data", 4, **COLUMNS)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "options, error",
    [
        ({"vectors": {"item": 1}}, "without `vectors`. Pass the spec"),
        ({"prior_history": {"hist": "old.csv"}}, "without `prior_history`. Add these rows"),
        ({"split": kd.data.ByUser()}, "since ByUser numbers all users"),
        ({"split": lambda *rows: 0}, "must be split by ByTime"),
        ({"context": [kd.Count("n", of="item")]}, "must have the user among its keys `of`"),
        (
            {"context": [kd.Count("n", of="who", event="click", kind="rate")]},
            "`base` of a rate of data in shards must be given",
        ),
    ],
)
def test_what_needs_all_users_at_once_is_refused(tmp_path, options, error):
    options = {**COLUMNS, **options}
    with pytest.raises(ValueError, match=error):
        kd.data.prepare_shards(random_log(0), tmp_path / "data", 2, **options)
    assert not (tmp_path / "data").exists()


def test_an_existing_folder_is_not_written_over(tmp_path):
    log = random_log(10)
    kd.data.prepare_shards(log, tmp_path, 2, **COLUMNS, max_bad=0.2)
    with pytest.raises(FileExistsError, match="must be new or empty"):
        kd.data.prepare_shards(log, tmp_path, 3, **COLUMNS, max_bad=0.2)
    header = kd.data.prepare_shards(log, tmp_path, 3, **COLUMNS, max_bad=0.2, overwrite=True)
    assert header["shards"] == 3
    assert sorted(path.name for path in tmp_path.iterdir())[:3] == [
        f"shard-{i:05d}-of-00003" for i in range(3)
    ]


def test_columns_whose_type_is_not_clear(tmp_path):
    log = random_log(11).assign(code=[*range(119), None])
    with pytest.raises(ValueError, match=r"must be named in `numeric`.*'code'.* in the log\."):
        kd.data.prepare_shards(log, tmp_path / "a", 2, **COLUMNS | {"context": ["code"]})
    log.assign(code=["1,5", *["2.5"] * 119]).to_csv(tmp_path / "log.csv", index=False)
    options = COLUMNS | {"context": ["code"]}
    with pytest.raises(ValueError, match=r"must hold numbers.*'1,5' in the log"):
        kd.data.prepare_shards(tmp_path / "log.csv", tmp_path / "a", 2, **options)


@pytest.mark.parametrize("split", [None, kd.data.ByTime(1_600_072_000)])
def test_a_log_without_good_rows(tmp_path, split):
    log = random_log(12).assign(click=7)
    with pytest.raises(ValueError, match="The log must hold at least one good row"):
        kd.data.prepare_shards(log, tmp_path / "a", 2, **COLUMNS, split=split)


def test_integers_that_are_named_numeric(tmp_path):
    log = random_log(19)
    options = COLUMNS | {"context": ["hour"], "numeric": ["hour"], "max_bad": 0.2}
    one = kd.data.prepare_impressions(log, **options)
    assert isinstance(one.spec.features["hour"], kd.Numeric)
    assert_equal(tmp_path / "a", one, kd.data.prepare_shards(log, tmp_path / "a", 3, **options))


def test_a_log_whose_times_need_a_format(tmp_path):
    log = random_log(18)
    log["at"] = pd.to_datetime(log["at"], unit="s").dt.strftime("%d/%m/%Y")
    with pytest.raises(ValueError, match=r"'at' must hold times.*Name their format, `time_format="):
        kd.data.prepare_shards(log, tmp_path / "a", 2, **COLUMNS)
    with pytest.raises(ValueError, match="'at' must hold whole numbers, as an order is"):
        kd.data.prepare_shards(log, tmp_path / "a", 2, **COLUMNS | {"time": None, "order": "at"})


def test_a_split_without_training_rows(tmp_path):
    early = kd.data.ByTime(1_000_000_000)
    with pytest.raises(ValueError, match=r"must have .* in the training part"):
        kd.data.prepare_shards(
            random_log(13), tmp_path / "a", 2, **COLUMNS, split=early, allow_empty_parts=True
        )


def test_features_that_are_given(tmp_path):
    log = random_log(14)
    features = {"target": [kd.Categorical("item", vocabulary=["i1", "i2"], dim=4)]}
    options = {**COLUMNS, **features, "context": [], "bags": [], "dim": 16, "max_bad": 0.2}
    one = kd.data.prepare_impressions(log, **options)
    assert_equal(tmp_path / "a", one, kd.data.prepare_shards(log, tmp_path / "a", 3, **options))


def prepare_and_wait(folder, engine, connection):
    def wait(*arguments):
        connection.send("writes shards")
        time.sleep(60)

    prepare_shards.write_shard = wait
    kd.data.prepare_shards(random_log(24), folder, 2, engine=engine, **COLUMNS, max_bad=0.2)


@pytest.mark.parametrize("engine", ["pandas", "duckdb"])
def test_a_killed_preparation_is_started_again(tmp_path, engine):
    if engine == "duckdb":
        pytest.importorskip("duckdb")
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    folder = tmp_path / "data"
    process = context.Process(target=prepare_and_wait, args=(folder, engine, theirs))
    process.start()
    try:
        assert ours.poll(60)
    finally:
        process.kill()
        process.join(60)
    assert [path.suffix for path in sorted(tmp_path.iterdir())] == [".partial", ".writer"]
    one = kd.data.prepare_impressions(random_log(24), **COLUMNS, max_bad=0.2)
    header = kd.data.prepare_shards(
        random_log(24), folder, 2, engine=engine, **COLUMNS, max_bad=0.2
    )
    assert_equal(folder, one, header)
    assert list(tmp_path.iterdir()) == [folder]


def test_the_first_of_two_preparations_is_not_written_over(tmp_path, monkeypatch):
    options = COLUMNS | {"max_bad": 0.2}
    kept = prepare_shards.write_header

    def write_both(partial, *arguments):
        if len(list(tmp_path.iterdir())) == 2:  # The lock and the folder of one.
            kd.data.prepare_shards(random_log(25), tmp_path / "data", 3, **options)
        return kept(partial, *arguments)

    monkeypatch.setattr(prepare_shards, "write_header", write_both)
    with pytest.raises(FileExistsError, match="must be new or empty"):
        kd.data.prepare_shards(random_log(24), tmp_path / "data", 2, **options)
    assert list(tmp_path.iterdir()) == [tmp_path / "data"]
    one = kd.data.prepare_impressions(random_log(25), **options)
    assert_equal(tmp_path / "data", one, json.loads((tmp_path / "data/sharded.json").read_text()))


def test_unknown_and_missing_options(tmp_path):
    log = random_log(0)
    with pytest.raises(TypeError, match=r"of `prepare_impressions`: user, .*\['colour'\]"):
        kd.data.prepare_shards(log, tmp_path / "a", 2, **COLUMNS, colour=1)
    with pytest.raises(TypeError, match=r"prepare_interactions`: user, target, .*\['target'\]"):
        kd.data.prepare_shards(log, tmp_path / "a", 2, kind="interactions", user="who", time="at")
    with pytest.raises(ValueError, match="`shards` must be at most 99999"):
        kd.data.prepare_shards(log, tmp_path / "a", 100_000, **COLUMNS)
    assert not list(tmp_path.iterdir())
