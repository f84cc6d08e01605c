"""The closing lines of a run fit a terminal of 80 x 24."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes import write_experiment

from harness.cli import exits
from harness.cli.commands import main

OVERLAP = {"use": "fakes:WordOverlap"}


def reranking(name: str, use: str, **settings: Any) -> dict[str, Any]:
    return {"name": name, "retriever": OVERLAP, "reranker": {"use": use, **settings}}


def closing(
    folder: Path, capsys: pytest.CaptureFixture[str], code: int, *systems: dict[str, Any]
) -> list[str]:
    """The lines of a run of overlap and these systems."""
    file = write_experiment(folder, systems=[{"name": "overlap", "retriever": OVERLAP}, *systems])
    assert main(["run", str(file)]) == code
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 24
    assert max(map(len, lines)) <= 79
    return lines


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_few_systems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = closing(tmp_path, capsys, exits.OK, reranking("worse", "fakes:Reversed"))
    assert lines[1].startswith("Decision: Keep overlap: ")
    assert lines[-1] == "Report: results/experiment/report.html"
    rows = {line.split()[0]: line.split() for line in lines if line.startswith("  ")}
    # the order of overlap is ideal, as tests/execution/test_execute.py has it by hand
    assert rows["overlap"][1:] == ["(baseline)", "1.000"]
    assert rows["worse"][1].startswith("-")


def test_many_systems_that_fail_or_do_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = "jinaai/jina-reranker-v1-turbo-en"
    systems = [
        *(reranking(f"a system with a long name {i}", "fakes:Oracle") for i in range(12)),
        *(reranking(f"broken {i}", "fakes:Raising") for i in range(4)),
        *(reranking(f"code {i}", "cross_encoder", model=model) for i in range(4)),
    ]
    lines = closing(tmp_path, capsys, exits.FAILED, *systems)
    said = " ".join(" ".join(lines).split())
    assert "Decision: " in said
    assert "overlap (baseline) 1.000" in said
    assert "a system with a long name" in said
    assert "more in the report" in said
    assert "FAILED broken 0 on data: RuntimeError: no score for" in said
    assert "FAILED: 2 more, named in the report" in said
    assert "Left out: 4 systems; see the report." in said
