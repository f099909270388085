"""Random weights of layers."""

import numpy as np


def randomize(layer, shape, seed=1):
    """Builds a layer for an input shape and sets random weights."""
    layer.build(shape)
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        values = rng.normal(size=weight.shape) * 0.5
        weight.assign(np.abs(values) + 0.5 if "variance" in weight.path else values)
    return layer
