"""Proposes the vectors of a table of items."""

import contextlib
import io

import numpy as np
import pandas as pd
import pyarrow as pa

from keras_din.data.encoding.vectors import with_vectors
from keras_din.data.reading.source import ArrowSource, as_source
from keras_din.data.reading.vector_source import read_vectors
from keras_din.features import FeatureSpec, Vector, id_feature


def propose_vectors(data, items) -> dict:
    """Returns `{name: (entry or None, reason)}` of the columns of `items` with lists of floats."""
    if items is None:
        return {}
    source = as_source(items)
    item = id_feature(data.spec.target)
    found: dict = {}
    for name in _columns_of_floats(source):
        try:
            size = read_vectors(name, source, item.name).values.shape[1]
            vector = Vector(name, size, item.name, project_to=item.table.dim)
            # Vectors that cannot be used are an error here. Data with them reports missing ones.
            with contextlib.redirect_stdout(io.StringIO()):
                with_vectors(FeatureSpec(target=[item, vector]), {name: source})
        except ValueError as error:
            found[name] = (None, str(error))
            continue
        arguments = {"size": size, "of": item.name, "project_to": vector.project_to}
        reason = f"the table of items has lists of {size} floats in this column"
        found[name] = ({"type": "Vector", **arguments, "in": ["target"]}, reason)
    return found


def _columns_of_floats(source) -> list:
    """The names of the columns whose cells are lists or arrays of floats."""
    if isinstance(source, ArrowSource):
        fields = [source.schema.field(name) for name in source.names]
        return [field.name for field in fields if _is_list_of_floats(field.type)]
    if not isinstance(source, pd.DataFrame):  # CSV files have no lists.
        return []
    found = []
    for name in source.columns:
        cells = source[name].dropna()
        if len(cells) and isinstance(cells.iloc[0], (list, tuple, np.ndarray)):
            with contextlib.suppress(pa.ArrowInvalid, pa.ArrowTypeError):
                if _is_list_of_floats(pa.array([cells.iloc[0]]).type):
                    found.append(name)
    return found


def _is_list_of_floats(kind: pa.DataType) -> bool:
    tests = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(test(kind) for test in tests) and pa.types.is_floating(kind.value_type)
