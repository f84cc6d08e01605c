from __future__ import annotations

import math

from harness.analysis.judgments.model_trial import sentences, tried

NAMES = [f"d{i}" for i in range(10)]
GRADES = [3, 0, 1, 2, 0, 3, 1, 0, 0, 2]
PEOPLE = {
    (f"q{i}", name): grade for i in range(6) for name, grade in zip(NAMES, GRADES, strict=True)
}
RANKINGS = {
    "good": {f"q{i}": ["d0", "d5", "d9", "d3"] for i in range(6)},
    "fair": {f"q{i}": ["d3", "new", "d9", "d1"] for i in range(6)},
    "bad": {f"q{i}": ["d1", "d4", "d7", "d8"] for i in range(6)},
}


def trial(labels: dict[tuple[str, str], int], people: dict[tuple[str, str], int] = PEOPLE):  # noqa: ANN201
    return tried("org/judge", people, labels, RANKINGS, "ndcg@4", 0.4, 1)


def test_a_model_as_people_counts() -> None:
    found = trial(PEOPLE)
    assert found.counts
    assert found.agreement
    assert (found.agreement.weighted.value, found.tau, found.agreement.pairs) == (1, 1, 60)
    assert "labels count, marked as a model's" in sentences(found)[0]


def test_a_laxer_model_is_said_to_be_laxer() -> None:
    found = trial({pair: min(grade + 1, 3) for pair, grade in PEOPLE.items()})
    assert found.counts
    assert any("org/judge is laxer than people, by 0.80 grades" in one for one in sentences(found))


def test_a_model_that_turns_grades_around_turns_systems_around() -> None:
    found = trial({pair: 3 - grade for pair, grade in PEOPLE.items()})
    assert found.tau == -1
    assert not found.counts
    said = "the file asks for at least 0.4. Its labels do not count."
    assert sentences(found)[0].endswith(said)


def test_few_documents_show_nothing() -> None:
    found = trial({pair: grade for pair, grade in PEOPLE.items() if pair[0] in ("q0", "q1")})
    assert not found.counts
    assert "tried on 20 documents; 30 are needed" in sentences(found)[0]


def test_nothing_in_common_is_not_measured() -> None:
    found = trial({("q9", "d0"): 1})
    assert sentences(found)[0].startswith("The judging model org/judge: agreement not measured")
    assert not found.counts
    assert math.isnan(found.tau)


def test_one_grade_alone_is_not_measured() -> None:
    found = trial(dict.fromkeys(PEOPLE, 2), dict.fromkeys(PEOPLE, 2))
    assert not found.counts
    assert "all gave one grade" in sentences(found)[0]


def test_where_people_said_yes_or_no_two_is_yes() -> None:
    found = trial(PEOPLE, {pair: int(grade >= 2) for pair, grade in PEOPLE.items()})
    assert found.counts
    assert found.agreement
    assert found.agreement.same.value == 1
    assert any("only yes or no" in one for one in sentences(found))
