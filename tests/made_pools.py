"""Pools of rankings whose every grade is known, and an oracle that gives grades one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.analysis.judgments.pool import Drawn, Pair, Pool
from harness.judging.choose import Chooser

Qrels = Mapping[Pair, int]


def made_pool(
    queries: int, noises: Sequence[float], seed: int, depth: int = 10
) -> tuple[Pool, Qrels]:
    """Systems that rank 40 documents a query by their grades and so much noise; the first is the baseline."""
    rng = np.random.default_rng(seed)
    rankings: dict[str, dict[str, list[str]]] = {f"s{i}": {} for i in range(len(noises))}
    grades: dict[Pair, int] = {}
    for q in range(queries):
        share = rng.beta(1, 8)
        given = (rng.random(40) < share) * rng.integers(1, 4, 40)
        shared = rng.normal(size=40)
        for i, noise in enumerate(noises):
            scores = given + noise * (shared + rng.normal(size=40))
            order = np.argsort(-scores)[:depth]
            rankings[f"s{i}"][f"q{q}"] = [f"d{j}" for j in order]
        grades |= {(f"q{q}", f"d{j}"): int(grade) for j, grade in enumerate(given)}
    texts = {f"q{q}": f"query {q}" for q in range(queries)}
    return Pool(texts, rankings, "s0", depth, seed), grades


def full_gains(pool: Pool, qrels: Qrels) -> np.ndarray:
    """Of each contender and query the gain in nDCG whose ideal is that of the pool: shape (N, C)."""
    discounts = 1 / np.log2(np.arange(2, pool.depth + 2))
    found = []
    for name in pool.queries:
        grades = {doc_id: qrels[name, doc_id] for doc_id in pool.items(name)}
        best = np.array(sorted(grades.values(), reverse=True)[: pool.depth])
        ideal = best @ discounts[: len(best)] or 1.0
        values = []
        for system in pool.systems:
            ranked = [grades[doc_id] for doc_id in pool.rankings[system][name]]
            values.append(np.array(ranked) @ discounts[: len(ranked)] / ideal)
        found.append(np.array(values[1:]) - values[0])
    return np.array(found)


def judged(chooser: Chooser, qrels: Qrels, queries: int) -> tuple[list[Drawn], dict[Pair, int]]:
    """Draws and grades when so many queries are judged."""
    draws: list[Drawn] = []
    grades: dict[Pair, int] = {}
    while pick := chooser.next(draws, grades, ()):
        if pick.drawn and len(draws) == queries:
            break
        draws += [pick.drawn] if pick.drawn else []
        grades[pick.query_id, pick.doc_id] = qrels[pick.query_id, pick.doc_id]
    return draws, grades
