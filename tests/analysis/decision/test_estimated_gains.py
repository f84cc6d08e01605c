"""Gains by judgments of drawn queries, alone and beside a dataset that was judged before."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from fakes import QRELS, QUERIES, write_beir, write_experiment

from harness.analysis.decision.estimated_gains import gains_of
from harness.analysis.judgments.journal import Event, journal_of, now
from harness.analysis.judgments.pool import pooled
from harness.cli.commands import main
from harness.results.store import Results, load_results

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
    assert found.all_judged
