"""Results on disk: what is done, and back into tables.

RESULTS/EXPERIMENT/plan.json                       what belongs to the last run
RESULTS/EXPERIMENT/DATASET/SYSTEM--KEY/
    run.trec.gz qrels.trec.gz candidates.trec.gz lengths.csv texts.jsonl.gz
    measurements.csv readings.csv timings.csv storage.csv
    measured.json   the metrics, and the code that measured them
    trial.json      written last: its presence means that the trial is done
    failed.json     instead of all of these: why the trial failed
RESULTS/EXPERIMENT/DATASET/{latency,load,storage}--KEY--MACHINE/
    calls.csv arms.csv starts.csv throughput.csv rounds.csv | requests.csv steps.csv | grid.csv
    costs.json      written last; `left_out` has what may be measured another time, and why
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import code, files, frames, trec
from harness.data import Hit, Qrels, Run
from harness.readings import Lengths
from harness.stored_costs import DONE_COSTS, elsewhere, left_out
from harness.stored_costs import costs as read_costs
from harness.stored_tables import (
    joined,
    json_text,
    lengths_table,
    read_json,
    read_lengths,
    read_table,
    refuse_holes,
    write_table,
)

if TYPE_CHECKING:
    import pandas as pd

    from harness.plan import Costing, Plan, Trial

COSTS = ("calls", "arms", "starts", "throughput", "rounds", "requests", "steps", "grid")
"""The tables of cost; those of one dataset and kind lie together."""

SNIPPET = 600
"""Characters of a document that are kept beside the results, for reading."""

TABLES = ("measurements", "readings", "timings", "storage")
"""The tables of a trial."""


@dataclass(frozen=True)
class Measured:
    """What a trial's rankings say by the judgements."""

    measurements: pd.DataFrame
    readings: pd.DataFrame
    qrels: Qrels
    lengths: Lengths | None = None
    """None where no model reads the texts, or it cannot say."""


@dataclass(frozen=True)
class Record:
    """A finished trial, ready to be saved."""

    run: Run
    candidates: Run | None
    """What was reranked; None where nothing was."""
    measured: Measured
    timings: pd.DataFrame
    storage: pd.DataFrame
    texts: Mapping[str, str]
    """Texts of the queries (`query ID`) and of the documents near the top (`doc ID`)."""
    facts: Mapping[str, Any]
    """Everything else that a reader must know, as JSON."""


class Store:
    """The results of one experiment."""

    def __init__(self, results: Path, experiment: str) -> None:
        """`results` is the folder of all experiments' results."""
        self.folder = results / experiment

    def pending(self, plan: Plan) -> list[Trial]:
        """The trials that are not done, or not measured by what is asked for, or as it is now.

        With random weights there is nothing to be done: quality would mean nothing.
        """
        trials = [trial for trial in plan.trials if not trial.random_weights]
        return [trial for trial in trials if not self._done(trial, plan)]

    def pending_costings(self, plan: Plan) -> list[Costing]:
        """The measurements of cost that are not done, or that left out what can be measured now."""
        return [one for one in plan.costings() if not self._measured(one)]

    def left_out(self, costing: Costing) -> Mapping[str, str] | None:
        """By system why a measurement lacks it for now; None where nothing was measured yet."""
        return left_out(self.folder / costing.folder)

    def _measured(self, costing: Costing) -> bool:
        """Whether a measurement is there, and leaves out no system whose trial is done now."""
        lacks = self.left_out(costing)
        trials = [trial for trial in costing.trials if trial.system.name in (lacks or {})]
        return lacks is not None and not any(map(self.ready, trials))

    def ready(self, trial: Trial) -> bool:
        """Whether what a trial costs can be measured: it is done, or has no quality to measure."""
        return trial.random_weights or (self.folder / trial.folder / "trial.json").exists()

    def _done(self, trial: Trial, plan: Plan) -> bool:
        folder = self.folder / trial.folder
        noted = folder / "measured.json"
        if not (folder / "trial.json").exists() or not noted.exists():  # an older version had none
            return False
        measured = read_json(noted)
        missing = set(plan.experiment.metrics) - set(measured["metrics"])
        return not missing and measured["made_by"] == _measuring()

    def save_plan(self, plan: Plan) -> None:
        """Note what belongs to the last run."""
        files.write(self.folder / "plan.json", json_text(plan.described()))

    def save(self, trial: Trial, record: Record) -> None:
        """Write a finished trial; raises StoreError, and leaves it undone, if it cannot."""
        folder = self.folder / trial.folder
        files.write(folder / "run.trec.gz", trec.run_bytes(record.run, trial.system.name))
        for name in ("timings", "storage"):
            write_table(folder / f"{name}.csv", getattr(record, name))
        self.save_measured(trial, record.measured, record.candidates)
        lines = [json.dumps({"id": key, "text": text}) for key, text in record.texts.items()]
        packed = gzip.compress("\n".join(lines).encode(), mtime=0)
        files.write(folder / "texts.jsonl.gz", packed)
        files.write(folder / "trial.json", json_text(record.facts))
        (folder / "failed.json").unlink(missing_ok=True)

    def save_costs(
        self, costing: Costing, tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any]
    ) -> None:
        """Write the tables of a measurement of cost, whose names are those of `frames`.

        Those of an earlier one go: a mixture of both is never taken for whole.
        """
        folder = self.folder / costing.folder
        (folder / DONE_COSTS).unlink(missing_ok=True)
        for name, table in tables.items():
            write_table(folder / f"{name}.csv", table)
        files.write(folder / DONE_COSTS, json_text(facts))

    def run(self, trial: Trial) -> Run | None:
        """The run of a trial that is done, else None."""
        folder = self.folder / trial.folder
        done = (folder / "trial.json").exists()
        return trec.read_run(folder / "run.trec.gz") if done else None

    def candidates(self, trial: Trial) -> Run | None:
        """What a stored trial reranked, if that is kept."""
        file = self.folder / trial.folder / "candidates.trec.gz"
        return trec.read_run(file) if file.exists() else None

    def lengths(self, trial: Trial) -> Lengths | None:
        """How long the texts were that the last stage of a stored trial read, if that is known."""
        return read_lengths(self.folder / trial.folder / "lengths.csv")

    def save_measured(self, trial: Trial, measured: Measured, candidates: Run | None) -> None:
        """Replace what a trial's rankings say; raises StoreError if it cannot be written."""
        folder = self.folder / trial.folder
        (folder / "measured.json").unlink(missing_ok=True)
        files.write(folder / "qrels.trec.gz", trec.qrels_bytes(measured.qrels))
        if candidates is not None:
            files.write(folder / "candidates.trec.gz", trec.run_bytes(candidates, "candidates"))
        if measured.lengths is not None:
            write_table(folder / "lengths.csv", lengths_table(measured.lengths))
        write_table(folder / "measurements.csv", measured.measurements)
        write_table(folder / "readings.csv", measured.readings)
        metrics = sorted(set(measured.measurements["metric"]))
        noted = {"metrics": metrics, "made_by": _measuring()}
        files.write(folder / "measured.json", json_text(noted))

    def save_failure(self, trial: Trial, reason: str) -> None:
        """Note why a trial failed."""
        files.write(self.folder / trial.folder / "failed.json", json_text({"reason": reason}))


def _measuring() -> dict[str, Any]:
    """The code and the package that make metrics of a run."""
    return code.versions("harness.quality", "harness.readings") | code.packages(["ranx"])


@dataclass(frozen=True)
class Results:
    """Stored results as tables; the columns are described in `harness.frames`."""

    folder: Path
    plan: Mapping[str, Any]
    """Question, baseline, metrics and seed of the experiment."""
    trials: pd.DataFrame
    measurements: pd.DataFrame
    timings: pd.DataFrame
    storage: pd.DataFrame
    facts: Mapping[tuple[str, str], Mapping[str, Any]]
    """The content of each trial.json, by (dataset, system)."""
    costs: Mapping[str, pd.DataFrame]
    """The tables of cost by name (COSTS), empty where nothing was measured."""
    cost_facts: Mapping[tuple[str, str], Mapping[str, Any]]
    """The content of each costs.json, by (dataset, kind)."""
    elsewhere: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """By (dataset, kind) the other machines that the same was measured on."""
    readings: pd.DataFrame = field(default_factory=lambda: joined("readings", ()))

    def run(self, dataset: str, system: str) -> dict[str, list[Hit]]:
        """The stored run of a trial, in ranked order."""
        return trec.read_run(self.trial_folder(dataset, system) / "run.trec.gz")

    def candidates(self, dataset: str, system: str) -> dict[str, list[Hit]] | None:
        """What a trial reranked, in the order of the first stage; None where nothing was."""
        file = self.trial_folder(dataset, system) / "candidates.trec.gz"
        return trec.read_run(file) if file.exists() else None

    def qrels(self, dataset: str, system: str) -> dict[str, dict[str, int]]:
        """The judgements by which a trial was measured."""
        return trec.read_qrels(self.trial_folder(dataset, system) / "qrels.trec.gz")

    def lengths(self, dataset: str, system: str) -> Lengths | None:
        """How long the texts are that the last stage read; None where that is not known."""
        return read_lengths(self.trial_folder(dataset, system) / "lengths.csv")

    def texts(self, dataset: str, system: str) -> dict[str, str]:
        """Texts beside a trial: `query ID` whole, `doc ID` cut to SNIPPET characters."""
        with files.open_text(self.trial_folder(dataset, system) / "texts.jsonl.gz") as lines:
            items = [json.loads(line) for line in lines]
        return {item["id"]: item["text"] for item in items}

    def trial_folder(self, dataset: str, system: str) -> Path:
        """Where the files of a trial lie."""
        folders = {(one["dataset"], one["system"]): one["folder"] for one in self.plan["trials"]}
        return self.folder / str(folders[dataset, system])


def load_results(folder: str | Path) -> Results:
    """The results under an experiment's folder, those of its last run only.

    Raises StoreError if there are none.
    """
    import pandas as pd

    plan = read_json((folder := Path(folder)) / "plan.json")
    trials: list[tuple[Any, ...]] = []
    facts: dict[tuple[str, str], Any] = {}
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    for entry in plan["trials"]:
        place, name = folder / entry["folder"], (entry["dataset"], entry["system"])
        if not (place / "trial.json").exists():
            trials.append((*name, entry["key"], *_undone(place, entry)))
            continue
        facts[name] = read_json(place / "trial.json")
        trials.append((*name, entry["key"], "done", *_components(facts[name]), ""))
        for table, parts in tables.items():
            if table == "readings" and not (place / "readings.csv").exists():
                continue
            file = place / f"{table}.csv"
            part = read_table(file, getattr(frames, table.upper()))
            if table == "measurements":
                refuse_holes(file, part, facts[name]["dataset"]["queries"])
            parts.append(part.assign(dataset=name[0], system=name[1]))
    costs, cost_facts = read_costs(folder, plan["costs"], COSTS)
    return Results(
        folder=folder,
        plan=plan,
        trials=pd.DataFrame(trials, columns=list(frames.TRIALS)),
        facts=facts,
        costs=costs,
        cost_facts=cost_facts,
        elsewhere={
            (entry["dataset"], entry["kind"]): elsewhere(folder / entry["folder"])
            for entry in plan["costs"]
        },
        **{table: joined(table, parts) for table, parts in tables.items()},
    )


def _undone(place: Path, entry: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    if entry["random_weights"]:
        config = json.dumps(entry["system_config"], sort_keys=True)
        return "not measured", "", "", config, "its weights are random"
    failed = place / "failed.json"
    reason = read_json(failed)["reason"] if failed.exists() else "not run yet"
    return "failed" if failed.exists() else "pending", "", "", "", reason


def _components(facts: Mapping[str, Any]) -> tuple[str, str, str]:
    system = facts["system"]
    reranker = system["reranker"]["use"] if system["reranker"] else ""
    return system["retriever"]["use"], reranker, json.dumps(system, sort_keys=True)
