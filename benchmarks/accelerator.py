"""Measures DIN on a GPU: ours on JAX and on PyTorch, and FuxiCTR's on PyTorch.

    python benchmarks/accelerator.py prepare FOLDER   # writes the batches; needs TensorFlow
    python benchmarks/accelerator.py measure FOLDER   # on the machine with the GPU

The machine with the GPU needs one Python with keras, keras_din's requirements except TensorFlow,
jax, torch and fuxictr, and FuxiCTR's `model_zoo/DIN` as `model_zoo_din` in its `sys.prefix`.

The model and the data are those of `run.py`. All histories are padded, and batches come from the
memory of the host. Ours runs by `fit` and `predict`, FuxiCTR by its `train_step` and forward pass.
Products are float32; ours on JAX is measured with TF32 products too. The roofline of a step is the
larger of two times, its operations over the rate of a large matrix product and its bytes over the
rate of a copy. Both rates are measured first, in float32.
"""

import argparse
import pathlib
import sys
import time

from harness.process import TaskFailed, run_task, task_main
from harness.roofline import training_operations
from harness.runner import map_results

DIM = 64
LONGEST = 427
# (batch size, longest history) -> steps of a run of ours.
CASES = {(32, 100): 400, (1024, 100): 200, (4096, 100): 60, (16384, 100): 20, (1024, LONGEST): 60}
# Name of one of ours -> environment variables of its process.
OURS = {
    "ours, JAX": {"KERAS_BACKEND": "jax", "JAX_DEFAULT_MATMUL_PRECISION": "float32"},
    "ours, JAX, TF32": {"KERAS_BACKEND": "jax", "JAX_DEFAULT_MATMUL_PRECISION": "tensorfloat32"},
    "ours, PyTorch": {"KERAS_BACKEND": "torch"},
}
# By default JAX reserves most of the memory of the GPU, and other processes need some.
GPU_ENVIRONMENT = {"CUDA_VISIBLE_DEVICES": "0", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}


def prepare(folder: pathlib.Path) -> None:
    """Writes the data and the batches of each case."""
    data = folder / "electronics"
    run_task("harness.data_sets", "save", kind="electronics", folder=data)
    for size, length in CASES:
        file = _batch_file(folder, size, length)
        options = {"data": data, "file": file, "batch_size": size, "length": length}
        run_task("harness.batch_file", "write", **options)


def measure(folder: pathlib.Path) -> None:
    """Prints the figures of each case when they are measured."""
    limits = run_task("accelerator", "limits", environment=GPU_ENVIRONMENT)
    print(
        f"{limits['device']}: {limits['rate'] / 1e12:.1f} TFLOP/s, "
        f"{limits['bandwidth'] / 1e9:,.0f} GB/s, float32"
    )
    versions = {}
    for (size, length), number in CASES.items():
        options = {"batches": _batch_file(folder, size, length), "dim": DIM}
        lengths = run_task("accelerator", "lengths", batches=options["batches"])
        for task in ("train", "predict"):
            results = {}
            for name, variables in OURS.items():
                # PyTorch runs operation by operation and takes ten times as long.
                steps = number if variables["KERAS_BACKEND"] == "jax" else number // 10
                environment = GPU_ENVIRONMENT | variables
                results[name] = _result_or_error(
                    "harness.our_padded_din", task, environment=environment, steps=steps, **options
                )
            results["FuxiCTR"] = _result_or_error(
                "peers.din_fuxictr", task, environment=GPU_ENVIRONMENT, seconds=1.5, **options
            )
            for result in results.values():
                versions |= {} if isinstance(result, TaskFailed) else result["versions"]
            print(f"\n{task}, batch {size}, longest {length}, mean {lengths['history']:.1f}")
            steps = map_results(results, lambda result: result["step"])
            _print_case(steps, size, task, lengths, limits)
    print(", ".join(f"{name} {version}" for name, version in sorted(versions.items())))


def _result_or_error(*arguments, **options):
    try:
        return run_task(*arguments, **options)
    except TaskFailed as error:
        return error


def _print_case(steps: dict, size: int, task: str, lengths: dict, limits: dict) -> None:
    """Prints the rooflines of valid and of padded positions, and each step's time over both."""
    rooflines = []
    for positions in (lengths["history"], lengths["padded"]):
        bounds = roofline(size, task, positions, limits)
        rooflines.append(max(bounds))
        words = "{:.3f} ms by operations, {:.3f} by bytes".format(*(1e3 * each for each in bounds))
        print(f"  roofline at {positions:.1f} positions: {words}")
    for name, step in steps.items():
        if isinstance(step, TaskFailed):
            print(f"  {name}: failed: {step}")
            continue
        valid, padded = (step / each for each in rooflines)
        print(
            f"  {name}: {1e3 * step:.2f} ms, {size / step:,.0f} samples/s, "
            f"{valid:.0f}x the roofline of valid positions, {padded:.1f}x that of padded ones",
            flush=True,
        )


def roofline(size: int, task: str, positions: float, limits: dict) -> tuple:
    """Returns the seconds that a step needs at least, by operations and by bytes.

    The bytes are those of the rows of the tables. In prediction each row is read once. In training
    the row and its two moments are read and written. The forward pass has a third of the
    operations of training.

    Args:
        size: Batch size.
        task: `"train"` or `"predict"`.
        positions: Positions per history.
        limits: The result of `measure_limits`.
    """
    training = task == "train"
    operations = size * training_operations(positions, 2 * DIM) * (1 if training else 1 / 3)
    rows = size * (positions + 1) * (6 if training else 1)
    return operations / limits["rate"], rows * 2 * DIM * 4 / limits["bandwidth"]


def measure_limits() -> dict:
    """Measures what the GPU reaches, with JAX.

    Returns:
        A dict with `rate`, operations per second of a float32 product of `(8192, 8192)`,
        `bandwidth`, bytes per second of a copy, and `device`, its name.
    """
    import jax

    jax.config.update("jax_default_matmul_precision", "float32")
    a = jax.random.normal(jax.random.key(0), (8192, 8192))
    b = jax.random.normal(jax.random.key(1), (2**29,))
    return {
        "rate": 2 * 8192**3 / _best_seconds(jax.jit(lambda a: a @ a), a),
        "bandwidth": 2 * b.nbytes / _best_seconds(jax.jit(lambda b: b + 1), b),
        "device": jax.devices()[0].device_kind,
    }


def _best_seconds(function, argument, runs: int = 10) -> float:
    function(argument).block_until_ready()
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        function(argument).block_until_ready()
        taken.append(time.perf_counter() - start)
    return min(taken)


def measure_lengths(batches: str) -> dict:
    """Returns `history`, the mean behaviors per sample, and `padded`, the length with padding."""
    import numpy as np
    from harness.batch_file import read

    history = read(batches)["hist_item_id"]
    mean = np.count_nonzero(history) / history[..., 0].size
    return {"history": float(mean), "padded": history.shape[2]}


def _batch_file(folder: pathlib.Path, size: int, length: int) -> pathlib.Path:
    return folder.absolute() / f"{size}_{length}.npz"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("prepare", "measure"))
    parser.add_argument("folder", type=pathlib.Path)
    options = parser.parse_args()
    {"prepare": prepare, "measure": measure}[options.what](options.folder)


if __name__ == "__main__":
    # `run_task` passes one argument, in JSON.
    if sys.argv[1:] and sys.argv[1].startswith("{"):
        task_main(limits=measure_limits, lengths=measure_lengths)
    else:
        main()
