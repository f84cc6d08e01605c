"""The report on results as they are stored, decided by their own terms or by others."""

from __future__ import annotations

from pathlib import Path

from harness.experiment.schema import Decision
from harness.report import render
from harness.report.analyse import Analysis, analyse
from harness.results.store import load_results
from harness.results.terms import with_decision


def write_report(folder: Path, decision: Decision | None = None) -> tuple[Analysis, Path]:
    """Write the report on the results in `folder`; what it says, and where it lies.

    It is decided by `decision` if that is given. Raises StoreError if there are no results.
    """
    results = load_results(folder)
    if decision is not None:
        results = with_decision(results, **decision.model_dump(mode="json"))
    analysis = analyse(results)
    return analysis, render.write_report(results, analysis)
