"""Gains by judgments of drawn queries, alone and beside a dataset that was judged before."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import QRELS, QUERIES, write_beir, write_experiment
from literal import literal

from harness.analysis.costs.measured import analyse_costs
from harness.analysis.costs.vector_bytes import storage_per_document
from harness.analysis.decision import recommend
from harness.analysis.decision.estimated_gains import gains_of
from harness.analysis.decision.gains import gains as measured_gains
from harness.analysis.judgments.estimate import Estimate
from harness.analysis.judgments.estimated import Estimated
from harness.analysis.judgments.journal import Event, journal_of, now
from harness.analysis.judgments.pool import pooled
from harness.cli.commands import main
from harness.results.store import Results, load_results
from harness.results.terms import with_decision

OVERLAP = {"use": "fakes:WordOverlap"}
SYSTEMS = [
    {"name": "overlap", "retriever": OVERLAP},
    {"name": "reversed", "retriever": OVERLAP, "reranker": {"use": "fakes:Reversed"}},
]


TWICE = QUERIES | {f"{name}-too": f"{text} tart" for name, text in QUERIES.items()}
JUDGED = QRELS | {f"{name}-too": grades for name, grades in QRELS.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results on `given`, which has judgements, and on `none`, which has not."""
    folder = tmp_path_factory.mktemp("estimated")
    for name in ("given", "none"):
        write_beir(folder / name, queries=TWICE, qrels=JUDGED)
    datasets = [
        {"use": "files", "path": "given"},
        {"use": "files", "path": "none", "qrels": "none"},
    ]
    file = write_experiment(folder, datasets=datasets, systems=SYSTEMS)
    places = ["--results", str(folder / "results"), "--cache", str(folder / "cache")]
    assert main(["run", str(file), *places]) == 0
    return folder / "results" / "experiment"


def test_a_few_judgments_are_not_none(tmp_path: Path) -> None:
    """Of two queries one is drawn: far from enough, and the file does not say that there is nothing."""
    write_beir(tmp_path / "none", queries=TWICE)
    datasets = [{"use": "files", "path": "none", "qrels": "none"}]
    file = write_experiment(tmp_path, datasets=datasets, systems=SYSTEMS)
    assert main(["run", str(file), "--results", str(tmp_path / "results")]) == 0
    results = load_results(tmp_path / "results" / "experiment")
    assert set(gains_of(results).missing.values()) == {"no judgments"}
    journal = journal_of(results, "none")
    with journal.alone():
        journal.append(Event("drawn", "q1", "ann", now(), chance=0.125))
    assert set(gains_of(results).missing.values()) == {
        "no judgments yet of 30 queries, or of all that differ"
    }
    other = with_decision(results, objective="mrr@3")
    assert set(gains_of(other).missing.values()) == {
        "no judgments as qrels, and mrr@3 is not estimated"
    }


def judge(results: Results, grade: int) -> None:
    """A person gives everything that stands first in any system the same grade."""
    journal, pool = journal_of(results, "none"), pooled(results, "none", depth=3)
    pairs = [(name, doc_id) for name in TWICE for doc_id in pool.items(name)]
    drawn = Event("drawn", next(iter(QUERIES)), "ann", now(), chance=0.125)
    with journal.alone():
        grades = (Event("grade", name, "ann", now(), doc_id, grade) for name, doc_id in pairs)
        journal.append(drawn, *grades)


def test_the_mean_is_that_over_both_datasets(folder: Path) -> None:
    """Where all documents are alike no order gains anything, and the other dataset has half a vote."""
    before = gains_of(load_results(folder))
    assert before.judged == {}
    assert set(before.missing) == {"overlap", "reversed"}  # one of two datasets says nothing
    judge(load_results(folder), 1)
    found = gains_of(load_results(folder))
    of_given = found.by_dataset["given"]["reversed"]
    assert of_given.low <= of_given.value <= of_given.high
    assert found.by_dataset["none"]["reversed"].value == pytest.approx(0.0)
    row = found.of["reversed"]
    assert row.gain == pytest.approx(of_given.value / 2)
    assert row.low <= row.gain <= row.high
    assert np.isfinite([row.p_none, row.p]).all()
    assert math.isnan(found.value("overlap"))
    assert found.queries == 16
    assert found.evidence == "16 queries"
    assert found.settled


def test_judgments_that_may_still_turn_the_decision_decide_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the same gains `late` is adopted where they are settled."""
    results = literal({"base": [0.5] * 200, "late": [0.7] * 200})
    found = measured_gains(results, "m@1", 0.01)
    drawn = Estimate(np.array([0.2]), np.eye(1), np.eye(1), 200, 40, 9.0)
    for settled, answer in ((True, "adopt"), (False, "assess")):
        judged = {"data": Estimated(["late"], drawn, 400, 40, settled)}
        estimated = replace(found, judged=judged)
        monkeypatch.setattr(recommend, "gains_of", lambda _, estimated=estimated: estimated)
        decision = recommend.decide(results, analyse_costs(results, storage_per_document(results)))
        assert decision.answer == answer
    assert decision.headline == (
        "Assess further: judge more of what the systems find, by `python -m harness judge FILE`."
    )
    assert "judgments of 40 of 200 queries do not settle the decision yet" in decision.sentence
    assert decision.reasons[0].startswith("By judgments of 40 of 200 queries, late gains +0.200")
