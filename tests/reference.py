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


def cross_network(layer, x_0):
    """`x_L` of one vector `(dim,)` by the weights of a `CrossNetwork`, expert by expert."""
    x = x_0
    for i, rank in enumerate(layer.ranks):
        u, b = layer.to_output[i].kernel.numpy(), layer.to_output[i].bias.numpy()
        if rank is None:
            x = x_0 * (x @ u + b) + x
            continue
        v = layer.to_rank[i].kernel.numpy()
        if layer.experts == 1:
            x = x_0 * (x @ v @ u + b) + x
            continue
        gate = np.exp(x @ layer.gates[i].kernel.numpy() + layer.gates[i].bias.numpy())
        gate /= gate.sum()
        total = 0
        for k in range(layer.experts):
            own = slice(k * rank, (k + 1) * rank)
            c = layer.of_experts[i].numpy()[k]
            small = np.tanh(np.tanh(x @ v[:, own]) @ c)
            total = total + gate[k] * x_0 * (small @ u[own] + b)
        x = total + x
    return x


def gru(inputs, kernel, recurrent_kernel, bias, attention=None):
    """One history: inputs (time, key_dim), every state (time, units).

    Attention (time,) multiplies the update gate, or stands for it where the kernels have none.
    """
    units = len(recurrent_kernel)
    state, states = np.zeros(units), []
    for t, x in enumerate(inputs):
        w, s = x @ kernel + bias, state @ recurrent_kernel
        reset = sigmoid(w[-2 * units : -units] + s[-2 * units : -units])
        new = np.tanh(w[-units:] + reset * s[-units:])
        size = sigmoid(w[:units] + s[:units]) if len(w) == 3 * units else 1.0
        size = size if attention is None else attention[t] * size
        state = (1 - size) * state + size * new
        states.append(state)
    return np.array(states).reshape(-1, units)


def softmax(scores):
    e = np.exp(scores - scores.max(initial=-np.inf))
    return e / e.sum()
