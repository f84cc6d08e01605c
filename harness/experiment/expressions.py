"""Arithmetic written as text, over named numbers: it computes, and can do nothing else.

No library is used: a general evaluator would still need these bounds, functions and error texts.
"""

from __future__ import annotations

import ast
import itertools
import math
import operator
import statistics
import warnings
from collections.abc import Callable, Mapping, Sequence

from harness.files.wrong_values import did_you_mean

Number = float | tuple[float, ...]
"""What a name stands for: a number, or several for a function to read."""

LONGEST = 300
"""Characters of an expression."""

OPERATORS: Mapping[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}

FUNCTIONS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "mean": statistics.fmean,
    "min": min,
    "max": max,
}

ALLOWED = f"numbers, names, + - * / **, parentheses, {', '.join(FUNCTIONS)}"


def evaluate(expression: str, numbers: Mapping[str, Number]) -> float:
    """The value of an expression such as `1 - mean(after) / mean(before)`.

    A name of several numbers may stand in a function only. Raises ValueError that says what is not
    arithmetic, which name is not known, or why there is no value.
    """
    try:
        found = _number(_parsed(expression), numbers)
    except (ZeroDivisionError, OverflowError, RecursionError) as error:
        raise ValueError(f"{expression!r} has no value: {error}") from None
    if isinstance(found, complex) or not math.isfinite(found):
        raise ValueError(f"{expression!r} has no finite value")
    return found


def names(expression: str) -> list[str]:
    """The names of numbers in an expression, each once; raises ValueError for no expression."""
    nodes = ast.walk(_parsed(expression))
    found = (node.id for node in nodes if isinstance(node, ast.Name))
    return [name for name in dict.fromkeys(found) if name not in FUNCTIONS]


def _parsed(expression: str) -> ast.expr:
    if len(expression) > LONGEST:
        raise ValueError(f"an expression has at most {LONGEST} characters")
    try:
        with warnings.catch_warnings():  # of what will be refused anyway, such as `1or 2`
            warnings.simplefilter("ignore")
            return ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"{expression!r} is not arithmetic; allowed are {ALLOWED}") from None


def _number(node: ast.expr, numbers: Mapping[str, Number]) -> float:
    found = _value(node, numbers)
    if isinstance(found, tuple):
        raise ValueError(f"{ast.unparse(node)} is several numbers: put it into a function")  # noqa: TRY004
    return found


def _value(node: ast.expr, numbers: Mapping[str, Number]) -> Number:
    """Integers count as floats, so that a power ends in an overflow and not in a long wait."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return float(value)
        case ast.Name(id=name):
            if name not in numbers:
                raise ValueError(f"there is no number {name!r}{did_you_mean(name, numbers)}")
            return numbers[name]
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in OPERATORS:
            return OPERATORS[type(sign)](_number(operand, numbers))
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in OPERATORS:
            return OPERATORS[type(sign)](_number(left, numbers), _number(right, numbers))
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as parts, keywords=[]) if (
            name in FUNCTIONS
        ):
            values = (_value(part, numbers) for part in parts)
            several = (value if isinstance(value, tuple) else (value,) for value in values)
            return FUNCTIONS[name](list(itertools.chain.from_iterable(several)))
    raise ValueError(f"{ast.unparse(node)!r} is not arithmetic; allowed are {ALLOWED}")
