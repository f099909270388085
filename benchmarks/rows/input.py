"""input: what the pipeline costs a training step, its processor time included.

The same step on the same batches, made as it goes and ready in memory, in turn.
"""

import input_bound
from table import Line


def lines(bench):
    for figures in input_bound.measure(bench.quick):
        result = (
            f"{figures['on ready batches, ms']:.2f} on ready batches; "
            f"{figures['share of waiting']:.0%} of it waits for a batch"
        )
        step = f"{figures['with pipeline, ms']:.2f}"
        yield Line("input", f"batch {figures['batch']}, ms a step", step, result=result)
