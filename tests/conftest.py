"""Fixtures and hooks for all tests: real data, one process for export checks, slow tests."""

import gc
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest
from hypothesis import settings

from tests.slow import is_slow

# The machine may be busy, so no example has a deadline. Each run draws other examples.
settings.register_profile("keras_din", settings(), deadline=None, max_examples=40)
settings.load_profile("keras_din")

ROOT = pathlib.Path(__file__).resolve().parent.parent


# Folders with long tests, in the order in which they are run. The others come after them.
LONG = ("serving", "training", "cli", "distributed", "models", "features", "calibration")
SHORT = ("layers", "losses", "ops", "data")


def folder_rank(nodeid):
    """Returns the position of a test in the order of folders. Within one, the order is kept."""
    folder = nodeid.split("/")[1]
    if folder in LONG:
        return LONG.index(folder)
    return len(LONG) + (1 + SHORT.index(folder) if folder in SHORT else 0)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Marks the slow tests, before `-m` selects tests."""
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if is_slow(item.nodeid, parameters):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: folder_rank(item.nodeid))


def pytest_xdist_make_scheduler(config, log):
    """Runs each file in one process. All files of tests/serving share a process and exports.

    By default, files with many tests come first. Files with few tests of whole runs then come last,
    and one process waits for the other. Here the folders with long tests come first.
    """
    from xdist.scheduler import LoadFileScheduling

    if config.getoption("dist") != "loadfile":
        return None

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            folder = "tests/serving"
            return folder if nodeid.startswith(folder) else super()._split_scope(nodeid)

    config.option.loadscopereorder = False
    return Scheduling(config, log)


@pytest.fixture(scope="module", autouse=True)
def collected():
    """Collects garbage before each file, and excludes the remaining objects from collections.

    Otherwise each collection visits all objects of TensorFlow and Keras, a sixth of the test time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def graph_optimizer(request):
    """Disables TensorFlow's graph optimizer, except in the slow part for exports and whole runs.

    For small models, the optimizer takes a fifth of the time of `fit`. In the fast part, one export
    is optimized: the one that is checked in a process of its own.
    """
    import tensorflow as tf

    optimized = set()
    if request.config.getoption("markexpr") != "not slow":
        optimized = {"benchmarks", "cli", "examples", "serving", "training"}
    folder = pathlib.Path(request.path).relative_to(ROOT / "tests").parts[0]
    options = {"disable_meta_optimizer": folder not in optimized}
    tf.config.optimizer.set_experimental_options(options)


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """The folder of real data sets. Skips the test if there is none."""
    folder = pathlib.Path(os.environ.get("KERAS_DIN_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: neither KERAS_DIN_DATA nor {folder} is a folder")
    return folder


@pytest.fixture(scope="session")
def one_process():
    """The process that checks all exports of a test session, for `check_exports_with`."""
    from tests.serving.one_process import checking_process

    with checking_process() as run:
        yield run


@pytest.fixture
def checked_by_one_process(one_process):
    """Makes `kd.export` use this process, because starting a new one takes seconds."""
    from tests.serving.one_process import check_exports_with

    with check_exports_with(one_process):
        yield
