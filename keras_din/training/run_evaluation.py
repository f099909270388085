"""`RunEvaluation`: the evaluation of a run on validation, over several calls of `fit`."""

import pathlib

from keras_din.evaluation import Evaluation
from keras_din.monitor import Best
from keras_din.training.progress import Progress, restore_best


class RunEvaluation(Evaluation):
    """An `Evaluation` with one history for all calls of `fit` of a run, also after resuming.

    Args:
        dataset: The part `"valid"`.
        folder: The folder of the run.
        progress: The progress of the run so far.
        **kwargs: See `Evaluation`. `before_training` is not an argument.
    """

    def __init__(self, dataset, folder: pathlib.Path, progress: Progress, **kwargs):
        self._run_state = None
        super().__init__(dataset, **kwargs)
        restore_best(folder, progress, self._best)
        self._run_state = list(progress.rows), self._best
        self._loss_of_checkpoint = progress.running_loss
        self._reset()

    def _reset(self):
        super()._reset()
        if self._run_state is not None:
            self.history, self._best = self._run_state
        self.before_training = not self.history

    @property
    def best_so_far(self) -> Best:
        """The best evaluation of the run."""
        return self._best

    def is_over(self, epochs: int, patience: int) -> bool:
        """Returns whether `patience` epochs have passed since the best evaluation.

        The evaluation before training never counts as the best.
        """
        return epochs - (self.best_epoch or 1) >= patience

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        if self._loss_of_checkpoint is not None:  # Keras has just reset its mean loss.
            self.set_running_loss(self._loss_of_checkpoint)
            self._loss_of_checkpoint = None
