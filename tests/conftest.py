"""What every test may ask for: the shared real data, and quiet libraries."""

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """The folder of real data sets beside the project; skips where it is not there."""
    folder = pathlib.Path(os.environ.get("KERAS_DIN_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: neither KERAS_DIN_DATA nor {folder} is a folder")
    return folder
