"""Load from literal requests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from harness.analysis.costs.capacity import CAPACITIES, capacities, warnings
from harness.analysis.costs.load import LOADS, _added, loads
from harness.analysis.statistics.percentiles import percentiles
from harness.results import columns

NOTHING = math.nan
LIMIT = 0.1


def step(loop: str, level: float, window: float = 10.0, **more: Any) -> dict[str, Any]:
    row = {"dataset": "x", "system": "s", "loop": loop, "level": level, "share": 0.5, "k": 5}
    row |= {"status": "measured", "reason": "", "window": window, "cores": 0.5, "remark": ""}
    return row | more


def sent(
    row: dict[str, Any],
    seconds: Sequence[float],
    outcomes: Sequence[str] = (),
    due: Sequence[float] = (),
) -> list[dict[str, Any]]:
    """Requests of a step at equal distances, each of a query of its own."""
    count = len(seconds)
    names = {name: row[name] for name in ("dataset", "system", "loop", "level")}
    return [
        names
        | {"query_id": f"q{i}", "due": due[i] if due else i * row["window"] / count, "late": 0.0}
        | {"seconds": value, "outcome": outcomes[i] if outcomes else "answered"}
        for i, value in enumerate(seconds)
    ]


def table(
    *steps: tuple[dict[str, Any], Sequence[float]] | dict[str, Any],
    limit: float = LIMIT,
    first: float | None = 0.0,
) -> pd.DataFrame:
    """Columns LOADS of steps, with the seconds of their requests."""
    pairs = [one if isinstance(one, tuple) else (one, ()) for one in steps]
    requests = [request for row, seconds in pairs for request in sent(row, seconds)]
    return of([row for row, _ in pairs], requests, limit, first)


def retrieval(seconds: float) -> pd.DataFrame:
    """Calls of retrieval, of a query that is asked and of one that is not."""
    rows = [{"query_id": name, "seconds": seconds} for name in ("q1", "other")]
    return pd.DataFrame(rows).reindex(columns=list(columns.CALLS))


def of(
    steps: Sequence[dict[str, Any]],
    requests: Sequence[dict[str, Any]],
    limit: float = LIMIT,
    first: float | None = 0.0,
) -> pd.DataFrame:
    made = pd.DataFrame(requests).reindex(columns=list(columns.REQUESTS))
    table = pd.DataFrame(steps).reindex(columns=list(columns.STEPS))
    found = loads(made, table, limit, 1, {"s": retrieval(first)} if first is not None else {})
    assert list(found.columns) == list(LOADS)
    return found


def rate(level: float, seconds: float, count: int = 400) -> tuple[dict[str, Any], list[float]]:
    """An open step whose requests all took so long, all in time."""
    return step("open", level, window=count / level), [seconds] * count


def told(*steps: Any, limit: float = LIMIT, first: float | None = 0.0) -> dict[str, Any]:
    closed = (step("closed", 2.0), [0.01] * 400)
    found = capacities(table(closed, *steps, limit=limit, first=first), limit)
    assert list(found.columns) == list(CAPACITIES)
    (row,) = found.to_dict("records")
    return row


def test_nothing_was_asked_for() -> None:
    found = of([], [])
    assert len(found) == len(capacities(found, LIMIT)) == 0


def test_counts_and_rates_by_hand() -> None:
    row = step("open", 4.0, window=2.0)
    seconds = [0.5, NOTHING, 0.5, NOTHING, NOTHING, 0.5, 0.5, 0.5]  # the last is due at 1.75
    outcomes = ["answered", "refused", "answered", "failed", "unsent", *["answered"] * 3]
    (found,) = of([row], sent(row, seconds, outcomes)).to_dict("records")
    kinds = ("requests", "answered", "refused", "failed", "unsent", "queries")
    assert [found[kind] for kind in kinds] == [8, 5, 1, 1, 1, 8]
    assert found["offered"] == 4
    # answers at 0.5, 1.0, 1.75, 2.0 within 2 s, and one at 2.25
    assert found["achieved"] == 2
    assert found["achieved_low"] < 2 < found["achieved_high"]
    # five of eight in half a second, the others never
    assert (found["p50"], found["max"]) == (0.5, 0.5)
    assert math.isnan(found["p95"])


def test_percentiles_are_given_where_requests_carry_them() -> None:
    seconds = list(np.linspace(0.01, 0.02, 199))
    (few,) = table((step("open", 20.0), seconds)).to_dict("records")
    (enough,) = table((step("open", 20.0), [*seconds, 0.02])).to_dict("records")
    assert math.isnan(few["p95"])
    # linear between order statistics: 0.95 * 199 ranks above the first of 200
    assert enough["p95"] == pytest.approx(np.quantile([*seconds, 0.02], 0.95))
    assert few["p50"] == pytest.approx(0.015)


def test_a_query_that_is_asked_again_tells_less() -> None:
    row = step("open", 20.0)
    requests = sent(row, list(np.linspace(0.01, 0.02, 400)))
    for i, request in enumerate(requests):
        request["query_id"] = f"q{i // 4}"  # neighbours, which are alike
    (found,) = of([row], requests).to_dict("records")
    assert math.isnan(found["p95"])


def test_what_is_never_answered_is_beyond_every_percentile() -> None:
    row = step("open", 40.0)
    outcomes = ["refused" if i % 10 == 0 else "answered" for i in range(400)]
    seconds = [NOTHING if outcome == "refused" else 0.01 for outcome in outcomes]
    (found,) = of([row], sent(row, seconds, outcomes)).to_dict("records")
    assert (found["p50"], found["p95"]) == (0.01, math.inf)
    assert (found["verdict"], found["why"]) == ("missed", "10.0% are not answered")
    few = [NOTHING if i % 50 == 0 else 0.01 for i in range(400)]
    outcomes = ["answered" if value > 0 else "failed" for value in few]
    (found,) = of([row], sent(row, few, outcomes)).to_dict("records")
    assert (found["p95"], found["verdict"]) == (0.01, "met")
    assert found["p95_high"] == 0.01


def test_a_step_without_any_answer() -> None:
    row = step("open", 2.0)
    (found,) = of([row], sent(row, [NOTHING] * 20, ["failed"] * 20)).to_dict("records")
    assert (found["achieved"], found["p50"]) == (0, math.inf)
    assert math.isnan(found["max"])
    assert found["verdict"] == "missed"


def queue(rate: float, window: float, service: float = 0.01) -> list[float]:
    """Seconds of requests at equal distances to one worker."""
    free, found = 0.0, []
    for due in np.arange(round(rate * window)) / rate:
        free = max(free, due) + service
        found.append(free - due)
    return found


@pytest.mark.parametrize(
    ("offered", "saturated"), [(30, False), (90, False), (100, False), (110, True), (300, True)]
)
def test_a_rate_is_saturated_where_answers_fall_behind(offered: float, saturated: bool) -> None:
    """One worker of 10 ms can do 100 a second."""
    (found,) = table((step("open", offered), queue(offered, 10.0))).to_dict("records")
    assert found["saturated"] == saturated
    if saturated:
        assert found["verdict"] == "missed"
        told = f"saturated: 100 of {offered} a second are answered"
        assert found["why"].replace("99.9 ", "100 ") == told


def test_slow_answers_alone_do_not_saturate() -> None:
    """A request of 2 s that is due at the end of 10 s is not behind."""
    closed, opened = step("closed", 1.0), step("open", 2.0)
    found = table((closed, [2.0] * 5), (opened, [2.0] * 20))
    assert list(found["saturated"]) == [False, False]


def test_refusals_are_no_backlog() -> None:
    row = step("open", 10.0)
    requests = sent(row, [NOTHING] * 100, ["refused"] * 100)
    assert not of([row], requests)["saturated"].any()


def test_the_highest_rate_that_keeps_the_requirement() -> None:
    found = told(rate(10, 0.02), rate(20, 0.05), rate(30, 0.2), rate(40, 0.5))
    assert (found["status"], found["rate"], found["above"]) == ("met", 20, 30)
    assert (found["p95"], found["unanswered"]) == (0.05, 0)
    assert found["said"] == (
        "s answers within 100 ms (p95) up to 20.0 requests a second (50.0 ms [50.0, 50.0] with 5 "
        "candidates, of which retrieval takes 0 ms at the median); at the next rate, 30.0, p95 "
        "is 200 ms."
    )


def test_the_first_stage_counts_in_the_requirement_of_the_whole_query() -> None:
    # 30 ms of retrieval and 20 or 80 of reranking: 50 keep 100 ms, 110 do not
    found = told(rate(10, 0.02), rate(20, 0.08), first=0.03)
    assert (found["status"], found["rate"], found["above"]) == ("met", 10, 20)
    assert found["p95"] == pytest.approx(0.05)
    assert "of which retrieval takes 30.0 ms at the median" in found["said"]
    assert found["said"].endswith("p95 is 110 ms.")


def test_a_first_stage_that_was_not_timed_leaves_it_unknown() -> None:
    found = told(rate(10, 0.02), first=None)
    assert found["status"] == "unknown"
    assert "how long retrieval takes before it was not measured (block `latency`)" in found["said"]
    assert math.isnan(found["rate"])
    assert told(rate(10, 0.2), first=None)["status"] == "none"  # too slow by itself


def test_a_query_that_was_timed_has_its_own_retrieval() -> None:
    calls = pd.DataFrame({"query_id": ["q0", "q1"], "seconds": [0.1, 0.2]})
    found = _added(pd.Series(["q1", "q0", "q1"]), calls, 0)
    assert found.tolist() == [0.2, 0.1, 0.2]
    assert set(_added(pd.Series(["new"] * 50), calls, 0)) == {0.1, 0.2}


def test_a_rate_above_one_that_is_missed_does_not_count() -> None:
    assert told(rate(10, 0.02), rate(20, 0.2), rate(30, 0.05))["rate"] == 10


def test_a_rate_that_carries_no_percentile_is_passed_over() -> None:
    found = told(rate(10, 0.02, count=50), rate(20, 0.05), rate(30, 0.06, count=50))
    assert found["rate"] == 20
    assert math.isnan(found["above"])
    assert found["said"].endswith(
        "higher ones are open: 50 requests are too few for a p95 (it takes 200 that differ)."
    )
    assert told(rate(10, 0.02))["said"].endswith("no higher rate was tried.")


def test_a_median_above_the_limit_needs_no_percentile() -> None:
    found = told(rate(10, 0.2, count=50))
    assert found["status"] == "none"
    assert found["said"] == (
        "s answers within 100 ms (p95) at none of the rates; at 10.0 requests a second "
        "the median alone is 200 ms."
    )


def test_nothing_is_known_of_too_few_requests() -> None:
    found = told(rate(10, 0.02, count=50))
    assert found["status"] == "unknown"
    assert (
        "unknown whether it answers within 100 ms at any rate: 50 requests are too few for a p95"
        in found["said"]
    )


def test_without_a_requirement_rates_are_told_and_not_judged() -> None:
    found = told(rate(10, 0.02), (step("open", 300.0), queue(300, 10.0)), limit=NOTHING)
    assert found["status"] == "no requirement"
    assert "answers up to 40.0 requests a second (2 clients, 5 candidates)" in found["said"]
    assert found["said"].endswith("but from 300 on, where answers fall behind.")
    assert math.isnan(found["rate"])


def test_answers_that_were_missing_are_told_beside_the_rate() -> None:
    row = step("open", 10.0)
    few = [NOTHING if i == 0 else 0.01 for i in range(400)]
    closed = sent(step("closed", 1.0), [0.01] * 10)
    requests = [*closed, *sent(row, few, ["failed", *["answered"] * 399])]
    found = capacities(of([step("closed", 1.0), row], requests), LIMIT)
    assert found["unanswered"].item() == pytest.approx(1 / 400)
    assert ", 0.2% unanswered, with" in found["said"].item()


@pytest.mark.parametrize(
    ("status", "word"), [("failed", "failed"), ("not measured", "was not measured")]
)
def test_what_failed_has_no_rate(status: str, word: str) -> None:
    found = told(rate(10, 0.02), step("open", 20.0, status=status, reason="it broke."))
    assert (found["status"], found["said"]) == ("not measured", f"s under load {word}: it broke.")
    assert math.isnan(found["rate"])


def test_a_client_that_may_be_what_limits() -> None:
    found = table((step("closed", 2.0), [0.01] * 400))  # 40 a second
    limits = {"ceiling": [{"clients": 1, "per_second": 30}, {"clients": 2, "per_second": 70}]}
    (said,) = warnings(found, limits)
    assert said.startswith("s: 40.0 requests a second are more than half of the 70.0 that this")
    assert not list(warnings(found, {"ceiling": [{"clients": 2, "per_second": 81}]}))
    assert not list(warnings(found, {}))


def mdone(load: float, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Seconds of requests in M/D/1 with a service of 1."""
    walk = np.cumsum(1 - rng.exponential(1 / load, count))
    return 1 + walk - np.minimum.accumulate(np.minimum(walk, 0))


@pytest.mark.parametrize(
    ("load", "covered", "as_if_independent"), [(0.5, 0.88, 0.8), (0.7, 0.8, 0.6), (0.85, 0.6, 0.4)]
)
def test_intervals_cover_though_requests_in_a_queue_are_late_together(
    load: float, covered: float, as_if_independent: float
) -> None:
    """Of 200 steps with 2,000 requests each; the closer to all that can be done, the fewer."""
    rng, ids = np.random.default_rng(5), np.arange(2_000)
    true = np.quantile(mdone(load, 2_000_000, rng), 0.95)
    found = {"stretches": 0, "alone": 0}
    for _ in range(200):
        seconds = mdone(load, 2_000, rng)
        for name, blocks in (("stretches", ids * 20 // 2_000), ("alone", None)):
            _, low, high = percentiles(seconds, ids, blocks)[95]
            found[name] += not low > true and not high < true  # an unknown end is open
    assert found["stretches"] > covered * 200
    assert found["alone"] < as_if_independent * 200
