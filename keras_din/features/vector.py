"""`Vector`: a vector per item, request, candidate or behavior, which is never trained."""

import dataclasses
from typing import Any, ClassVar

from keras_din.checks import one_of, positive_integer
from keras_din.features.categorical import Categorical
from keras_din.features.kind import Feature, register_kind
from keras_din.features.names import check_name
from keras_din.features.values import HashBuckets
from keras_din.features.vector_table import VectorTable

STORAGES = ("float16", "float32", "int8")


@register_kind
@dataclasses.dataclass(frozen=True, repr=False)
class Vector(Feature):
    """A vector that is computed elsewhere, such as an embedding of a title, an image or a query.

    **With `of`**, the items have vectors: `output = W v[index of the item]`, where `v` is a table
    of vectors and `W` is trained. The table has one row per index of the items, not one per row of
    the log. It is never trained: it has no gradient and no state of the optimizer. Index 0, which
    is padding, has zeros. Unknown items and items without a vector have the mean vector of the
    items of the training part.

    A data set, a request and an exported version have no column or input of it: the model takes
    the index of the item. So the feature may be wherever the feature `of` is: in `context`, in
    `target`, and as a feature of a sequence `of` the candidate's features.

    `prepare_impressions`, `prepare_interactions` and `prepare_rows` read the vectors from their
    argument `vectors`. For other data, `keras_din.data.with_vectors` adds them to a spec. JSON
    contains only a checksum of the table. A saved model and an exported version contain the table.

    **Without `of`**, each row has its own vector: `output = W v`. The feature is a column of the
    log and an input of the model, float32 with one more axis: `(batch, size)` in `context`,
    `(batch, candidates, size)` in `target`, and `(batch, time, size)` in a sequence. A cell of the
    column is a list or an array of `size` finite numbers, or text such as `0.1|0.2`, whose
    separator is in `bags`. A missing cell, and in a request a vector with a number that is not
    finite, is a vector of zeros. Preparing counts and prints how many there are. A row whose cell
    has another size, or anything but finite numbers, is kept aside with its line.

    Args:
        name: Name of the feature.
        size: Number of values of a vector.
        of: Name of the `Categorical` whose values have vectors. It has a vocabulary or indices,
            and not hash buckets. `None` if each row has its own vector.
        project_to: Width of the output. `W` has the shape `(size, project_to)`. Defaults to the
            vector itself, without `W`.
        storage: How vectors are stored. `"float16"` has a relative error of at most `2**-11` for
            numbers from `6e-5` to 65504. `"int8"`, only with `of`, has one scale per row, and an
            error of at most `1 / 254` of the largest number of the row. `"float32"` is exact.
            Without `of`, it is the dtype of columns, and an exported version rounds the vectors of
            requests in the same way. ONNX and LiteRT files do not round.
        checksum: Checksum of the table, which is set with `vectors`.
        vectors: The `VectorTable` of `of`, or `None` if it is not known. A model can be built only
            with it.

    Raises:
        ValueError: If an argument is invalid, or the table has another size or dtype.

    Example:

    ```python
    item = kd.Categorical("item_id", vocabulary=["tea", "pot"], dim=4)
    title = kd.Vector("title", size=3, of="item_id", project_to=2)
    hist = kd.Sequence("hist", of=[item, title])
    spec = kd.FeatureSpec(target=[item, title], sequences=[hist])
    titles = {"tea": [0.1, 0.2, 0.3], "pot": [0.3, 0.2, 0.1]}
    spec = kd.data.with_vectors(spec, {"title": titles})
    model = kd.build_din(spec)

    query = kd.Vector("query_embedding", size=3, project_to=2)  # One per request.
    spec = kd.FeatureSpec(context=[query], target=[item], sequences=[kd.Sequence("hist", [item])])
    kd.build_din(spec).inputs[0].shape  # (None, 3)
    ```
    """

    size: int
    of: str | None = None
    project_to: int | None = dataclasses.field(default=None, kw_only=True)
    storage: str = dataclasses.field(default="float16", kw_only=True)
    checksum: str | None = dataclasses.field(default=None, kw_only=True)
    vectors: VectorTable | None = dataclasses.field(default=None, kw_only=True, compare=False)
    takes_numbers: ClassVar[bool] = False  # type: ignore[misc]  # A value is not one number.

    def __post_init__(self):
        super().__post_init__()
        owner = f"Vector {self.name!r}"
        object.__setattr__(self, "size", positive_integer("size", self.size, owner=owner))
        if self.of is not None:
            check_name("Categorical", self.of)
        if self.project_to is not None:
            project_to = positive_integer("project_to", self.project_to, owner=owner)
            object.__setattr__(self, "project_to", project_to)
        one_of("storage", self.storage, STORAGES)
        if self.of is None:
            self._check_without_table()
        if self.vectors is None:
            return
        if not isinstance(self.vectors, VectorTable):
            raise ValueError(
                f"`vectors` of {owner} must be a VectorTable. "
                f"Received: {type(self.vectors).__name__}."
            )
        if (self.vectors.size, self.vectors.storage) != (self.size, self.storage):
            raise ValueError(
                f"`vectors` of {owner} must have the size {self.size} and the dtype "
                f"{self.storage}. Received: {self.vectors!r}."
            )
        object.__setattr__(self, "checksum", self.vectors.checksum)

    def _check_without_table(self) -> None:
        if self.storage == "int8":
            raise ValueError(
                f"`storage` of Vector {self.name!r} must be 'float16' or 'float32', since 'int8' "
                "is for the tables of items, with `of`. Received: storage='int8' and of=None."
            )
        if self.vectors is not None or self.checksum is not None:
            raise ValueError(
                f"`vectors` of Vector {self.name!r} must be given with `of`, the items that they "
                "belong to. Received: vectors, and of=None."
            )

    # A vector of items is looked up by the index of the item. Any other is an input.

    @property
    def is_sent(self) -> bool:
        """Whether each row has its own vector, and not each item."""
        return self.of is None

    @property
    def items(self) -> str:
        """Name of the feature whose values have vectors, of a `Vector` with `of`."""
        assert self.of is not None, "checked by `FeatureSpec.vectors`"
        return self.of

    @property
    def has_column(self) -> bool:  # type: ignore[override]  # A frozen class has no writers.
        return self.is_sent

    @property
    def has_input(self) -> bool:  # type: ignore[override]
        return self.is_sent

    @property
    def raw_dtype(self) -> str:  # type: ignore[override]
        return "float32" if self.is_sent else "int32"

    @property
    def input_dtype(self) -> str:  # type: ignore[override]
        return self.raw_dtype

    @property
    def axes(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("size",) if self.is_sent else ()

    @property
    def shape(self) -> tuple[int | None, ...]:
        return (self.size,) if self.is_sent else ()

    def check_spec(self, spec: Any, info: Any) -> None:
        if self.is_sent:
            return
        peers = info.sequence.features if info.sequence is not None else getattr(spec, info.role)
        of = next((feature for feature in peers if feature.name == self.of), None)
        if not isinstance(of, Categorical) or isinstance(of.values, HashBuckets):
            found = f"the features {[feature.name for feature in peers]}" if of is None else of
            raise ValueError(
                f"`of` of Vector {self.name!r} must name a Categorical with a vocabulary or "
                f"indices at the same place, which is {_describe(info)}. "
                f"Received: of={self.of!r} and {found}."
            )
        if self.vectors is not None and self.vectors.rows != of.vocabulary_size:
            raise ValueError(
                f"`vectors` of Vector {self.name!r} must have one row per index of {self.of!r}, "
                f"{of.vocabulary_size}. Received: {self.vectors!r}."
            )

    def with_vectors(self, vectors: VectorTable | None) -> "Vector":
        """Returns the feature with another table, or without one."""
        return dataclasses.replace(self, vectors=vectors, checksum=None)

    def to_dict(self) -> dict:
        return {name: value for name, value in super().to_dict().items() if name != "vectors"}

    def identity(self) -> dict:
        names = ("size", "storage") if self.is_sent else ("size", "of", "storage", "checksum")
        return {name: getattr(self, name) for name in names}

    def __repr__(self):
        width = "" if self.project_to is None else f", project_to={self.project_to}"
        if self.is_sent:
            stored = f", storage={self.storage!r}"
            return f"Vector({self.name!r}, size={self.size}{width}{stored})"
        rows = "no vectors" if self.vectors is None else f"{self.vectors.rows} vectors"
        kept = f"storage={self.storage!r}"
        return f"Vector({self.name!r}, <{rows}>, size={self.size}, of={self.of!r}{width}, {kept})"


def _describe(info) -> str:
    return f"`{info.role}`" if info.sequence is None else f"Sequence {info.sequence.name!r}"
