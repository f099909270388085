"""Rows of the DIN authors' tuples, written by hand."""

CATEGORIES = [0, 1, 1, 0, 2]


TRAIN = [
    (7, [1], 2, 1),
    (7, [1], 4, 0),
    (7, [1, 2], 3, 1),
    (7, [1, 2], 0, 0),
    (3, [0], 1, 1),
    (3, [4], 1, 0),  # Not the beginning of a longer one.
    (5, [], 2, 0),
]


TEST = [(7, [1, 2, 3], (0, 4)), (3, [0, 1], (2, 3))]


def as_rows(data, part):
    """Each sample in the authors' form: history, item, its category, label."""
    samples, log = data.parts[part], data.behaviors["hist"]
    start, end = samples.history["hist"]
    item, cate = (samples.columns[name] - 2 for name in ("item_id", "cate_id"))
    rows = []
    for i in range(len(samples)):
        items, cates = (log.columns[n][start[i] : end[i]] - 2 for n in ("item_id", "cate_id"))
        assert [CATEGORIES[k] for k in items] == cates.tolist()
        assert CATEGORIES[item[i]] == cate[i]
        rows.append((items.tolist(), int(item[i]), int(samples.label[i])))
    return rows
