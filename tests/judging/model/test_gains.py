from __future__ import annotations

import math

import numpy as np

from harness.analysis.judgments.pool import Drawn, Pair, Pool
from harness.judging.choose import Chooser
from harness.judging.model.gains import corrected_gains

QUERIES = {f"q{i}": "words" for i in range(60)}
RNG = np.random.default_rng(18)
BASE = {query_id: [f"d{i}" for i in range(5)] for query_id in QUERIES}
POOL = Pool(
    QUERIES,
    {
        "base": BASE,
        "new": {query_id: list(RNG.permutation(docs)) for query_id, docs in BASE.items()},
    },
    "base",
    depth=5,
)
TRUTH = {(query_id, doc_id): int(RNG.integers(4)) for query_id in QUERIES for doc_id in BASE["q0"]}


def ndcg(query_id: str, system: str) -> float:
    """By its formula, with the grade as the gain."""
    grades = [TRUTH[query_id, doc_id] for doc_id in POOL.rankings[system][query_id]]
    best = sum(grade / math.log2(i + 2) for i, grade in enumerate(sorted(grades, reverse=True)))
    return sum(grade / math.log2(i + 2) for i, grade in enumerate(grades)) / best if best else 0.0


GAIN = float(np.mean([ndcg(query_id, "new") - ndcg(query_id, "base") for query_id in QUERIES]))


def judged(count: int) -> tuple[list[Drawn], dict[Pair, int]]:
    """As a person judges what is chosen, until so many queries were drawn and are done."""
    chooser, draws, grades = Chooser(POOL, 0.01, POOL.seed), list[Drawn](), dict[Pair, int]()
    while pick := chooser.next(draws, grades, set()):
        if pick.drawn:
            if len(draws) == count:
                break
            draws.append(pick.drawn)
        grades[pick.query_id, pick.doc_id] = TRUTH[pick.query_id, pick.doc_id]
    return draws, grades


def test_a_model_that_is_right_makes_peoples_interval_narrower() -> None:
    draws, grades = judged(30)
    found = corrected_gains(POOL, TRUTH, grades, draws)["new"]
    assert found.judged == 30
    assert found.corrected.low <= GAIN <= found.corrected.high
    assert found.corrected.high - found.corrected.low < found.people.high - found.people.low
    assert found.corrected.power > 0.5


def test_a_model_that_found_nothing_leaves_peoples_alone() -> None:
    draws, grades = judged(30)
    found = corrected_gains(POOL, {}, grades, draws)["new"]
    assert found.corrected == found.people


def test_a_query_that_is_not_done_ends_what_people_judged() -> None:
    draws, grades = judged(8)
    first = next(pair for pair in grades if pair[0] == draws[3].query_id)
    left = {pair: grade for pair, grade in grades.items() if pair != first}
    assert corrected_gains(POOL, TRUTH, left, draws)["new"].judged == 3
    assert corrected_gains(POOL, TRUTH, left, draws, [first])["new"].judged == 8


def test_without_people_nothing_is_known() -> None:
    found = corrected_gains(POOL, TRUTH, {}, [])["new"]
    assert math.isnan(found.corrected.value)
