"""`with_shards`: the same model with its tables in another number of variables."""

from collections.abc import Mapping
from typing import NamedTuple

import keras
from keras import ops

from keras_din.checks import positive_integer
from keras_din.layers import Embedding
from keras_din.optimizers.mini_batch_aware import MiniBatchAware
from keras_din.optimizers.row_state import row_state
from keras_din.rebuilt_model import rebuilt_model

__all__ = ["with_shards"]


def with_shards(model: keras.Model, shards: int | Mapping[str, int]) -> keras.Model:
    """Returns the same model with its tables in another number of shards.

    Each row keeps its weights, and the optimizer's state for it: moments, accumulators, averages,
    counts. So training continues with the same numbers, up to rounding. `with_shards(model, 1)`
    joins all tables.

    Both models are in memory until the given one is dropped. For a table that is too large for
    that, build the model with the other number of shards and call its `load_weights` before it is
    compiled: it loads the weights of any number, one shard after another, but not the optimizer's
    state.

    Args:
        model: A functional model, compiled or not. It does not change.
        shards: Name of a table or feature -> the number of shards of each layer of this table, or
            one number for all layers `keras_din.layers.Embedding`. Then layers with fewer rows have
            1 shard.

    Returns:
        A new model, compiled alike. It is `model` itself if all tables have these numbers already.
        Under the scope of a strategy of `tf.distribute`, its variables belong to the strategy.

    Raises:
        ValueError: If `model` is no functional model, if it has no such table, if a number is not
            positive or larger than the number of rows, or if the optimizer has state of a whole
            table, such as `keras.optimizers.Adafactor`.

    Example:

    ```python
    spec = kd.FeatureSpec(target=[kd.Categorical("item_id", 1000, dim=8)])
    model = kd.build_base(spec)
    model = kd.with_shards(model, {"item_id": 4})  # Such as a model of a `.keras` file.
    ```
    """
    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        raise ValueError(f"`model` must be a functional keras.Model. Received: {model!r}.")
    counts = _checked_counts(_tables(model), shards)
    if all(layer.shards == counts[layer.name] for layer in _tables(model)):
        return model
    new = rebuilt_model(model, {name: {"shards": count} for name, count in counts.items()})
    pairs = list(zip(_tables(model), _tables(new), strict=True))
    for layer, new_layer in pairs:
        _copy(layer.embedding_shards, new_layer.embedding_shards, new_layer)
    of_tables = {id(v) for pair in pairs for layer in pair for v in layer.embedding_shards}
    others = [[v for v in each.variables if id(v) not in of_tables] for each in (model, new)]
    _assign(*others)
    if model.compiled and model.optimizer is not None:
        if not new.optimizer.built:
            new.optimizer.build(new.trainable_variables)
        _copy_state(model.optimizer, new.optimizer, pairs)
    return new


def _tables(model) -> list[Embedding]:
    return [layer for layer in model._flatten_layers() if isinstance(layer, Embedding)]


def _checked_counts(tables: list[Embedding], shards) -> dict[str, int]:
    """Returns name of a layer -> its new number of shards."""
    if not isinstance(shards, Mapping):
        count = positive_integer("shards", shards)
        return {each.name: count if count <= each.vocabulary_size else 1 for each in tables}
    names = list(dict.fromkeys(each.feature for each in tables))
    if lacking := [name for name in shards if name not in names]:
        raise ValueError(f"`shards` must name tables of the model: {names}. Received: {lacking}.")
    counts = {}
    for each in tables:
        owner = f"table {each.feature!r}"
        count = positive_integer("shards", shards.get(each.feature, each.shards), owner=owner)
        if count > each.vocabulary_size:
            raise ValueError(
                f"`shards` of {owner} must be at most the number of rows, {each.vocabulary_size}, "
                f"of the layer {each.name!r}. Received: shards={count}."
            )
        counts[each.name] = count
    return counts


def _copy(old: list, new: list, layer: Embedding) -> None:
    """Copies variables of all shards `(size, ...)` to those of another number of shards."""
    if len(old) == len(new):
        _assign(old, new)
        return
    parts = [_Part(each) for each in old]
    for shard, variable in enumerate(new):
        variable.assign(layer.row_shards.from_other(parts, shard))


def _assign(old: list, new: list) -> None:
    for old_variable, variable in zip(old, new, strict=True):
        # A copy: a step of JAX deletes the array of a variable.
        variable.assign(ops.copy(ops.convert_to_tensor(old_variable)))


class _Part(NamedTuple):
    """A variable that becomes a NumPy array only while its rows are copied."""

    variable: keras.Variable

    @property
    def shape(self):
        return tuple(self.variable.shape)

    @property
    def dtype(self):
        return ops.convert_to_numpy(self.variable[:0]).dtype

    def __array__(self, dtype=None, copy=None):
        return ops.convert_to_numpy(self.variable)


def _copy_state(optimizer, new_optimizer, pairs) -> None:
    """Copies the state of an optimizer, with one entry per row of a table or none."""
    states = [row_state(each) for each in (optimizer, new_optimizer)]
    done = set()
    for layer, new_layer in pairs:
        before, after = (
            [[each.variable for each in state.get(id(v), ())] for v in each_layer.embedding_shards]
            for state, each_layer in zip(states, (layer, new_layer), strict=True)
        )
        for old, new in zip(zip(*before, strict=True), zip(*after, strict=True), strict=True):
            _copy(list(old), list(new), new_layer)
            done |= set(map(id, (*old, *new)))
    others = [
        [v for v in each.variables if id(v) not in done] for each in (optimizer, new_optimizer)
    ]
    tables = [v for layer, _ in pairs for v in layer.embedding_shards]
    if any(_belongs(variable, table) for variable in others[0] for table in tables):
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        raise ValueError(
            "The optimizer of `model` must have one entry of its state per row of a table, or "
            "none, like those of `keras_din.optimizers`: state of a whole table cannot be split. "
            "Compile the model with another optimizer first. "
            f"Received: {type(inner).__name__}."
        )
    _assign(*others)
    inner = getattr(new_optimizer, "inner_optimizer", new_optimizer)
    if isinstance(inner, MiniBatchAware):
        inner.has_feature_counts()


def _belongs(variable, table) -> bool:
    """Returns whether a variable of an optimizer has the name of a table, as Keras names both."""
    names = (table.name, table.path.replace("/", "_"))
    return any(variable.name == name or variable.name.startswith(f"{name}_") for name in names)
