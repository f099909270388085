"""`predict`: the predictions and labels of a dataset without padding."""

from typing import Any, NamedTuple

import keras
import numpy as np

from keras_din.dataset_facts import spec_of
from keras_din.evaluation.gathered_batches import gather_batches
from keras_din.evaluation.metrics_of_workers import each_has_its_own
from keras_din.evaluation.traces import trace_model
from keras_din.workers import worker_of


class Predictions(NamedTuple):
    """Predictions and labels of the real candidates of a dataset, in its order.

    Attributes:
        predictions: float32 `(candidates,)`. For a model with several outputs a dict, name of the
            output -> array.
        labels: The labels, in the same form as `predictions`. A label that is missing, of weight 0
            in a dict of weights, is NaN.
        sizes: int64 `(rows,)`, the number of real candidates per row. `np.repeat(values, sizes)`
            repeats one value per row for its candidates.

    Example:

    ```python
    from keras_din.evaluation import predict

    data = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
    test = data.dataset("test", 64)
    result = predict(kd.build_lr(data.spec), test)
    users = np.repeat(test.groups, result.sizes)  # The user of each prediction.
    ```
    """

    predictions: np.ndarray | dict
    labels: np.ndarray | dict
    sizes: np.ndarray


def predict(model: keras.Model, dataset: Any) -> Predictions:
    """Predicts a dataset, and returns predictions and labels without padding.

    Batches may have histories of different lengths and different numbers of candidates. On the
    TensorFlow backend a model is traced once per `element_spec` of `x`, for all calls of `predict`,
    `evaluate` and `Evaluation`. The last 8 traces are kept. `compile` deletes them.

    Of several workers, each returns the predictions of the whole dataset, which must be the same
    on all of them. With data of `load_shards(folder, index, count)` each returns its own.

    If the dataset has a `Position`, these are the outputs at the positions of its rows. For those
    without a position, see `keras_din.without_position`.

    Args:
        model: Any Keras model whose output is `(batch, candidates)`, or `(batch,)` if the labels
            have this shape too, or a dict of such outputs.
        dataset: A finite `tf.data.Dataset` of batches `(x, y)` or `(x, y, sample_weight)`. `y` is
            `(batch, candidates)` or `(batch,)`, or a dict of such labels by the names of the
            outputs. A candidate with weight 0 is padding. Other weights have no effect. With a dict
            of weights by the names of the outputs, the label of an output of weight 0 is missing,
            and a candidate is padding if all of its weights are 0.

    Returns:
        `Predictions`.

    Raises:
        ValueError: If the elements or the model's outputs have another form, or if the spec of
            `dataset` differs from the spec of the model.

    Example:

    ```python
    from keras_din.evaluation import predict

    data = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
    model = kd.build_lr(data.spec)
    predictions, labels, sizes = predict(model, data.dataset("test", 64))
    ```
    """
    return collect(trace_model(model, dataset), dataset)


def collect(forward, dataset) -> Predictions:
    """Returns the predictions and labels of all batches without padding.

    In the scope of a strategy of several workers, each of them predicts a part of the batches, and
    all of them get all predictions. So they must call it together. If each worker has rows of its
    own, see `each_has_its_own`, it predicts and gets these.
    """
    spec = spec_of(dataset)
    factors = set() if spec is None else spec.factors.keys()  # They have no labels.
    index, count = (0, 1) if each_has_its_own(dataset) else worker_of()
    batches = _batches(forward, dataset.shard(count, index) if count > 1 else dataset, factors)
    if count > 1:
        batches = gather_batches(batches)
    if not batches:
        raise ValueError("`dataset` must have at least one batch. Received: an empty dataset.")
    of_models, of_dataset, sizes = zip(*batches, strict=True)
    return Predictions(_concatenate(of_models), _concatenate(of_dataset), np.concatenate(sizes))


def _batches(forward, dataset, factors) -> list:
    """Returns `(predictions, labels, sizes)` of each batch."""
    batches = []
    for x, y, *weight in dataset:
        predictions, labels = _matrices("The model's output", forward(x)), _matrices("`y`", y)
        if predictions.keys() - factors != labels.keys():
            raise ValueError(
                "`y` must contain the labels of each output of the model. "
                f"Received: {_describe(predictions)} and {_describe(labels)}."
            )
        for name, matrix in predictions.items():
            if name in labels and matrix.shape != labels[name].shape:
                raise ValueError(
                    "The model's output and `y` must have the same shape. "
                    f"Received: {matrix.shape} and {labels[name].shape}."
                )
        real = real_candidates(y, *weight)
        if weight and isinstance(weight[0], dict):
            weights = _matrices("`sample_weight`", weight[0])
            labels = {n: np.where(weights[n] != 0, y, np.nan) for n, y in labels.items()}
        predictions = {name: matrix[real] for name, matrix in predictions.items()}
        labels = {name: matrix[real] for name, matrix in labels.items()}
        batches.append((predictions, labels, real.sum(axis=1)))
    return batches


def real_candidates(y, sample_weight=None) -> np.ndarray:
    """Returns where the candidates of a batch are real: bool `(batch, candidates)`.

    Args:
        y: The labels of a batch, see `predict`.
        sample_weight: Its weights, or `None`.
    """
    real = np.ones(next(iter(_matrices("`y`", y).values())).shape, bool)
    if sample_weight is None:
        return real
    weights = _matrices("`sample_weight`", sample_weight)
    return real & np.any([each != 0 for each in weights.values()], axis=0)


def _concatenate(batches):
    """Concatenates dicts of arrays, one per batch. Returns the array of a single output."""
    arrays = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    return arrays.get(None, arrays)


def _matrices(owner, values) -> dict:
    """Returns a dict, name of the output -> `_matrix`. The name of a single output is `None`."""
    values = values if isinstance(values, dict) else {None: values}
    return {name: _matrix(owner, value) for name, value in values.items()}


def _describe(by_name) -> str:
    return "one tensor" if None in by_name else f"a dict of {list(by_name)}"


def _matrix(owner, values):
    """Converts a tensor `(batch, candidates)` or `(batch,)` to float32 `(batch, candidates)`."""
    if isinstance(values, (dict, list, tuple)) or len(values.shape) not in (1, 2):
        raise ValueError(
            f"{owner} must be one tensor (batch, candidates) or (batch,). Received: {values}."
        )
    values = np.asarray(values, "float32")
    return values[:, None] if values.ndim == 1 else values
