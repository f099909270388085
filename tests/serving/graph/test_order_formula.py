"""The formula that orders candidates: values, bounds, and errors with a position."""

import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.serving.graph.order_formula import OrderFormula

ITEM = kd.Categorical("item", 9)
SPEC = kd.FeatureSpec(
    target=[ITEM],
    labels=[
        kd.Label("click"),
        kd.Label("buy", output="cvr", given="click"),
        kd.Label("seconds", loss="weighted_logistic"),
        kd.Label("score", loss="mse"),
    ],
)
OUTPUTS = {
    "ctr": np.array([[0.25, 0.5, 0.0]], "float32"),
    "cvr": np.array([[0.1, 0.0, 1.0]], "float32"),
    "cvr_given_ctr": np.array([[0.4, 0.0, 1.0]], "float32"),
    "seconds": np.array([[3.0, 0.0, 100.0]], "float32"),
    "score": np.array([[-1.0, 0.0, 2.0]], "float32"),
}
CTR, CVR, SECONDS, SCORE = (
    OUTPUTS[n].astype("float64") for n in ("ctr", "cvr", "seconds", "score")
)
FORMULAS = {
    "click * buy ** 0.3": CTR * CVR**0.3,
    "ctr": CTR,
    " (click) ": CTR,
    "buy": CVR,
    "cvr_given_ctr": OUTPUTS["cvr_given_ctr"],
    "-ctr + 2 * (cvr - 0.5)": -CTR + 2 * (CVR - 0.5),
    "ctr / (cvr + 0.01)": CTR / (CVR + 0.01),
    "(1 + seconds) ** 0.5 * ctr": (1 + SECONDS) ** 0.5 * CTR,
    "(1 + seconds) ** -1": 1 / (1 + SECONDS),
    "score ** 2 - 3": SCORE**2 - 3,
    "ctr ** 0": CTR**0,
    "ctr * 2 ** 3": CTR * 8,
    "+ctr - - ctr": 2 * CTR,
}


@pytest.mark.parametrize("text", FORMULAS)
def test_values(text):
    formula = OrderFormula(text, SPEC)
    assert formula.text == text
    for outputs in (OUTPUTS, {n: tf.constant(v) for n, v in OUTPUTS.items()}):
        np.testing.assert_allclose(formula(outputs), FORMULAS[text], rtol=1e-5)


def test_output_of_a_plain_name():
    assert OrderFormula(None, SPEC).output == "ctr"
    assert OrderFormula("buy", SPEC).output == "cvr"
    assert OrderFormula("(buy)", SPEC).output == "cvr"
    assert OrderFormula("buy * 1", SPEC).output is None


NOT_ONE = "this is not one of them"


@pytest.mark.parametrize(
    "text, error",
    [
        ("like", "at character 1: there is no output or label 'like'"),
        ("click * like", "at character 9: there is no output or label 'like'"),
        ("  like", "at character 3: there is no output"),
        ("click / buy", "at character 9: the divisor may be 0; add a small number"),
        ("click / 0", "at character 9: the divisor may be 0"),
        ("1 / score", "at character 5: the divisor may be 0"),
        ("1 / (ctr - 0.5)", "at character 6: the divisor may be 0"),
        ("click ** -1", "at character 1: the base of a negative exponent may be 0"),
        ("score ** 0.5", "at character 1: the base of a root may be negative"),
        ("ctr ** 11", "at character 8: an exponent must be a number from -10 to 10"),
        ("ctr ** cvr", "at character 8: an exponent must be a number from"),
        ("9 ** 9 ** 9 * ctr", "at character 6: an exponent must be a number from"),
        ("1e200 ** 2 * ctr", "at character 1: a value may be larger than 1e+305"),
        ("1e100 ** 10 * ctr", "at character 1: a value may be larger than"),
        ("1e306 * ctr", "at character 1: a number must be at most"),
        ("1e200 * ctr * 1e200", "at character 1: a value may be larger than"),
        ("1e200 * 1e200 * seconds", "at character 1: a value may be larger than"),
        ("seconds ** 10 * seconds", "use smaller numbers and exponents"),
        ("(ctr * (seconds * seconds)) ** 6", "at character 1: a value may be larger than"),
        ("score ** 9 * score * score", "at character 1: a value may be larger than"),
        ("10 * ctr / (seconds + 1e-154) ** 2", "at character 1: a value may be larger than"),
        ("1e999 * ctr", "at character 1: a number must be at most"),
        ("exp(ctr)", f"at character 1: {NOT_ONE}"),
        ("ctr.real", f"at character 1: {NOT_ONE}"),
        ("ctr[0]", f"at character 1: {NOT_ONE}"),
        ("__import__('os').system('x')", f"at character 1: {NOT_ONE}"),
        ("ctr if cvr else 1", f"at character 1: {NOT_ONE}"),
        ("ctr > 0.5", f"at character 1: {NOT_ONE}"),
        ("ctr // 2", f"at character 1: {NOT_ONE}"),
        ("lambda: ctr", f"at character 1: {NOT_ONE}"),
        ("ctr * True", f"at character 7: {NOT_ONE}"),
        ("ctr * 'x'", f"at character 7: {NOT_ONE}"),
        ("ctr * 1j", f"at character 7: {NOT_ONE}"),
        ("[ctr]", f"at character 1: {NOT_ONE}"),
        ("1 + 2", "at character 1: it must have the name of an output"),
        ("ctr # cvr", "which cannot be read at character 5"),
        ("ctr *", "which cannot be read at character"),
        ("ctr cvr", "which cannot be read at character"),
        ("ctr = 3", "which cannot be read at character"),
        ("(" * 250 + "ctr" + ")" * 40, "which cannot be read at character"),
        ("ctr\0", "which cannot be read at character 1"),
        ("ctr + " * 60 + "ctr", "at most 300 characters. Received: 363"),
        ("", "must be the name of an output or a formula"),
        (3, "must be the name of an output or a formula.*order_by=3"),
    ],
)
def test_errors_name_the_position(text, error):
    with pytest.raises(ValueError, match="`order_by` must") as raised:
        OrderFormula(text, SPEC)
    assert error.split(".*")[0] in str(raised.value)


def test_longest_formulas_are_read():
    assert OrderFormula("-" * 297 + "ctr", SPEC)({"ctr": 2.0}) == -2.0
    assert OrderFormula("(" * 90 + "ctr" + ")" * 90, SPEC).output == "ctr"


def test_name_of_an_output_and_of_another_label():
    labels = [kd.Label("click", output="p"), kd.Label("p", output="other")]
    spec = kd.FeatureSpec(target=[ITEM], labels=labels)
    for text in ("p", "2 * p"):
        with pytest.raises(ValueError, match=r"'p' is both an output and the label of .*'other'"):
            OrderFormula(text, spec)
    assert OrderFormula("other", spec).output == "other"
    assert OrderFormula("click", spec).output == "p"
