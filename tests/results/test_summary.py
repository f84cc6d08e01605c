"""What results show of themselves at a prompt."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import write_experiment

from harness import load_results
from harness.cli.commands import main


def test_results_show_what_they_hold_and_what_to_call_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = {"use": "fakes:WordOverlap"}
    dummy = {"use": "cross_encoder", "model": "dummy:cross-encoder/ms-marco-MiniLM-L6-v2"}
    systems = [
        {"name": "words", "retriever": words},
        {"name": "worse", "retriever": words, "reranker": {"use": "fakes:Reversed"}},
        {"name": "random", "retriever": words, "reranker": dummy},
        {"name": "broken", "retriever": words, "reranker": {"use": "fakes:Raising"}},
    ]
    file = write_experiment(tmp_path, systems=systems, metrics=["mrr@10"])
    assert main(["run", str(file)]) == 3
    lines = repr(load_results("results/experiment")).splitlines()
    assert lines[0] == "experiment: Does an oracle help?"
    # reversed: 1/3, 1, 1/2 and 1/3, as in tests/execution/test_execute.py
    assert lines[2:9] == [
        "data: 5 documents, 4 queries, 4 systems",
        "                    mrr@10",
        "  words (baseline)   1.000",
        "  worse              0.542",
        "  random               n/a",
        "  broken               n/a",
        "  random: not measured, no weights here",
    ]
    assert lines[9].startswith("  broken: not measured, RuntimeError: no score for")
    said = "\n".join(lines)
    assert "Costs: none measured.\nFiles: results/experiment\nNext:\n" in said
    assert "analyse(results).leaderboard" in said
