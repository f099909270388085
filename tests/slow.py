"""Which tests are slow: exhaustive variants and whole programs, `python -m pytest -m slow`.

The fast part checks every capability once: each formula, each layer, one or two models through the
model contract, one export of each kind, one run that is interrupted. A test that is always slow is
listed here or marked with `pytest.mark.slow`.
"""

import fnmatch

# Tests of all models run these in the fast part: attention over packed histories, and no history.
FAST_MODELS = {"din", "lr"}
OVER_ALL_MODELS = (
    "tests/models/test_contract.py",
    "tests/models/test_check_numerics.py",
    "tests/models/test_training_options.py",
    "tests/serving/test_saved_model.py",
    "tests/serving/graph/test_signatures.py",
    "tests/serving/formats/",
)
SLOW = (
    "tests/benchmarks/*",
    "tests/examples/*",
    "tests/test_backends.py*",
    "tests/test_readme.py::test_the_code_runs*",
    "tests/cli/test_demo.py*",
    "tests/data/datasets/test_real_data.py*",
    "tests/data/datasets/test_synthetic.py::test_target_attention*",
    "tests/models/test_memory.py*",
    "tests/optimizers/test_replicas.py*",
    "tests/serving/test_c_program.py*",
    "tests/serving/test_clients.py*",
    "tests/serving/test_threads.py*",
    "tests/serving/test_saved_model.py::test_two_exports_at_once*",
    "tests/serving/test_saved_model.py::test_a_killed_exporter*",
    "tests/test_evaluation.py::test_replicas*",
    "tests/training/test_train.py::test_a_killed_process*",
)


def is_slow(nodeid: str, parameters: dict) -> bool:
    """Whether a test belongs to the slow part.

    Args:
        nodeid: The node id of the test.
        parameters: Its parameters by name.
    """
    if any(fnmatch.fnmatchcase(nodeid, pattern) for pattern in SLOW):
        return True
    name = parameters.get("name")
    return nodeid.startswith(OVER_ALL_MODELS) and isinstance(name, str) and name not in FAST_MODELS
