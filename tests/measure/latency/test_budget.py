"""How an arm spends its budget."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated import CLOCK

from harness.data import Doc, Hit, Query
from harness.experiment.schema import Latency
from harness.measure.latency.budget import HOPELESS, Arm, ArmBudget, allotted, prepared

pytestmark = pytest.mark.usefixtures("simulated_clock")

QUERIES = [Query(f"q{i}", f"query {i}") for i in range(6)]
DOCS = {query.query_id: [Doc(f"d{i}", "text") for i in range(10)] for query in QUERIES}


def ranks_at(seconds_a_doc: float, calls: list[int]) -> object:
    def call(query: Query, docs: Sequence[Doc]) -> list[Hit]:
        del query
        calls.append(len(docs))
        CLOCK.work(seconds_a_doc * len(docs))
        return [Hit(doc.doc_id, -float(i)) for i, doc in enumerate(docs)]

    return call


def arm(**changes: object) -> Arm:
    given_values = {"system": "s", "mode": "rerank", "candidates": (1, 10), "docs": DOCS}
    return Arm(**{"policies": {"": ranks_at(0, [])}, **given_values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cost", "budget", "expected"),
    [
        ({10: 0.01, 100: 0.1}, 60.0, {10: 545, 100: 545}),  # 60 / 0.11
        ({10: 11.0, 50: 56.0}, 60.0, {10: 5}),  # after one call of 10, none of 50 fits
        ({10: 5.0, 50: 25.0}, 65.0, {10: 3, 50: 2}),  # twice both, and 5 s are left
        ({10: 70.0, 50: 300.0}, 60.0, {10: 1}),  # something must be there to predict from
        ({10: 60.1 * HOPELESS}, 60.0, {}),
    ],
)
def test_seconds_are_shared_out(
    cost: dict[int, float], budget: float, expected: dict[int, int]
) -> None:
    found = allotted(cost, budget, wanted=1000, whole=60.0)
    assert {k: n for k, n in found.items() if n} == pytest.approx(expected, abs=5)


@given(
    st.dictionaries(st.integers(1, 200), st.floats(1e-4, 100), min_size=1, max_size=4),
    st.floats(0, 60),
    st.integers(1, 1000),
)
def test_the_budget_is_passed_by_one_call_of_the_fewest_at_most(
    cost: dict[int, float], budget: float, wanted: int
) -> None:
    calls = allotted(cost, budget, wanted, whole=60.0)
    assert all(1 <= count <= wanted for count in calls.values())
    spent = sum(cost[size] * count for size, count in calls.items())
    assert spent <= budget * 1.000001 + cost[min(cost)]


@given(st.integers(1, 40), st.integers(5, 8), st.integers(0, 400), st.integers(0, 400))
def test_an_arm_with_fewer_calls_keeps_company_with_every_arm_with_more(
    queries: int, rounds: int, some: int, more: int
) -> None:
    some, more = sorted(min(count, queries * rounds) for count in (some, more))
    few, many = (ArmBudget(arm(), calls={10: count}) for count in (some, more))
    slots = [(place, number) for place in range(queries) for number in range(rounds)]
    taken = {slot for slot in slots if few.takes(slot[0], 10, slot[1], queries, rounds)}
    company = {slot for slot in slots if many.takes(slot[0], 10, slot[1], queries, rounds)}
    assert len(taken) == some
    assert taken <= company


def test_few_calls_meet_many_queries() -> None:
    budget = ArmBudget(arm(), calls={10: 5})
    met = {p for p in range(20) for n in range(5) if budget.takes(p, 10, n, 20, 5)}
    assert len(met) == 5


def test_the_fastest_policy_is_chosen_on_tuning_queries() -> None:
    slow: list[int] = []
    fast: list[int] = []
    policies = {"own": ranks_at(1e-3, slow), "better": ranks_at(1e-4, fast)}
    budget = prepared(
        arm(policies=policies), QUERIES, 100, Latency(budget_s=1.0, candidates=(1, 10)), no_wait
    )
    assert budget.chosen == {1: "better", 10: "better"}
    assert budget.policy(10) == "better"
    assert budget.cost[10] == pytest.approx(1e-3, rel=0.5)


def test_a_call_too_slow_to_compare_policies_keeps_its_own() -> None:
    policies = {"own": ranks_at(0.01, []), "other": ranks_at(0.001, [])}
    settings = Latency(budget_s=0.05, candidates=(1, 10))
    budget = prepared(arm(policies=policies), QUERIES, 100, settings, no_wait)
    assert budget.policy(10) == "own (not tuned)"


def test_what_would_not_fit_is_predicted() -> None:
    budget = prepared(
        arm(policies={"": ranks_at(0.02, [])}),
        QUERIES,
        100,
        Latency(budget_s=0.15, candidates=(1, 10)),
        no_wait,
    )
    assert budget.status(1) == ("measured", "")
    status, reason = budget.status(10)
    assert status == "predicted"
    assert "more than the budget has left" in reason


def test_an_arm_that_breaks_is_told_and_not_timed() -> None:
    def breaks(query: Query, docs: Sequence[Doc]) -> list[Hit]:
        raise RuntimeError(f"no {query.query_id} of {len(docs)}")

    budget = prepared(arm(policies={"": breaks}), QUERIES, 100, Latency(), no_wait)
    assert budget.status(10) == ("not measured", "RuntimeError: no q0 of 1")
    assert budget.calls == {}


def no_wait() -> None:
    pass
