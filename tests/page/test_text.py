from __future__ import annotations

import pytest

from harness.page.terminal import columns
from harness.page.text import counted, more_queries, shortened


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 hits"), (1, "1 hit"), (2, "2 hits"), (1234, "1,234 hits")]
)
def test_counted(count: int, said: str) -> None:
    assert counted(count, "hit") == said


def test_counted_with_another_plural() -> None:
    assert counted(2, "query has", "queries have") == "2 queries have"


def test_names_that_fit_stay() -> None:
    assert shortened(["a", "bb"], 2) == {"a": "a", "bb": "bb"}


@pytest.mark.parametrize(
    ("names", "cut"),
    [
        # ten of sixteen characters: the middle goes where that tells them apart ...
        (["abcdefgh12345678", "abcdefgh12345679"], ["abcde…5678", "abcde…5679"]),
        # ... else the part nearest to it that the two can spare
        (["aaaaaaaXbbbbbbbb", "aaaaaaaYbbbbbbbb"], ["aaaaaaaX…b", "aaaaaaaY…b"]),
        (["short", "shorter than that"], ["short", "short… that"]),
    ],
)
def test_names_stay_apart(names: list[str], cut: list[str]) -> None:
    assert list(shortened(names, 10 if "that" not in names[1] else 11).values()) == cut


def test_names_are_longer_where_nothing_else_tells_them_apart() -> None:
    names = [f"{first}{'-' * 20}{last}" for first in "ab" for last in "cd"]
    found = shortened(names, 2)
    assert len(set(found.values())) == 4
    assert max(map(len, found.values())) == 3


def test_tables_of_the_terminal_keep_names_apart() -> None:
    middle = [f"{'x' * 40}{letter}{'y' * 40}" for letter in "ab"]
    lines = columns([["", "ndcg@10"], *([name, "0.5000"] for name in middle)])
    assert len({line.split()[0] for line in lines[1:]}) == 2
    assert max(map(len, lines)) <= 79


@pytest.mark.parametrize(
    ("needed", "said"),
    [
        (340, "about 240 more queries"),
        (100.2, "about 1 more query"),
        (1000, "about 900 more queries"),
        (130_100, "more than 10 times as many queries"),
        (float("inf"), "more than 10 times as many queries"),
    ],
)
def test_more_queries_than_anybody_judges_have_no_number(needed: float, said: str) -> None:
    assert more_queries(needed, 100) == said
