"""How many judgments it takes until the decision is the one that all judgments give.

    python tests/benchmarks/judging.py RESULTS/EXPERIMENT DATASET --baseline NAME [--figure FILE.svg]

Reads stored results of datasets that have judgements, hides these, and gives them back one by one as
an oracle answers: chosen by `harness.judging`, in random order, and query by query to depth 10.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from harness.analysis.judgments.drawn_queries import FEWEST
from harness.analysis.judgments.pool import Drawn, Pair, Pool, pooled
from harness.analysis.judgments.prediction import Outcome, named, outcomes
from harness.files import disk
from harness.judging.choose import Chooser
from harness.page import drawing
from harness.results.store import load_results
from harness.results.terms import terms

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINTS = 40
"""Of a curve."""

EVERY = 5
"""Queries between two questions whether it is settled."""


class Step(NamedTuple):
    """How it stands after so many judgments."""

    judgments: int
    decision: Outcome


class Case(NamedTuple):
    """A dataset whose judgements are hidden."""

    pool: Pool
    qrels: Mapping[str, Mapping[str, int]]
    smallest: float
    truth: Outcome
    size: int
    """Documents of the whole pool."""

    def grade(self, pair: Pair) -> int:
        """What the oracle answers."""
        return max(self.qrels[pair[0]].get(pair[1], 0), 0)

    def decision(self, gains: np.ndarray) -> Outcome:
        """Of gains of single queries, shape (queries, contenders)."""
        errors = gains.std(axis=0, ddof=1) / np.sqrt(len(gains))
        code = int(outcomes(gains.mean(axis=0)[np.newaxis], errors, self.smallest)[0])
        return named(code, gains.shape[1])


def case(folder: Path, dataset: str, baseline: str) -> Case:
    """A dataset of stored results."""
    results = load_results(folder)
    pool = replace(pooled(results, dataset), baseline=baseline)
    qrels = results.qrels(dataset, pool.baseline)
    table = results.measurements
    table = table[(table["dataset"] == dataset) & (table["metric"] == pool.metric)]
    wide = table.pivot_table(index="query_id", columns="system", values="value")
    others = [name for name in pool.systems if name != pool.baseline]
    gains = wide[others].sub(wide[pool.baseline], axis=0).to_numpy()
    smallest = terms(results).smallest_gain_that_matters
    size = sum(len(pool.items(name)) for name in pool.queries)
    of = Case(pool, qrels, smallest, Outcome("keep", -1), size)
    print(f"{dataset}: gains {gains.mean(axis=0).round(4).tolist()}", end=" ")
    error = (gains.std(axis=0, ddof=1) / np.sqrt(len(gains))).round(4).tolist()
    print(f"standard errors {error}, {size} documents in the pool of {len(pool.queries)} queries")
    return of._replace(truth=of.decision(gains))


def chosen(of: Case, seed: int) -> tuple[list[Step], Step]:
    """By `harness.judging`, asked after every fifth query, until it says that it is settled."""
    chooser = Chooser(of.pool, of.smallest, seed)
    draws: list[Drawn] = []
    grades: dict[Pair, int] = {}
    path: list[Step] = []
    for opened in itertools.count():
        if len(draws) >= FEWEST and opened % EVERY == 0:
            path.append(Step(len(grades), _now(of, chooser, draws, grades)))
            if chooser.standing(draws, grades, (), 25).settled:
                return path, path[-1]
        if (pick := chooser.next(draws, grades, ())) is None:
            break
        if pick.drawn:
            draws.append(pick.drawn)
            *_, wanted = chooser.queries.wanted(draws, grades, ())
        else:  # no query is left to draw
            wanted = chooser.queries.left(pick.query_id, grades, ())
        for doc_id in wanted:
            grades[pick.query_id, doc_id] = of.grade((pick.query_id, doc_id))
    path.append(Step(len(grades), _now(of, chooser, draws, grades)))
    return path, path[-1]


def _now(of: Case, chooser: Chooser, draws: list[Drawn], grades: Mapping[Pair, int]) -> Outcome:
    """The decision that all judgments of these queries would give, by the estimate."""
    found = chooser.queries.estimate(draws, grades, ())
    assert found is not None
    errors = np.sqrt(np.diag(found.spread) / found.queries)
    code = int(outcomes(found.value[np.newaxis], errors, of.smallest)[0])
    return named(code, len(errors))


def in_order(of: Case, pairs: list[Pair], whole_queries: bool) -> Iterator[Step]:
    """Pairs as they come; what is unjudged counts as wrong, or queries without judgments do not count."""
    discounts = 1 / np.log2(np.arange(2, of.pool.depth + 2))
    names = list(of.pool.queries)
    grades: dict[str, dict[str, int]] = {name: {} for name in names}
    values = np.zeros((len(names), len(of.pool.systems)))
    systems = sorted(of.pool.systems, key=lambda name: name != of.pool.baseline)
    places = {name: i for i, name in enumerate(names)}
    every = max(len(pairs) // POINTS, 1)
    for count, (query_id, doc_id) in enumerate(pairs, 1):
        judged = grades[query_id]
        judged[doc_id] = of.grade((query_id, doc_id))
        best = np.array(sorted(judged.values(), reverse=True)[: of.pool.depth])
        ideal = float(best @ discounts[: len(best)]) or 1.0
        for i, system in enumerate(systems):
            ranked = [judged.get(doc, 0) for doc in of.pool.rankings[system].get(query_id, ())]
            values[places[query_id], i] = np.array(ranked) @ discounts[: len(ranked)] / ideal
        if count % every == 0 or count == len(pairs):
            rows = [places[n] for n in names if grades[n]] if whole_queries else slice(None)
            yield Step(count, of.decision(values[rows, 1:] - values[rows, :1]))


def measured(of: Case, seed: int) -> Iterator[tuple[str, list[Step], Step | None]]:
    """Of every way of choosing its steps, and where it stopped by itself."""
    path, stop = chosen(of, seed)
    yield "chosen", path, stop
    everything = [(name, doc_id) for name in of.pool.queries for doc_id in of.pool.items(name)]
    rng = np.random.default_rng(seed)
    order = [everything[i] for i in rng.permutation(len(everything))]
    yield "random order", list(in_order(of, order, whole_queries=False)), None
    places = dict(zip(of.pool.queries, rng.permutation(len(of.pool.queries)), strict=True))
    order = sorted(everything, key=lambda pair: places[pair[0]])
    yield "depth-10 pooling", list(in_order(of, order, whole_queries=True)), None


def right_for_good(path: list[Step], truth: Outcome) -> int | None:
    """The judgments from which on the decision is the true one; None where it is not at the end."""
    last = None
    for step in reversed(path):
        if step.decision != truth:
            break
        last = step.judgments
    return last


def figure(rights: Mapping[str, list[int | None]], of: Case, file: Path) -> None:
    """By the number of judgments the share of seeds that are right from then on."""
    colours = drawing.coloured(rights)
    keys = [drawing.Key(way, colour) for way, colour in colours.items()]

    def draw(axes: Axes) -> None:
        for way, seeds in rights.items():
            found = sorted(count for count in seeds if count is not None)
            shares = 100 * np.arange(len(found) + 1) / len(seeds)
            axes.step([0, *found, of.size], [*shares, shares[-1]], where="post", color=colours[way])
        axes.set_ylim(0, 105)
        axes.set_xlabel("judgments; upwards: % of runs that are right from then on")

    alt = f"Runs whose decision is that of all {of.size} judgments, by the number of judgments"
    disk.write(file, drawing.standalone(drawing.drawn(draw, alt, keys, 260)))


def main() -> None:
    """Print a line a seed and way of choosing, as CSV."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, nargs="?", metavar="RESULTS/EXPERIMENT")
    parser.add_argument("dataset", nargs="?")
    parser.add_argument("--baseline")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--figure", type=Path, metavar="FILE.svg")
    asked = parser.parse_args()
    if not (asked.results and asked.dataset and asked.baseline):
        print("Not measured: name stored results, a dataset and a baseline.")
        return
    of = case(asked.results, asked.dataset, asked.baseline)
    print(f"all {of.size} judgments: {said(of.truth)}")
    print("baseline,seed,way,right_for_good_after,stopped_after,decision", flush=True)
    rights: dict[str, list[int | None]] = {}
    for seed in range(asked.first, asked.first + asked.seeds):
        for way, path, stop in measured(of, seed):
            stopped = (stop.judgments, said(stop.decision)) if stop else ("", "")
            right = right_for_good(path, of.truth)
            rights.setdefault(way, []).append(right)
            print(asked.baseline, seed, way, right, *stopped, sep=",", flush=True)
    if asked.figure:
        figure(rights, of, asked.figure)


def said(decision: Outcome) -> str:
    """A decision in two words."""
    return f"{decision.answer} {decision.system}" if decision.system >= 0 else decision.answer


if __name__ == "__main__":
    main()
