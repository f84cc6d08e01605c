"""Where judgments come from: given with the dataset, by people, or by models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from harness.analysis.judgments.journal import State, journal_of
from harness.analysis.judgments.pool import Grades, Pair
from harness.results.store import Results

GIVEN, PEOPLE, MODELS = "given with the dataset", "by people", "by models"


def in_use(results: Results, dataset: str) -> dict[Pair, int]:
    """The judgments by which a dataset was measured."""
    done = sorted(system for name, system in results.facts if name == dataset)
    judged = results.qrels(dataset, done[0]) if done else {}
    return {
        (query_id, doc_id): grade
        for query_id, grades in judged.items()
        for doc_id, grade in grades.items()
    }


def source(pair: Pair, grade: int, state: State) -> str:
    """Of one judgment; it is the journal's where it has the same grade."""
    if state.grades.get(pair) != grade:
        return GIVEN
    people = any(one.source == "person" for one in state.given[pair].values())
    return PEOPLE if people else MODELS


def counts(used: Grades, state: State) -> Mapping[str, int]:
    """How many judgments come from each source, without those from which none does."""
    found = Counter(source(pair, grade, state) for pair, grade in used.items())
    return {kind: found[kind] for kind in (GIVEN, PEOPLE, MODELS) if found[kind]}


def counts_of(results: Results, dataset: str) -> Mapping[str, int]:
    """`counts` of what a dataset was measured by; empty where the journal's grades are not its qrels.

    A grade that the dataset has already, too, may be in use by chance: the journal is a source where
    all of its grades are.
    """
    state, used = journal_of(results, dataset).state, in_use(results, dataset)
    named = state.grades and all(used.get(pair) == one for pair, one in state.grades.items())
    return counts(used, state) if named else {}
