from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judging.model.answers import REMINDER, grade


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Grade: 2", 2),
        ("  Grade: 0  \n", 0),
        ("Grade:3\r\n", 3),
        ("It names the city.\nGrade: 1", 1),
        ("Grade: 1\nbecause it is on the subject", 1),
        ("", None),
        ("2", None),
        ("The grade is 2.", None),
        ("grade: 2", None),
        ("Grade: 2.", None),
        ("Grade: 2 of 3", None),
        ("Grade: 4", None),
        ("Grade: -1", None),
        ("Grade: 2.5", None),
        ("Grade: 22", None),
        ("Grade: \u0662", None),  # a digit that is not of ASCII
        ("Grade: two", None),
        ("Grade:", None),
        ("Grade:\n2", None),
        ("**Grade: 2**", None),
        ("Grade: 2\nGrade: 2", None),
        ("Grade: 2\nGrade: 1", None),
        ("Grade: 2\nGrade: none", None),
        ("I will answer Grade: 2", None),
    ],
)
def test_only_the_form_that_was_asked_for_is_read(answer: str, expected: int | None) -> None:
    assert grade(answer) == expected


LINES = st.lists(st.text().filter(lambda text: "Grade:" not in text), max_size=4)


@given(LINES, st.integers(0, 3), LINES, st.sampled_from(["\n", "\r\n"]))
def test_a_grade_among_prose_is_found(
    before: list[str], given: int, after: list[str], end: str
) -> None:
    assert grade(end.join([*before, f"Grade: {given}", *after])) == given


@given(LINES)
def test_prose_without_the_form_is_nothing(lines: list[str]) -> None:
    assert grade("\n".join(lines)) is None


@given(LINES, st.integers(0, 3), st.integers(0, 3), LINES)
def test_two_grades_are_none(before: list[str], one: int, other: int, after: list[str]) -> None:
    assert grade("\n".join([f"Grade: {one}", *before, f"Grade: {other}", *after])) is None


@given(st.text(alphabet="Grade: 0123456789.\n-+*_", max_size=60))
def test_whatever_is_read_was_said(answer: str) -> None:
    found = grade(answer)
    assert found is None or f"{found}" in answer
    assert found in (None, 0, 1, 2, 3)


def test_what_asks_again_shows_the_form() -> None:
    assert grade(REMINDER) == 1
