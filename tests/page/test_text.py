from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.page import text
from harness.page.terminal import columns
from harness.page.text import counted, milliseconds, more_queries, shortened, significant


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 hits"), (1, "1 hit"), (2, "2 hits"), (1234, "1,234 hits")]
)
def test_counted(count: int, said: str) -> None:
    assert counted(count, "hit") == said


def test_counted_with_another_plural() -> None:
    assert counted(2, "query has", "queries have") == "2 queries have"
    assert counted(2, "query") == "2 queries"
    assert counted(2, "way") == "2 ways"


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


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1234.5, "1,230"),
        (99.96, "100"),
        (9.996, "10.0"),
        (0.012345, "0.0123"),
        (0, "0"),
        (-2.5, "-2.50"),
        (math.inf, "inf"),
        (math.nan, "n/a"),
    ],
)
def test_three_significant_digits(value: float, written: str) -> None:
    assert significant(value) == written


@given(st.floats(1e-6, 1e9))
def test_significant_digits_lose_half_a_percent(value: float) -> None:
    assert float(significant(value).replace(",", "")) == pytest.approx(value, rel=0.00501)


def test_seconds_with_an_interval() -> None:
    assert milliseconds(0.0123456) == "12.3"
    assert text.bracketed(0.1, 0.09, math.nan) == "100 [90.0, -]"
    assert text.bracketed(0.1, math.nan, math.nan) == "100"
    assert text.bracketed(math.nan, math.nan, math.nan) == "n/a"


def test_factors_and_numbers() -> None:
    assert text.times_as_fast(0.5, 0.4, 0.8) == "2.00 [1.25, 2.50]"
    assert text.times_as_fast(0.5, math.nan, math.nan) == "2.00 [no interval]"
    assert text.times_as_fast(math.nan, 1.0, 2.0) == "n/a"
    assert text.number(math.nan) == "n/a"
    assert text.number(1234.5) == "1,234"


def test_lists_and_bounds() -> None:
    assert text.listed(["a"], " and ") == "a"
    assert text.listed(["a", "b", "c"], " and ") == "a, b and c"
    assert text.listed(["a", "b"]) == "a, b"
    assert text.listed(["a", "b"], most=1) == "2 systems"
    assert text.change(0.25, 0.125, 0.375, of="m@1") == "+0.250 m@1 [+0.125, +0.375]"
    assert text.change(0.25, math.nan, math.nan) == "+0.250 [no interval]"
    assert (text.chance(0.00001), text.chance(0.0123)) == ("p < 0.0001", "p = 0.0123")


def test_a_name_that_is_taken_gets_a_number() -> None:
    taken: set[str] = set()
    assert [text.unique(name, taken) for name in ("a", "A", "a", "b")] == ["a", "A-2", "a-3", "b"]


@pytest.mark.parametrize(
    ("name", "family", "brief", "spoken"),
    [
        ("dense", "dense", "dense", "dense"),
        (
            *("late[dim=64,precision=int8]", "late", "late 64 int8"),
            "late at 64 dimensions, int8",
        ),
        (
            *("late[dim=64], on the fly", "late, on the fly", "late 64, on the fly"),
            "late at 64 dimensions, on the fly",
        ),
        ("late[rerank=50]", "late", "late 50", "late, rerank 50"),
        ("a [b](c)", "a [b](c)", "a [b](c)", "a [b](c)"),  # brackets without a setting
    ],
)
def test_names_that_vary_makes(name: str, family: str, brief: str, spoken: str) -> None:
    assert (text.family(name), text.brief(name), text.spoken(name)) == (family, brief, spoken)


def test_a_share_and_the_beginning_of_a_sentence() -> None:
    assert (text.percent(0.4), text.percent(0.0175, 1)) == ("40 %", "1.8 %")
    assert text.sentence_case("no System") == "No System"


@pytest.mark.parametrize(("value", "bound"), [(193.4, 194.0), (193.0, 193.0), (0.01231, 0.0124)])
def test_a_bound_is_never_said_too_low(value: float, bound: float) -> None:
    assert text.rounded_up(value) == pytest.approx(bound)
