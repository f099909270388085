"""A model with other sizes in the configs of some layers, compiled like the given one."""

import keras

__all__ = ["rebuilt_model"]


def rebuilt_model(model: keras.Model, changes: dict[str, dict]) -> keras.Model:
    """Returns a new model whose layers have other values in their configs. Its weights are new.

    It is compiled alike if the model is compiled. Then the optimizer of `model` is built.

    Args:
        model: A functional model.
        changes: Name of a layer, at any depth -> its new values.
    """
    config = model.get_config()
    _set_values(config, changes)
    # Classes that are not registered are found by name.
    classes = {type(layer).__name__: type(layer) for layer in model._flatten_layers()}
    with keras.saving.custom_object_scope(classes):
        rebuilt = type(model).from_config(config)
        if model.compiled:
            rebuilt.compile_from_config(model.get_compile_config())
    if model.compiled and model.optimizer is not None and not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return rebuilt


def _set_values(entry, changes: dict[str, dict]) -> None:
    """Sets values in the configs of layers, at any depth."""
    if isinstance(entry, dict):
        name = entry.get("name")
        if isinstance(name, str) and name in changes and changes[name].keys() <= entry.keys():
            entry.update(changes[name])
        entry = entry.values()
    elif not isinstance(entry, (list, tuple)):
        return
    for each in entry:
        _set_values(each, changes)
