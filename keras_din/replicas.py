"""Replicas of a `tf.distribute` strategy: sums over them, and where variables lie."""

import contextlib

import keras

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

__all__ = [
    "beside",
    "copy_on_replica",
    "mean_over_replicas",
    "number_of_replicas",
    "sum_over_replicas",
]


def number_of_replicas() -> int:
    """Returns the number of replicas that run the calling step, 1 without a strategy.

    Outside of `strategy.run` it is 1: there, code runs once for all replicas.
    """
    if keras.backend.backend() != "tensorflow":
        return 1
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def sum_over_replicas(values):
    """Sums tensors over the replicas that run the calling step. Gradients flow through the sum.

    Args:
        values: A tensor, or a list of tensors. All replicas must make the same calls.

    Returns:
        The sums, equal on all replicas; `values` itself if there is one replica.
    """
    if number_of_replicas() == 1:
        return values
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, values)


def mean_over_replicas(mean, weight):
    """Computes the share of a replica in a mean over the entries of all replicas.

    The shares of all replicas are equal, and their sum is the mean. The gradient of a share is that
    of the replica's own entries. So the sum of the gradients is that of the mean. (The mean of the
    replicas' means would differ if their weights differ.)

    Args:
        mean: Float scalar, the weighted mean of the replica's own entries.
        weight: Float scalar, the sum of their weights.

    Returns:
        Float scalar; `mean` itself if there is one replica.
    """
    replicas = number_of_replicas()
    if replicas == 1:
        return mean
    own = mean * weight
    total, total_weight = sum_over_replicas([own, weight])
    divisor = tf.where(total_weight == 0, tf.ones_like(total_weight), total_weight)
    own = own / divisor
    return own + tf.stop_gradient(total / divisor / replicas - own)


def copy_on_replica(variable):
    """Returns the copy of a variable that the calling code reads, or the variable itself.

    `tf.gather` from a variable of a strategy reads the whole variable first. From a copy it reads
    the given rows only, and a `tf.GradientTape` records them.

    Args:
        variable: A `tf.Variable`. It has copies under a `tf.distribute` strategy, one per replica
            of this process.

    Returns:
        In a step, the copy of the replica. In an update of an optimizer, the copy that it updates.
        Elsewhere the variable, if it has several copies.
    """
    if not isinstance(variable, tf.distribute.DistributedValues):
        return variable
    copies = tf.distribute.get_strategy().experimental_local_results(variable)
    if len(copies) == 1:
        return copies[0]
    try:
        handle = variable.handle
    except ValueError:  # Outside of a step and of an update.
        return variable
    return next(copy for copy in copies if copy.handle is handle)


def beside(variable):
    """Returns a context in which new variables lie on the parameter server of a variable.

    Without parameter servers the context changes nothing.

    Args:
        variable: A Keras variable.
    """
    if keras.backend.backend() == "tensorflow":
        strategy = tf.distribute.get_strategy()
        if isinstance(strategy, tf.distribute.ParameterServerStrategy):
            return strategy.extended.colocate_vars_with(variable.value)
    return contextlib.nullcontext()
