"""Alarms of texts that stand twice, and what the mean is without them."""

from __future__ import annotations

from made_results import measured, results

from harness.analysis.quality.leaks import NEAR_LEARNT, leaks
from harness.results.leaks import COPIED, TWINS

PLAN = {"decision": {"objective": "m@1"}, "baseline": "base"}
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


def test_a_gain_on_queries_near_learnt_ones_is_shown_without_them() -> None:
    base, other = [0.25, 0.25, 0.5, 0.5], [0.5, 0.25, 0.5, 0.75]
    values = measured("d", "base", base) + measured("d", "other", other)
    values += measured("d", "older", other)
    # two trainings: of the model and of its teacher; q9 was not measured; older results say nothing
    facts = {
        ("d", "other"): {"trainings": [{"near": ["q0"]}, {"near": ["q0", "q1", "q9"]}]},
        ("d", "base"): {"trainings": []},
        ("d", "older"): {"trainings": [{}]},
    }
    said = (
        "For 2 of 4 queries a model was trained on nearly the same words: the gain in m@1 over base is "
        "{}, and {} without these queries."
    )
    found = list(leaks(results(PLAN, measurements=values, facts=facts), "d"))
    assert found == [("other", NEAR_LEARNT, False, said.format("+0.125", "+0.125"))]
    facts["d", "other"] = {"trainings": [{"near": ["q0", "q3"]}]}
    ((_, _, matters, evidence),) = leaks(results(PLAN, measurements=values, facts=facts), "d")
    assert (matters, evidence) == (True, said.format("+0.125", "+0.000"))


def test_a_system_that_was_trained_on_all_queries_has_no_gain_without_them() -> None:
    facts = {("d", "other"): {"trainings": [{"near": [f"q{i}" for i in range(4)]}]}}
    ((*_, matters, said),) = leaks(results(PLAN, measurements=VALUES, facts=facts), "d")
    assert matters
    assert said.endswith("is +0.000, and n/a without these queries.")


def test_copies_of_all_queries_leave_no_mean() -> None:
    rows = [read("other", COPIED, f"q{i}", 0.5) for i in range(4)]
    ((system, _, matters, said),) = leaks(results(PLAN, measurements=VALUES, readings=rows), "d")
    assert (system, matters) == ("other", True)
    assert said.endswith("m@1 is 0.500, and n/a without these queries.")


def test_nothing_is_said_where_nothing_stands_twice() -> None:
    rows = [read("base", "condensed", "q0", 0.5)]
    assert list(leaks(results(PLAN, measurements=VALUES, readings=rows), "d")) == []
