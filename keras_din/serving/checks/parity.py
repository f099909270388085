"""The check before publishing: a version without Keras gives the scores of the live model."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

from keras_din.features import PADDING_INDEX, FeatureSpec, id_feature
from keras_din.outputs import by_output, name_of, output_differences
from keras_din.serving.checks import parity_process
from keras_din.serving.graph.order_formula import OrderFormula
from keras_din.serving.sample_rows import MAX_TIME, one_candidate_per_row, sample_rows

TOLERANCE = 1e-5


def check_parity(folder, spec: FeatureSpec, live, order_by: OrderFormula | None = None) -> dict:
    """Compares the outputs of a SavedModel with those of the live model on sample rows.

    Differences of outputs above 1, which are numbers, are divided by the output.

    Args:
        folder: Folder of the SavedModel.
        spec: The features.
        live: Function from the inputs of the model to its output `(batch, candidates)`, or to a
            dict of its outputs.
        order_by: The formula by which `rank` orders candidates. Defaults to the first output.

    Returns:
        Dict of the largest differences: `"serving_default"` and `"rank"` from the live model, and
        `"between_signatures"`. With several outputs there is one entry per output, such as
        `"rank/cvr"`.

    Raises:
        RuntimeError: If a difference is above 1e-5 or NaN, or if `order` does not sort the output.
    """
    samples = [sample_rows(spec), sample_rows(spec, rows=4, time=0, values=0, seed=1)]
    longest = max((sequence.max_length for sequence in spec.sequences), default=0)
    if longest >= MAX_TIME:  # One user has no history, the other one a full history.
        samples.append(sample_rows(spec, rows=2, time=longest + 10, seed=2))
    cases = []
    for sample in samples:
        cases.append(("serving_default", one_candidate_per_row(spec, sample.raw)))
        cases.append(("rank", sample.raw))
    found: dict[str, float] = {}
    outputs, in_order = spec.served_outputs, True
    formula = OrderFormula(None, spec) if order_by is None else order_by
    first = id_feature(spec.target).name
    reals = [sample.indices[first] != PADDING_INDEX for sample in samples]
    lives = [by_output(live(sample.indices), outputs) for sample in samples]
    for answers in score_in_another_process(folder, cases):
        each = zip(reals, lives, answers[::2], answers[1::2], strict=True)
        for real, live_outputs, one, many in each:
            for output in outputs:
                expected = np.where(real, live_outputs[output], 0)
                served = one[output].reshape(real.shape), many[output]
                for what, pair in (
                    ("serving_default", (served[0], expected)),
                    ("rank", (served[1], expected)),
                    ("between_signatures", served),
                ):
                    name = name_of(what, output, outputs)
                    found[name] = _larger(found.get(name, 0.0), *pair)
            scores = formula({name: np.float64(many[name]) for name in outputs})
            tolerance = 0.0 if formula.output else TOLERANCE
            in_order &= _is_order(many["order"], scores, real, tolerance)
    for what, difference in found.items():
        if not difference <= TOLERANCE:
            raise RuntimeError(
                f"The SavedModel must score as the live model does, within {TOLERANCE:g}. "
                f"The largest difference of {what} was {difference:g}; nothing is published."
            )
    if not in_order:
        raise RuntimeError(
            f"`order` of the signature `rank` must sort `{formula.text}`, the best first and "
            "padding last. It does not; nothing is published."
        )
    return found


def score_in_another_process(folder, cases: list) -> tuple:
    """Computes outputs of a SavedModel in a new Python process that has TensorFlow only.

    Args:
        folder: Folder of the SavedModel.
        cases: List of `(signature, inputs)`. `inputs` are arrays by name.

    Returns:
        `(functions, session)`, two lists with the outputs of each case, arrays by name. The first
        comes from `tf.saved_model.load`, the second from a session of TensorFlow 1.

    Raises:
        RuntimeError: If the process fails. The message contains the end of its error output.
    """
    job = {
        "path": [entry for entry in sys.path if entry],
        "folder": os.path.abspath(folder),
        "cases": [
            (signature, {name: _array_to_json(values) for name, values in inputs.items()})
            for signature, inputs in cases
        ],
    }
    with tempfile.TemporaryDirectory() as scratch:
        job_file, answers_file = pathlib.Path(scratch, "job"), pathlib.Path(scratch, "answers")
        job_file.write_text(json.dumps(job), encoding="utf-8")
        done = subprocess.run(
            # -I: the current folder and the settings of the user have no effect.
            [sys.executable, "-I", parity_process.__file__, str(job_file), str(answers_file)],
            # The parent process may have allocated the memory of the GPUs.
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            raise RuntimeError(
                f"A process with TensorFlow alone could not score {str(folder)!r}:\n"
                + done.stderr[-4000:]
            )
        answers = json.loads(answers_file.read_text(encoding="utf-8"))
    return tuple(
        [{name: np.array(values) for name, values in outputs.items()} for outputs in answers[way]]
        for way in ("functions", "session")
    )


def _array_to_json(array: np.ndarray) -> dict:
    return {"dtype": array.dtype.str, "shape": array.shape, "values": array.ravel().tolist()}


def _larger(so_far: float, values, expected) -> float:
    """Returns the maximum of a difference and those of two arrays, or NaN if one is NaN."""
    return float(np.maximum(so_far, output_differences(values, expected).max(initial=0.0)))


def _is_order(order, scores, real, tolerance: float = 0.0) -> bool:
    """Whether `order` sorts the scores in descending order. The sort is stable, padding comes last.

    With a tolerance, scores that are almost equal may have any order: NumPy and TensorFlow round
    a formula differently.
    """
    if not tolerance:
        expected = np.argsort(np.where(real, -scores, np.inf), axis=1, kind="stable")
        return np.array_equal(order, expected)
    if not np.array_equal(np.sort(order, axis=1), np.indices(order.shape)[1]):
        return False
    # 2 for a finite score, 1 for another one, 0 for padding, which comes last.
    kind = np.where(real, 1 + np.isfinite(scores), 0)
    kind, ranked = (np.take_along_axis(each, order, axis=1) for each in (kind, scores))
    ranked = np.where(kind == 2, ranked, 0).astype("float64")
    limit = ranked[:, :-1] + tolerance * (1 + np.abs(ranked[:, :-1]))
    both_finite = (kind[:, :-1] == 2) & (kind[:, 1:] == 2)
    falls = ~both_finite | (ranked[:, 1:] <= limit)
    return bool((falls & (kind[:, 1:] <= kind[:, :-1])).all())
