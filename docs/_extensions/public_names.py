"""The public names of keras_din: what `__all__` of its public modules lists."""

import functools
import importlib
import inspect

# Modules whose `__all__` is the public interface.
PUBLIC_MODULES = (
    "keras_din",
    "keras_din.calibration",
    "keras_din.data",
    "keras_din.data.spark",
    "keras_din.distributed",
    "keras_din.distributed.experimental",
    "keras_din.evaluation",
    "keras_din.layers",
    "keras_din.losses",
    "keras_din.metrics",
    "keras_din.migrate",
    "keras_din.models",
    "keras_din.optimizers",
    "keras_din.plots",
    "keras_din.serving",
    "keras_din.training",
)


@functools.cache
def public_names() -> tuple[str, ...]:
    """Returns the full path of each public object, the shortest of several, without modules."""
    values: list = []
    paths = []
    for module_path in PUBLIC_MODULES:
        module = importlib.import_module(module_path)
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.ismodule(value) or name.startswith("__"):
                continue
            if not any(value is other for other in values):
                values.append(value)
                paths.append(f"{module_path}.{name}")
    return tuple(paths)
