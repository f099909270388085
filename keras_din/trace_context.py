"""How the current thread traces models: settings that layers and operations read when called."""

import contextlib
import contextvars
import dataclasses
import types
from collections.abc import Mapping

from keras_din.checks import one_of

FORMS = ("native", "static", "portable")


@dataclasses.dataclass(frozen=True)
class TraceContext:
    """What differs between a graph that is trained and one that is exported.

    Layers and operations read it when they are called. A traced graph keeps what it was traced
    with.

    Args:
        form: Form of packed histories and of the GRU. `"native"` is the fastest form of the
            backend, `"static"` the one whose shapes don't depend on values, `"portable"` the one
            whose operations every runtime has. The numbers are the same.
        custom_gradients: Whether operations have the gradients that are written out for them.
            TensorFlow warns of one whose function was not saved whenever a SavedModel is loaded.
        float32: Whether the layers of a model in mixed precision compute in float32. See
            `keras_din.serving.graph.float32_layers`.
        lookups: `keras_din.layers.Embedding` -> function from rows to float32 embeddings, which
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
    """The context of the calling thread."""
    return _current.get()


@contextlib.contextmanager
def tracing(**changes):
    """A block in which the calling thread traces in another way. Other threads are not affected.

    Args:
        **changes: Arguments of `TraceContext`. What is not given stays as it is.
    """
    token = _current.set(dataclasses.replace(_current.get(), **changes))
    try:
        yield
    finally:
        _current.reset(token)
