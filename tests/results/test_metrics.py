from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import ir_measures
import numpy as np
import pandas as pd
import pytest

from harness.data import Hit
from harness.experiment.metric_names import canonical
from harness.ranking import ranked
from harness.results.metrics import DIAGNOSTICS, measurements

PAIRS = {
    "ndcg@10": "nDCG@10",
    "ndcg@3": "nDCG@3",
    "mrr@10": "RR",
    "recall@5": "R@5",
    "recall@100": "R@100",
    "map@10": "AP@10",
    "precision@5": "P@5",
    "hit_rate@3": "Success@3",
}
"""Our name, and the name in ir_measures of the metric that trec_eval computes."""


def values(
    run: Mapping[str, list[Hit]], qrels: Mapping[str, Mapping[str, int]], *metrics: str
) -> pd.Series:
    return measurements(run, qrels, metrics).stack()  # noqa: PD013 - a row a query and metric


def random_case(
    rng: np.random.Generator, name: str
) -> tuple[list[tuple[str, str, float]], list[tuple[str, str, int]]]:
    """One query: documents with int-like ids, few distinct scores, grades from -1 to 3, gaps."""
    hits = rng.choice(300, size=rng.integers(0, 130), replace=False)
    judged = rng.choice(300, size=rng.integers(1, 60), replace=False)
    levels = rng.integers(1, 200)
    run = [(name, str(doc), float(rng.integers(levels)) / 7) for doc in hits]
    return run, [(name, str(doc), int(rng.integers(-1, 4))) for doc in judged]


def test_equals_trec_eval_on_random_runs() -> None:
    rng = np.random.default_rng(0)
    cases = [random_case(rng, f"q{i}") for i in range(200)]
    rows = [row for run, _ in cases for row in run]
    judgements = [row for _, qrels in cases for row in qrels]
    run: dict[str, list[Hit]] = {}
    qrels: dict[str, dict[str, int]] = {}
    for query_id, doc_id, score in rows:
        run.setdefault(query_id, []).append(Hit(doc_id, score))
    for query_id, doc_id, relevance in judgements:
        qrels.setdefault(query_id, {})[doc_id] = relevance
    ours = values({q: ranked(hits) for q, hits in run.items()}, qrels, *PAIRS)
    theirs = ir_measures.pytrec_eval.iter_calc(
        [ir_measures.parse_measure(name) for name in PAIRS.values()],
        [ir_measures.Qrel(*row) for row in judgements],
        [ir_measures.ScoredDoc(*row) for row in rows],
    )
    names = {ir_measures.parse_measure(theirs): mine for mine, theirs in PAIRS.items()}
    expected = {(found.query_id, names[found.measure]): found.value for found in theirs}
    assert len({query_id for query_id, _ in expected}) == 200 > len(run)
    for (query_id, metric), value in expected.items():
        if metric == "mrr@10" and value < 1 / 10:  # trec_eval's recip_rank has no cut-off
            expected[query_id, metric] = 0.0
    different = {key for key, value in expected.items() if abs(ours[key] - value) > 1e-9}
    assert not different


LEVELS = {
    "R(rel=2)@100": "R(rel=2)@100",
    "P(rel=2)@5": "P(rel=2)@5",
    "AP(rel=3)@10": "AP(rel=3)@10",
    "hit_rate(rel=2)@3": "Success(rel=2)@3",
    "rr(rel=2)": "RR(rel=2)",
    "MAP": "AP",
    "map(rel=2)": "AP(rel=2)",
    "nDCG": "nDCG",
    "RR": "RR",
}
"""What may be written, and the metric of ir_measures that trec_eval computes."""


def test_levels_and_whole_rankings_equal_trec_eval() -> None:
    rng = np.random.default_rng(1)
    cases = [random_case(rng, f"q{i}") for i in range(100)]
    rows = [row for run, _ in cases for row in run]
    judgements = [row for _, qrels in cases for row in qrels]
    run: dict[str, list[Hit]] = {}
    qrels: dict[str, dict[str, int]] = {}
    for query_id, doc_id, score in rows:
        run.setdefault(query_id, []).append(Hit(doc_id, score))
    for query_id, doc_id, relevance in judgements:
        qrels.setdefault(query_id, {})[doc_id] = relevance
    names = {text: canonical(text) for text in LEVELS}
    ours = values({q: ranked(hits) for q, hits in run.items()}, qrels, *names.values())
    theirs = {ir_measures.parse_measure(name): names[text] for text, name in LEVELS.items()}
    found = ir_measures.pytrec_eval.iter_calc(
        list(theirs),
        [ir_measures.Qrel(*row) for row in judgements],
        [ir_measures.ScoredDoc(*row) for row in rows],
    )
    expected = {(one.query_id, theirs[one.measure]): one.value for one in found}
    assert len(expected) == 100 * len(LEVELS)
    assert not {key for key, value in expected.items() if abs(ours[key] - value) > 1e-9}


def test_query_without_hits_counts_0() -> None:
    found = values({"q1": [Hit("a", 1.0)]}, {"q1": {"a": 1}, "q2": {"a": 1}}, "ndcg@10", "mrr@1")
    assert found["q1"].to_dict() == {"ndcg@10": 1, "mrr@1": 1, "judged@10": 1, "ties@10": 0}
    assert found["q2"].to_dict() == {"ndcg@10": 0, "mrr@1": 0, "judged@10": 0, "ties@10": 0}


def test_empty_run_counts_0_everywhere() -> None:
    assert values({}, {"q": {"a": 1}}, "ndcg@10").tolist() == [0, 0, 0]


def test_one_metric_alone() -> None:
    found = measurements({"1": [Hit("2", 1.0), Hit("1", 0.5)]}, {"1": {"1": 1}}, ["mrr@10"])
    assert found.to_dict("index") == {"1": {"mrr@10": 0.5, "judged@10": 0.5, "ties@10": 0.0}}


def test_no_metric_of_ranx_is_needed() -> None:
    found = measurements({"q": [Hit("a", 1.0)]}, {"q": {"a": 1}}, ["judged@1"])
    assert list(found) == ["judged@1", *DIAGNOSTICS]


def test_unjudged_query_of_the_run_is_no_row() -> None:
    found = values({"other": [Hit("a", 1.0)]}, {"q": {"a": 1}}, "ndcg@10")
    assert set(found.index.get_level_values("query_id")) == {"q"}


HITS = [Hit("d", 2.0), Hit("c", 1.0), Hit("b", 1.0), Hit("a", 1.0)]


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("judged@1", 0.0),  # d has no judgement
        ("judged@2", 0.5),  # c has one, though it is 0
        ("judged@10", 0.5),  # c and b of four hits
        ("ties@1", 0.0),
        ("ties@2", 0.5),  # c shares its score with b and a
        ("ties@4", 0.75),
    ],
)
def test_diagnostics(metric: str, expected: float) -> None:
    assert values({"q": HITS}, {"q": {"c": 0, "b": 1, "x": 1}}, metric)["q", metric] == expected


def test_order_of_the_run_counts_and_not_its_scores() -> None:
    found = values({"q": [Hit("a", 1.0), Hit("b", 9.0)]}, {"q": {"a": 1}}, "mrr@10")
    assert found["q", "mrr@10"] == 1


SECOND_GO = """
from harness.results import metrics as quality
from harness.data import Hit
quality.measurements({"q": [Hit("a", 1.0)]}, {"q": {"a": 1}}, ["ndcg@10"])
"""


@pytest.mark.skipif(not os.access(sys.prefix, os.W_OK), reason="the environment is read-only")
def test_compiled_code_is_kept_for_the_next_process() -> None:
    values({"q": [Hit("a", 1.0)]}, {"q": {"a": 1}}, "ndcg@10")  # makes it if it is not there
    kept = compiled()
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", SECOND_GO], check=True, capture_output=True, cwd=root)
    assert kept
    assert compiled() == kept


def compiled() -> dict[str, int]:
    """The files of machine code that numba keeps, with the times of their last change."""
    files = Path(os.environ["NUMBA_CACHE_DIR"]).rglob("*.nbc")
    return {str(file): file.stat().st_mtime_ns for file in files}
