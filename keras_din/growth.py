"""`grow`: the model of a spec whose vocabularies have grown."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_din.ctr_model import warn_without_fingerprint
from keras_din.features import FeatureSpec
from keras_din.layers import Calibration, Embedding, FrozenVectors, ItemLogits, KnownIndices
from keras_din.layers.embedding import assign_rows
from keras_din.new_rows import INITIALIZER, checked_starts, describe_start
from keras_din.optimizers.row_state import copy_state, row_state, with_rows
from keras_din.rebuilt_model import rebuilt_model
from keras_din.spec_fingerprint import check_fingerprint, grown_fingerprint
from keras_din.spec_growth import TableGrowth, spec_growth

__all__ = ["grow"]


def grow(
    model: keras.Model,
    spec: FeatureSpec,
    new_spec: FeatureSpec,
    *,
    new_rows: str | Mapping[str, Any] = INITIALIZER,
    changed: Mapping[str, Any] | None = None,
    counts: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> keras.Model:
    """Returns the model of a spec whose vocabularies have grown, with all that was learned.

    A row that keeps its value keeps its weights, and the optimizer's state for it: moments,
    accumulators, averages. All other weights, the step count, the statistics of Dice and batch
    normalization and the states of dropout are kept too. So the outputs for known values are
    equal before and after. A row with a new value starts again, without state of the optimizer. So
    does the row of a removed value.

    If no table changes its size, since the vocabularies have a `capacity`, this is the same model,
    changed in place: the compiled training step is kept, and nothing is traced again. Otherwise it
    is a new model, compiled alike, and the given model does not change.

    The tables are the layers `keras_din.layers.Embedding` whose `feature` is a table or feature of
    the spec. They keep their shards, see `keras_din.with_shards`. Other layers do not change. The
    weights of the crosses of `wide_deep` are shared by hashing, so the row of a new value that
    replaces a removed one has the crosses of the latter. New values have the vectors that
    `new_spec` contains, see `keras_din.Vector`.
    With mini-batch aware regularization, a new row has a count of 1: pass the counts of the new
    samples to `add_feature_counts` of the optimizer.

    Args:
        model: A functional model that was built from `spec`. The optimizer may have any state.
        spec: The `FeatureSpec` of the model.
        new_spec: The same spec with grown vocabularies: known values keep their indices, new ones
            are appended or replace a removed one (`None`), see `Categorical`. With a
            `vocabulary_size`, the size grows.
        new_rows: How rows of new values start. `"initializer"`: from the initializer of their
            table; each row has values of its own, which depend on the seed only. Or a dict: name
            of a table -> integers `(vocabulary_size,)`, the group of each row of the grown table,
            such as the index of each item's category, or a negative number for none. Then a new
            row is the mean of the rows of its group that keep their value, in each layer of the
            table. Rows of a group without such rows, and other tables, start from the initializer.
            Or `"projection_of:NAME"`, where `NAME` is a `Vector` with `of`: a row of the table of
            these items is a linear map of its vector, in each layer of the table. The map is fitted
            by ridge regression on the rows that keep their value, see `counts`. Its penalty has the
            least leave-one-out error. The model's own map to `project_to` numbers is not used: its
            outputs are another input of the model, of another width, and no embeddings. New rows
            without a vector start from the initializer, and so do all if fewer than 10 trained rows
            have a vector. The number of rows that start each way is printed.
        changed: Rows whose value was removed in between, such as those of
            `data.vocabularies["item"].changed_after(days)` if the model has learned from fewer
            days: name of a table -> bool `(vocabulary_size,)` of the grown table. A value that was
            removed and came back may have another index, and its row starts again even if it has
            not.
        counts: How often each row was read in training, such as `data.feature_counts()`: name of a
            table -> integers `(vocabulary_size,)` of the grown table. A projection is not fitted on
            rows with a count of 0, and on at most the 50,000 rows with the largest counts. By
            default, all rows that keep their value were trained.
        seed: Seed of the initializer.

    Returns:
        The grown model. Use it with `new_spec`.

    Raises:
        ValueError: If `model` was not built from `spec`, if the specs have a difference that is
            not growth, such as another `dim`, or if another argument is invalid. The model does
            not change then.

    Example:

    ```python
    def spec_of(items):
        item = kd.Categorical("item_id", vocabulary=items, capacity=1000, dim=4)
        return kd.FeatureSpec(target=[item], sequences=[kd.Sequence("hist", of=[item])])

    spec, new_spec = spec_of(["tea", "pot"]), spec_of(["tea", "pot", "cup"])
    model = kd.build_din(spec)
    model.compile(kd.optimizers.LazyAdam(), kd.losses.BinaryCrossentropy())
    model = kd.grow(model, spec, new_spec)  # The same model: "cup" gets a spare row.
    ```
    """
    model, starts = grow_with_starts(
        model, spec, new_spec, new_rows=new_rows, changed=changed, counts=counts, seed=seed
    )
    for name, (start, new) in starts.items():
        print(describe_start(name, start, new), flush=True)
    return model


def grow_with_starts(
    model: keras.Model,
    spec: FeatureSpec,
    new_spec: FeatureSpec,
    *,
    new_rows: str | Mapping[str, Any] = INITIALIZER,
    changed: Mapping[str, Any] | None = None,
    counts: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> tuple[keras.Model, dict]:
    """Returns the model of `grow`, and how its new rows start, without printing.

    Returns:
        `(model, starts)`. `starts` is a dict: name of a table -> `(start, new)`, a `GroupMeans` or
        `Projection` and the new rows, int64. Other tables start from the initializer.
    """
    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        raise ValueError(f"`model` must be a functional keras.Model. Received: {model!r}.")
    _refuse_curves_of_values(model)
    growth = spec_growth(spec, new_spec, _checked_changed(changed, new_spec))
    if not check_fingerprint(model, spec):
        warn_without_fingerprint(stacklevel=2)
    _check_sizes(model, spec, growth)
    starts = checked_starts(new_rows, new_spec, growth, counts)
    _check_vectors(model, spec, new_spec, growth)
    if any(each.size != each.old_size for each in growth.values()):
        model = _resized(model, spec, growth)
    _reset_rows(model, spec, growth, starts, seed)
    _assign_vectors(model, new_spec)
    for layer in model._flatten_layers():
        if isinstance(getattr(layer, "fingerprint", None), str):
            layer.fingerprint = grown_fingerprint(layer.fingerprint, new_spec)
    return model, {n: (each, np.flatnonzero(growth[n].new)) for n, each in starts.items()}


def _refuse_curves_of_values(model) -> None:
    """Raises a `ValueError` if values have calibration curves, since an index may change values."""
    for layer in model._flatten_layers():
        if isinstance(layer, Calibration) and layer.indices:
            raise ValueError(
                "`model` must be the model before its calibration: the curves belong to the values "
                "before. Calibrate the grown model again. Received: a model that is calibrated by "
                f"{layer.by!r}."
            )


def _table_of(layer, spec: FeatureSpec) -> str | None:
    """Returns the name of the table of the spec that a layer has rows or indices of, or `None`."""
    if not isinstance(layer, (Embedding, FrozenVectors, KnownIndices)):
        return None
    if isinstance(layer, FrozenVectors):
        vector = spec.vectors.get(layer.feature)
        return None if vector is None else spec.features[vector.items].table.name
    feature = spec.features.get(layer.feature)
    if layer.feature in spec.tables and not (isinstance(layer, ItemLogits) and feature):
        return layer.feature
    return None if feature is None or feature.table is None else feature.table.name


def _tables(model, spec: FeatureSpec) -> list:
    """Returns the layers with a size of a table of the spec: `(layer, name of the table)`."""
    found = [(layer, _table_of(layer, spec)) for layer in model._flatten_layers()]
    return [(layer, name) for layer, name in found if name is not None]


def _check_sizes(model, spec: FeatureSpec, growth: dict[str, TableGrowth]) -> None:
    for layer, name in _tables(model, spec):
        if layer.vocabulary_size != growth[name].old_size:
            raise ValueError(
                f"The layer {layer.name!r} of table {name!r} must have as many rows as the table "
                f"in `spec`, {growth[name].old_size}. Received: {layer.vocabulary_size} rows."
            )


def _vectors(model, new_spec: FeatureSpec) -> list:
    """Returns the layers with vectors, and the feature of each."""
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, FrozenVectors)]
    of_name = new_spec.vectors
    return [(layer, of_name[layer.feature]) for layer in layers if layer.feature in of_name]


def _check_vectors(model, spec: FeatureSpec, new_spec: FeatureSpec, growth) -> None:
    """Raises a `ValueError` unless known items keep their vectors."""
    for layer, feature in _vectors(model, new_spec):
        table = feature.vectors
        if table is None:
            if feature.checksum == spec.vectors[feature.name].checksum:
                continue  # The same table, which the model has.
            raise ValueError(
                f"Vector {feature.name!r} of `new_spec` must have its vectors, with those of new "
                "values: take the spec from `data.append`, or see `keras_din.data.with_vectors`. "
                f"Received: {feature!r}."
            )
        kept = np.flatnonzero(growth[_table_of(layer, spec)].kept)
        pairs = [(layer.vectors, table.values)]
        if layer.scales is not None:
            pairs.append((layer.scales, table.scales))
        differs = np.zeros(len(kept), bool)
        for variable, values in pairs:
            differ = ops.convert_to_numpy(variable)[kept] != values[kept]
            differs |= differ.reshape(len(kept), -1).any(axis=1)
        if differs.any():
            raise ValueError(
                f"Known values must keep their vectors in Vector {feature.name!r} of `new_spec`; "
                "train a new model with other vectors. "
                f"Received: other vectors at {differs.sum()} indices, the first is "
                f"{kept[differs.argmax()]}."
            )


def _assign_vectors(model, new_spec: FeatureSpec) -> None:
    """Sets the vectors of new values, which precomputed vectors have too."""
    for layer, feature in _vectors(model, new_spec):
        if feature.vectors is not None:
            layer.vectors.assign(feature.vectors.values)
            if layer.scales is not None:
                layer.scales.assign(feature.vectors.scales)


def _checked_changed(changed, new_spec: FeatureSpec) -> dict[str, np.ndarray]:
    """Returns which rows have changed: name of a table -> bool `(size,)`."""
    found = {name: np.asarray(rows) for name, rows in (changed or {}).items()}
    for name, rows in found.items():
        size = new_spec.tables[name].values.size if name in new_spec.tables else None
        if rows.dtype != bool or rows.shape != (size,):
            raise ValueError(
                "`changed` must be a dict: name of a table -> one bool per row of the grown table. "
                f"Received: {rows.dtype} of shape {rows.shape} for {name!r}, "
                + (f"which has {size} rows." if size else f"not one of {list(new_spec.tables)}.")
            )
    return found


def _resized(model, spec: FeatureSpec, growth: dict[str, TableGrowth]) -> keras.Model:
    """Returns a new model whose tables have the new sizes. Added rows are zeros."""
    sizes = {layer.name: growth[name].size for layer, name in _tables(model, spec)}
    grown = rebuilt_model(model, {n: {"vocabulary_size": size} for n, size in sizes.items()})
    for old, new in zip(model.variables, grown.variables, strict=True):
        new.assign(with_rows(old, new.shape))
    if model.compiled and model.optimizer is not None:
        copy_state(model.optimizer, grown.optimizer)
    return grown


def _reset_rows(model, spec: FeatureSpec, growth: dict[str, TableGrowth], starts, seed) -> None:
    """Sets new rows and rows of removed values to initial values, and their state too."""
    optimizer = model.optimizer if model.compiled else None
    state = row_state(optimizer) if optimizer is not None and optimizer.built else {}
    for layer, name in _tables(model, spec):
        rows = np.flatnonzero(growth[name].new | growth[name].removed)
        if not isinstance(layer, Embedding) or not len(rows):
            continue
        values = layer.initial_rows(rows, seed)
        if name in starts and len(starts[name].rows):
            values[np.isin(rows, starts[name].rows)] = starts[name].values(layer.read_rows)
        layer.assign_rows(rows, values)
        for shard, table in enumerate(layer.embedding_shards):
            own = rows % layer.shards == shard
            places = rows[own] // layer.shards
            for variable, initial in state.get(id(table), ()):
                shape = (len(places), *variable.shape[1:])
                start = values[own] if initial is None else np.broadcast_to(initial, shape)
                assign_rows(variable, places, start)
