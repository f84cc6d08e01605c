"""The files of one trial.

run.trec.gz qrels.trec.gz candidates.trec.gz lengths.csv texts.jsonl.gz
measurements.csv timings.csv storage.csv
measured.json   the metrics, and the code that measured them
trial.json      what it was made with: its presence means that the trial is done
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.data import Qrels, Run
from harness.experiment import code_versions
from harness.files import digests, disk, trec
from harness.results.derived_rankings import Lengths
from harness.results.tables import json_text, lengths_table, stored_json, write_table
from harness.results.whole_folders import faults, is_there, opened

if TYPE_CHECKING:
    import pandas as pd

SNIPPET = 600
"""Characters of a document that are stored beside the results, for reading."""

MEASURED = ("qrels.trec.gz", "measurements.csv", "measured.json")
"""The files of a trial that are made of its run and the judgements, and may be replaced."""


@dataclass(frozen=True)
class Measured:
    """What a trial's run says by the judgements."""

    measurements: pd.DataFrame
    qrels: Qrels


@dataclass(frozen=True)
class Record:
    """A finished trial, ready to be saved."""

    run: Run
    candidates: Run | None
    """What was reranked; None where nothing was."""
    measured: Measured
    lengths: Lengths | None
    """None where no model reads the texts, or it cannot say."""
    timings: pd.DataFrame
    storage: pd.DataFrame
    texts: Mapping[str, str]
    """Texts of the queries (`query ID`) and of the documents near the top (`doc ID`)."""
    facts: Mapping[str, Any]
    """Everything else that a reader must know, as JSON."""


def write(folder: Path, record: Record, system: str) -> None:
    """Write all files of a finished trial."""
    disk.write(folder / "run.trec.gz", trec.run_bytes(record.run, system))
    if record.candidates is not None:
        packed = trec.run_bytes(record.candidates, "candidates")
        disk.write(folder / "candidates.trec.gz", packed)
    if record.lengths is not None:
        write_table(folder / "lengths.csv", lengths_table(record.lengths))
    for name in ("timings", "storage"):
        write_table(folder / f"{name}.csv", getattr(record, name))
    lines = [json.dumps({"id": key, "text": text}) for key, text in record.texts.items()]
    disk.write(folder / "texts.jsonl.gz", gzip.compress("\n".join(lines).encode(), mtime=0))
    write_measured(folder, record.measured)
    disk.write(folder / "trial.json", json_text(record.facts))


def write_measured(folder: Path, measured: Measured) -> None:
    """Write the files of MEASURED."""
    disk.write(folder / "qrels.trec.gz", trec.qrels_bytes(measured.qrels))
    write_table(folder / "measurements.csv", measured.measurements)
    metrics = sorted(set(measured.measurements["metric"]))
    noted = {"metrics": metrics, "made_by": _measuring()}
    disk.write(folder / "measured.json", json_text(noted))


def lost(folder: Path) -> list[digests.DamagedError]:
    """What is not as it was written of a trial, but for what can be measured again."""
    return [fault for fault in faults(folder) if fault.file.name not in MEASURED]


def holds_run(folder: Path) -> bool:
    """Whether a trial is done, though it may have to be measured again."""
    return is_there(folder) and not lost(folder) and digests.holds(folder, "trial.json")


def is_measured(folder: Path, metrics: Iterable[str]) -> bool:
    """Whether a trial is done, and measured by these metrics as they are now."""
    if not holds_run(folder) or faults(folder):
        return False
    measured = stored_json(opened(folder, "measured.json"))
    by_this_code = _measuring().items() <= measured["made_by"].items()
    return set(metrics) <= set(measured["metrics"]) and by_this_code


def _measuring() -> dict[str, Any]:
    """The code and the package that make metrics of a run."""
    return code_versions.versions("harness.results.metrics") | code_versions.packages(["ranx"])
