"""Judging in a terminal: what is shown, and what a line means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judging.choose import Standing
from harness.judging.desk import Texts
from harness.judging.session import View
from harness.judging.terminal import shown, typed

VIEW = View(("q", "d"), Standing(False, "Assess further.", 3), 2, 5, "unclear", "1")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("2\n", ("2", "")),
        (" U ", ("u", "")),
        ("n two  words", ("n", "two words")),
        ("n", ("", "")),
        ("4", ("", "")),
        ("2 3", ("", "")),
        ("", ("", "")),
    ],
)
def test_what_a_line_means(line: str, expected: tuple[str, str]) -> None:
    assert typed(line) == expected


def test_what_is_shown() -> None:
    text = shown(VIEW, Texts("red apples", "An apple.\n\nNot red."), whole=False)
    assert "Assess further. 2 documents judged by you." in text
    assert "Query: red apples" in text
    assert "  An *apple*.\n\n  Not *red*.\n" in text
    assert "Your note: unclear" in text
    long = Texts("apple", "pear " * 1000)
    assert len(shown(VIEW, long, whole=False)) < 2000 < len(shown(VIEW, long, whole=True))


@given(st.text(), st.text())
def test_lines_fit(query: str, document: str) -> None:
    lines = shown(VIEW, Texts(query, document), whole=True).splitlines()
    assert all(len(line) <= 79 for line in lines)
