"""The keys of a `Count`: a number per row and a hash per key that is the same in all logs."""

import numpy as np
import pandas as pd

from keras_din.data.prepare.past_events import Keys
from keras_din.data.reading.columns import is_missing, whole_to_text

_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # Odd, so that no bit is lost.
_MISSING = "\0missing"  # A missing value is a key of its own.


def keys_of_columns(columns: list) -> Keys:
    """Returns the key of each row: the combination of its values in some columns.

    Args:
        columns: `Series` of raw values, `(rows,)` each. The integer 7, the float 7.0 and
            the text "7" are equal.
    """
    code, hashes = _keys_of_column(columns[0])
    for values in columns[1:]:
        other, other_hashes = _keys_of_column(values)
        code, pairs = pd.factorize(code * len(other_hashes) + other)
        first, second = hashes[pairs // len(other_hashes)], other_hashes[pairs % len(other_hashes)]
        # Not a sum alone, which would be the same for other pairs of values.
        hashes = pd.util.hash_array(first * _FACTOR ^ second)
    return Keys(code, hashes)


def _keys_of_column(values: pd.Series) -> Keys:
    code, distinct = pd.factorize(values, use_na_sentinel=False)
    text = np.array([str(whole_to_text(value)) for value in distinct], object)
    text[is_missing(pd.Series(distinct))] = _MISSING
    return Keys(code, pd.util.hash_array(text, categorize=False))
