"""A dataset without judgements from end to end: run, what can be known, judge, name, run again."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from fakes import QUERIES, write_beir, write_experiment

from harness.cli.commands import main
from harness.judging.pool import pooled
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


def test_it_runs_is_judged_and_runs_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_beir(tmp_path / "data")
    file = write_experiment(tmp_path, datasets=NONE, systems=SYSTEMS)
    assert main(["run", str(file), *places(tmp_path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "nothing says how these systems rank, because there are no judgments" in said
    folder = tmp_path / "results" / "experiment"
    page = (folder / "report.md").read_text()
    assert "reversed differs most from overlap" in page
    assert "Quality on data: no judgments." in page
    results = load_results(folder)
    assert results.measurements.empty
    assert set(pooled(results, "data").queries) == set(QUERIES)

    query_id = next(iter(QUERIES))
    assert main(["why", str(file), query_id, *places(tmp_path)[:2]]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "0 judged documents, 0 relevant." in said
    assert "1: overlap 2: reversed" in said

    monkeypatch.setattr("sys.stdin", io.StringIO("2\n0\n1\n" * 40))
    judge = ["judge", str(file), *places(tmp_path), "--terminal", "--judge", "ann"]
    assert main(judge) == 0
    judged = [{"use": "files", "path": "data", "format": "trec", "qrels": JUDGED}]
    file = write_experiment(tmp_path, datasets=judged, systems=SYSTEMS)
    assert main(["run", str(file), *places(tmp_path)]) == 0
    again = load_results(folder)
    assert not again.measurements.empty
    assert not again.unjudged
    assert "by people" in (folder / "report.md").read_text()
