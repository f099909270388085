"""Imports modules of scikit-learn, which is an extra."""

import importlib
from typing import Any


def scikit_learn(module: str, what: str) -> Any:
    """Returns `sklearn.<module>`.

    Args:
        module: Name of the module.
        what: What needs it, for the error.

    Raises:
        ImportError: If scikit-learn is missing.
    """
    try:
        return importlib.import_module(f"sklearn.{module}")
    except ImportError:
        raise ImportError(
            f"{what} needs scikit-learn: python -m pip install 'keras_din[calibration]'."
        ) from None
