"""The stages of an experiment over one dataset; their results are kept in the cache."""

from __future__ import annotations

import dataclasses
import logging
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from harness import frames, quality, readings, registry, stages, traffic, training, vectors
from harness.clock import Clock
from harness.data import Dataset, Run
from harness.errors import DataError
from harness.journal import Journal
from harness.keys import component_key, packages_of
from harness.plan import Stage, Trial
from harness.protocols import (
    AnyEncoder,
    Identified,
    JointEncoder,
    LimitsLength,
    Progress,
    Served,
)
from harness.provenance import provenance
from harness.readings import Lengths
from harness.stages import StageResult
from harness.store import SNIPPET, Measured, Record

log = logging.getLogger(__name__)

TEXTS_KEPT = 10
"""Documents from the top of a run whose texts are kept for reading."""


class Work:
    """The stages over one dataset; their results are kept in the cache by their keys."""

    def __init__(
        self,
        dataset: Dataset,
        metrics: Sequence[str],
        cache: Path,
        clock: Clock,
        progress: Progress,
    ) -> None:
        """`metrics` are those of the experiment."""
        self.dataset = dataset
        self._metrics = metrics
        self.cache = cache
        self.clock = clock
        self.progress = progress
        self._encoders: dict[str, vectors.StoredEncoder] = {}
        self._retrieved: dict[str, StageResult] = {}
        """First stages at hand, since several systems rerank the same one."""
        self._lengths: dict[str, dict[str, int]] = {}
        """By component and text how many tokens it has."""

    def encode_together(self, trials: Sequence[Trial]) -> None:
        """Encode all documents at once for encoders that share a transformer's pass.

        So does an encoder whose parts come from one pass, where it is used more than once.
        Only where the candidates could cover the dataset: token vectors of a large one, most of
        which nobody reads, would cost more than a second pass over the candidates.
        """
        reach = max((trial.stages[-1].depth for trial in trials), default=0) * len(
            self.dataset.queries
        )
        if reach < len(self.dataset.docs):
            return
        wanted = {
            stage.key: stage
            for trial in trials
            for stage in trial.stages
            if not self._folder(stage).exists()
        }
        for stage in wanted.values():
            registry.replaced(stage.component, self.remembering)
        texts = [doc.text for doc in self.dataset.docs]
        vectors.encode_together(list(self._encoders.values()), texts)
        parts = (part for stage in wanted.values() for part in registry.parts(stage.component))
        for encoder, uses in Counter(p for p in parts if isinstance(p, JointEncoder)).items():
            if uses > 1:
                self.remembering(encoder).encode_docs_jointly(texts)

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
        lengths = results[-1][1].facts.get("lengths")
        candidates = results[0][1].run if len(results) > 1 else None
        return Record(
            run=run,
            candidates=candidates,
            measured=self.measured(trial, run, candidates, lengths and Lengths(**lengths)),
            timings=pd.DataFrame(timings, columns=list(frames.TIMINGS)),
            storage=pd.DataFrame(storage, columns=list(frames.STORAGE)),
            texts=self._texts(run),
            facts=self._facts(trial, results),
        )

    def measured(
        self, trial: Trial, run: Run, candidates: Run | None, lengths: Lengths | None
    ) -> Measured:
        """The experiment's metrics of a trial's run, and what else its rankings tell."""
        qrels, depth = self.dataset.qrels, trial.system.depth.rerank
        names = {"dataset": trial.dataset.name, "system": trial.system.name}
        with self.clock.kind("measure"):
            values = quality.measurements(run, qrels, self._metrics)
            others = readings.readings(run, candidates, qrels, self._metrics, depth, lengths)
        return Measured(
            measurements=values.assign(**names)[list(frames.MEASUREMENTS)],
            readings=others.assign(**names)[list(frames.READINGS)],
            qrels=qrels,
            lengths=lengths,
        )

    def run(self, stage: Stage) -> Run:
        """The run that a stage gives."""
        return self._result(stage).run

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
        with traffic.counted() as sent:
            result = self._run(stage)
        facts = {"packages": packages_of(stage.component), **({"traffic": sent} if sent else {})}
        result = dataclasses.replace(result, facts={**result.facts, **facts})
        result.save(self._folder(stage))
        self._folder(stage).with_suffix(".partial").unlink(missing_ok=True)
        return result

    def _run(self, stage: Stage) -> StageResult:
        component = registry.replaced(stage.component, self.remembering)
        if stage.candidates is None:
            return stages.retrieve(component, self.dataset, stage.depth, self.clock)
        self.remember_queries(stage.component)
        candidates = self._result(stage.candidates).run
        result = stages.rerank(
            component,
            candidates,
            self.dataset,
            stage.depth,
            Journal(self._folder(stage).with_suffix(".partial")),
            self.clock,
            self.progress,
        )
        lengths = self._measure_lengths(stage, candidates)
        if lengths is None:
            return result
        facts = {**result.facts, "lengths": dataclasses.asdict(lengths)}
        return dataclasses.replace(result, facts=facts)

    def _measure_lengths(self, stage: Stage, candidates: Run) -> Lengths | None:
        """How long the reranked documents are; None where no part of the reranker can say."""
        able = (p for p in registry.parts(stage.component) if isinstance(p, LimitsLength))
        reader = next(able, None)
        if reader is None:
            return None
        # Sorted: candidates read from a file come in another order than those just retrieved.
        ids = sorted({h.doc_id for hits in candidates.values() for h in hits[: stage.depth]})
        texts = {doc_id: self.dataset.docs_by_id[doc_id].text for doc_id in ids}
        known = self._lengths.setdefault(component_key(reader), {})
        missing = list({text for text in texts.values() if text not in known})
        known |= zip(missing, reader.doc_lengths(missing), strict=True)
        return Lengths(
            docs={doc_id: known[text] for doc_id, text in texts.items()},
            room={query.query_id: reader.room(query.text) for query in self.dataset.queries},
        )

    def _folder(self, stage: Stage) -> Path:
        return self.cache / "runs" / stage.key[:32]

    def remembering(self, component: Any) -> Any:
        """An encoder with a memory; everything else stays as it is."""
        if not isinstance(component, AnyEncoder):
            return component
        key = component_key(component)[:32]
        if key not in self._encoders:
            self._encoders[key] = vectors.StoredEncoder(
                self.cache / "vectors" / key, component, self.clock, self.progress
            )
        return self._encoders[key]

    def remember_queries(self, component: Any) -> None:
        """Encode all queries at once for the encoders of a component that asks one by one."""
        texts = [query.text for query in self.dataset.queries]
        for part in registry.parts(component):
            if isinstance(encoder := self.remembering(part), vectors.StoredEncoder):
                encoder.remember_queries(texts)

    def _texts(self, run: Run) -> dict[str, str]:
        dataset = self.dataset
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
        dataset, choice, system = self.dataset, trial.dataset, trial.system
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
                "judged_not_relevant": sum(
                    grade <= 0 for judged in dataset.qrels.values() for grade in judged.values()
                ),
                "description": dataset.description,
                "notes": list(dataset.notes),
            },
            "system": system.configuration(),
            "identities": [
                dict(part.identity())
                for component in components
                for part in registry.parts(component)
                if isinstance(part, Identified)
            ],
            "servers": [
                dict(part.server())
                for component in components
                for part in registry.parts(component)
                if isinstance(part, Served)
            ],
            "stages": [
                {"kind": stage.kind, "key": stage.key, **_told(result.facts)}
                for stage, (_, result) in zip(trial.stages, results, strict=True)
            ],
            "trainings": [dict(training.told(stage.reference)) for stage in trial.trainings],
            "provenance": provenance(),
        }


def _told(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of a stage for a reader; the lengths of its documents are a table of their own."""
    return {name: value for name, value in facts.items() if name != "lengths"}
