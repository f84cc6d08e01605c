"""The report and the decision record of literal results, as a reader sees them.

After a change of words or numbers that is meant: `python tests/report/test_golden.py`, and read what
it changed.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # where it is a program and no test

from made_results import frame
from reported import QUERIES, costly

from harness.data import Hit
from harness.report.analyse import analyse
from harness.report.render import write_report
from harness.results import trials, whole_folders
from harness.results.terms import with_decision

GOLDEN = Path(__file__).with_name("golden")
FILES = ("report.md", "decision.md")
TERMS = {
    "objective": "m@1",
    "smallest_gain_that_matters": 0.01,
    "requirements": {"p95_ms": {"cpu": 2000}, "gb_per_million_documents": 1},
    "review_by": "2027-05-31",
}


def written(folder: Path) -> Path:
    """`folder` with the report of `reported.costly`, whose rankings lie there too."""
    results = with_decision(costly(), **TERMS)
    entries = []
    for dataset, system in results.facts:
        with whole_folders.written(folder / f"trial{len(entries)}") as place:
            trials.write(place, _record(system), system)
        entries.append({"dataset": dataset, "system": system, "folder": f"trial{len(entries)}"})
    plan = {**results.plan, "trials": entries}
    results = dataclasses.replace(results, folder=folder, plan=plan)
    vars(results)["readings"] = lambda *_: frame("readings")  # no ranking could have a metric m@1
    write_report(results, analyse(results))
    return folder


def _record(system: str) -> trials.Record:
    none = pd.DataFrame(columns=["metric"])
    return trials.Record(
        trials.Ranked({q: [Hit(f"best-of-{system}", 1.0)] for q in QUERIES}, None, None),
        trials.Measured(none.rename_axis(index="query_id"), none, {}),
        timings=none,
        storage=none,
        texts={f"query {query}": f"text of {query}" for query in QUERIES},
        facts={},
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("golden"))


@pytest.mark.parametrize("name", FILES)
def test_reads_as_when_it_was_read_last(report: Path, name: str) -> None:
    assert (report / name).read_text() == (GOLDEN / name).read_text()


if __name__ == "__main__":
    made = written(Path(tempfile.mkdtemp()))
    for name in FILES:
        (GOLDEN / name).write_text((made / name).read_text())
