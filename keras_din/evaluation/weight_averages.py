"""The weights that an optimizer averages over steps, for evaluation."""

import contextlib

import keras


@contextlib.contextmanager
def averaged_weights(model):
    """Context manager in which a model has the averaged weights of its optimizer.

    If the optimizer does not average weights, or before the first step, the weights do not change.
    """
    if not averages_weights(model.optimizer) or not number(model.optimizer.iterations):
        yield
        return
    variables = model.trainable_variables
    own = [keras.ops.convert_to_numpy(variable) for variable in variables]
    model.optimizer.finalize_variable_values(variables)
    if keras.backend.backend() == "jax":
        # The weights share the buffers of the averages, which prediction donates. So copy them.
        for variable in variables:
            variable.assign(keras.ops.convert_to_numpy(variable))
    try:
        yield
    finally:
        for variable, value in zip(variables, own, strict=True):
            variable.assign(value)


def averages_weights(optimizer) -> bool:
    """Returns whether an optimizer averages weights over steps, `use_ema=True`."""
    # A `LossScaleOptimizer` contains the optimizer that averages.
    return getattr(optimizer, "inner_optimizer", optimizer).use_ema


def number(variable):
    """Returns a scalar variable as a Python number, also under `tf.distribute`."""
    return keras.ops.convert_to_numpy(variable).item()
