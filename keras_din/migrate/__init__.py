"""Models of other libraries as models of `keras_din`."""

from keras_din.migrate.deepctr import DeepCTRModel, from_deepctr
from keras_din.migrate.deepctr_inputs import DeepCTRInputs

__all__ = ["DeepCTRInputs", "DeepCTRModel", "from_deepctr"]
