"""On an accelerator: our DIN on JAX and on PyTorch beside FuxiCTR's on PyTorch.

    python benchmarks/accelerator.py prepare FOLDER   # the batches: needs TensorFlow
    python benchmarks/accelerator.py measure FOLDER   # where the accelerator is: does not

One Python that has keras, keras_din's requirements but TensorFlow, jax, torch and fuxictr, with the
checkout's `model_zoo/DIN` as `model_zoo_din` in its `sys.prefix`. Work, sizes and order as in
`run.py`; all are padded, batches come from the memory of the host. Ours by `fit` and `predict`,
FuxiCTR by its `train_step` and forward pass. Float32, and ours on JAX once more with TF32 products.
The floor is the larger of two: operations over the rate of large matrix products, and bytes over
that of a copy; both measured beside, in float32.
"""

import argparse
import pathlib
import sys

from bench import figures
from floor import operations
from process import Failed, ask

DIM = 64
LONGEST = 427
# Batch size, longest history -> steps a run of ours.
CASES = {(32, 100): 400, (1024, 100): 200, (4096, 100): 60, (16384, 100): 20, (1024, LONGEST): 60}
# Of ours: name -> the variables of its process.
OURS = {
    "ours, JAX": {"KERAS_BACKEND": "jax", "JAX_DEFAULT_MATMUL_PRECISION": "float32"},
    "ours, JAX, TF32": {"KERAS_BACKEND": "jax", "JAX_DEFAULT_MATMUL_PRECISION": "tensorfloat32"},
    "ours, PyTorch": {"KERAS_BACKEND": "torch"},
}


def prepare(folder: pathlib.Path) -> None:
    """Writes the data, and the batches of each case."""
    data = folder / "electronics"
    ask("electronics", "save", kind="electronics", folder=data)
    for size, length in CASES:
        ask(
            "batches",
            "save",
            data=data,
            file=file_of(folder, size, length),
            batch_size=size,
            length=length,
        )


def measure(folder: pathlib.Path) -> None:
    """Prints the table line by line."""
    # By default JAX takes most of the memory for itself, and there are others.
    seen = {"CUDA_VISIBLE_DEVICES": "0", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    limits = ask("accelerator_limits", "limits", environment=seen)
    print("{device}: {rate} TFLOP/s, {bandwidth} GB/s, float32".format(**limits["said"]))
    versions = {}
    for (size, length), number in CASES.items():
        options = {"batches": file_of(folder, size, length), "dim": DIM}
        facts = ask("accelerator_limits", "facts", batches=options["batches"])
        for task in ("train", "predict"):
            answers = {}
            for name, variables in OURS.items():
                # PyTorch runs operation by operation, and takes ten times as long.
                steps = number if variables["KERAS_BACKEND"] == "jax" else number // 10
                answers[name] = tried(
                    "ours_padded", task, environment=seen | variables, steps=steps, **options
                )
            answers["FuxiCTR"] = tried(
                "peers.din_fuxictr", task, environment=seen, seconds=1.5, **options
            )
            for each in answers.values():
                versions |= {} if isinstance(each, Failed) else each["versions"]
            print(f"\n{task}, batch {size}, longest {length}, mean {facts['history']:.1f}")
            said(figures(answers, lambda answer: answer["step"]), size, task, facts, limits)
    print(", ".join(f"{name} {version}" for name, version in sorted(versions.items())))


def tried(*words, **options):
    try:
        return ask(*words, **options)
    except Failed as failed:
        return failed


def said(steps: dict, size: int, task: str, facts: dict, limits: dict) -> None:
    """Prints the floors of real positions and of padded ones, and how far each is from both."""
    both = []
    for positions in (facts["history"], facts["length"]):
        floors = floor(size, task, positions, limits)
        both.append(max(floors))
        words = "{:.3f} ms by operations, {:.3f} by bytes".format(*(1e3 * each for each in floors))
        print(f"  floor at {positions:.1f} positions: {words}")
    for name, step in steps.items():
        if isinstance(step, Failed):
            print(f"  {name}: failed: {step}")
            continue
        real, padded = (step / each for each in both)
        print(
            f"  {name}: {1e3 * step:.2f} ms, {size / step:,.0f} samples/s, "
            f"{real:.0f}x the floor of real positions, {padded:.1f}x padded",
            flush=True,
        )


def floor(size: int, task: str, positions: float, limits: dict) -> tuple:
    """Seconds of a step of so many positions a sample, by operations and by bytes.

    Of the rows of the tables: each is read; in training it and its two moments are read and
    written. A third of the operations of training are those of the forward pass.
    """
    training = task == "train"
    work = size * operations(positions, 2 * DIM) * (1 if training else 1 / 3)
    rows = size * (positions + 1) * (6 if training else 1)
    return work / limits["rate"], rows * 2 * DIM * 4 / limits["bandwidth"]


def file_of(folder: pathlib.Path, size: int, length: int) -> pathlib.Path:
    return folder.absolute() / f"{size}_{length}.npz"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("prepare", "measure"))
    parser.add_argument("folder", type=pathlib.Path)
    options = parser.parse_args()
    {"prepare": prepare, "measure": measure}[options.what](options.folder)


if __name__ == "__main__":
    sys.exit(main())
