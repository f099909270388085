"""Random logs, and the rows of prepared data in a form that can be compared."""

import numpy as np
import pandas as pd

import keras_din as kd
from keras_din.data.store.bags import Bags

# The columns of `random_log`, and further arguments that use all of them.
COLUMNS = {"user": "who", "time": "at", "label": "click", "target": ["item", "shop", "tags"]}
COLUMNS |= {"context": ["price"], "bags": ["tags"], "dim": 4}
RICH = {
    "label": ["click", "like"],
    "target": ["item", "shop", "tags", kd.Bucketized("hour", quantiles=3)],
    "context": [kd.Numeric("price", transform="log1p"), kd.Categorical("last_shop", table="shop")],
    "of": ["item", "tags"],
    "side_features": [kd.Elapsed("age")],
    "sequences": {"clicked": "click", "liked": "like"},
    "request": "request",
    "weight": "weight",
    "min_count": 2,
    "label_map": {"like": {None: 0}},
}
# What Spark does not support, too.
RICH_ON_ONE_MACHINE = RICH | {
    "context": [*RICH["context"], "rank", kd.Calendar("hour_of_day")],
    "max_length": 5,
}

# The same for logs of behaviors without labels.
BEHAVIORS = {name: value for name, value in COLUMNS.items() if name != "label"}
RICH_BEHAVIORS = {
    "target": ["item", "shop", "tags", kd.Bucketized("hour", quantiles=3), "rank"],
    "context": [kd.Numeric("price", transform="log1p"), kd.Categorical("last_shop", table="shop")],
    "of": ["item", "tags"],
    "side_features": [kd.Elapsed("age"), "weight"],
    "min_count": 2,
    "negatives": 3,
    "negatives_by": "popularity",
    "ties": "order",
    "sequence": "bought",
    "max_length": 5,
    "seed": 7,
}


def random_log(seed: int, rows: int = 120, users: int = 15) -> pd.DataFrame:
    """A log with equal times, missing values, bags and two kinds of behaviors."""
    rng = np.random.default_rng(seed)
    texts = rng.random() < 0.5
    user = rng.integers(users, size=rows)
    like = rng.integers(2, size=rows)
    return pd.DataFrame(
        {
            "who": [f"u{each}" for each in user] if texts else user,
            "at": 1_600_000_000 + rng.integers(rows // 3, size=rows) * 3_600,
            "item": _with_gaps(rng, [f"i{each}" for each in rng.zipf(1.5, rows) % 20], 0.05),
            "shop": _with_gaps(rng, [f"s{each}" for each in rng.integers(5, size=rows)], 0.2),
            "tags": [
                None if size == 4 else "|".join(f"t{tag}" for tag in rng.integers(6, size=size))
                for size in rng.integers(5, size=rows)
            ],
            "price": np.where(rng.random(rows) < 0.1, np.nan, np.exp(rng.normal(size=rows))),
            "hour": rng.integers(24, size=rows),
            "rank": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows)),
            "request": [f"r{each}" for each in rng.integers(rows // 3, size=rows)],
            "weight": rng.random(rows),
            "click": rng.integers(2, size=rows),
            "like": np.where(rng.random(rows) < 0.1, None, like),
        }
    )


def with_tables(log: pd.DataFrame, seed: int) -> tuple:
    """Moves columns of a random log to tables: `(log, items, users)`.

    The tables lack some items and users, and have others that the log lacks.
    """
    rng = np.random.default_rng(seed)
    others = random_log(seed + 1000, rows=200)
    items = others.dropna(subset="item").drop_duplicates("item")[["item", "shop", "tags", "hour"]]
    extra = items.iloc[:3].assign(item=["i97", "i98", "i99"])
    items = pd.concat([items.sample(frac=0.9, random_state=seed), extra])
    who = log["who"].drop_duplicates().sample(frac=0.8, random_state=seed)
    users = others.iloc[: len(who)][["price", "rank"]].assign(who=who.to_numpy())
    users["segment"] = [f"g{each}" for each in rng.integers(3, size=len(who))]
    return log.drop(columns=["shop", "tags", "hour", "price", "rank"]), items, users


def _with_gaps(rng, values: list, share: float) -> np.ndarray:
    return np.where(rng.random(len(values)) < share, None, np.array(values, object))


def comparable_rows(data: kd.data.PreparedData, with_users: bool = True) -> dict:
    """Returns part -> (line, candidate) -> all that a row has, with its history, as bytes."""
    found: dict = {}
    for part, samples in data.parts.items():
        request = np.arange(len(samples)) if samples.request is None else samples.request
        first = pd.Series(samples.line).groupby(request).transform("min").to_numpy()
        columns = {name: _cells(column) for name, column in samples.columns.items()}
        columns |= {f"label {name}": _cells(each) for name, each in samples.labels.items()}
        columns["weight"] = [None] * len(samples)
        if samples.weight is not None:
            columns["weight"] = _cells(samples.weight)
        columns |= {"time": _cells(samples.time), "request": _cells(first)}
        if with_users:
            columns["user"] = [data.user_values[i] for i in samples.group]
        for name, (start, end) in samples.history.items():
            log = data.behaviors[name]
            of_log = {feature: _cells(column) for feature, column in log.columns.items()}
            of_log["time"] = _cells(log.time)
            columns[f"history {name}"] = [
                {feature: cells[a:b] for feature, cells in of_log.items()}
                for a, b in zip(start, end, strict=True)
            ]
        rows = zip(*columns.values(), strict=True)
        candidate = pd.Series(samples.line).groupby(samples.line).cumcount()
        found[part] = {
            place: dict(zip(columns, row, strict=True))
            for place, row in zip(zip(samples.line, candidate, strict=True), rows, strict=True)
        }
    return found


def union(rows: list) -> dict:
    """Joins the results of `comparable_rows`."""
    found: dict = {}
    for each in rows:
        for part, of_part in each.items():
            assert not set(found.setdefault(part, {})) & set(of_part)
            found[part] |= of_part
    return found


def shards_of(folder) -> list:
    """Loads each shard that has rows."""
    paths = sorted(folder.glob("shard-*"))
    return [kd.data.PreparedData.load(p) for p in paths if (p / "prepared.json").is_file()]


def assert_equal(folder, one: kd.data.PreparedData, header: dict) -> None:
    """Compares the shards, and the load of all of them, with the data of one machine."""
    expected = comparable_rows(one)
    shards = shards_of(folder)
    assert {each.spec.to_json() for each in shards} == {one.spec.to_json()}
    assert union([comparable_rows(each) for each in shards]) == expected
    assert {part: sum(rows) for part, rows in header["rows"].items()} == {
        part: len(samples) for part, samples in one.parts.items()
    }
    # Not which rows were out of order, the reasons of types, and the first line of several files.
    of_log = ("columns", "rows_aside", "rows_out_of_order", "files")
    for name in header["report"].keys() - of_log:
        assert header["report"][name] == one.report[name], name
    assert header["report"]["columns"].keys() == one.report["columns"].keys()
    loaded = kd.data.load_shards(folder)
    assert loaded.spec.to_json() == one.spec.to_json()
    assert comparable_rows(loaded, False) == comparable_rows(one, False)


def _cells(column) -> list:
    if isinstance(column, Bags):
        bags = zip(column.offsets[column.place], column.offsets[column.place + 1], strict=True)
        return [column.values[start:end].tobytes() for start, end in bags]
    return [value.tobytes() for value in np.asarray(column)]
