"""A folder of prepared data that version 0.1 wrote."""

import pathlib
import tarfile

import numpy as np
import pytest

from keras_din.data import PreparedData, dataset
from keras_din.features import Bag, Categorical, FeatureSpec, Numeric, Sequence

# `prepare_impressions` and `save` of commit 927255a, with five rows of two users.
ARCHIVE = pathlib.Path(__file__).parent / "prepared_by_0_1.tar.xz"


@pytest.fixture
def folder(tmp_path):
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path / "data", filter="data")
    return tmp_path / "data"


def test_data_of_version_0_1_is_read(folder):
    data = PreparedData.load(folder)
    item = Categorical("item", vocabulary=["b", "a"], dim=2)
    tags = Bag("tags", vocabulary=["x", "y"], dim=2)
    dwell = Numeric("dwell", mean=1.0, std=0.408248290463863)
    assert data.spec == FeatureSpec(
        target=[item, tags],
        sequences=[Sequence("hist", of=[item, tags], side_features=[dwell], max_length=3)],
    )
    assert data.user_values.tolist() == ["u", "v"]
    ((x, y),) = dataset(data.spec, data.behaviors, data.parts["train"], 8).as_numpy_iterator()
    assert y.tolist() == [[1], [0], [1]]
    assert x["item"].tolist() == [[3], [2], [2]]
    assert x["hist_item"].tolist() == [[0], [3], [0]]
    assert x["hist_tags"].tolist() == [[[0, 0]], [[2, 3]], [[0, 0]]]
    np.testing.assert_array_equal(x["hist_dwell"], [[0], [0.5], [0]])
    # Saving again writes the current format.
    data.save(folder.parent / "again")
    assert (folder.parent / "again" / "behaviors" / "hist").is_dir()
    assert PreparedData.load(folder.parent / "again").spec == data.spec
