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
    "tests/serving/graph/test_float32_layers.py",
)
SLOW = (
    "tests/benchmarks/*",
    "tests/cli/test_cli.py::test_options_in_the_spelling_of_python",
    "tests/cli/test_cli.py::test_resume*",
    "tests/cli/test_demo.py*",
    "tests/data/datasets/test_real_data.py*",
    "tests/data/datasets/test_synthetic.py::test_target_attention*",
    "tests/data/pipeline/test_batches.py::test_memory_mapped*",
    "tests/examples/*",
    "tests/models/test_contract.py::test_training_on_ragged_inputs*lr*",
    "tests/models/test_memory.py*",
    "tests/optimizers/test_optimizers.py::test_save_load_and_continue*lambda>[1-9]*",
    "tests/optimizers/test_replicas.py*",
    "tests/serving/checks/test_parity.py::test_functions_and_session*",
    "tests/serving/checks/test_parity.py::test_one_process_for_many*",
    "tests/serving/graph/test_float32_layers.py*bfloat16*",
    "tests/serving/graph/test_int8_tables.py::test_floats_are_not*",
    "tests/serving/test_c_program.py*",
    "tests/serving/test_clients.py*",
    "tests/serving/test_saved_model.py::test_a_killed_exporter*",
    "tests/serving/test_saved_model.py::test_two_exports_at_once*",
    "tests/serving/test_threads.py*",
    "tests/test_backends.py*",
    "tests/test_evaluation.py::test_evaluation_under_distribution*",
    "tests/test_readme.py::test_the_code_runs*",
    "tests/training/test_train.py::test_ema_momentum*",
    "tests/training/test_train.py::test_interrupted_run*[[]0]",
    "tests/training/test_train.py::test_interrupted_run*[[]25]",
    "tests/training/test_train.py::test_interrupted_run*[[]5]",
    "tests/training/test_train.py::test_mini_batch_aware*",
    "tests/training/test_train.py::test_more_epochs*",
    "tests/training/test_train.py::test_positive_weight*",
    "tests/training/test_train.py::test_run_of_a_killed*",
    "tests/training/test_train.py::test_run_resumes_within_an_epoch[[]0.0*",
    "tests/training/test_train.py::test_run_resumes_within_an_epoch*19-16]",
    "tests/training/test_train.py::test_validation_with_one_class*[[]1]",
    "tests/training/test_train.py::test_without_validation*0.8]",
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
