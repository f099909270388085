"""What the accelerator reaches, and what the batches hold. By JAX; no TensorFlow is imported."""

import time

import numpy as np
from peers.peer import read
from process import answer


def limits() -> dict:
    """Operations a second of a float32 product of `(8192, 8192)`, bytes a second of a copy."""
    import jax  # Only here: the facts need none.

    jax.config.update("jax_default_matmul_precision", "float32")
    a = jax.random.normal(jax.random.key(0), (8192, 8192))
    b = jax.random.normal(jax.random.key(1), (2**29,))
    rate = 2 * 8192**3 / best(jax.jit(lambda a: a @ a), a)
    bandwidth = 2 * b.nbytes / best(jax.jit(lambda b: b + 1), b)
    device = jax.devices()[0].device_kind
    said = {"device": device, "rate": f"{rate / 1e12:.1f}", "bandwidth": f"{bandwidth / 1e9:,.0f}"}
    return {"rate": rate, "bandwidth": bandwidth, "said": said}


def best(function, argument, runs: int = 10) -> float:
    function(argument).block_until_ready()
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        function(argument).block_until_ready()
        taken.append(time.perf_counter() - start)
    return min(taken)


def facts(batches: str) -> dict:
    """The mean of real behaviors a sample, and the length that they are padded to."""
    history = read(batches)["hist_item_id"]
    mean = np.count_nonzero(history) / history[..., 0].size
    return {"history": float(mean), "length": history.shape[2]}


if __name__ == "__main__":
    answer(limits=limits, facts=facts)
