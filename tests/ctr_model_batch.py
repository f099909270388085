"""A batch with weights and padding, and its metrics computed by hand."""

import keras
import numpy as np
from sklearn.metrics import accuracy_score, roc_auc_score

import keras_din as kd
from keras_din.head import probability
from keras_din.layers import Bias

# Four requests of different sizes. Padding has the value 9 and the label 1, so that including it
# would change results.
LOGITS = np.array([[2, -1, 0, 1], [1, -2, 9, 9], [-1, 2, 1, 9], [0.5, 9, 9, 9]], "float32")


Y = np.array([[1, 0, 1, 0], [1, 0, 1, 1], [1, 1, 0, 1], [0, 1, 1, 1]], "float32")


WEIGHT = np.array([[1, 2, 0.5, 1], [3, 1, 0, 0], [1, 0.25, 1, 0], [2, 0, 0, 0]], "float32")


REAL = WEIGHT != 0


P = 1 / (1 + np.exp(-LOGITS[REAL].astype("float64")))


LABELS, WEIGHTS = Y[REAL].astype("float64"), WEIGHT[REAL].astype("float64")


EACH = -np.log(np.where(LABELS == 1, P, 1 - P))


BCE = (WEIGHTS * EACH).sum() / len(EACH)


MSE = (WEIGHTS * (LABELS - P) ** 2).sum()


# Standard Keras losses. tests/test_backends.py runs these tests on every backend.
EXPECTED = {
    "loss": BCE,
    "AUC": roc_auc_score(LABELS, P),
    "accuracy": accuracy_score(LABELS, P > 0.5),
    "mse": MSE / WEIGHTS.sum(),
}


def model_of():
    """Builds a model from logits and a bias to probabilities. Only weights mark padding."""
    x = keras.Input((None,), name="x")
    logit = Bias(name="bias", dtype="float32")(keras.ops.expand_dims(x, -1))
    return kd.CTRModel({"x": x}, probability(logit, x > -np.inf), name="model")
