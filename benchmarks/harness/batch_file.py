"""A file of padded batches, for libraries that do not read our data: same samples, same order.

`read` requires only NumPy. `write` requires keras_din.
"""

import dataclasses

import numpy as np

from harness.process import task_main

FEATURES = ("item_id", "cate_id", "hist_item_id", "hist_cate_id")
# Limits of padded positions and of batches in a file. A benchmark repeats the batches.
MAX_POSITIONS = 2**23
MAX_BATCHES = 64


def write(data: str, file: str, batch_size: int, length: int, shuffle: bool = True) -> dict:
    """Writes the first batches of a data set, histories cut to their last `length` and padded.

    The arrays have the names of the spec: candidates `(batches, batch)` and behaviors
    `(batches, batch, length)`, int32; `label`, float32; `items` and `categories`, the sizes of the
    vocabularies.

    Returns:
        A dict with `batches`, their number.
    """
    from keras_din.data import PreparedData, dataset

    data = PreparedData.load(data)
    sequences = [dataclasses.replace(each, max_length=length) for each in data.spec.sequences]
    spec = dataclasses.replace(data.spec, sequences=sequences)
    number = max(2, min(MAX_BATCHES, MAX_POSITIONS // (batch_size * length)))
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


def read(file: str) -> dict:
    """Returns the arrays of a file."""
    with np.load(file) as arrays:
        return dict(arrays)


if __name__ == "__main__":
    task_main(write=write)
