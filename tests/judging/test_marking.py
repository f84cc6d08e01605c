"""Words of the query in a text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.judging.marking import BEGINNING, beginning, marked


def words(text: str, query: str) -> list[str]:
    return [piece.text for piece in marked(text, query) if piece.marked]


def test_words_are_marked_in_either_number_and_case() -> None:
    text = "Boundary layers: the LAYER at the boundary, unbounded."
    assert words(text, "What does a boundary layer do?") == [
        "Boundary",
        "layers",
        "LAYER",
        "boundary",
    ]


def test_common_words_are_not() -> None:
    assert words("This is what the glass does in its classes", "What does this glass do") == [
        "glass"
    ]


@given(st.text(), st.text())
def test_no_character_is_lost(text: str, query: str) -> None:
    assert "".join(piece.text for piece in marked(text, query)) == text


@given(st.text(alphabet="ab \n", max_size=3 * BEGINNING))
def test_the_beginning_is_one(text: str) -> None:
    found = beginning(text)
    assert text.startswith(found)
    assert len(found) <= BEGINNING
    assert found == text or len(found) >= BEGINNING // 2
