"""The other libraries. Each has its own environment, and its DIN is in a module `din_...`.

No module here imports keras_din. Modules named `din_...` run in environments without it.
"""

import pathlib
import sys

# Name in the table -> name of its environment. `None` is the environment of keras_din.
ENVIRONMENTS = {"plain Keras 3": None, "DeepCTR": "deepctr", "FuxiCTR": "fuxictr"}
MODULES = {
    "plain Keras 3": "peers.din_keras",
    "DeepCTR": "peers.din_deepctr",
    "FuxiCTR": "peers.din_fuxictr",
}


def reason_file(folder, environment: str) -> pathlib.Path:
    """Returns the file in which `install.py` records why an environment could not be made."""
    return pathlib.Path(folder) / f"{environment}.failed"


def python_of(peer: str, folder) -> tuple:
    """Returns `(python, None)` of a peer's environment, or `(None, reason)` if there is none."""
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
