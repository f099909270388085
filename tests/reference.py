"""NumPy implementations of the layers, with which tests compare layers and models."""

import numpy as np

from keras_din.features import Bag, Numeric


def sigmoid(x):
    return np.exp(-np.logaddexp(0, -x))  # 1 / (1 + exp(-x)), without overflow.


def dice(s, alpha, mean, variance, epsilon=1e-8):
    p = sigmoid((s - mean) / np.sqrt(variance + epsilon))
    return p * s + (1 - p) * alpha * s


def attention_pooling(query, keys, mask, hidden, last, activation, softmax=False):
    """Computes one user and candidate: query (dim,), keys (time, key_dim), mask (time,).

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
    """Computes `x_L` for one vector `(dim,)` with the weights of a `CrossNetwork`."""
    x = x_0
    for i, rank in enumerate(layer.ranks):
        u, b = layer.to_output[i].kernel.numpy(), layer.to_output[i].bias.numpy()
        if rank is None:
            x = x_0 * (x @ u + b) + x
            continue
        v = layer.to_rank[i].kernel.numpy()
        if layer.num_experts == 1:
            x = x_0 * (x @ v @ u + b) + x
            continue
        gate = np.exp(x @ layer.gates[i].kernel.numpy() + layer.gates[i].bias.numpy())
        gate /= gate.sum()
        total = 0
        for k in range(layer.num_experts):
            own = slice(k * rank, (k + 1) * rank)
            c = layer.expert_kernels[i].numpy()[k]
            small = np.tanh(np.tanh(x @ v[:, own]) @ c)
            total = total + gate[k] * x_0 * (small @ u[own] + b)
        x = total + x
    return x


def gru(inputs, kernel, recurrent_kernel, bias, attention=None):
    """Computes the states (time, units) of one history from inputs (time, key_dim).

    Attention (time,) multiplies the update gate, or replaces it if the kernels have none.
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


def layer_normalization(layer, x, epsilon=1e-5):
    centered = x - x.mean(-1, keepdims=True)
    scaled = centered / np.sqrt((centered**2).mean(-1, keepdims=True) + epsilon)
    return scaled * layer.gamma.numpy() + layer.beta.numpy()


def transformer_block(block, x):
    """Computes a block for one user and candidate: `x` `(positions, width)`."""
    q, k, v = (x @ layer.kernel.numpy() for layer in (block.query, block.key, block.value))
    heads = []
    for columns in np.split(np.arange(q.shape[1]), block.num_heads):
        scores = q[:, columns] @ k[:, columns].T / np.sqrt(len(columns))
        heads.append(np.array([softmax(row) for row in scores]) @ v[:, columns])
    attended = np.concatenate(heads, -1) @ block.joined.kernel.numpy()
    s = layer_normalization(block.norm_attention, x + attended)
    hidden = s @ block.first.kernel.numpy() + block.first.bias.numpy()
    hidden = np.where(hidden > 0, hidden, 0.2 * hidden)
    output = hidden @ block.second.kernel.numpy() + block.second.bias.numpy()
    return layer_normalization(block.norm_ffn, s + output)


def behavior_transformer(layer, query, keys):
    """Computes the output for one candidate: query (dim,) after the real keys (n, key_dim)."""
    target = np.pad(query, (0, keys.shape[1] - len(query)))
    x = np.concatenate([keys, target[None]])
    if layer.max_positions:
        from_end = np.minimum(np.arange(len(x))[::-1], layer.max_positions)
        x = x + layer.position.numpy()[from_end]
    for block in layer.transformer_blocks:
        x = transformer_block(block, x)
    return x[-1]


def transformed(feature, value):
    """Returns the transform of a number."""
    if feature.transform == "log1p":
        return np.sign(value) * np.log1p(abs(value))
    if feature.transform == "clip":
        return np.clip(value, *feature.limits)
    if feature.transform == "quantile":
        knots, places = np.array(feature.knots), np.linspace(0, 1, len(feature.knots))
        distinct = np.unique(knots)
        return np.interp(value, distinct, [places[knots == knot].mean() for knot in distinct])
    return value


def read(feature, table, value):
    """Returns the vector of one value of a feature."""
    if isinstance(feature, Numeric):
        mean, std = feature.moments
        return np.array([(transformed(feature, value) - mean) / std])
    if isinstance(feature, Bag):
        rows = table[[v for v in value if v != 0]]
        if len(rows) == 0:
            return np.zeros(table.shape[1])
        return {"mean": np.mean, "sum": np.sum, "max": np.max}[feature.pooling](rows, axis=0)
    return table[value]
