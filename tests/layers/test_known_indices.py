"""KnownIndices: indices outside a table."""

import keras
import numpy as np
import pytest

from keras_din.layers import KnownIndices


def test_index_out_of_range_is_out_of_vocabulary(tmp_path):
    indices = np.array([[0, 1, 3, 4, 2**31 - 1, -1]], "int32")
    layer = KnownIndices(4, feature="item")
    inputs = keras.Input((6,), dtype="int32")
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for each in (layer, model, loaded):
        outputs = each(indices)
        np.testing.assert_array_equal(outputs, [[0, 1, 3, 1, 1, 1]])
        assert keras.backend.standardize_dtype(outputs.dtype) == "int32"
    copy = KnownIndices.from_config(layer.get_config())
    assert (copy.vocabulary_size, copy.feature) == (4, "item")
    assert KnownIndices(4, name="known").feature == "known"
    with pytest.raises(ValueError, match="`vocabulary_size` must be a positive integer"):
        KnownIndices(0)
