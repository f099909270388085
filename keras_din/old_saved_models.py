"""Errors for models that another version saved. In keras_din 0.1 layers had other names."""

import keras

__all__ = ["refuse_old_argument", "refuse_unknown_layers"]

# All models of `keras_din.models` of 0.1 contain at least one of them.
_RENAMED_LAYERS = (
    "BehaviourTransformer",
    "InterestEvolutionLayer",
    "InterestExtractorLayer",
    "Pack",
    "Padded",
    "SequencePoolingLayer",
    "TakeRows",
)


def refuse_old_argument(owner: str, config: dict, argument: str) -> None:
    """Raises a `ValueError` if a config has an argument that only keras_din 0.1 wrote.

    Args:
        owner: Name of the layer or optimizer.
        config: Its config.
        argument: Name of the argument in 0.1.
    """
    if argument in config:
        raise _written_by_0_1(f"{owner}({argument}=...)")


def refuse_unknown_layers(config: dict, custom_objects: dict | None) -> None:
    """Raises a `ValueError` if the config of a model has layers that this version does not have.

    Args:
        config: The config of a functional model.
        custom_objects: See `keras.saving.load_model`.
    """
    for layer in config.get("layers", ()):
        name = layer.get("registered_name") or ""
        is_known = keras.saving.get_registered_object(name, custom_objects) is not None
        if name.startswith("keras_din>") and not is_known:
            raise ValueError(
                "A saved model must have layers of this version of keras_din. Load it with the "
                "version that saved it. Received: a file of another version, with the layer "
                f"{layer['class_name']}."
            )


class _RenamedLayer:
    """Takes the place of a layer of 0.1 where Keras looks for its class."""

    @classmethod
    def from_config(cls, config, custom_objects=None):
        raise _written_by_0_1(f"the layer {cls.__name__}")

    def get_config(self):  # Keras requires it of a registered class.
        raise NotImplementedError


def _written_by_0_1(found: str) -> ValueError:
    return ValueError(
        "A saved model must be written by keras_din 0.2 or later. Train it again, or load the file "
        "with keras_din 0.1 and export it there, `keras_din.export(model, spec, folder)`: versions "
        f"that 0.1 exported are still served. Received: a file of keras_din 0.1, with {found}."
    )


for _name in _RENAMED_LAYERS:
    keras.saving.register_keras_serializable("keras_din", _name)(type(_name, (_RenamedLayer,), {}))
