"""The other libraries: each in an environment of its own, its DIN in a file of this folder.

No file here imports keras_din, and those named `din_...` run where it is not installed.
"""

import pathlib
import sys

# Name in the table -> what its environment is called; `None` is the environment of keras_din.
ENVIRONMENTS = {"plain Keras 3": None, "DeepCTR": "deepctr", "FuxiCTR": "fuxictr"}
MODULES = {
    "plain Keras 3": "peers.din_keras",
    "DeepCTR": "peers.din_deepctr",
    "FuxiCTR": "peers.din_fuxictr",
}


def reason_file(folder, environment: str) -> pathlib.Path:
    """Where the install script says why an environment is not there."""
    return pathlib.Path(folder) / f"{environment}.failed"


def python_of(peer: str, folder) -> tuple:
    """`(python, None)` of a peer's environment, or `(None, reason)` where there is none."""
    environment = ENVIRONMENTS[peer]
    if environment is None:
        return sys.executable, None
    if folder is None:
        return None, "not measured: no --peers FOLDER"
    python = pathlib.Path(folder).absolute() / environment / "bin" / "python"
    if python.exists():
        return str(python), None
    reason = reason_file(folder, environment)
    if reason.exists():
        return None, f"not installed: {reason.read_text(encoding='utf-8').strip()}"
    return None, f"not installed: no {environment} in {folder}, see peers/install.py"
