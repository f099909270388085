"""`fit`: training on several workers, where Keras' own `fit` does not work."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_din.checks import positive_integer
from keras_din.ctr_model import check_negative_rate
from keras_din.dataset_facts import negative_rate_of, specs_of
from keras_din.spec_fingerprint import check_fingerprint
from keras_din.workers import gather_from_workers, worker_of

__all__ = ["fit"]


def fit(
    model: keras.Model,
    dataset_fn: Callable[[tuple[int, int]], Any],
    strategy: Any = None,
    epochs: int = 1,
    callbacks: keras.callbacks.Callback | Sequence[keras.callbacks.Callback] | None = None,
    *,
    initial_epoch: int = 0,
    verbose: int | str = "auto",
) -> keras.callbacks.History:
    """Trains a model under a `tf.distribute` strategy, on all workers together.

    Under `MultiWorkerMirroredStrategy`, for which `keras.Model.fit` fails, each worker computes the
    gradient of its part of a batch, and all apply their sum. Losses, Dice and batch normalization
    of this library are those of the whole batch. So the weights are those of one process with the
    same batches, up to rounding. (A loss of Keras is the mean of the workers' means, which differs
    if their parts have unequal sizes. Its batch normalization uses the worker's own part, unless it
    is `synchronized`.) Under other strategies this is `model.fit`.

    Callbacks run on all workers. The logs of an epoch are equal on all of them; those of a batch
    are of the worker's own part. A callback that writes files should do so only
    `if keras_din.distributed.is_chief()`. One that stops training must do so on all workers
    at the same step, as `keras.callbacks.EarlyStopping` does. `keras_din.Evaluation` evaluates a
    part of the batches per worker.

    Args:
        model: A compiled model, which was built in `strategy.scope()`.
        dataset_fn: Function from `shard`, the `(index, count)` of this worker, to its batches, a
            `tf.data.Dataset` of a known length. Each epoch iterates it once.
        strategy: The strategy of `connect`. Defaults to that of the current scope.
        epochs: Number of the last epoch.
        callbacks: A callback of Keras, or a list of callbacks.
        initial_epoch: Number of epochs that were trained before.
        verbose: See `keras.Model.fit`. Only the chief has a progress bar.

    Returns:
        The `History` of the logs per epoch.

    Raises:
        ValueError: If a dataset has no known length, a worker has several devices, or the model is
            not compiled, not built, or was built outside of `strategy.scope()`, or if its loss has
            another `negative_rate` than the data.
        ConnectionError: If another worker ends or fails. Start all of them again; a callback such
            as `keras.callbacks.BackupAndRestore` or `keras_din.training.train` lets them resume.

    Example:

    ```python
    strategy = kd.distributed.connect()  # With TF_CONFIG or arguments: several workers
    data = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
    with strategy.scope():
        model = kd.build_lr(data.spec)
        model.compile(kd.optimizers.LazyAdam(1e-3), kd.losses.BinaryCrossentropy())
    batches = lambda shard: data.dataset("train", 64, shuffle=True, shard=shard)
    history = kd.distributed.fit(model, batches, strategy, epochs=2, verbose=0)
    history.history["loss"]
    ```
    """
    epochs = positive_integer("epochs", epochs)
    initial_epoch = positive_integer("initial_epoch", initial_epoch, minimum=0)
    index, count = worker_of(strategy)
    if count == 1:
        return model.fit(
            dataset_fn((0, 1)),
            epochs=epochs,
            initial_epoch=initial_epoch,
            callbacks=callbacks,
            shuffle=False,
            verbose=verbose,
        )
    strategy = model.distribute_strategy if strategy is None else strategy
    if strategy.num_replicas_in_sync > count:
        raise ValueError(
            "Each worker must have one device: start one process per GPU, with its own "
            f"CUDA_VISIBLE_DEVICES. Received: {strategy.num_replicas_in_sync} devices of {count} "
            "workers."
        )
    check_model(model, strategy)
    dataset = dataset_fn((index, count))
    for spec in specs_of(dataset):
        check_fingerprint(model, spec, "`dataset_fn`")
    check_negative_rate(model.loss, negative_rate_of(dataset))
    with strategy.scope(), lost_workers_reported():  # In this order: it reads the scope.
        steps = _steps(dataset)
        model.optimizer.build(model.trainable_variables)
        callback_list = keras.callbacks.CallbackList(
            callbacks,
            add_history=True,
            add_progbar=verbose != 0 and index == 0,
            verbose=verbose if index == 0 else 0,
            epochs=epochs,
            steps=steps,
            model=model,
        )
        _train(model, dataset, strategy, steps, range(initial_epoch, epochs), callback_list)
    return model.history


def check_model(model, strategy) -> None:
    """Raises a `ValueError` if a model cannot be trained by all workers together."""
    if not model.compiled:
        raise ValueError(
            "`model` must be compiled: call `model.compile(...)` in `strategy.scope()`. "
            f"Received: {model!r}."
        )
    if not model.built:
        raise ValueError(
            "`model` must be built, so that all workers start with the same weights: begin it with "
            f"`keras.Input`, or call `model.build(...)`. Received: {model!r}."
        )
    check_created_in_scope(
        model.variables,
        strategy,
        "`model` must be built in `strategy.scope()`, so that workers share its weights.",
    )


def check_created_in_scope(variables, strategy, required: str) -> None:
    """Raises a `ValueError` with the text `required` if a variable is not of the strategy."""
    for variable in variables:
        if not strategy.extended.variable_created_in_scope(variable.value):
            raise ValueError(
                f"{required} Received: {variable.path!r}, which was created outside of it."
            )


def _train(model, dataset, strategy, steps: int, epochs: range, callbacks) -> None:
    """Trains as Keras' `fit` does."""
    model.stop_training = False
    if model.train_function is None:  # Keras drops it where the model is compiled again.
        model.train_function = _step_function(model, strategy)
    logs: dict = {}
    callbacks.on_train_begin()
    for epoch in epochs:
        model.reset_metrics()
        callbacks.on_epoch_begin(epoch)
        iterator = iter(dataset)
        for step in range(steps):
            callbacks.on_train_batch_begin(step)
            callbacks.on_train_batch_end(step, model.train_function(iterator))
            if model.stop_training:
                break
        logs = dict(model.get_metrics_result())  # Of all workers.
        callbacks.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    model.optimizer.finalize_variable_values(model.trainable_variables)
    callbacks.on_train_end(logs)


def _step_function(model, strategy):
    """Returns the function from an iterator to the logs of a step."""
    import tensorflow as tf

    def step(iterator):
        return strategy.run(lambda: model.train_step(next(iterator)))

    return tf.function(step, reduce_retracing=True)


def _steps(dataset) -> int:
    """Returns the number of steps of an epoch: the smallest of all workers."""
    steps = int(dataset.cardinality())
    all_steps = [int(each) for each in gather_from_workers(str(steps).encode())]
    if min(all_steps) < 1:
        raise ValueError(
            "The dataset of each worker must have a known length, at least one batch. "
            f"Received: lengths {all_steps}, where -1 is infinite and -2 unknown."
        )
    return min(all_steps)


@contextlib.contextmanager
def lost_workers_reported():
    """Context manager that turns the errors of TensorFlow about other workers into a clear one.

    Raises:
        ConnectionError: If another worker has ended or failed.

    Example:

    ```python
    with kd.distributed.lost_workers_reported():
        kd.distributed.is_chief()  # Here: a training loop of your own.
    ```
    """
    import tensorflow as tf

    lost = (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
    )
    try:
        yield
    except lost as error:
        if worker_of()[1] == 1:
            raise
        text = str(error).strip().splitlines()
        raise ConnectionError(
            "All workers must run until the end. Received: another worker has ended or failed. "
            f"Start all workers again. TensorFlow: {text[0] if text else error!r}"
        ) from error
