"""The verdicts on a file of claims, from files to values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.analysis.claims.evidence import Stored
from harness.analysis.claims.judge import Judged, judge
from harness.experiment.claims_reading import load_claims
from harness.experiment.result_folders import found_in
from harness.results.store import load_results


def verdicts(file: Path, results: Path, datasets: Sequence[str], given: str) -> list[Judged]:
    """A verdict for each claim of `file`; `datasets` are those that runs may have been given.

    `given` are the options of a run, as words, for the commands that a verdict suggests.
    """
    found = load_claims(file)
    folders = found_in(results, found.experiments, datasets)
    runs = {key: load_results(folder) for key, folder in folders.items()}
    stored = Stored(runs, found.datasets, file.parent, given)
    return [judge(claim, stored) for claim in found.claims]
