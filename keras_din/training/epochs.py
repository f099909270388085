"""Training with one call of `fit` per epoch, so that a run can resume between epochs."""

import time
from collections.abc import Sequence

import keras

from keras_din.distributed import fit
from keras_din.evaluation.weight_averages import averaged_weights, averages_weights
from keras_din.training.progress import Progress, write_checkpoint
from keras_din.training.run_evaluation import RunEvaluation
from keras_din.training.run_folder import BEST, save_model, write_metrics
from keras_din.workers import is_chief


def fit_epochs(
    model: keras.Model,
    dataset,
    evaluation: RunEvaluation | None,
    folder,
    arguments: dict,
    progress: Progress,
    callbacks: Sequence,
    verbose,
) -> None:
    """Trains from `progress` until the last epoch or until validation does not improve.

    Args:
        model: The model of a new run or of the checkpoint.
        dataset: The training part; of several workers, the part of this worker. Its first iteration
            must be the epoch `progress.epochs`. It is iterated once per epoch.
        evaluation: The evaluation on validation, or `None`.
        folder: The folder of the run.
        arguments: The arguments of the run.
        progress: The progress of the run, which is updated.
        callbacks: Further callbacks, which follow the evaluation.
        verbose: See `train`.
    """
    recorder = _Recorder(folder, progress, evaluation)
    own = [recorder] if evaluation is None else [evaluation, recorder]
    if verbose == 2 and evaluation is not None:
        verbose = 0  # The evaluation prints its lines.
    while progress.epochs < arguments["epochs"]:
        if evaluation is not None and evaluation.is_over(progress.epochs, arguments["patience"]):
            break
        rest = dataset.skip(progress.steps) if progress.steps else dataset
        fit(
            model,
            _batches(rest),
            initial_epoch=progress.epochs,
            epochs=arguments["epochs"],  # For the progress bar. `recorder` stops after one epoch.
            callbacks=[*own, *callbacks],
            verbose=verbose,
        )


def _batches(dataset):
    return lambda shard: dataset


class _Recorder(keras.callbacks.Callback):
    """Writes the files of a run during one epoch, and stops training after it.

    Of several workers only the chief writes.

    In the list of callbacks it must follow the evaluation, to save the evaluated weights.
    """

    def __init__(self, folder, progress: Progress, evaluation: RunEvaluation | None):
        super().__init__()
        self.folder = folder
        self.progress = progress
        self.evaluation = evaluation
        self.recorded = len(progress.rows)
        self.first_step = 0  # The first step of this `fit` in its epoch.
        self.trained_weights = None
        # The first call of `fit` also evaluates before training, in a callback before this one.
        self.since = time.monotonic()

    def on_train_begin(self, logs=None):
        self.first_step = self.progress.steps
        self._record()

    def on_train_batch_begin(self, batch, logs=None):
        if self._record() and batch:
            self.progress.steps = self.first_step + batch
            self.progress.running_loss = self.evaluation.running_loss()
            self._write_checkpoint()

    def on_epoch_end(self, epoch, logs=None):
        self._record()
        if self.evaluation is None:
            self._save_best()
        self.progress.epochs, self.progress.steps = epoch + 1, 0
        self.progress.running_loss = None
        self._write_checkpoint()
        if averages_weights(self.model.optimizer):
            variables = self.model.trainable_variables
            self.trained_weights = [keras.ops.convert_to_numpy(each) for each in variables]
        self.model.stop_training = True

    def on_train_end(self, logs=None):
        # Keras has just replaced the weights by their averages. The next epoch needs the weights.
        if self.trained_weights is not None:
            for variable, value in zip(
                self.model.trainable_variables, self.trained_weights, strict=True
            ):
                variable.assign(value)
            self.trained_weights = None

    def _record(self) -> bool:
        """Writes a new evaluation to disk. Returns whether there was a new one."""
        if self.evaluation is None or len(self.evaluation.history) == self.recorded:
            return False
        rows = self.evaluation.history
        self.recorded = len(rows)
        if len(rows) == 1 or rows[-1]["step"] == self.evaluation.best_step:
            self._save_best()
        if is_chief():
            write_metrics(self.folder, rows)
        return True

    def _save_best(self):
        with averaged_weights(self.model):
            save_model(self.model, self.folder / BEST)

    def _write_checkpoint(self):
        best = None
        if self.evaluation is not None:
            self.progress.rows, best = self.evaluation.history, self.evaluation.best_so_far
        now = time.monotonic()
        self.progress.seconds += now - self.since
        self.since = now
        write_checkpoint(self.folder, self.model, self.progress, best)
