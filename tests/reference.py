"""DIN in NumPy, ten lines an equation: what the layers and models are compared with."""

import numpy as np


def sigmoid(x):
    return np.exp(-np.logaddexp(0, -x))  # 1 / (1 + exp(-x)), without overflow.


def dice(s, alpha, mean, variance, epsilon=1e-8):
    p = sigmoid((s - mean) / np.sqrt(variance + epsilon))
    return p * s + (1 - p) * alpha * s


def attention_pooling(query, keys, mask, hidden, last, activation, softmax=False):
    """One user, one candidate. query (dim,), keys (time, key_dim), mask (time,).

    `hidden` is a list of (kernel, bias), `last` one such pair; `activation` a list of functions.
    Returns the interest (key_dim,) and the weights (time,).
    """
    dim = len(query)
    total, weights = np.zeros(keys.shape[1]), np.zeros(len(keys))
    for j in np.flatnonzero(mask):
        k = keys[j]
        x = np.concatenate([query, k, query - k[:dim], query * k[:dim]])
        for (kernel, bias), f in zip(hidden, activation, strict=True):
            x = f(x @ kernel + bias)
        weights[j] = (x @ last[0] + last[1])[0]
    if softmax and mask.any():
        e = np.where(mask, np.exp(weights - weights[mask].max()), 0)
        weights = e / e.sum()
    for j in np.flatnonzero(mask):
        total += weights[j] * keys[j]
    return total, weights
