"""The list of slow tests: exhaustive variants and whole programs, `python -m pytest -m slow`.

The fast part checks every capability once: each formula, each layer, the model contract for one or
two models, one export of each kind, one interrupted run. Slow tests are listed here or marked with
`pytest.mark.slow`.
"""

import fnmatch

# In the fast part, tests of all models run these two: with attention, and without a history.
FAST_MODELS = {"din", "lr"}
OVER_ALL_MODELS = (
    "tests/models/test_contract.py",
    "tests/models/test_check_numerics.py",
    "tests/models/test_training_options.py",
    "tests/serving/test_saved_model.py",
    "tests/serving/graph/test_signatures.py",
    "tests/serving/formats/",
    "tests/serving/graph/test_float32_layers.py",
    "tests/test_growth.py",
)
SLOW = (
    "tests/benchmarks/*",
    "tests/cli/test_check_serving.py::test_mixed_precision_is_compared_in_float32*",
    "tests/cli/test_check_serving.py::test_other_weights*",
    "tests/cli/test_cli.py::test_help_and_invalid_arguments*",
    "tests/cli/test_cli.py::test_options_in_the_spelling_of_python",
    "tests/cli/test_cli.py::test_resume*",
    "tests/cli/test_demo.py*",
    "tests/cli/test_predict.py::test_separators*",
    "tests/cli/test_several_labels.py::test_run_is_resumed*",
    "tests/data/datasets/test_real_data.py*",
    "tests/data/datasets/test_synthetic.py::test_target_attention_is_better_than_a_mean*",
    "tests/data/pipeline/test_batches.py::test_batches_by_request*",
    "tests/data/pipeline/test_batches.py::test_memory_mapped*",
    "tests/data/prepare/test_days_folder.py::test_an_append_that_is_killed*",
    "tests/data/prepare/test_impressions.py::test_histories_match_a_slow_loop*",
    "tests/data/store/test_feature_counts.py::test_counts_match_the_batches*",
    "tests/examples/*",
    "tests/features/test_tables.py::test_export_with_a_shared_table*",
    "tests/layers/test_attention_sequence_pooling.py::test_contract*prelu]",
    "tests/layers/test_behavior_transformer.py::test_contract*options1*",
    "tests/layers/test_interest_extractor.py::test_layer_learns*",
    "tests/layers/test_moving_moments.py*[[]1000-*",
    "tests/models/test_against_numpy.py*[[]base]",
    "tests/models/test_bst.py::test_exported*",
    "tests/models/test_bst.py::test_model_learns*",
    "tests/models/test_contract.py::test_training_on_ragged_inputs*",
    "tests/models/test_dien.py::test_auxiliary_loss_only*",
    "tests/models/test_dien.py::test_float16*",
    "tests/models/test_dien.py::test_training_is_deterministic*",
    "tests/models/test_din.py::test_exported*options1]",
    "tests/models/test_memory.py*",
    "tests/ops/test_float32_sums.py::test_gru_state*-float16]",
    "tests/ops/test_float32_sums.py::test_gru_state*portable*",
    "tests/ops/test_float32_sums.py::test_gru_state*static*",
    "tests/models/test_training_options.py::test_mini_batch_aware_regularization[[]lr*",
    "tests/optimizers/test_mini_batch_aware.py::test_training_continues*LazyAdamW]",
    "tests/optimizers/test_mini_batch_aware.py::test_training_continues*RowwiseAdagrad]",
    "tests/optimizers/test_optimizers.py::test_save_load_and_continue*lambda>[1-9]*",
    "tests/optimizers/test_replicas.py*",
    "tests/serving/checks/test_parity.py::test_functions_and_session_agree*",
    "tests/serving/checks/test_parity.py::test_one_process_for_many_exports*",
    "tests/serving/checks/test_skew.py::test_another_mean*",
    "tests/serving/formats/test_litert.py*test_bags[[]din]",
    "tests/serving/formats/test_onnx.py*test_bags[[]din]",
    "tests/serving/formats/test_litert.py*test_two_sequences",
    "tests/serving/formats/test_onnx.py*test_two_sequences",
    "tests/serving/formats/test_litert.py*test_click_rates_of_the_log",
    "tests/serving/graph/test_float32_layers.py*bfloat16*",
    "tests/serving/graph/test_float32_layers.py::test_export_is_compared_with_float32*",
    "tests/serving/graph/test_float32_layers.py::test_float32_model_does_not_change*",
    "tests/serving/graph/test_int8_tables.py::test_a_version_is_compared_with_int8_tables*",
    "tests/serving/test_c_program.py*",
    "tests/serving/test_clients.py*",
    "tests/serving/test_saved_model.py::test_a_killed_exporter*",
    "tests/serving/test_saved_model.py::test_keep*",
    "tests/serving/test_saved_model.py::test_log_values_give_the_outputs_of_the_pipeline*[[]lr]",
    "tests/serving/test_saved_model.py::test_two_exports_at_once*",
    "tests/serving/test_threads.py*",
    "tests/serving/version/test_rollback.py::test_a_copy_answers*",
    "tests/test_backends.py*",
    "tests/test_click_rates.py::test_loaded_model_can_be_recalibrated_twice*",
    "tests/test_evaluation.py::test_evaluation_under_distribution*",
    "tests/test_readme.py::test_python_blocks*",
    "tests/test_several_labels.py::test_difference_of_any_output_is_found*",
    "tests/test_several_labels.py::test_plain_keras_model_with_two_outputs*",
    "tests/test_several_labels.py::test_version_has_both_outputs_in_both_signatures*options1]",
    "tests/training/test_build_model.py::test_models_built_at_once*",
    "tests/training/test_train.py::test_ema_momentum*",
    "tests/training/test_train.py::test_interrupted_run*[[]0]",
    "tests/training/test_train.py::test_interrupted_run*[[]25]",
    "tests/training/test_train.py::test_interrupted_run*[[]5]",
    "tests/training/test_train.py::test_mini_batch_aware*",
    "tests/training/test_train.py::test_more_epochs*",
    "tests/training/test_train.py::test_negative_rate*",
    "tests/training/test_train.py::test_positive_weight*",
    "tests/training/test_train.py::test_resume_keeps*",
    "tests/training/test_train.py::test_run_of_a_killed*",
    "tests/training/test_train.py::test_run_resumes_within_an_epoch*19-16]",
    "tests/training/test_train.py::test_run_resumes_within_an_epoch[[]0.0*",
    "tests/training/test_train.py::test_same_seed*",
    "tests/training/test_train.py::test_training_step_is_traced*",
    "tests/training/test_train.py::test_validation_with_one_class*[[]1]",
    "tests/training/test_train.py::test_without_validation*0.8]",
    "tests/training/test_update.py::test_an_interrupted*[[]fit]",
    "tests/training/test_update.py::test_an_interrupted*[[]save_spec]",
    "tests/training/test_update.py::test_an_interrupted*[[]write_json]",
    "tests/training/test_update.py::test_one_call*options0]",
)


def is_slow(nodeid: str, parameters: dict) -> bool:
    """Returns whether a test belongs to the slow part.

    Args:
        nodeid: The node id of the test.
        parameters: Its parameters by name.
    """
    if any(fnmatch.fnmatchcase(nodeid, pattern) for pattern in SLOW):
        return True
    name = parameters.get("name")
    return nodeid.startswith(OVER_ALL_MODELS) and isinstance(name, str) and name not in FAST_MODELS
