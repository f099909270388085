"""What every test may use: the shared real data, one checking process, quiet libraries."""

import gc
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest
from hypothesis import settings

from tests.slow import is_slow

# No test fails because it is slow: the machine may be busy.
settings.register_profile("without_deadlines", settings(), deadline=None)
settings.load_profile("without_deadlines")

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Marks the slow tests before `-m` selects."""
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if is_slow(item.nodeid, parameters):
            item.add_marker(pytest.mark.slow)


def pytest_xdist_make_scheduler(config, log):
    """A file goes to one process; all of tests/serving go to the same, for they share exports."""
    from xdist.scheduler import LoadFileScheduling

    if config.getoption("dist") != "loadfile":
        return None

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            folder = "tests/serving"
            return folder if nodeid.startswith(folder) else super()._split_scope(nodeid)

    return Scheduling(config, log)


@pytest.fixture(scope="module", autouse=True)
def collected():
    """Before a file, what others left is collected, and what stays is not looked through again.

    That was a sixth of the time of all tests: each collection went through TensorFlow and Keras.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def graph_optimizer(request):
    """Optimizes the graphs of exports and of the slow part alone.

    For models as small as these, TensorFlow's graph optimizer takes a fifth of the time of a fit.
    """
    import tensorflow as tf

    folder = pathlib.Path(request.path).relative_to(ROOT / "tests").parts[0]
    off = folder != "serving" and request.config.getoption("markexpr") == "not slow"
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": off})


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """The folder of real data sets beside the project; skips where it is not there."""
    folder = pathlib.Path(os.environ.get("KERAS_DIN_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: neither KERAS_DIN_DATA nor {folder} is a folder")
    return folder


@pytest.fixture(scope="session")
def one_process():
    """The process that checks the exports of a test session, for `check_exports_with`."""
    from tests.serving.one_process import checking_process

    with checking_process() as run:
        yield run


@pytest.fixture
def checked_by_one_process(one_process):
    """Has `kd.export` ask that process: to open one of its own takes seconds."""
    from tests.serving.one_process import check_exports_with

    with check_exports_with(one_process):
        yield
