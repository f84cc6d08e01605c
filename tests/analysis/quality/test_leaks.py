"""Alarms of texts that stand twice, and what the mean is without them."""

from __future__ import annotations

from made_results import measured, results

from harness.analysis.quality.leaks import leaks
from harness.results.leaks import COPIED, LEARNT, TWINS

PLAN = {"decision": {"objective": "m@1"}}
VALUES = measured("d", "base", [0.5, 0.5, 1.0, 0.0]) + measured("d", "other", [0.5, 0.5, 0.5, 0.5])


def read(system: str, reading: str, query: str, value: float) -> tuple[object, ...]:
    return ("d", system, reading, 0, query, "m@1", value)


def test_what_the_mean_is_without_copied_queries_and_with_twins() -> None:
    rows = [read("base", COPIED, "q2", 1.0), read("base", TWINS, "q3", 0.02)]
    found = leaks(results(PLAN, measurements=VALUES, readings=rows), "d")
    # without q2: (0.5 + 0.5 + 0) / 3; with 0.02 instead of 0 for q3: 0.505, a change of 0.005
    assert list(found) == [
        (
            "base",
            "queries in documents",
            True,
            (
                "For 1 of 4 queries one of the first 10 documents has the query word for word: m@1 is "
                "0.500, and 0.333 without these queries."
            ),
        ),
        (
            "base",
            "unjudged twins",
            False,
            (
                "For 1 of 4 queries one of the first 10 documents repeats a relevant one but for a few "
                "words, and has no judgement: m@1 is 0.500, and 0.505 if it had the judgement of its "
                "twin."
            ),
        ),
    ]


def test_what_the_mean_is_without_queries_near_learnt_ones() -> None:
    rows = [read("base", LEARNT, "q2", 1.0), read("base", LEARNT, "q0", 0.5)]
    (found,) = leaks(results(PLAN, measurements=VALUES, readings=rows), "d")
    said = (
        "For 2 of 4 queries a trained model learnt from nearly the same words: m@1 is 0.500, and "
        "0.250 without these queries."
    )
    assert found == ("base", "queries near learnt ones", True, said)


def test_copies_of_all_queries_leave_no_mean() -> None:
    rows = [read("other", COPIED, f"q{i}", 0.5) for i in range(4)]
    ((system, _, matters, said),) = leaks(results(PLAN, measurements=VALUES, readings=rows), "d")
    assert (system, matters) == ("other", True)
    assert said.endswith("m@1 is 0.500, and n/a without these queries.")


def test_nothing_is_said_where_nothing_stands_twice() -> None:
    rows = [read("base", "condensed", "q0", 0.5)]
    assert list(leaks(results(PLAN, measurements=VALUES, readings=rows), "d")) == []
