"""The tests mirror the package, and test files do not import each other."""

import ast
import pathlib
import re

from tests.slow import SLOW

ROOT = pathlib.Path(__file__).parent.parent
TESTS = ROOT / "tests"
PACKAGE = ROOT / "keras_din"
# Modules without a test file, and packages (with a `/`) -> the test file that covers them.
COVERED_BY = {
    "__main__.py": "cli/test_cli.py",
    "calibration/rows.py": "calibration/test_calibrated_model.py",
    "checks.py": "features/test_features.py",
    "cli/": "cli/test_cli.py",
    "data/datasets/bayes_optimal.py": "data/datasets/test_synthetic.py",
    "data/datasets/kuairand.py": "data/datasets/test_real_data.py",
    "data/datasets/synthetic_law.py": "data/datasets/test_synthetic.py",
    "data/encoding/bags.py": "data/reading/test_bag_cells.py",
    "data/encoding/counted.py": "data/sharded/test_fit_spec.py",
    "data/encoding/features.py": "data/prepare/test_impressions.py",
    "data/prepare/": "data/prepare/test_impressions.py",
    "data/reading/": "data/reading/test_table.py",
    "data/reading/calendar_numbers.py": "data/reading/test_times.py",
    "data/reading/file_format.py": "data/reading/test_source.py",
    "data/reading/text_types.py": "data/reading/test_column_types.py",
    "data/reading/typed_pieces.py": "data/sharded/test_prepare_shards.py",
    "data/sharded/": "data/sharded/test_prepare_shards.py",
    "data/store/": "data/store/test_samples.py",
    "data/store/consistency.py": "data/pipeline/test_batches.py",
    "data/pipeline/plan.py": "data/pipeline/test_batches.py",
    "distributed/connect.py": "distributed/test_fit.py",
    "distributed/experimental/": "distributed/experimental/test_fit_on_servers.py",
    "distributed/experimental/server_marks.py": "distributed/experimental/test_remote_steps.py",
    "embed.py": "models/test_contract.py",
    "evaluation/": "test_evaluation.py",
    "features/": "features/test_features.py",
    "fields.py": "models/test_feature_interactions.py",
    "graph.py": "models/test_contract.py",
    "layers/click_probability.py": "test_ctr_model.py",
    "layers/item_logits.py": "models/test_popularity.py",
    "layers/pack_behaviors.py": "layers/test_padding.py",
    "layers/pack_sequence.py": "layers/test_padding.py",
    "layers/ragged_to_dense.py": "layers/test_ragged.py",
    "layers/shard_values.py": "layers/test_embedding.py",
    "layers/transformer_block.py": "layers/test_behavior_transformer.py",
    "linear.py": "models/test_feature_interactions.py",
    "logits.py": "test_ctr_model.py",
    "losses/": "losses/test_number_losses.py",
    "losses/candidate_loss.py": "losses/test_binary_crossentropy.py",
    "losses/grouped_candidates.py": "losses/test_ranking_loss.py",
    "losses/keras_binary_crossentropy.py": "test_ctr_model.py",
    "losses/pair_sums.py": "losses/test_pairwise_logistic.py",
    "metrics/": "test_metrics.py",
    "migrate/deepctr_spec.py": "migrate/test_deepctr.py",
    "model_parts.py": "test_model_summary.py",
    "models/": "models/test_feature_interactions.py",
    "ops/apply_mask.py": "layers/test_padding.py",
    "ops/attention.py": "layers/test_attention_sequence_pooling.py",
    "ops/custom_gradient_tensorflow.py": "ops/test_custom_gradient.py",
    "ops/gru/": "ops/test_gru.py",
    "ops/interpolate.py": "layers/test_transform_numbers.py",
    "ops/mix_experts.py": "layers/test_mmoe.py",
    "ops/packed/": "ops/test_packed.py",
    "ops/ragged.py": "layers/test_ragged.py",
    "ops/replace_missing.py": "layers/test_standardize.py",
    "ops/sharded_lookup.py": "layers/test_embedding.py",
    "ops/signed_log1p.py": "layers/test_transform_numbers.py",
    "ops/zero_missing_vectors.py": "layers/test_zero_missing_vectors.py",
    "optimizers/": "optimizers/test_optimizers.py",
    "rebuilt_model.py": "test_with_shards.py",
    "plots/": "test_plots.py",
    "recalibration.py": "test_click_rates.py",
    "run_files.py": "cli/test_runs.py",
    "serving/checks/export_arguments.py": "serving/test_saved_model.py",
    "serving/checks/parity_process.py": "serving/checks/test_parity.py",
    "serving/graph/lookup_tables.py": "serving/graph/test_encoding.py",
    "training/": "training/test_train.py",
    "version.py": "cli/test_cli.py",
    "workers.py": "distributed/test_fit.py",
}


def own_test(module: pathlib.Path) -> pathlib.Path:
    return TESTS / module.parent / f"test_{module.name}"


def test_every_module_has_a_test():
    modules = [path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py")]
    modules = [path for path in modules if path.name != "__init__.py"]
    without = [
        str(path)
        for path in modules
        if not own_test(path).is_file()
        and str(path) not in COVERED_BY
        and f"{path.parent}/" not in COVERED_BY
    ]
    assert not without, "Add a test file, or a line to COVERED_BY."


def test_covered_modules_exist():
    for name, test in COVERED_BY.items():
        assert (TESTS / test).is_file(), test
        assert (PACKAGE / name).exists(), name
        assert name.endswith("/") or not own_test(pathlib.Path(name)).is_file(), name


# Texts that are no JSON files: cells, checksums, error texts, and what own processes exchange.
NO_JSON_FILES = {
    "checks.py": "json_values",
    "cli/predict.py": "cells of a CSV file",
    "cli/runs.py": "a cell of a table",
    "data/reading/json_lines.py": "texts of errors and cells",
    "data/spark.py": "an order of rows",
    "features/calendar.py": "a checksum",
    "features/kind.py": "lists instead of tuples",
    "serving/checks/parity.py": "inputs, with NaN",
    "serving/checks/parity_process.py": "outputs",
    "serving/checks/skew.py": "a spec that was read",
    "serving/version/delta_counts.py": "a spec that was read",
    "serving/version/sample_request.py": "a spec that was read",
    "spec_fingerprint.py": "a fingerprint",
    "training/several_workers.py": "what workers compare",
}


def test_json_files_have_no_nan():
    found = set()
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "json.dump" in text else ():
            is_dump = isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "json.dump",
                "json.dumps",
            )
            if is_dump and not any(
                each.arg == "allow_nan" and each.value.value is False
                for each in node.keywords
                if isinstance(each.value, ast.Constant)
            ):
                found.add(path.relative_to(PACKAGE).as_posix())
    assert found == NO_JSON_FILES.keys(), "Pass `allow_nan=False`, or use `checks.json_values`."


def test_slow_tests_exist():
    for pattern in SLOW:
        file, _, name = pattern.partition("::")
        file = file.partition("*")[0]
        assert (ROOT / file).exists(), pattern
        if name:
            function = name.partition("*")[0].partition("[")[0]
            assert f"def {function}" in (ROOT / file).read_text(encoding="utf-8"), pattern


def test_no_test_file_imports_another():
    for path in TESTS.rglob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        if not re.search(r"(?<!def )\btest_", text):
            continue  # Parsing all files takes seconds.
        for node in ast.walk(ast.parse(text)):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests"):
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            for name in names:
                assert not any(part.startswith("test_") for part in name.split(".")), (path, name)
