"""A dataset without judgements from end to end: run, what can be known, judge, name, run again."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from fakes import QUERIES, write_beir, write_experiment

from harness.analysis.decision.estimated_gains import gains_of
from harness.analysis.judgments.journal import Event, journal_of, now
from harness.analysis.judgments.pool import pooled
from harness.analysis.judgments.sources import counts_of
from harness.cli.commands import main
from harness.results.store import load_results

OVERLAP = {"use": "fakes:WordOverlap"}
SYSTEMS = [
    {"name": "overlap", "retriever": OVERLAP},
    {"name": "reversed", "retriever": OVERLAP, "reranker": {"use": "fakes:Reversed"}},
]
NONE = [{"use": "files", "path": "data", "qrels": "none"}]
JUDGED = "../results/experiment/data/judgments/qrels/judged.tsv"


def places(folder: Path) -> list[str]:
    return ["--results", str(folder / "results"), "--cache", str(folder / "cache")]


def _words(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def judge_the_rest(folder: Path) -> None:
    """Everything that the systems bring up gets a grade."""
    results = load_results(folder)
    journal, pool = journal_of(results, "data"), pooled(results, "data", depth=3)
    with journal.alone():
        pairs = [(name, doc_id) for name in QUERIES for doc_id in pool.items(name)]
        left = [pair for pair in pairs if pair not in journal.state.grades]
        journal.append(*(Event("grade", name, "ben", now(), doc, 1) for name, doc in left))


def test_it_runs_is_judged_and_runs_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_beir(tmp_path / "data")
    file = write_experiment(tmp_path, datasets=NONE, systems=SYSTEMS)
    assert main(["run", str(file), *places(tmp_path)]) == 0
    said = _words(capsys)
    assert "nothing says how these systems rank, because there are no judgments" in said
    folder = tmp_path / "results" / "experiment"
    page = (folder / "report.md").read_text()
    assert "reversed differs most from overlap" in page
    assert "Quality on data: no judgments." in page
    results = load_results(folder)
    assert results.measurements.empty
    assert set(pooled(results, "data").queries) == set(QUERIES)

    shallow = ["judge", str(file), *places(tmp_path), "--judge", "ann", "--depth", "1"]
    assert main(shallow) == 2
    assert (
        "looks at the first 3 documents of each system. Of 1 judged ones" in capsys.readouterr().err
    )

    query_id = next(iter(QUERIES))
    assert main(["why", str(file), query_id, *places(tmp_path)[:2]]) == 0
    said = _words(capsys)
    assert "0 judged documents, 0 relevant." in said
    assert "1: overlap 2: reversed" in said

    monkeypatch.setattr("sys.stdin", io.StringIO("2\n0\n1\n" * 40))
    judge = ["judge", str(file), *places(tmp_path), "--terminal", "--judge", "ann"]
    assert main(judge) == 0
    assert "`python -m harness report FILE` decides by them" in _words(capsys)
    assert main(["report", str(file), *places(tmp_path)[:2]]) == 0
    page = (folder / "report.md").read_text()
    assert "People judged 9 documents of 4 queries on data" in page
    assert "| reversed | n/a | -0.191" in page
    assert "The numbers above use 9 judgments: 9 by people." in page
    judge_the_rest(folder)
    estimated = gains_of(load_results(folder)).of["reversed"].gain
    assert main(["why", str(file), query_id, *places(tmp_path)[:2]]) == 0
    assert "(judged by ann 2)" in _words(capsys)
    judged = [{"use": "files", "path": "data", "format": "trec", "qrels": JUDGED}]
    file = write_experiment(tmp_path, datasets=judged, systems=SYSTEMS)
    assert main(["run", str(file), *places(tmp_path)]) == 0
    again = load_results(folder)
    assert counts_of(again, "data") == {"by people": 10}
    with (journal := journal_of(again, "data")).alone():
        journal.append(Event("grade", query_id, "ben", now(), "elsewhere", 1))
    assert counts_of(again, "data") == {}  # its grades are not the qrels that were measured by
    assert not again.measurements.empty
    assert not again.unjudged
    assert gains_of(again).of["reversed"].gain == pytest.approx(estimated)  # all was judged
    assert "by people" in (folder / "report.md").read_text()
