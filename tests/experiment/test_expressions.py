"""Arithmetic computes what it says, and refuses everything else that Python could be told to do."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.experiment.expressions import LONGEST, evaluate, names

NUMBERS = {"a": 2.0, "many": (1.0, 2.0, 6.0)}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("500 * 128 * 4", 256_000),
        ("1 - 96 / 128", 0.25),
        ("-2 ** 2 + +1", -3),  # a power binds closer than a sign
        ("(13 * mean(many) + a) / 14", 41 / 14),
        ("mean(a, 4)", 3),
        ("max(many, a * 4) - min(many)", 7),
        ("1e3 * .5", 500),
    ],
)
def test_values(expression: str, value: float) -> None:
    assert evaluate(expression, NUMBERS) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(
    "expression",
    [
        *("", "1 +", "1; 2", "a = 1", "\0", "1or 2", "(" * 200),
        *("__import__('os').system('true')", "a.real", "many[0]", "[1, 2]", "(1, 2)", "'x' * 3"),
        *("lambda: 1", "1 if a else 2", "a < 3", "a and 1", "not a", "True", "1j", "f'{a}'", "~a"),
        *("1 // 2", "1 % 2", "1 << 9", "1 @ 2", "(b := 2)", "[x for x in many]", "None", "..."),
        *(
            "sum(many)",
            "mean()",
            "mean(*many)",
            "mean(x=1)",
            "min(many, key=a)",
            "max(max)",
            "mean",
        ),
    ],
)
def test_what_is_no_arithmetic_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"is not arithmetic|there is no number"):
        evaluate(expression, NUMBERS)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("1 / (a - 2)", "division by zero"),
        ("0 ** -1", "has no value"),
        ("9 ** 9 ** 9 ** 9", "has no value"),  # at once: powers of floats overflow
        ("1e308 * 10", "no finite value"),
        ("1e999 - 1e999", "no finite value"),
        ("(-8) ** .5", "no finite value"),
        ("many * 2", "many is several numbers"),
        ("many", "many is several numbers"),
        ("mani + 1", "there is no number 'mani'; did you mean 'many'?"),
        ("+".join("1" * LONGEST), f"at most {LONGEST} characters"),
    ],
)
def test_what_has_no_value(expression: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        evaluate(expression, NUMBERS)


def test_names_are_those_of_numbers() -> None:
    assert names("1 - mean(after) / mean(before, after)") == ["after", "before"]


@given(st.text(max_size=40) | st.text("0123456789.+-*/() aemnx,", max_size=40))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert math.isfinite(evaluate(text, NUMBERS))
