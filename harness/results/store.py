"""Results on disk: what is done, and back into tables.

RESULTS/EXPERIMENT/plan.json    what belongs to the last run, with its digest
RESULTS/EXPERIMENT/DATASET/SYSTEM--KEY/   a trial (`trials`)
    failed.json     instead of all of its files: why it failed
RESULTS/EXPERIMENT/DATASET/{latency,load,storage}--KEY--MACHINE/
    calls.csv arms.csv starts.csv throughput.csv rounds.csv | requests.csv steps.csv | grid.csv
    costs.json      what they were made with; `left_out` has what may be measured another time, and why

A folder of a trial or a measurement is put in its place whole, with the digests of its files.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.data import Hit, Run
from harness.errors import StoreError
from harness.files import digests, disk, trec
from harness.results import columns, costs, tables, trials, values
from harness.results.derived_rankings import Lengths
from harness.results.tables import joined, json_text, read_table, stored_json, write_table
from harness.results.trials import MEASURED, Measured, Ranked, Record
from harness.results.whole_folders import AGAIN, faults, is_there, opened, opened_if_any, written

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from harness.experiment.plan import CostStage, Plan, Trial

log = logging.getLogger(__name__)

COSTS = ("calls", "arms", "starts", "throughput", "rounds", "requests", "steps", "grid")
"""The tables of cost; those of one dataset and kind lie together."""

TABLES = ("timings", "storage")
"""The small tables of a trial."""

NO_WEIGHTS = "no weights here"
"""Why nothing says how a system ranks whose model has random weights."""

NO_JUDGMENTS = "no judgments"
"""Why nothing says how systems rank on a dataset of which nothing is judged."""


class Store:
    """The results of one experiment."""

    def __init__(self, results: Path, experiment: str) -> None:
        """`results` is the folder of all experiments' results."""
        self.folder = results / experiment

    def pending(self, plan: Plan) -> list[Trial]:
        """The trials that are not done, or not measured by what is asked for, or as it is now.

        With random weights there is nothing to be done: quality would mean nothing.
        """
        asked = plan.experiment.metrics
        some = [trial for trial in plan.trials if not trial.random_weights]
        return [one for one in some if not trials.is_measured(self.folder / one.folder, asked)]

    def pending_cost_stages(self, plan: Plan) -> list[CostStage]:
        """The measurements of cost that are not done, or that left out what can be measured now."""
        return [one for one in plan.cost_stages() if not self._measured(one)]

    def left_out(self, stage: CostStage) -> Mapping[str, str] | None:
        """By system why a measurement lacks it, though it may have it another time.

        None where nothing was measured yet, or what was is damaged.
        """
        place = self.folder / stage.folder
        if not is_there(place) or faults(place):
            return None
        found: Mapping[str, str] = stored_json(opened(place, costs.DONE_COSTS)).get("left_out", {})
        return found

    def _measured(self, stage: CostStage) -> bool:
        """Whether a measurement is there, and leaves out no system whose trial is done now."""
        lacks = self.left_out(stage)
        lacking = [trial for trial in stage.trials if trial.system.name in (lacks or {})]
        return lacks is not None and not any(map(self.ready, lacking))

    def ready(self, trial: Trial) -> bool:
        """Whether what a trial costs can be measured: it is done, or has no quality to measure."""
        return trial.random_weights or self.holds_run(trial)

    def set_damage_aside(self, plan: Plan) -> None:
        """Give another name to what is not as it was written, and say so: it is not done then.

        A trial whose run is whole stays, and is only measured again.
        """
        for trial in plan.trials:
            folder = self.folder / trial.folder
            if found := trials.lost(folder):
                digests.set_aside(folder, found[0])
            elif found := faults(folder):
                log.warning("%s. It is measured again.", found[0])
        for stage in plan.cost_stages():
            for folder in costs.of_every_machine(self.folder / stage.folder):
                if found := faults(folder):
                    digests.set_aside(folder, found[0])

    def save_plan(self, plan: Plan) -> None:
        """Note what belongs to the last run."""
        disk.write(self.folder / "plan.json", json_text(digests.stamped(plan.described())))

    def save(self, trial: Trial, record: Record) -> None:
        """Write a finished trial; raises StoreError, and leaves it undone, if it cannot."""
        with written(self.folder / trial.folder) as folder:
            trials.write(folder, record, trial.system.name)

    def save_measured(self, trial: Trial, measured: Measured) -> None:
        """Replace what a trial's rankings say; raises StoreError if it cannot be written.

        Until the digests are those of all that is new, it is to be measured again.
        """
        folder = self.folder / trial.folder
        trials.write_measured(folder, measured)
        digests.renew(folder, MEASURED, without=[trials.OLDER])

    def save_costs(
        self, stage: CostStage, tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any]
    ) -> None:
        """Write the tables of a measurement of cost, whose names are those of `columns`.

        Those of an earlier one go: a mixture of both is never taken for whole.
        """
        with written(self.folder / stage.folder) as folder:
            for name, table in tables.items():
                write_table(folder / f"{name}.csv", table)
            disk.write(folder / costs.DONE_COSTS, json_text(facts))

    def holds_run(self, trial: Trial) -> bool:
        """Whether a trial is done, though it may have to be measured again."""
        return trials.holds_run(self.folder / trial.folder)

    def run(self, trial: Trial) -> Run | None:
        """The run of a trial that is done, else None."""
        folder = self.folder / trial.folder
        return trec.stored_run(opened(folder, "run.trec.gz")) if self.holds_run(trial) else None

    def ranked(self, trial: Trial) -> Ranked:
        """What is measured by the judgements of a trial that is done."""
        return trials.ranked(self.folder / trial.folder)

    def save_failure(self, trial: Trial, reason: str) -> None:
        """Note why a trial failed."""
        with written(self.folder / trial.folder) as folder:
            disk.write(folder / "failed.json", json_text({"reason": reason}))


@dataclass(frozen=True, repr=False)
class Results:
    """Stored results as tables; the columns are described in `harness.results.columns`."""

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

    def __repr__(self) -> str:
        """What they hold, where they lie, and what to call next."""
        from harness.results.summary import summary

        return summary(self)

    @cached_property
    def weightless(self) -> frozenset[str]:
        """The systems with random weights, whose quality cannot be measured."""
        return frozenset(self.trials[self.trials["status"] == "not measured"]["system"])

    @cached_property
    def unjudged(self) -> frozenset[str]:
        """The datasets that were run and of which nothing is judged, so that quality is not measured."""
        known = {name: facts.get("dataset", {}) for (name, _), facts in self.facts.items()}
        return frozenset(name for name, of in known.items() if of.get("judgements") == 0)

    @cached_property
    def readings(self) -> Callable[..., pd.DataFrame]:
        """By the names of metrics columns READINGS: what other rankings made of the stored runs say.

        They are read when they are first asked for.
        """
        return lru_cache(lambda *metrics: self._readings(metrics))

    def _readings(self, metrics: Sequence[str]) -> pd.DataFrame:
        done = [trial for trial in self._folders if trial in self.facts]
        parts = {trial: trials.readings(self._folders[trial], metrics) for trial in done}
        return values.a_row_a_value("readings", parts)

    @cached_property
    def calls(self) -> pd.DataFrame:
        """The calls of every system, `timed_by` itself or by another that makes the same ones."""
        return costs.of_every_system(self.costs["calls"], self.cost_facts)

    @cached_property
    def arms(self) -> pd.DataFrame:
        """The arms of every system, as in `calls`."""
        return costs.of_every_system(self.costs["arms"], self.cost_facts)

    def run(self, dataset: str, system: str) -> dict[str, list[Hit]]:
        """The stored run of a trial, in ranked order."""
        return trec.stored_run(self.file(dataset, system, "run.trec.gz"))

    def candidates(self, dataset: str, system: str) -> dict[str, list[Hit]] | None:
        """What a trial reranked, in the order of the first stage; None where nothing was."""
        file = opened_if_any(self._folders[dataset, system], "candidates.trec.gz")
        return trec.stored_run(file) if file else None

    def qrels(self, dataset: str, system: str) -> dict[str, dict[str, int]]:
        """The judgements by which a trial was measured."""
        return trec.read_qrels(self.file(dataset, system, "qrels.trec.gz"))

    def lengths(self, dataset: str, system: str) -> Lengths | None:
        """How long the texts are that the last stage read; None where that is not known."""
        file = opened_if_any(self._folders[dataset, system], "lengths.csv")
        return tables.read_lengths(file) if file else None

    def texts(
        self, dataset: str, system: str, names: Iterable[str] | None = None
    ) -> dict[str, str]:
        """Texts beside a trial, all or of `names`: `query ID` whole, `doc ID` cut to SNIPPET."""
        return trials.texts(self._folders[dataset, system], names)

    def first_hits(self, dataset: str, system: str, query_ids: Sequence[str]) -> dict[str, str]:
        """The doc id that stands first for each of these queries, if one does."""
        return trials.first_hits(self._folders[dataset, system], query_ids)

    def file(self, dataset: str, system: str, name: str) -> Path:
        """A file of a trial that is done; raises StoreError where it is not as it was written."""
        return opened(self._folders[dataset, system], name)

    @cached_property
    def _folders(self) -> Mapping[tuple[str, str], Path]:
        """By (dataset, system) where the files of a trial lie."""
        return {
            (one["dataset"], one["system"]): self.folder / one["folder"]
            for one in self.plan["trials"]
        }


def load_results(folder: str | Path) -> Results:
    """The results under an experiment's folder, those of its last run only.

    Raises StoreError if there are none, or they are not as they were written.
    """
    import pandas as pd

    plan = _plan((folder := Path(folder)) / "plan.json")
    rows: list[tuple[Any, ...]] = []
    facts: dict[tuple[str, str], Any] = {}
    measured: dict[tuple[str, str], pa.Table] = {}
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    for entry in plan["trials"]:
        place, name = folder / entry["folder"], (entry["dataset"], entry["system"])
        done = opened_if_any(place, "trial.json") if is_there(place) else None
        if done is None:
            rows.append((*name, entry["key"], *_undone(place, entry)))
            continue
        facts[name] = stored_json(done)
        rows.append((*name, entry["key"], "done", *_components(facts[name]), ""))
        measured[name] = trials.measurements(place)
        for table, found in parts.items():
            part = read_table(opened(place, f"{table}.csv"), getattr(columns, table.upper()))
            found.append(part.assign(dataset=name[0], system=name[1]))
    cost_tables, cost_facts = costs.costs(folder, plan["costs"], COSTS)
    return Results(
        folder=folder,
        plan=plan,
        trials=pd.DataFrame(rows, columns=list(columns.TRIALS)),
        measurements=values.a_row_a_value("measurements", measured),
        facts=facts,
        costs=cost_tables,
        cost_facts=cost_facts,
        elsewhere={
            (entry["dataset"], entry["kind"]): costs.elsewhere(folder / entry["folder"])
            for entry in plan["costs"]
        },
        **{table: joined(table, found) for table, found in parts.items()},
    )


def _plan(file: Path) -> dict[str, Any]:
    try:
        return digests.unstamped(stored_json(file))
    except ValueError as error:
        raise StoreError(f"{file} was not used: {error}. {AGAIN}") from error


def _undone(place: Path, entry: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    if entry["random_weights"]:
        config = json.dumps(entry["system_config"], sort_keys=True)
        return "not measured", "", "", config, NO_WEIGHTS
    if not is_there(place):
        return "pending", "", "", "", "not run yet"
    return "failed", "", "", "", stored_json(opened(place, "failed.json"))["reason"]


def _components(facts: Mapping[str, Any]) -> tuple[str, str, str]:
    system = facts["system"]
    reranker = system["reranker"]["use"] if system["reranker"] else ""
    return system["retriever"]["use"], reranker, json.dumps(system, sort_keys=True)
