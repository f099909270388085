"""The formula by which the signature `rank` orders candidates, such as `"click * buy ** 0.3"`."""

import ast
import itertools
import math
import operator
from collections.abc import Callable
from typing import NamedTuple

from keras_din.features import FeatureSpec

_OPERATORS: dict[type, Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_MAX_CHARACTERS = 300
_MAX_EXPONENT = 10
_MAX_OUTPUT = 1e30  # Of a number that a model predicts, so that it may have any exponent.
_MAX_VALUE = 1e305  # float64 ends at 1.8e308.


class Bounds(NamedTuple):
    """The smallest and the largest value that an expression may have."""

    low: float
    high: float


class OrderFormula:
    """A parsed formula over the outputs of an exported version.

    It contains names of outputs or labels, numbers, `+ - * / **` and parentheses. It is parsed to
    a tree of these, and never evaluated as Python. Computed in float64, its value is finite for
    all probabilities, and for numbers of up to 1e30: a divisor must not contain 0, a power must be
    defined, and no value may be larger than 1e305.

    Args:
        text: The formula, or the name of an output or label. `None` for the first output.
        spec: The `FeatureSpec` of the model.

    Attributes:
        text: The formula.
        output: The output that orders the candidates, or `None` if the formula is more than that.

    Raises:
        ValueError: If the formula is invalid. The error has the position.
    """

    def __init__(self, text: str | None, spec: FeatureSpec):
        self.text = spec.outputs[0] if text is None else text
        self._spec = spec
        self._names = {str(label.name): str(label.output) for label in spec.labels}
        self._names |= {output: output for output in spec.served_outputs}
        if not isinstance(self.text, str) or not self.text.strip():
            raise ValueError(
                "`order_by` must be the name of an output or a formula over outputs, such as "
                f"{spec.outputs[0]!r}. Received: order_by={text!r}."
            )
        self._tree = self._parse()
        self._bounds(self._tree)
        names = [node.id for node in ast.walk(self._tree) if isinstance(node, ast.Name)]
        if not names:
            raise self._error("it must have the name of an output", self._tree)
        is_name = isinstance(self._tree, ast.Name)
        self.output = self._output(names[0], self._tree) if is_name else None

    def __call__(self, outputs: dict):
        """Computes the formula.

        Args:
            outputs: Name of each output -> float64 tensor or array. In float32, a power of a
                number would overflow, and one of a small probability would be 0.
        """
        return self._value(self._tree, outputs)

    def _parse(self) -> ast.expr:
        if len(self.text) > _MAX_CHARACTERS:
            raise ValueError(
                f"`order_by` must have at most {_MAX_CHARACTERS} characters. "
                f"Received: {len(self.text)} characters."
            )
        try:
            if "#" in self.text:  # Python would ignore what follows.
                raise SyntaxError("#", ("", 1, self.text.index("#") + 1, ""))
            return ast.parse(self.text.lstrip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            at = getattr(error, "offset", None) or 1
            raise ValueError(
                f"`order_by` must be a formula such as {'{} * {}'.format(*self._two_names)!r}. "
                f"Received: order_by={self.text!r}, which cannot be read at character {at}."
            ) from None

    @property
    def _two_names(self) -> tuple:
        outputs = self._spec.outputs
        return outputs[0], outputs[-1]

    def _output(self, name: str, node: ast.expr) -> str:
        """Returns the output that a name of an output or label means."""
        by_label = {str(label.name): str(label.output) for label in self._spec.labels}
        if name in self._spec.served_outputs and by_label.get(name, name) != name:
            raise self._error(
                f"{name!r} is both an output and the label of the output {by_label[name]!r}: use "
                "the names of outputs",
                node,
            )
        return self._names[name]

    def _error(self, what: str, node: ast.expr) -> ValueError:
        at = 1 + len(self.text) - len(self.text.lstrip()) + node.col_offset
        return ValueError(
            f"`order_by` must be a formula of the outputs {list(self._spec.served_outputs)}, "
            "numbers, + - * / ** and parentheses. "
            f"Received: order_by={self.text!r}, at character {at}: {what}."
        )

    def _bounds(self, node: ast.expr) -> Bounds:
        """Returns the bounds of a node, or raises the error of an invalid one."""
        bounds = self._bounds_of_kind(node)
        for bound in bounds:
            if not abs(bound) <= _MAX_VALUE:
                raise self._error(
                    f"a value may be larger than {_MAX_VALUE:g}, for outputs that are numbers of "
                    f"up to {_MAX_OUTPUT:g}: use smaller numbers and exponents",
                    node,
                )
        return bounds

    def _bounds_of_kind(self, node: ast.expr) -> Bounds:
        number = _number(node)
        if number is not None:
            if abs(number) > _MAX_VALUE:
                raise self._error(f"a number must be at most {_MAX_VALUE:g}", node)
            return Bounds(float(number), float(number))
        if isinstance(node, ast.Name):
            if node.id not in self._names:
                raise self._error(f"there is no output or label {node.id!r}", node)
            return self._bounds_of_output(self._output(node.id, node))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            low, high = self._bounds(node.operand)
            return Bounds(-high, -low) if isinstance(node.op, ast.USub) else Bounds(low, high)
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return self._bounds_of_operation(node)
        raise self._error("this is not one of them", node)

    def _bounds_of_output(self, output: str) -> Bounds:
        for label in self._spec.labels:
            if label.output == output and not label.is_binary:
                return Bounds(0.0 if label.is_not_negative else -_MAX_OUTPUT, _MAX_OUTPUT)
        return Bounds(0.0, 1.0)

    def _bounds_of_operation(self, node: ast.BinOp) -> Bounds:
        left, right = self._bounds(node.left), self._bounds(node.right)
        if isinstance(node.op, ast.Add):
            return Bounds(left.low + right.low, left.high + right.high)
        if isinstance(node.op, ast.Sub):
            return Bounds(left.low - right.high, left.high - right.low)
        if isinstance(node.op, ast.Div) and right.low <= 0 <= right.high:
            raise self._error(
                "the divisor may be 0; add a small number, such as (... + 0.01)", node.right
            )
        if isinstance(node.op, ast.Pow):
            return self._bounds_of_power(node, left, right)
        function = _OPERATORS[type(node.op)]
        ends = [function(a, b) for a, b in itertools.product(left, right)]
        return Bounds(min(ends), max(ends))

    def _bounds_of_power(self, node: ast.BinOp, base: Bounds, exponent: Bounds) -> Bounds:
        power = exponent.low
        if power != exponent.high or abs(power) > _MAX_EXPONENT:
            raise self._error(
                f"an exponent must be a number from -{_MAX_EXPONENT} to {_MAX_EXPONENT}", node.right
            )
        if power < 0 and base.low <= 0 <= base.high:
            raise self._error("the base of a negative exponent may be 0", node.left)
        if power != int(power) and base.low < 0:
            raise self._error("the base of a root may be negative", node.left)
        try:
            ends = [end**power for end in base]
        except OverflowError:
            ends = [math.nan]
        if base.low < 0 < base.high:
            ends.append(0.0 if power else 1.0)
        return Bounds(min(ends), max(ends))

    def _value(self, node: ast.expr, outputs: dict):
        number = _number(node)
        if number is not None:
            return float(number)
        if isinstance(node, ast.Name):
            return outputs[self._output(node.id, node)]
        if isinstance(node, ast.UnaryOp):
            value = self._value(node.operand, outputs)
            return -value if isinstance(node.op, ast.USub) else value
        assert isinstance(node, ast.BinOp)
        left, right = self._value(node.left, outputs), self._value(node.right, outputs)
        return _OPERATORS[type(node.op)](left, right)


def _number(node: ast.expr) -> int | float | None:
    """Returns the number of a node, or `None` if it is something else, such as `True`."""
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
