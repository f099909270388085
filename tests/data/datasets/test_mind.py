"""The published files of MIND, written by hand: candidates, histories, bad lines."""

import numpy as np
import pytest

from keras_din import build_din
from keras_din.data import LastFraction, PreparedData, load_mind

NEWS = [
    'N88753\tlifestyle\tlifestyleroyals\t"The Brands\tAbstract\thttps://a\t[{"Label": 1}]\t[]',
    "N45436\tnews\tnewsworld\tWalmart Slashes Prices\t\thttps://b\t[]\t[]",
    'N23144\tnews\tnewspolitics\tÉlection\tText "quoted\thttps://c\t[]\t[]',
    "N86255\tsports\t\tTitle\tText\thttps://d\t[]\t[]",
]
# Impression, user, time, history, candidates. Users have one history in all of their impressions.
BEHAVIORS = [
    "1\tU13740\t11/11/2019 9:05:58 AM\tN45436 N88753\tN23144-1 N86255-0",
    "2\tU91836\t11/12/2019 6:11:30 PM\t\tN45436-0 N23144-0 N99999-1",
    "3\tU13740\t11/13/2019 12:15:00 AM\tN45436 N88753\tN86255-0 N88753-1",
    "4\tU73700\t11/14/2019 7:01:48 AM\tN99999\tN45436-1",
]
BAD = [
    "5\tU1\t11/14/2019 7:01:48 AM\tN45436",
    "6\tU1\t14.11.2019\tN45436\tN45436-1",
    "7\tU1\t11/14/2019 7:01:48 AM\tN45436\tN45436-1 N23144",
    "8\t\t11/14/2019 7:01:48 AM\tN45436\tN45436-1",
]


def write(folder, behaviors=BEHAVIORS, news=NEWS):
    folder.mkdir(exist_ok=True)
    (folder / "behaviors.tsv").write_text("\n".join(behaviors) + "\n", encoding="utf-8")
    (folder / "news.tsv").write_text("\n".join(news) + "\n", encoding="utf-8")
    return folder


def test_candidates_have_the_history_of_their_line(tmp_path):
    data = load_mind(write(tmp_path / "a"), split=LastFraction(valid=0, test=0.25), dim=4)
    train, test = data.parts["train"], data.parts["test"]
    assert train.label.tolist() == [1, 0, 0, 0, 1, 0, 1]
    assert train.request.tolist() == [0, 0, 1, 1, 1, 2, 2]
    assert train.group.tolist() == [0, 0, 2, 2, 2, 0, 0]
    assert data.user_values.tolist() == ["U13740", "U73700", "U91836"]
    assert np.unique(train.time).astype("datetime64[us]").astype(str).tolist() == [
        "2019-11-11T09:05:58.000000",
        "2019-11-12T18:11:30.000000",
        "2019-11-13T00:15:00.000000",
    ]
    assert (train.line.tolist(), test.line.tolist()) == ([1, 1, 2, 2, 2, 3, 3], [4])
    # Equal histories are stored once, and an empty one not at all.
    assert data.report["histories"] == {"stored": 3, "of": 4}
    assert data.behaviors["hist"].offsets.tolist() == [0, 2, 2, 3]
    item, category, subcategory = data.spec.target
    raw = lambda feature, index: (None, "?", *feature.vocabulary)[index]  # noqa: E731
    ((x, _),) = data.dataset("train")
    assert [raw(item, i) for i in np.ravel(x["news_id"])] == [
        *("N23144", "N86255", "N45436", "N23144", "N99999", "N86255", "N88753"),
    ]
    assert [raw(item, i) for i in x["hist_news_id"][0]] == ["N45436", "N88753"]
    assert [raw(category, i) for i in x["hist_category"][0]] == ["news", "lifestyle"]
    assert x["hist_news_id"][2].numpy().tolist() == [0, 0]
    # News without a row, or without a subcategory.
    assert data.report["news_not_found"] == 1
    assert raw(category, int(x["category"][4, 0])) == "?"
    assert raw(subcategory, int(x["subcategory"][1, 0])) == "?"
    ((x, _),) = data.dataset("test", by_request=True)
    assert [raw(item, i) for i in x["hist_news_id"][0]] == ["N99999"]
    assert build_din(data.spec, hidden_units=[4]).predict_on_batch(x).shape == (1, 1)


def test_two_folders(tmp_path):
    other = [BEHAVIORS[0].replace("N86255", "N7"), "9\tU0\t11/15/2019 1:00:00 PM\tN7 N45436\tN7-1"]
    test = write(tmp_path / "dev", other, [*NEWS[:2], "N7\tsports\tgolf\tTitle\t\t\t\t"])
    data = load_mind(write(tmp_path / "train"), test, user_id=True, dim=4)
    assert {name: len(part) for name, part in data.parts.items()} == {
        "train": 7,
        "valid": 1,
        "test": 3,
    }
    assert "N7" not in data.spec.features["news_id"].vocabulary
    assert data.spec.features["user_id"].vocabulary == ("U13740", "U91836")
    assert data.report["parts"]["test"]["rows_with_unseen"]["news_id"] == 2
    data.save(tmp_path / "data")
    loaded = PreparedData.load(tmp_path / "data")
    assert loaded.user_values.tolist() == ["U0", "U13740", "U73700", "U91836"]


def test_a_test_without_labels(tmp_path, capsys):
    train, test = write(tmp_path / "train"), tmp_path / "test"
    write(test, [line.replace("-0", "").replace("-1", "") for line in BEHAVIORS])
    data = load_mind(train, test, dim=4)
    assert "behaviors.tsv has a label: all labels are 0, for predictions" in capsys.readouterr().out
    assert data.parts["test"].label.tolist() == [0] * 8
    assert data.spec == load_mind(train, train, dim=4).spec
    with pytest.raises(ValueError, match=r"at least one good row.*a candidate has no label 0 or 1"):
        load_mind(test, dim=4)


def test_bad_lines_are_kept_aside(tmp_path):
    folder = write(tmp_path / "a", BEHAVIORS + BAD, [*NEWS, "N1\tnews"])
    with pytest.raises(ValueError, match=r"At most 1 % of the rows of the file .*behaviors\.tsv"):
        load_mind(folder, dim=4)
    data = load_mind(folder, split=LastFraction(valid=0, test=0.25), dim=4, max_bad=0.3)
    assert data.bad_rows[["line", "reason"]].to_numpy().tolist() == [
        [5, "4 fields, not 5"],
        [6, "'time' is not a time"],
        [7, "a candidate has no label 0 or 1"],
        [8, "'user' is missing"],
        [5, "2 fields, not 3 or more"],
    ]
    assert data.bad_rows["file"].tolist() == [str(folder / "behaviors.tsv")] * 4 + [
        str(folder / "news.tsv")
    ]


def test_invalid_folders_raise(tmp_path):
    folder = write(tmp_path / "a")
    (folder / "news.tsv").unlink()
    with pytest.raises(ValueError, match=r"must hold news\.tsv. Received: .*a\."):
        load_mind(folder)
    clicks = [line.replace("-0", "-1") for line in BEHAVIORS]
    with pytest.raises(ValueError, match="the candidates"):
        load_mind(write(tmp_path / "b", clicks), dim=4)
