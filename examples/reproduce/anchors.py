"""Published numbers, for the data that they were measured on.

Those of Amazon Electronics were measured on the authors' `dataset.pkl`, whose test part chose the
epoch; compare them with `--protocol paper`. The paper's own .8818 and .8871 come from a leak that
its authors fixed in 2020.
"""

# Line of the table -> (GAUC, AUC), from the logs of the authors' code; DIN and DIN + Dice are
# those after the fix.
ELECTRONICS = {
    "base": (0.8624, 0.8643),
    "wide_deep": (0.8638, 0.8598),
    "pnn": (0.8679, 0.8700),
    "deepfm": (0.8684, 0.8704),
    "din": (0.8698, 0.8714),
    "din_dice": (0.8711, 0.8738),
}
# BARS: Adam, L2 on the tables, learning rate reduced on a plateau. "base" is its DNN.
BARS = {
    "base": (0.8790, 0.8815),
    "din": (0.8835, 0.8860),
    "bst": (0.8841, 0.8864),
    "dien": (0.8856, 0.8888),
}
# The DIN paper, Table 3. It has AUC alone.
MOVIELENS_20M = {
    "lr": (None, 0.7263),
    "base": (None, 0.7300),
    "wide_deep": (None, 0.7304),
    "pnn": (None, 0.7321),
    "deepfm": (None, 0.7324),
    "din": (None, 0.7337),
    "din_dice": (None, 0.7348),
}
_ELECTRONICS_ITEMS, _ELECTRONICS_TEST = 63_001, 2 * 192_403
_MOVIELENS_RATINGS = 20_000_263


def anchors(kind: str, data) -> dict:
    """Returns source -> line of the table -> (GAUC, AUC), for the data that was published."""
    rows = {part: len(samples) for part, samples in data.parts.items()}
    if kind == "din-pickle":
        item = data.spec.target[0]
        known = item.vocabulary_size - 2  # Two indices are reserved.
        test = rows.get("test", rows.get("valid"))
        if (known, test) == (_ELECTRONICS_ITEMS, _ELECTRONICS_TEST):
            return {"authors' code": ELECTRONICS, "BARS": BARS}
    if kind == "movielens" and data.report.get("rows") == _MOVIELENS_RATINGS:
        return {"DIN paper": MOVIELENS_20M}
    return {}
