"""Batches in a file, for libraries that do not read our data: the same samples in our order."""

import dataclasses

import numpy as np
from process import answer

from keras_din.data import PreparedData, dataset

# Padded indices of items and of categories in a file; a library goes round them.
POSITIONS = 2**23
MOST = 64


def save(data: str, file: str, batch_size: int, length: int, shuffle: bool = True) -> dict:
    """Writes the first batches of a data set, histories cut to their last `length` and padded.

    The arrays are named as the spec names them: candidates `(batches, batch)`, behaviors
    `(batches, batch, length)`, int32; `label` float32, and the sizes of the vocabularies.
    """
    data = PreparedData.load(data)
    spec = cut(data.spec, length)
    number = max(2, min(MOST, POSITIONS // (batch_size * length)))
    rows = dataset(spec, data.behaviors, data.parts["train"], batch_size, shuffle=shuffle)
    columns = {name: [] for name in spec.inputs}
    labels = []
    for x, y in rows.take(number):
        if len(y) < batch_size:
            break
        for name, values in x.items():
            values = values.numpy()
            if spec.inputs[name].role == "behavior":
                values = np.pad(values, [(0, 0), (0, length - values.shape[1])])
            else:
                values = values[:, 0]
            columns[name].append(values)
        labels.append(y.numpy()[:, 0])
    item, category = spec.target
    np.savez(
        file,
        **{name: np.stack(values) for name, values in columns.items()},
        label=np.stack(labels),
        items=item.vocabulary_size,
        categories=category.vocabulary_size,
    )
    return {"batches": len(labels)}


def cut(spec, length: int):
    """A spec whose histories are at most so long."""
    sequences = [dataclasses.replace(each, max_length=length) for each in spec.sequences]
    return dataclasses.replace(spec, sequences=sequences)


if __name__ == "__main__":
    answer(save=save)
