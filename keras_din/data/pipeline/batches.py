"""The pipeline: builds a `tf.data.Dataset` of whole batches from samples and behavior logs."""

import numpy as np
import tensorflow as tf

from keras_din.checks import positive_integer
from keras_din.data.pipeline.plan import plan_batches
from keras_din.data.pipeline.tensors import column_tensor
from keras_din.data.pipeline.user_order import index_type
from keras_din.data.store.arrays import first_where
from keras_din.data.store.bags import Bags
from keras_din.data.store.consistency import count_missing, missing_labels
from keras_din.data.store.samples import Samples
from keras_din.dataset_facts import GROUP, record_in_graph
from keras_din.features import TIME, FeatureSpec, Vector
from keras_din.time_index import graph_in_units, graph_indices

__all__ = ["dataset"]


def dataset(
    spec: FeatureSpec,
    behaviors: dict,
    samples: Samples,
    batch_size: int = 1024,
    *,
    shuffle: bool = False,
    seed: int = 0,
    by_request: bool = False,
    batch_by: str | None = None,
    first_epoch: int = 0,
    drop_remainder: bool = False,
    shard: tuple[int, int] = (0, 1),
    pad_to_max_length: bool = False,
) -> tf.data.Dataset:
    """Creates batches for a model of `spec`.

    Histories are gathered from the logs for a whole batch at once. The width of a batch is the
    length of its longest history, at most `max_length` of the sequence. Of a longer history the
    most recent behaviors are kept. The width of bags is the length of the longest bag, at most
    `max_values`. Of a longer bag the first values are kept. Padding is 0 and comes last. If all
    histories or bags are empty, the width is 0. An `Elapsed` or `Calendar` is computed from the
    times of the samples and logs.

    Args:
        spec: The features.
        behaviors: Sequence name -> `BehaviorLog`.
        samples: The `Samples`.
        batch_size: Rows per batch; with `by_request`, requests per batch.
        shuffle: Whether each epoch has its own order, which depends only on `(seed, epoch)`. Every
            iterator that is read counts as an epoch. (Under a `tf.distribute` strategy, `fit` of a
            Keras model that is no `CTRModel` reads one before the first epoch.)
        seed: Seed of the orders.
        by_request: Whether a row is a request with all its candidates.
        batch_by: `"user"` for losses that rank the rows of one user, such as
            `keras_din.losses.PairwiseLogistic`. All rows of a user (of a `group` of the samples)
            are then adjacent, in the order of the samples; `shuffle` shuffles users. Batches keep
            their size, so the rows of a user are cut where a batch ends. `x` has one more entry,
            `"_group"`, which models do not read.
        first_epoch: Number of the first epoch. To continue training after epoch `e`, pass
            `first_epoch=e`. The rows then come in the same order as in uninterrupted training.
        drop_remainder: Whether to drop a last batch that is not full.
        shard: `(index, count)` for the part `index`, from 0, of each batch: `count` workers with
            the same data, `batch_size` and `seed` together read exactly the batches of one
            machine, also in a shuffled epoch. All have the same number of batches. The rows of a
            batch that are not a multiple of `count` are spread over the workers, so batches differ
            by at most one row, and a worker's part of a small last batch may be empty. With
            `batch_by`, the rows of a user are also cut where a part ends.
        pad_to_max_length: Whether histories have the width `max_length`, and bags the width
            `max_values`, in each batch. The JAX backend compiles a step for each width, so without
            this, and `drop_remainder`, it compiles again and again. TensorFlow does not need it.

    Returns:
        A `tf.data.Dataset` of `(x, y)`. `x` is a dict by the spec's input names: context
        `(batch,)`, target `(batch, candidates)`, behaviors `(batch, time)`, int32 or float32. A
        `Bag` has one more axis, `values`, at the end, and its weights have its shape, float32. A
        `Vector` without `of` has one more axis of its `size`, float32, with zeros if it is missing.
        `y` is float32 `(batch, candidates)`, or a dict of such tensors by output name if the spec
        has several labels. There is 1 candidate per row, or with `by_request` all candidates of the
        request. Requests of unequal size are padded with 0. If `samples` have weights or there is
        such padding, elements are `(x, y, sample_weight)`, with float32 weights
        `(batch, candidates)` that are 0 on padding. If a label is missing (NaN) in a row of
        `samples`, there is a dict of weights by output name in all batches; the weight of a
        missing label is 0, and so is its `y`. With `batch_by`, `x["_group"]` is int32
        `(batch,)`: rows of one user have the same number in a batch.

        The dataset has four attributes. `groups` is the group of each row, int64 `(rows,)`, or
        `None` if shuffled. `spec` is the spec, which models compare with their own. `batch_part` is
        the argument `shard`. `values_missing` is name of a numeric input -> how many numbers are
        missing (NaN or infinite); they are replaced with the feature's mean, and missing vectors
        with zeros.
        Transformations such as `take` and `prefetch` return a dataset without these attributes.
        Then `fit`, `keras_din.evaluate` and `keras_din.Evaluation` find the spec in the original
        dataset, and raise an error if groups are needed but not given. `keras_din.dataset_facts`
        describes where they search, and which datasets need the attributes `spec` and
        `negative_rate` of their own.

    Raises:
        ValueError: If samples, logs and spec are inconsistent, or an argument is invalid.

    Example:

    ```python
    item = kd.Categorical("item_id", 100, dim=4)
    spec = kd.FeatureSpec(target=[item], sequences=[kd.Sequence("hist", of=[item], max_length=2)])
    log = kd.data.BehaviorLog([0, 3], {"item_id": np.array([5, 7, 8])})
    samples = kd.data.Samples({"item_id": np.array([9])}, {"hist": ([0], [3])}, [1], [0])
    batches = kd.data.dataset(spec, {"hist": log}, samples, batch_size=1)
    x, y = next(iter(batches))
    x["hist_item_id"]  # [[7, 8]]: the two most recent behaviors
    ```
    """
    batch_size = positive_integer("batch_size", batch_size)
    seed = positive_integer("seed", seed, minimum=0)
    first_epoch = positive_integer("first_epoch", first_epoch, minimum=0)
    index, count = checked_shard(shard, batch_size)
    plan = plan_batches(spec, behaviors, samples, batch_size, by_request, batch_by, drop_remainder)
    rows, batches, firsts, users = plan.rows, plan.batches, plan.firsts, plan.users
    has_groups = batch_by is not None
    element = batch_element(
        spec, behaviors, samples, plan.columns, plan.bounds, has_groups, pad_to_max_length
    )
    starts = tf.data.Dataset.range(0, batches * batch_size, batch_size)

    def bounds_of_part(start):
        """Returns the first and the last position of this worker in the batch from `start`."""
        size = tf.minimum(start + batch_size, rows) - start
        return start + size * index // count, start + size * (index + 1) // count

    if shuffle:
        # One Python call per epoch. The order is a permutation of all rows, without a buffer.
        def orders():
            nonlocal first_epoch
            epoch, first_epoch = first_epoch, first_epoch + 1
            yield plan.order(seed, epoch)

        order = tf.data.Dataset.from_generator(
            orders, output_signature=tf.TensorSpec((rows,), index_type(rows))
        )
        batched = order.flat_map(
            lambda order: starts.map(lambda start: _slice(order, *bounds_of_part(start)))
        ).apply(tf.data.experimental.assert_cardinality(batches))
    elif users is not None and users.rows is not None:
        by_user = column_tensor(users.rows)
        batched = starts.map(lambda start: _slice(by_user, *bounds_of_part(start)))
    else:
        batched = starts.map(lambda start: tf.range(*bounds_of_part(start)))
    result = batched.map(element, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    options = tf.data.Options()
    # With these optimizations, tf.data would copy all columns into a graph for each iterator.
    options.experimental_optimization.apply_default_optimizations = False
    # An iterator with autotuning is destroyed only when its tuner wakes up. This delays the end of
    # each `fit`, `evaluate` and `predict` by as long as the iterator was read, up to a minute.
    options.autotune.enabled = False
    result = result.with_options(options)
    result.spec, result.groups, result.batch_part = spec, None, (index, count)
    result.values_missing = count_missing(spec, plan.columns)
    if not shuffle:
        groups = samples.group[firsts]
        if users is not None and users.rows is not None:
            groups = groups[users.rows]
        groups = groups[: batches * batch_size]
        result.groups = groups if count == 1 else _part(groups, batch_size, index, count)
    if not tf.executing_eagerly():
        record_in_graph(result, tf.compat.v1.get_default_graph())
    return result


def with_weights(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Returns batches `(x, y, sample_weight)`, with weights 1 where there are none.

    Workers with rows of their own need batches of one structure, also if only some of them have
    missing labels or requests of unequal size.
    """

    def element(x, y, weight=None):
        if isinstance(weight, dict):
            return x, y, weight
        if isinstance(y, dict):
            given = 1.0 if weight is None else weight
            return x, y, {output: tf.ones_like(labels) * given for output, labels in y.items()}
        return x, y, tf.ones_like(y) if weight is None else weight

    result = batches.map(element)
    for name in ("spec", "groups", "batch_part", "values_missing"):
        setattr(result, name, getattr(batches, name))
    return result


def checked_shard(shard, batch_size: int) -> tuple[int, int]:
    """Returns `(index, count)`, or raises a `ValueError`."""
    integers = isinstance(shard, (tuple, list)) and len(shard) == 2
    integers = integers and all(isinstance(each, (int, np.integer)) for each in shard)
    if not integers or isinstance(shard[0], bool) or not 0 <= shard[0] < shard[1] <= batch_size:
        raise ValueError(
            "`shard` must be `(index, count)` with an index from 0 to `count - 1`, and a count of "
            f"at most `batch_size={batch_size}`. Received: shard={shard!r}."
        )
    return int(shard[0]), int(shard[1])


def _slice(order, start, end):
    return tf.cast(order[start:end], tf.int64)


def _part(groups, batch_size: int, index: int, count: int) -> np.ndarray:
    """Returns the groups of the rows of one worker."""
    parts = []
    for start in range(0, len(groups), batch_size):
        batch = groups[start : start + batch_size]
        parts.append(batch[len(batch) * index // count : len(batch) * (index + 1) // count])
    return np.concatenate(parts)


def batch_element(
    spec,
    behaviors,
    samples,
    columns,
    bounds,
    has_groups: bool,
    is_padded: bool = False,
    to_tensor=column_tensor,
):
    """Returns the function from the row numbers of a batch to its element.

    Args:
        spec: The features.
        behaviors: Sequence name -> `BehaviorLog`.
        samples: The `Samples`.
        columns: The columns of `check_samples`.
        bounds: The first row of each request, or `None` if a row is no request.
        has_groups: Whether `x` has the group of each row.
        is_padded: Whether histories and bags have their largest width.
        to_tensor: Function from a column to its tensor. It is called for each column, always in the
            same order.
    """
    read_of = lambda column: _read_column(column, to_tensor)  # noqa: E731
    read_group = read_of(samples.group) if has_groups else None
    # The features of a sequence share the column of times, which is read once per batch.
    read_times = {
        sequence.name: read_of(behaviors[sequence.name].time)
        for sequence in spec.sequences
        if any(feature.from_times for feature in sequence.features)
    }
    read_time = read_of(samples.time) if TIME in spec.time_inputs else None
    reads = {}
    for name, column in columns.items():
        feature = spec.inputs[name].feature
        if isinstance(column, Bags):
            reads[name] = _read_bags(column, feature.max_values, is_padded, to_tensor)
        elif not feature.from_times:
            reads[name] = read_of(column)
    read_labels = {label.output: read_of(samples.labels[label.name]) for label in spec.labels}
    read_weight = None if samples.weight is None else read_of(samples.weight)
    has_missing = bool(missing_labels(spec, samples))
    slices = {
        sequence.name: [to_tensor(each) for each in samples.history[sequence.name]]
        for sequence in spec.sequences
    }
    if bounds is not None:
        size = bounds[1]
        unequal = lambda part: bounds[1:][part] - bounds[:-1][part] != size  # noqa: E731
        equal = first_where(len(bounds) - 1, unequal) is None
        bounds = to_tensor(bounds)

    def candidates(first, last):
        if bounds is None:
            return first[:, None]
        if equal:
            return first[:, None] + tf.range(size, dtype=tf.int64)
        return tf.ragged.range(first, last)

    def history(sequence, rows):
        start, end = (tf.gather(each, rows) for each in slices[sequence.name])
        return tf.ragged.range(tf.maximum(start, end - sequence.max_length), end)

    def look_up(read, rows, width=None):
        """Reads a column at rows, or at ragged rows with 0 as padding, `width` or the longest."""
        if isinstance(rows, tf.RaggedTensor):
            values = read(rows.values)
            return rows.with_values(values).to_tensor(shape=[None, width, *values.shape[1:]])
        return read(rows)

    def look_up_index(info, rows, first, behavior_times, width):
        """Computes the indices of a feature from times, at `rows` of the samples `first`."""
        unit, sequence = info.feature.time_unit, info.sequence

        def read(places):
            request = 0
            if info.feature.reads_request:
                request = tf.gather(graph_in_units(read_time(first), unit), _row_ids(rows))
            at = read_time(places) if sequence is None else behavior_times[sequence.name]
            return graph_indices(info.feature, graph_in_units(at, unit), request)

        return look_up(read, rows, width)

    def element(rows):
        first, last = rows, rows + 1
        if bounds is not None:
            first, last = tf.gather(bounds, first), tf.gather(bounds, last)
        candidate_rows = candidates(first, last)
        positions = {sequence.name: history(sequence, first) for sequence in spec.sequences}
        behavior_times = {n: read(positions[n].values) for n, read in read_times.items()}
        x = {}
        for name, info in spec.inputs.items():
            width = None
            if info.role == "behavior":
                places = positions[info.sequence.name]
                width = info.sequence.max_length if is_padded else None
            else:
                places = first if info.role == "context" else candidate_rows
            if info.feature.from_times:
                x[name] = look_up_index(info, places, first, behavior_times, width)
            else:
                x[name] = look_up(reads[name], places, width)
            if info.feature.is_numeric:
                x[name] = _replace_missing(info.feature, tf.cast(x[name], tf.float32))
        if read_group:
            x[GROUP] = _number_groups(read_group(first))
        labels = {output: look_up(read, candidate_rows) for output, read in read_labels.items()}
        weight = None
        if read_weight:
            weight = look_up(read_weight, candidate_rows)
        elif isinstance(candidate_rows, tf.RaggedTensor):
            width = tf.shape(next(iter(labels.values())))[1]
            weight = tf.sequence_mask(last - first, width, dtype=tf.float32)
        if has_missing:
            known = {output: ~tf.math.is_nan(values) for output, values in labels.items()}
            labels = {o: tf.where(known[o], values, 0.0) for o, values in labels.items()}
            given = 1.0 if weight is None else weight
            weight = {output: tf.cast(each, tf.float32) * given for output, each in known.items()}
        y = labels if len(labels) > 1 else next(iter(labels.values()))
        return (x, y) if weight is None else (x, y, weight)

    return element


def _row_ids(ragged):
    """Same as `ragged.value_rowids()`, in a sixth of the time."""
    starts, ends = ragged.row_splits[:-1], ragged.row_splits[1:]
    rows = tf.range(ragged.nrows())
    # Row `r` has `starts[r] + r` and the numbers that follow it: `r` more than the positions.
    return tf.ragged.range(starts + rows, ends + rows).values - tf.range(ragged.row_splits[-1])


def _number_groups(groups):
    """Numbers adjacent groups of a batch from 0: `(batch,)` -> int32 `(batch,)`."""
    is_new = tf.cast(groups[1:] != groups[:-1], tf.int32)
    return tf.concat([[0], tf.cumsum(is_new)], axis=0)


def _replace_missing(feature, numbers):
    """Returns numbers with the feature's `fill_value` instead of missing numbers or vectors."""
    is_known = tf.math.is_finite(numbers)
    if isinstance(feature, Vector):
        is_known = tf.reduce_all(is_known, axis=-1, keepdims=True)
    return tf.where(is_known, numbers, feature.fill_value)


def _read_column(column, to_tensor):
    """Returns the function from rows to the values of a column."""
    column = to_tensor(column)
    return lambda rows: tf.gather(column, rows)


def _read_bags(column: Bags, max_values: int, is_padded: bool, to_tensor):
    """Returns the function from rows `(...)` to bags `(..., values)`, padded with 0."""
    width = max_values if is_padded else None
    place, offsets, values = map(to_tensor, (column.place, column.offsets, column.values))

    def read(rows):
        bags = tf.gather(place, tf.reshape(rows, (-1,)))
        start, end = tf.gather(offsets, bags), tf.gather(offsets, bags + 1)
        positions = tf.ragged.range(start, tf.minimum(end, start + max_values))
        found = positions.with_values(tf.gather(values, positions.values))
        found = found.to_tensor(shape=[None, width])
        return tf.reshape(found, tf.concat([tf.shape(rows), tf.shape(found)[1:]], axis=0))

    return read
