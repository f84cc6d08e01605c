"""The database Infinity against its formulas: BM25, inner products, MaxSim, and what fuses them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import GaussianTokenEncoder, HashingEncoder, write_experiment
from real_servers import HERE, python_with, run

from harness import load_results
from harness.components.vectors.maxsim import maxsim

pytestmark = pytest.mark.servers

WORDS = ["plum", "pear", "tart", "river", "stone", "tree", "cat", "dog", "blue", "wolf"]
"""Words that are their own stems."""
DOCS = [
    *(
        (f"d{i}", " ".join(WORDS[(i * i + 3 * n) % 10] for n in range(1 + i % 7)))
        for i in range(30)
    ),
    ("quote'\";--", 'it\'s "quoted"; DROP TABLE docs'),
    ("nul\0id", "nul \0 inside"),
    ("ünïcode-\U0001f600", "日本語 \U0001f600 عربى blau"),
    ("long", "plum " * 300 + "rare"),
    ("empty", ""),
]
QUERIES = [
    "plum pear",
    "river stone tree wolf rare",
    "cat AND (dog",
    'NOT "quoted" OR plum:dog^3 \\ ~',
    "日本語",
    "",
    "?!",
]
DEPTH = 8
ALL = 100
TEXT, DENSE, TOKENS = {"text": True}, {"dense": True}, {"encoder": True}
SYSTEMS: Mapping[str, Mapping[str, Any]] = {
    "text": TEXT,
    "dense": DENSE,
    "tokens": TOKENS,
    "text -> tokens": {**TEXT, **TOKENS, "candidates": ALL},
    "dense -> tokens": {**DENSE, **TOKENS, "candidates": 10},
    "all, rrf": {**TEXT, **DENSE, **TOKENS, "fusion": "rrf", "candidates": 9},
    "two, rrf": {**TEXT, **DENSE, "fusion": "rrf", "candidates": 9},
}
Hits = Sequence[tuple[str, float]]


@pytest.fixture(scope="module")
def python() -> str:
    return python_with("infinity_embedded")


@pytest.fixture(scope="module")
def asked(python: str) -> dict[str, Any]:
    """All answers by name of the system; depth 8, and of single ways all documents."""
    return _ask(python, DEPTH)


@pytest.fixture(scope="module")
def deep(python: str) -> dict[str, Any]:
    """What each way alone finds, as far as it finds anything."""
    return _ask(python, ALL, ("text", "dense", "tokens"))


def _ask(
    python: str,
    depth: int,
    names: Sequence[str] = tuple(SYSTEMS),
    docs: Sequence[tuple[str, str]] = DOCS,
) -> dict[str, Any]:
    systems = [SYSTEMS[name] for name in names]
    told = {"docs": docs, "queries": QUERIES, "depth": depth, "systems": systems}
    found = json.loads(run(python, HERE / "infinity_db_program.py", told=told))
    return {kind: dict(zip(names, found[kind], strict=True)) for kind in found}


def oracle() -> list[dict[str, float]]:
    """MaxSim of each query with every document that has tokens."""
    encoder = GaussianTokenEncoder()
    there = [(name, text) for name, text in DOCS if text.split()]
    matrices = encoder.encode([text for _, text in there], "doc")
    lengths = np.array([len(matrix) for matrix in matrices])
    found = []
    for query in encoder.encode(QUERIES, "query"):
        scores = maxsim(query, np.concatenate(matrices), lengths)
        found.append({name: float(s) for (name, _), s in zip(there, scores, strict=True)})
    return found


def test_maxsim_is_exact(deep: dict[str, Any]) -> None:
    for query, hits, expected in zip(QUERIES, deep["hits"]["tokens"], oracle(), strict=True):
        if not query.split():
            assert hits == []
            continue
        assert {name for name, _ in hits} == expected.keys()
        words = len(query.split())
        assert max(abs(score - expected[name]) for name, score in hits) / words < 1e-6
        assert [score for _, score in hits] == sorted((s for _, s in hits), reverse=True)


def test_inner_products_are_exact(deep: dict[str, Any]) -> None:
    encoder = HashingEncoder()
    docs = encoder.encode([text for _, text in DOCS], "doc")
    for query, hits in zip(encoder.encode(QUERIES, "query"), deep["hits"]["dense"], strict=True):
        expected = {name: s for (name, _), s in zip(DOCS, docs @ query, strict=True)}
        assert {name for name, _ in hits} == expected.keys()
        assert max(abs(score - expected[name]) for name, score in hits) < 1e-6


def test_words_are_scored_by_bm25(python: str) -> None:
    """Robertson and Zaragoza 2009 with k1 = 1.2 and b = .75; idf as Lucene has it."""
    plain = DOCS[:30]
    (hits, *_) = _ask(python, ALL, ("text",), plain)["hits"]["text"]
    docs = {name: text.split() for name, text in plain}
    mean = sum(map(len, docs.values())) / len(docs)
    expected: dict[str, float] = dict.fromkeys(
        (n for n, ws in docs.items() if {*ws} & {*QUERIES[0].split()}), 0.0
    )
    for word in QUERIES[0].split():
        holding = {name: words for name, words in docs.items() if word in words}
        idf = math.log(1 + (len(docs) - len(holding) + 0.5) / (len(holding) + 0.5))
        for name, words in holding.items():
            count = words.count(word)
            damped = count + 1.2 * (0.25 + 0.75 * len(words) / mean)
            expected[name] += idf * 2.2 * count / damped
    assert dict(hits) == pytest.approx(dict(expected), rel=1e-4)


def test_operators_of_its_parser_are_words(deep: dict[str, Any]) -> None:
    texts = deep["hits"]["text"]
    plain = {name for name, text in DOCS if {"cat", "dog"} & set(text.split())}
    assert {name for name, _ in texts[2]} == plain
    assert "quote'\";--" in {name for name, _ in texts[3]}
    assert [name for name, _ in texts[4]] == ["ünïcode-\U0001f600"]
    assert texts[5] == texts[6] == []


def test_maxsim_scores_what_the_others_find(asked: dict[str, Any], deep: dict[str, Any]) -> None:
    exact = oracle()
    for place, query in enumerate(QUERIES):
        by_text = {name for name, _ in deep["hits"]["text"][place]} & exact[place].keys()
        best = sorted((exact[place][name] for name in by_text), reverse=True)[:DEPTH]
        found = asked["hits"]["text -> tokens"][place]
        assert [score for _, score in found] == pytest.approx(best, abs=1e-5), query
        assert {name for name, _ in found} <= by_text
        near = [score for _, score in asked["hits"]["dense -> tokens"][place]]
        assert near == sorted(near, reverse=True)
        for name, score in asked["hits"]["dense -> tokens"][place]:
            assert score == pytest.approx(exact[place][name], abs=1e-5)


@pytest.mark.parametrize("name", ["all, rrf", "two, rrf"])
def test_reciprocal_ranks_are_added(name: str, asked: dict[str, Any], deep: dict[str, Any]) -> None:
    """As ties within a way have no order, scores are compared of queries whose ways have none."""
    ways = ("text", "dense", "tokens") if name == "all, rrf" else ("text", "dense")
    for place in range(len(QUERIES)):
        found = asked["hits"][name][place]
        scores = [score for _, score in found]
        assert scores == sorted(scores, reverse=True)
        assert all(0 < score <= len(ways) / 61 + 1e-9 for score in scores)
        lists = [deep["hits"][way][place] for way in ways]
        if any(_ties(one[:10]) for one in lists):
            continue
        ranks = [{doc: rank for rank, (doc, _) in enumerate(one[:9], 1)} for one in lists]
        for doc, score in found:
            assert score == pytest.approx(
                math.fsum(1 / (60 + rank[doc]) for rank in ranks if doc in rank), abs=1e-6
            )


def _ties(hits: Hits) -> bool:
    scores = [round(score, 6) for _, score in hits]
    return len(set(scores)) < len(scores)


def test_what_is_kept(asked: dict[str, Any]) -> None:
    docs = [text for _, text in DOCS if text.split()]
    vectors = sum(len(text.split()) for text in docs)
    (tokens,) = asked["footprints"]["tokens"]
    assert tokens[:6] == ["token vectors", len(docs), vectors, 16, "float32", vectors * 64]
    (dense,) = asked["footprints"]["dense"]
    assert dense[:6] == ["vectors", len(DOCS), len(DOCS), 16, "float32", len(DOCS) * 64]
    (words,) = asked["footprints"]["text"]
    assert "does not tell" in words[-1]
    assert "a server adds" in asked["notes"]["text"][0]


def test_it_runs_in_an_experiment(python: str, tmp_path: Path) -> None:
    dense = {"use": "fakes:HashingEncoder"}
    tokens = {"use": "fakes:HashingTokenEncoder"}
    infinity = {"use": "infinity_db", "text": True, "dense": dense, "encoder": tokens}
    file = write_experiment(
        tmp_path,
        systems=[
            {"name": "overlap", "retriever": {"use": "fakes:WordOverlap"}},
            {"name": "infinity", "retriever": infinity},
        ],
    )
    there = ["--results", tmp_path / "results", "--cache", tmp_path / "cache"]
    assert "Report: " in run(python, "-m", "harness", "run", file, *there)
    results = load_results(tmp_path / "results" / "experiment")
    assert set(results.trials["status"]) == {"done"}
