"""Settings of the current thread for tracing, which layers and operations read when called."""

import contextlib
import contextvars
import dataclasses
import types
from collections.abc import Mapping

from keras_din.checks import one_of

__all__ = ["FORMS", "TraceContext", "trace_context", "tracing"]

FORMS = ("native", "static", "portable")


@dataclasses.dataclass(frozen=True)
class TraceContext:
    """The settings that differ between a graph for training and a graph for export.

    Layers and operations read them when they are called. A traced graph keeps the settings that
    were active during its tracing.

    Args:
        form: Implementation of packed histories and of the GRU. `"native"` is the fastest of the
            backend. `"static"` has shapes that do not depend on values. `"portable"` uses only
            operations that every runtime has. The results are the same.
        custom_gradients: Whether operations use their custom gradients. In a SavedModel they
            would cause warnings of TensorFlow when it is loaded.
        float32: Whether layers of a model in mixed precision compute in float32. See
            `keras_din.serving.graph.float32_layers`.
        lookups: `keras_din.layers.Embedding` -> function from rows to float32 embeddings that
            replaces the lookup in the layer's own table.
    """

    form: str = "native"
    custom_gradients: bool = True
    float32: bool = False
    lookups: Mapping = dataclasses.field(default_factory=lambda: types.MappingProxyType({}))

    def __post_init__(self):
        one_of("form", self.form, FORMS)


_DEFAULT = TraceContext()
_current = contextvars.ContextVar("keras_din.trace_context", default=_DEFAULT)


def trace_context() -> TraceContext:
    """Returns the context of the calling thread."""
    return _current.get()


@contextlib.contextmanager
def tracing(**changes):
    """Context manager that changes settings of the calling thread. It affects no other thread.

    Args:
        **changes: Arguments of `TraceContext`. Other settings do not change.
    """
    token = _current.set(dataclasses.replace(_current.get(), **changes))
    try:
        yield
    finally:
        _current.reset(token)
