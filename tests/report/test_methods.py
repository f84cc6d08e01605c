"""The methods that a report describes are those that its numbers come from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from fakes import write_experiment

from harness.cli.commands import main
from harness.files import disk
from harness.report import methods

OVERLAP = {"use": "fakes:WordOverlap"}
ONE = [{"name": "overlap", "retriever": OVERLAP}]
TWO = [*ONE, {"name": "oracle", "retriever": OVERLAP, "reranker": {"use": "fakes:Oracle"}}]

ALWAYS = {"Metrics and means", "Intervals", "Ties", "Storage", "The decision", "Frontier"}
COMPARED = {"Tests of differences"}
RERANKED = {"Candidates", "How far reranking can go", "With fewer candidates"}
RERANKED |= {"Unjudged documents"}


def described(
    folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any
) -> tuple[str, set[str]]:
    """The page, and the titles of its methods."""
    monkeypatch.chdir(folder)
    assert main(["run", write_experiment(folder, **changes).name]) == 0
    text = Path("results/experiment/report.html").read_text()
    part = text.partition(f">{methods.TITLE}</h2>")[2].partition("<h2")[0]
    return text, set(re.findall(r"<summary>(.*)</summary>", part))


@pytest.mark.parametrize(
    ("systems", "titles"), [(ONE, ALWAYS), (TWO, ALWAYS | COMPARED | RERANKED)]
)
def test_what_was_not_done_is_not_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, systems: list[Any], titles: set[str]
) -> None:
    text, found = described(tmp_path, monkeypatch, systems=systems)
    assert found <= titles
    assert {"Metrics and means", "Intervals"} <= found
    assert ("Candidates" in found) == (systems is TWO)
    linked = set(re.findall(r'href="#(how-[a-z-]+)"', text))
    assert linked
    assert linked <= set(re.findall(r'id="(how-[a-z-]+)"', text))


def test_no_bullet_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dataset in files has no description."""
    page, _ = described(tmp_path, monkeypatch, systems=ONE)
    text = Path("results/experiment/report.md").read_text()
    assert [line for line in text.splitlines() if line.strip() == "-"] == []
    assert "<li></li>" not in page


def test_every_column_s_method_is_written() -> None:
    told = disk.read_yaml(Path(methods.__file__).with_name("methods.yaml"))
    assert set(methods.HEADS.values()) <= set(told)
