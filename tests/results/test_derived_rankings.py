"""Other rankings made of a stored rerank, by hand and against ir_measures."""

from __future__ import annotations

import math

import ir_measures
import numpy as np
import pandas as pd
import pytest
from ir_measures import nDCG

from harness.data import Hit
from harness.results.derived_rankings import DEPTHS, Lengths, kendall, readings

CANDIDATES = {"q": [Hit(d, 9.0 - i) for i, d in enumerate("abcde")]}
RUN = {"q": [Hit("c", 3.0), Hit("a", 2.0), Hit("b", 1.0), Hit("d", 0.9), Hit("e", 0.8)]}
"""The first three were reranked to c, a, b."""
QRELS = {"q": {"b": 1, "c": 2, "e": 1, "x": 0}}


def tall(table: pd.DataFrame) -> pd.DataFrame:
    """A row a value."""
    return table.melt(["reading", "depth", "query_id"], var_name="metric").dropna()


def found(**changes: object) -> dict[tuple[str, int, str], float]:
    given = {"run": RUN, "candidates": CANDIDATES, "qrels": QRELS, "metrics": ["mrr@5", "ndcg@5"]}
    given |= {"depth": 3, "lengths": None} | changes
    table = tall(readings(**given))  # type: ignore[arg-type]
    return {
        (row.reading, row.depth, row.metric): row.value for row in table.itertuples(index=False)
    }


def test_the_first_stage_alone() -> None:
    # a is not relevant, b is: 1 / 2
    assert found()["depth", 0, "mrr@5"] == 0.5


def test_the_ceiling_by_hand() -> None:
    # of a, b, c the best order is c, b, a; then d, e: DCG 2 + 1/log2(3) + 1/log2(6)
    value = 2 + 1 / math.log2(3) + 1 / math.log2(6)
    ideal = 2 + 1 / math.log2(3) + 1 / 2  # c, b, e
    assert found()["ceiling", 3, "ndcg@5"] == pytest.approx(value / ideal)


def test_the_condensed_list_leaves_unjudged_documents_out() -> None:
    # c, b, e: a and d have no judgement, and what is left is the ideal order
    assert found()["condensed", 3, "ndcg@5"] == pytest.approx(1.0)
    # a judgement of 0 stays: x is judged
    run = {"q": [Hit("x", 2.0), Hit("y", 1.5), Hit("c", 1.0)]}
    assert found(run=run, candidates=None)["condensed", 0, "mrr@5"] == 0.5


def test_the_order_by_hand() -> None:
    # a b c became places 1, 2, 0: of three pairs one kept its order: (1 - 2) / 3
    values = found(lengths=Lengths({"a": 5, "b": 9, "c": 2}, {"q": 5}))
    assert values["order", 3, "tau"] == pytest.approx(-1 / 3)
    assert values["order", 3, "distinct"] == 3
    assert values["order", 3, "truncated"] == pytest.approx(1 / 3)  # b alone has more than 5
    assert ("order", 3, "truncated") not in found()


def test_kendall_is_that_of_scipy() -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    rows = np.array([np.random.default_rng(seed).permutation(40) * 1.0 for seed in range(5)])
    expected = [scipy_stats.kendalltau(range(40), row).statistic for row in rows]
    assert kendall(rows).tolist() == pytest.approx(expected)
    few = np.array([[0, 1, 2, np.nan], [5, 4, 3, 2], [0, 9, np.nan, np.nan]])
    assert kendall(few).tolist() == [1, -1, 1]


def test_a_smaller_depth_is_a_rerank_of_fewer_candidates() -> None:
    """Against ir_measures, over random scores and judgements, at every depth below the full one."""
    rng = np.random.default_rng(3)
    ids = [f"d{i}" for i in range(60)]
    first = {f"q{q}": [Hit(d, -i) for i, d in enumerate(rng.permutation(ids))] for q in range(5)}
    scores = {q: dict(zip(ids, rng.normal(size=60).tolist(), strict=True)) for q in first}
    qrels = {
        q: {d: int(g) for d, g in zip(ids, rng.integers(0, 4, 60), strict=True) if g != 3}
        for q in first
    }

    def reranked(depth: int) -> dict[str, list[Hit]]:
        return {
            q: sorted(
                [Hit(hit.doc_id, scores[q][hit.doc_id]) for hit in hits[:depth]],
                key=lambda hit: -hit.score,
            )
            + [Hit(hit.doc_id, -100.0 - i) for i, hit in enumerate(hits[depth:])]
            for q, hits in first.items()
        }

    table = tall(readings(reranked(60), first, qrels, ["ndcg@10"], 60, None))
    for depth in (d for d in DEPTHS if 0 < d < 60):
        here = table[(table["reading"] == "depth") & (table["depth"] == depth)]
        expected = {
            value.query_id: value.value
            for value in ir_measures.iter_calc(
                [nDCG @ 10],
                [
                    ir_measures.Qrel(q, d, g)
                    for q, judged in qrels.items()
                    for d, g in judged.items()
                ],
                [
                    ir_measures.ScoredDoc(q, hit.doc_id, -rank)
                    for q, hits in reranked(depth).items()
                    for rank, hit in enumerate(hits)
                ],
            )
        }
        assert dict(zip(here["query_id"], here["value"], strict=True)) == pytest.approx(expected)


def test_queries_without_hits_count_0() -> None:
    values = found(qrels={**QRELS, "none": {"a": 1}}, metrics=["mrr@5"])
    assert values["ceiling", 3, "mrr@5"] in (0.0, 1.0)
    table = tall(readings(RUN, CANDIDATES, {"none": {"a": 1}}, ["mrr@5"], 3, None))
    assert set(table[table["reading"] != "order"]["value"]) == {0.0}
