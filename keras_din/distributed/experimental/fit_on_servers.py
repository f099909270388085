"""`fit_on_servers`: training whose variables lie on parameter servers."""

import contextlib
import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import keras

from keras_din.checks import epoch_or_steps, local_path, positive_integer, positive_number
from keras_din.ctr_model import check_negative_rate
from keras_din.distributed.experimental.backup import Backup, Position
from keras_din.distributed.experimental.remote_steps import RemoteSteps
from keras_din.distributed.experimental.server_marks import ServerMarks
from keras_din.distributed.fit import check_created_in_scope, check_model
from keras_din.spec_fingerprint import check_fingerprint

__all__ = ["fit_on_servers"]


def fit_on_servers(
    model: keras.Model,
    batches: Any,
    strategy: Any,
    epochs: int = 1,
    callbacks: keras.callbacks.Callback | Sequence[keras.callbacks.Callback] | None = None,
    *,
    steps_in_flight: int | None = None,
    backup_dir: str | os.PathLike | None = None,
    save_freq: int | str = "epoch",
    timeout: float = 120.0,
    verbose: int | str = "auto",
) -> keras.callbacks.History:
    """Trains a model whose tables lie on parameter servers. Experimental: this may change.

    The coordinator, which calls this function, chooses the rows of each batch. A free worker reads
    these rows, gets the weights that it needs, and computes the gradient. The servers update their
    variables. Of a table only the rows of the batch are sent, with the optimizers of
    `keras_din.optimizers`.

    With `steps_in_flight=1` the weights are those of `model.fit` with the same batches, up to
    rounding. Otherwise steps overlap: a gradient may belong to weights that are a few steps old,
    and two runs differ. The step of the optimizer, on which learning rate schedules depend, still
    counts each step once.

    If a worker ends, its step is repeated, and sometimes all steps that are computed at this time.
    The update of such a step may then have been applied once more or in part. The other workers go
    on. A worker that is started again joins them as soon as no other worker is missing. If a server
    or the coordinator ends, training ends. Start the servers again, and call this function again
    with the same `backup_dir`: it continues from the last checkpoint.

    Callbacks run on the coordinator. Logs have the loss, but no metrics. Save the model and load it
    outside of `strategy.scope()` to evaluate or export it: this copies all tables into the memory
    of one process. So does each checkpoint, one variable after another.

    Args:
        model: A compiled model, which was built and compiled in `strategy.scope()`.
        batches: The `PreparedData.remote_batches("train", ...)`.
        strategy: The strategy of `connect_to_servers`.
        epochs: Number of the last epoch.
        callbacks: A callback of Keras, or a list of callbacks.
        steps_in_flight: Number of steps that may be computed at the same time. Defaults to two per
            worker.
        backup_dir: A folder for checkpoints of the coordinator. If it has one, training continues
            from it.
        save_freq: `"epoch"`, or the number of steps after which a checkpoint is written.
        timeout: Seconds within which a step must finish, also if workers are started again.
        verbose: See `keras.Model.fit`.

    Returns:
        The `History` of the losses per epoch.

    Raises:
        ValueError: If an argument is invalid, the model is not compiled, not built or was built
            outside of `strategy.scope()`, its optimizer has an unsupported option, its spec or
            `negative_rate` differs from the data, or the checkpoint is of other batches.
        ConnectionError: If a server ends or is started again, or workers and servers do not reach
            each other.
        FileNotFoundError: If a worker does not see the files of the data.
        TimeoutError: If a step does not finish in time, for example because all workers have ended.

    Example:

    ```python
    # strategy = kd.distributed.experimental.connect_to_servers()  # The cluster of TF_CONFIG
    # data = kd.data.PreparedData.load("data")
    # with strategy.scope():
    #     model = kd.build_din(data.spec)
    #     model.compile(kd.optimizers.LazyAdam(1e-3), kd.losses.BinaryCrossentropy())
    # batches = data.remote_batches("train", 1024, shuffle=True)
    # kd.distributed.experimental.fit_on_servers(model, batches, strategy, backup_dir="backup")
    ```
    """
    import tensorflow as tf

    epochs = positive_integer("epochs", epochs)
    save_freq = epoch_or_steps("save_freq", save_freq)
    timeout = positive_number("timeout", timeout)
    folder = None if backup_dir is None else local_path("backup_dir", backup_dir)
    if not isinstance(strategy, tf.distribute.ParameterServerStrategy):
        raise ValueError(
            "`strategy` must be that of `connect_to_servers`. For one process use `model.fit`, for "
            f"several workers without servers `keras_din.distributed.fit`. Received: {strategy!r}."
        )
    if not callable(getattr(batches, "rows_of", None)):
        raise ValueError(
            '`batches` must be `data.remote_batches("train", ...)`: workers cannot read a '
            f"`tf.data.Dataset` of the coordinator. Received: {type(batches).__name__}."
        )
    devices = tf.config.list_logical_devices("CPU")  # Each worker has one.
    in_flight = 2 * sum("/job:worker/" in device.name for device in devices)
    if steps_in_flight is not None:
        in_flight = positive_integer("steps_in_flight", steps_in_flight)
    check_model(model, strategy)
    check_fingerprint(model, batches.spec, "`batches`")
    check_negative_rate(model.loss, batches.negative_rate)
    _check_optimizer(model.optimizer, strategy)
    servers = ServerMarks()
    with servers.checked():
        with strategy.scope():
            model.optimizer.build(model.trainable_variables)
        backup = Backup(folder, batches.settings())
        position = backup.load(model)
        callback_list = keras.callbacks.CallbackList(
            callbacks,
            add_history=True,
            add_progbar=verbose != 0,
            verbose=verbose,
            epochs=epochs,
            steps=batches.steps,
            model=model,
        )
        model.stop_training = False
        if position.epoch >= epochs:
            callback_list.on_train_begin()
            callback_list.on_train_end()
            return model.history
        with _counted_by_servers(model.optimizer.iterations):
            coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
            function = _step(model, batches, strategy)
            steps = RemoteSteps(coordinator, servers, function, batches.columns, timeout)
            try:
                _Training(model, batches, steps, in_flight, backup, save_freq, callback_list).run(
                    position, epochs
                )
            finally:
                steps.close()
    return model.history


class _Training:
    """The loop of the coordinator."""

    def __init__(self, model, batches, steps, in_flight, backup, save_freq, callbacks):
        self.model, self.batches, self.steps = model, batches, steps
        self.in_flight, self.backup, self.save_freq = in_flight, backup, save_freq
        self.callbacks = callbacks
        self.finished = int(model.optimizer.iterations)
        self.position = Position()

    def run(self, position: Position, epochs: int) -> None:
        self.position = position
        logs: dict = {}
        self.callbacks.on_train_begin()
        while position.epoch < epochs and not self.model.stop_training:
            self.callbacks.on_epoch_begin(position.epoch)
            self._run_epoch()
            logs = {"loss": position.loss / max(position.rows, 1)}
            epoch = position.epoch
            position.epoch, position.step, position.loss, position.rows = epoch + 1, 0, 0.0, 0
            self.callbacks.on_epoch_end(epoch, logs)
            self._save()
        self.callbacks.on_train_end(logs)

    def _run_epoch(self) -> None:
        epoch = self.position.epoch
        for step in range(self.position.step, self.batches.steps):
            rows = self.batches.rows_of(epoch, step)
            self.callbacks.on_train_batch_begin(step)
            self.steps.schedule(rows, len(rows))
            self._finish_until(self.in_flight - 1)
            if self.save_freq != "epoch" and (step + 1) % self.save_freq == 0:
                self._finish_until(0)
                if step + 1 < self.batches.steps:  # Else the end of the epoch saves.
                    self._save()
            if self.model.stop_training:
                break
        self._finish_until(0)

    def _finish_until(self, running: int) -> None:
        """Waits until only so many steps are running."""
        while len(self.steps) > running:
            loss, rows = self.steps.finish()
            step = self.position.step
            self.finished += 1
            self.position.step += 1
            self.position.loss += loss * rows
            self.position.rows += rows
            self.callbacks.on_train_batch_end(step, {"loss": loss})

    def _save(self) -> None:
        # A repeated step may have been counted twice.
        self.model.optimizer.iterations.assign(self.finished)
        self.backup.save(self.model, dataclasses.replace(self.position))


def _step(model, batches, strategy):
    """Returns the function of a step, which a worker runs: from row numbers to the loss."""
    import tensorflow as tf

    def train(x, y, sample_weight=None):
        with tf.GradientTape() as tape:
            y_pred = model(x, training=True)
            loss = model.compute_loss(
                x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=True
            )
        variables = model.trainable_variables
        model.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    def step(iterator, rows):
        batch = batches.batch(next(iterator), rows)
        return strategy.run(train, args=batch)

    return tf.function(step, reduce_retracing=True)


@contextlib.contextmanager
def _counted_by_servers(iterations):
    """Context manager in which no step is lost from the count of an optimizer.

    Keras reads the count, adds 1 and writes it, so that of two workers at the same time one is
    lost. Here the server adds, in one operation.
    """
    iterations.assign_add = lambda value: iterations.value.assign_add(
        keras.ops.cast(value, iterations.dtype)
    )
    try:
        yield
    finally:
        del iterations.assign_add


def _check_optimizer(optimizer, strategy) -> None:
    """Raises a `ValueError` if workers cannot update variables with an optimizer."""
    check_created_in_scope(
        optimizer.variables,
        strategy,
        "`model` must be compiled in `strategy.scope()`, with an optimizer that was created there.",
    )
    if hasattr(optimizer, "inner_optimizer"):
        raise ValueError(
            "The optimizer must not scale the loss on servers: use float32 or `mixed_bfloat16`. "
            f"Received: {type(optimizer).__name__}."
        )
    for option in ("use_ema", "gradient_accumulation_steps"):
        value = getattr(optimizer, option, None)
        if value:
            raise ValueError(
                f"`{option}` of the optimizer is not supported on servers. "
                f"Received: {option}={value!r}."
            )
