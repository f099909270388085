"""NumberOutput: expected numbers from logits."""

import numpy as np
import pytest

from keras_din.layers import NumberOutput
from keras_din.logits import logits_of
from tests.layers.contract import check_layer

LOGITS = np.array([[0.0, 1.5, -2.0]], "float32")


@pytest.mark.parametrize(("link", "expected"), [("log", np.exp(LOGITS)), ("identity", LOGITS)])
def test_contract(link, expected, tmp_path):
    found = check_layer(NumberOutput(link), {"logits": LOGITS}, tmp_path)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_large_logits_are_finite():
    found = np.asarray(NumberOutput("log")(np.array([1e4, -1e9], "float32")))
    assert np.isfinite(found).all()
    assert found[1] == 0


def test_loss_gets_the_logits_of_exponentials_only():
    np.testing.assert_array_equal(logits_of(NumberOutput("log")(LOGITS)), LOGITS)
    assert logits_of(NumberOutput("identity")(LOGITS)) is None


def test_invalid_link():
    with pytest.raises(ValueError, match=r"`link` must be one of 'log', 'identity'\. Received"):
        NumberOutput("sqrt")
