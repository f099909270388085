"""start: seconds that `import keras_din` adds, and seconds to the first training step.

The import after those of TensorFlow and Keras, each in a fresh process, the median of several. The
first step on the demo's data, prepared, in a fresh process that has imported: from building the
model to the end of the first step of `fit`.
"""

import statistics

from process import ask
from table import Line

IMPORT, FIRST_STEP = 0.3, 5  # Seconds.


def lines(bench):
    answers = [ask("starting", "imports") for _ in range(1 if bench.quick else 5)]
    ours = statistics.median(answer["ours"] for answer in answers)
    before = statistics.median(answer["before"] for answer in answers)
    yield Line(
        "start",
        "import keras_din, s",
        f"{ours:.2f}",
        result=f"after {before:.1f} of TensorFlow and Keras",
        goal=f"under {IMPORT} s",
        met=ours < IMPORT,
    )
    for data in [] if bench.quick else ["kuairand", "synthetic"]:
        taken = ask("starting", "first_step", data=data)["seconds"]
        yield Line(
            "start",
            f"first step, {data}, s",
            f"{taken:.1f}",
            goal=f"under {FIRST_STEP} s",
            met=taken < FIRST_STEP,
        )
