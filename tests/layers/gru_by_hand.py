"""The second GRU of DIEN, computed with NumPy."""

import numpy as np

from tests import reference


def expected(layer, query, keys, mask):
    attention_kernel, kernel, recurrent, bias = [w.numpy() for w in layer.weights]
    out = np.zeros((*query.shape[:2], layer.units))
    for b, row in enumerate(query):
        h = keys[b, mask[b]]
        for c, q in enumerate(row):
            a = reference.softmax(h @ attention_kernel @ q)
            if layer.gru_type == "AIGRU":
                states = reference.gru(a[:, None] * h, kernel, recurrent, bias)
            else:
                states = reference.gru(h, kernel, recurrent, bias, a)
            out[b, c] = states[-1] if len(states) else 0
    return out
