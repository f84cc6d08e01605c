"""Goes through a plan: each shared stage once, each finished trial stored at once."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from harness import frames, quality, registry, stages, vectors
from harness.clock import Clock
from harness.data import Dataset, Run
from harness.errors import DataError, HarnessError, InputError, StoreError
from harness.journal import Journal
from harness.plan import Plan, Stage, Trial, component_key
from harness.protocols import Encoder, Identified, Progress, TokenEncoder
from harness.provenance import provenance
from harness.stages import StageResult
from harness.store import SNIPPET, Record, Store
from harness.subset import subset

log = logging.getLogger(__name__)

TEXTS_KEPT = 10
"""Documents from the top of a run whose texts are kept for reading."""


@dataclass
class Execution:
    """One go at a plan; it can be stopped anywhere, and the next go does only what is left."""

    plan: Plan
    store: Store
    cache: Path
    progress: Progress
    clock: Clock = field(default_factory=Clock)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)
    """Why each failed trial failed, by (dataset, system)."""

    def execute(self) -> None:
        """Do every pending trial; one that fails is noted and the others go on.

        Raises InputError for what the user must mend, StoreError if results cannot be written.
        """
        self.store.save_plan(self.plan)
        pending = self.store.pending(self.plan)
        for name in dict.fromkeys(trial.dataset.name for trial in pending):
            trials = [trial for trial in pending if trial.dataset.name == name]
            self.progress(f"load {name}", 0, 1)
            with self.clock.kind("data"):
                dataset = load_dataset(trials[0])
            self.progress(f"load {name}", 1, 1)
            work = _Work(self, dataset)
            try:
                work.encode_together([trial for trial in trials if self.store.run(trial) is None])
            except (InputError, StoreError):
                raise
            except Exception:  # the trial whose encoder it is will fail by name
                log.debug("encoding together failed", exc_info=True)
            for trial in trials:
                self._execute_trial(trial, work)

    def _execute_trial(self, trial: Trial, work: _Work) -> None:
        stored = self.store.run(trial)
        if stored is not None:  # only a metric is missing: no model is needed
            self.store.save_measurements(trial, work.measurements(trial, stored))
            return
        try:
            record = work.record(trial)
        except (InputError, StoreError):
            raise
        except Exception as error:
            told = isinstance(error, HarnessError)
            reason = str(error) if told else f"{type(error).__name__}: {error}"
            log.debug("a trial failed", exc_info=True)
            self.failures[trial.dataset.name, trial.system.name] = reason
            self.store.save_failure(trial, reason)
        else:
            self.store.save(trial, record)


def load_dataset(trial: Trial) -> Dataset:
    """The trial's dataset, or the part of it that the experiment uses."""
    choice = trial.dataset
    dataset: Dataset = choice.source.load()
    part = choice.subset
    return subset(dataset, part.documents, part.queries, part.seed) if part else dataset


class _Work:
    """The stages over one dataset; their results are kept in the cache by their keys."""

    def __init__(self, execution: Execution, dataset: Dataset) -> None:
        self._dataset = dataset
        self._cache = execution.cache
        self._clock = execution.clock
        self._progress = execution.progress
        self._metrics = execution.plan.experiment.metrics
        self._encoders: dict[str, vectors.StoredEncoder] = {}
        self._retrieved: dict[str, StageResult] = {}
        """First stages at hand, since several systems rerank the same one."""

    def encode_together(self, trials: Sequence[Trial]) -> None:
        """Encode all documents at once for encoders that share a transformer's pass.

        Only where the candidates could cover the dataset: token vectors of a large one, most of
        which nobody reads, would cost more than a second pass over the candidates.
        """
        reach = max((trial.stages[-1].depth for trial in trials), default=0) * len(
            self._dataset.queries
        )
        if reach < len(self._dataset.docs):
            return
        wanted = {
            stage.key: stage
            for trial in trials
            for stage in trial.stages
            if not self._folder(stage).exists()
        }
        for stage in wanted.values():
            registry.replaced(stage.component, self._remembering)
        texts = [doc.text for doc in self._dataset.docs]
        vectors.encode_together(list(self._encoders.values()), texts)

    def record(self, trial: Trial) -> Record:
        """The finished trial, its stages run if they are not in the cache."""
        results = [(stage.kind, self._result(stage)) for stage in trial.stages]
        run = results[-1][1].run
        name = {"dataset": trial.dataset.name, "system": trial.system.name}
        timings = [
            {**name, "stage": kind, "seconds": result.seconds, "finished": result.finished}
            for kind, result in results
        ]
        storage = [
            {**name, **result.footprint._asdict()} for _, result in results if result.footprint
        ]
        return Record(
            run=run,
            measurements=self.measurements(trial, run),
            timings=pd.DataFrame(timings, columns=list(frames.TIMINGS)),
            storage=pd.DataFrame(storage, columns=list(frames.STORAGE)),
            texts=self._texts(run),
            facts=self._facts(trial, results),
        )

    def measurements(self, trial: Trial, run: Run) -> pd.DataFrame:
        """Columns MEASUREMENTS: the experiment's metrics of a trial's run."""
        with self._clock.kind("measure"):
            measured = quality.measurements(run, self._dataset.qrels, self._metrics)
        named = measured.assign(dataset=trial.dataset.name, system=trial.system.name)
        return named[list(frames.MEASUREMENTS)]

    def _result(self, stage: Stage) -> StageResult:
        if stage.key in self._retrieved:
            return self._retrieved[stage.key]
        result = self._stored(stage) or self._made(stage)
        if stage.candidates is None:
            self._retrieved[stage.key] = result
        return result

    def _stored(self, stage: Stage) -> StageResult | None:
        folder = self._folder(stage)
        if not folder.exists():
            return None
        try:
            return StageResult.load(folder)
        except (DataError, OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s cannot be read and is made again: %s", folder, error)
            shutil.rmtree(folder)
            return None

    def _made(self, stage: Stage) -> StageResult:
        result = self._run(stage)
        result.save(self._folder(stage))
        self._folder(stage).with_suffix(".partial").unlink(missing_ok=True)
        return result

    def _run(self, stage: Stage) -> StageResult:
        component = registry.replaced(stage.component, self._remembering)
        if stage.candidates is None:
            return stages.retrieve(component, self._dataset, stage.depth, self._clock)
        for part in registry.parts(stage.component):
            if isinstance(encoder := self._remembering(part), vectors.StoredEncoder):
                encoder.remember_queries([query.text for query in self._dataset.queries])
        return stages.rerank(
            component,
            self._result(stage.candidates).run,
            self._dataset,
            stage.depth,
            Journal(self._folder(stage).with_suffix(".partial")),
            self._clock,
            self._progress,
        )

    def _folder(self, stage: Stage) -> Path:
        return self._cache / "runs" / stage.key[:32]

    def _remembering(self, component: Any) -> Any:
        """Encoders get a memory; everything else stays as it is."""
        if not isinstance(component, Encoder | TokenEncoder):
            return component
        key = component_key(component)[:32]
        if key not in self._encoders:
            self._encoders[key] = vectors.StoredEncoder(
                self._cache / "vectors" / key, component, self._clock, self._progress
            )
        return self._encoders[key]

    def _texts(self, run: Run) -> dict[str, str]:
        dataset = self._dataset
        wanted = {hit.doc_id for hits in run.values() for hit in hits[:TEXTS_KEPT]}
        wanted |= {
            doc_id for judged in dataset.qrels.values() for doc_id, grade in judged.items() if grade
        }
        texts = {f"query {query.query_id}": query.text for query in dataset.queries}
        for doc in dataset.docs:
            if doc.doc_id in wanted:
                texts[f"doc {doc.doc_id}"] = doc.text[:SNIPPET]
        return texts

    def _facts(self, trial: Trial, results: Sequence[tuple[str, StageResult]]) -> dict[str, Any]:
        dataset, choice, system = self._dataset, trial.dataset, trial.system
        components = [part for part in (system.retriever, system.reranker) if part is not None]
        return {
            "dataset": {
                "name": choice.name,
                "source": registry.config_of(choice.source),
                "identity": dict(choice.source.identity()),
                "subset": choice.subset.model_dump() if choice.subset else None,
                "fingerprint": dataset.fingerprint,
                "documents": len(dataset.docs),
                "queries": len(dataset.queries),
                "judgements": sum(map(len, dataset.qrels.values())),
                "description": dataset.description,
                "notes": list(dataset.notes),
            },
            "system": {
                "name": system.name,
                "retriever": registry.config_of(system.retriever),
                "reranker": registry.config_of(system.reranker) if system.reranker else None,
                "depth": system.depth.model_dump(),
            },
            "identities": [
                dict(part.identity())
                for component in components
                for part in registry.parts(component)
                if isinstance(part, Identified)
            ],
            "stages": [
                {"kind": stage.kind, "key": stage.key, **result.facts}
                for stage, (_, result) in zip(trial.stages, results, strict=True)
            ],
            "provenance": provenance(),
        }
