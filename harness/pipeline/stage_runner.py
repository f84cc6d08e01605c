"""The stages of an experiment over one dataset; their results are kept in the cache."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.components import registry
from harness.components.abilities import HasNotes, LimitsLength
from harness.components.models import trained
from harness.components.models.names import reranking
from harness.components.protocols import ENCODERS, JointEncoder, Progress, Served
from harness.components.timing import TRAFFIC, recording, span
from harness.components.vectors.compression import CachePrecision
from harness.data import Dataset, Run, doc_texts, docs_at
from harness.errors import TextError
from harness.experiment.keys import component_key, data_facts, packages_of
from harness.experiment.plan import Stage, Trial
from harness.experiment.provenance import provenance
from harness.files import digests, locks
from harness.files.digests import DamagedError
from harness.pipeline import embedding_cache, stages, unread
from harness.pipeline.rerank_journal import Journal
from harness.pipeline.stages import StageResult
from harness.results import columns, derived_rankings, leaks, metrics
from harness.results.derived_rankings import Lengths
from harness.results.leaks import TOP
from harness.results.trials import Measured, Ranked, Record, shown_texts

HOLDERS = {"retrieve": "retriever", "rerank": "reranker"}
"""By stage who stores what it made of the documents."""

COUNTED = 4096
"""Documents whose tokens are counted together."""


class StageRunner:
    """The stages over one dataset; their results are kept in the cache by their keys."""

    def __init__(
        self,
        dataset: Dataset,
        metrics: Sequence[str],
        cache: Path,
        progress: Progress,
        precision: CachePrecision = "float32",
    ) -> None:
        """`metrics` are those of the experiment; `precision` is that of stored token vectors."""
        self.dataset = dataset
        self._metrics = metrics
        self.cache = cache
        self.progress = progress
        self.precision = precision
        self._encoders: dict[str, embedding_cache.StoredEncoder] = {}
        self._retrieved: dict[str, StageResult] = {}
        """First stages at hand, since several systems rerank the same one."""
        self._lengths: dict[str, NDArray[np.int32]] = {}
        """By component how many tokens each document has; -1 where nobody counted yet."""

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
            registry.replaced(stage.component, self.cached_encoder)
        texts = doc_texts(self.dataset.docs)
        embedding_cache.encode_together(list(self._encoders.values()), texts)
        parts = (part for stage in wanted.values() for part in registry.parts(stage.component))
        for encoder, uses in Counter(p for p in parts if isinstance(p, JointEncoder)).items():
            if uses > 1:
                self.cached_encoder(encoder).encode(texts, "doc")

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
            {**name, "holder": HOLDERS[kind], **part._asdict()}
            for kind, result in results
            for part in result.stored
        ]
        lengths = results[-1][1].facts.get("lengths")
        candidates = results[0][1].run if len(results) > 1 else None
        ranked = Ranked(run, candidates, lengths and Lengths(**lengths))
        return Record(
            ranked=ranked,
            measured=self.measured(trial, ranked),
            timings=pd.DataFrame(timings, columns=list(columns.TIMINGS)),
            storage=pd.DataFrame(storage, columns=list(columns.STORAGE)),
            texts=shown_texts(self.dataset.queries, self._texts(run)),
            facts=self._facts(trial, results),
        )

    def measured(self, trial: Trial, ranked: Ranked) -> Measured:
        """The experiment's metrics of a trial's run, and of other rankings made of it."""
        run, candidates, lengths = ranked
        qrels, depth = self.dataset.qrels, trial.system.depth.rerank
        with span("measure"):
            values = metrics.measurements(run, qrels, self._metrics)
            others = derived_rankings.readings(
                run, candidates, qrels, self._metrics, depth, lengths
            )
            queries = {query.query_id: query.text for query in self.dataset.queries}
            docs = self._texts(run)
            twice = leaks.readings(run, qrels, queries, docs, self._metrics)
        return Measured(values, pd.concat([others, twice], ignore_index=True), qrels)

    def run(self, stage: Stage) -> Run:
        """The run that a stage gives."""
        return self._result(stage).run

    def _result(self, stage: Stage) -> StageResult:
        if stage.key in self._retrieved:
            return self._retrieved[stage.key]
        result = self._stored(stage) or self._run_stage_alone(stage)
        if stage.candidates is None:
            self._retrieved[stage.key] = result
        return result

    def is_done(self, stage: Stage) -> bool:
        """Whether the result of a stage is stored, and as it was written."""
        return digests.is_whole(self._folder(stage))

    def _stored(self, stage: Stage) -> StageResult | None:
        folder = self._folder(stage)
        if not folder.exists():
            return None
        try:
            return StageResult.load(folder)
        except DamagedError as fault:
            digests.set_aside(folder, fault)
            return None

    def _run_stage_alone(self, stage: Stage) -> StageResult:
        """The result of a stage that one process makes; another that needs it waits for it."""
        with self.alone(stage):
            return self._stored(stage) or self._run_stage(stage)

    def alone(self, stage: Stage, part: str = "") -> AbstractContextManager[None]:
        """Be the only one in such a block, of this stage or of this part of its queries."""
        lock = self._folder(stage).with_suffix(f"{part}.lock")
        busy = f"Another run is at a stage that this one has, too: {stage.kind}"
        return locks.alone(lock, busy)

    def _run_stage(self, stage: Stage) -> StageResult:
        with self.naming(), recording(TRAFFIC) as sent:
            result = self._run_component(stage)
        facts = {"packages": packages_of(stage.component), **({"traffic": sent} if sent else {})}
        result = dataclasses.replace(result, facts={**result.facts, **facts})
        result.save(self._folder(stage))
        for journal in self._journals(stage):
            journal.unlink(missing_ok=True)
        return result

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Has an error name the documents and queries whose texts are to blame."""
        try:
            yield
        except TextError as error:
            raise stages.named(error, self.dataset) from error

    def _run_component(self, stage: Stage) -> StageResult:
        component = registry.replaced(stage.component, self.cached_encoder)
        if stage.candidates is None:
            result = stages.retrieve(component, self.dataset, stage.depth)
            return self._with_lengths(stage, result, result.run, every=True)
        self.remember_queries(stage.component)
        candidates = self._result(stage.candidates).run
        result = stages.rerank(
            component,
            candidates,
            self.dataset,
            stage.depth,
            self.journal(stage, candidates),
            partial(self.progress, reranking(stage.component)),
        )
        scored = {name: hits[: stage.depth] for name, hits in candidates.items()}
        return self._with_lengths(stage, result, scored)

    def asked(self, stage: Stage) -> stages.Asked:
        """What a second stage is asked; raises ValueError for a first one."""
        if stage.candidates is None:
            raise ValueError(f"the stage {stage.key} reranks nothing")
        return stages.asked(self.run(stage.candidates), self.dataset, stage.depth)

    def _with_lengths(
        self, stage: Stage, result: StageResult, run: Run, every: bool = False
    ) -> StageResult:
        """The result, and how much of the hits of `run` its models read, or of all documents."""
        readers = [p for p in registry.parts(stage.component) if isinstance(p, LimitsLength)]
        # Sorted: candidates read from a file come in another order than those just retrieved.
        hits = self.dataset.places_by_id(sorted(stages.doc_ids(run)) if readers else ())
        places = np.fromiter(hits.values(), np.int64)
        among = {doc_id: i for i, doc_id in enumerate(hits)}
        if every:
            places, among = np.arange(len(self.dataset.docs)), hits
        with span("measure"):
            count = partial(self._count, places=places)
            found = unread.facts(readers, among, self.dataset.queries, run, count)
        return dataclasses.replace(result, facts={**result.facts, **found})

    def _count(self, reader: LimitsLength, places: NDArray[np.int64]) -> NDArray[np.int32]:
        """Tokens of the documents at `places`; each is counted once."""
        docs, key = self.dataset.docs, component_key(reader)
        known = self._lengths.setdefault(key, np.full(len(docs), -1, np.int32))
        new = places[known[places] < 0]
        for start in range(0, len(new), COUNTED):
            some = new[start : start + COUNTED]
            known[some] = reader.doc_lengths(doc_texts(docs_at(docs, some.tolist())))
        return known[places]

    def _folder(self, stage: Stage) -> Path:
        return self.cache / "runs" / stage.key[:32]

    def journal(self, stage: Stage, candidates: Run, part: str = "") -> Journal:
        """The scores of a second stage so far; what is added is of a part of its queries."""
        scored_by = f"{stage.key} {stages.order_digest(candidates, stage.depth)}"
        own = self._folder(stage).with_suffix(f"{part}.partial")
        others = [file for file in self._journals(stage) if file != own]
        return Journal(own, scored_by, others)

    def _journals(self, stage: Stage) -> list[Path]:
        folder = self._folder(stage)
        return sorted(folder.parent.glob(f"{folder.name}*.partial"))

    def cached_encoder(self, component: Any) -> Any:
        """An encoder with a memory; everything else stays as it is."""
        if not isinstance(component, ENCODERS):
            return component
        key = component_key(component)
        if key not in self._encoders:
            self._encoders[key] = embedding_cache.stored(
                self.cache / "vectors", component, self.progress, self.precision
            )
        return self._encoders[key]

    def remember_queries(self, component: Any) -> None:
        """Encode all queries at once for the encoders of a component that asks one by one."""
        texts = [query.text for query in self.dataset.queries]
        for part in registry.parts(component):
            if isinstance(encoder := self.cached_encoder(part), embedding_cache.StoredEncoder):
                encoder.encode(texts, "query")

    def _texts(self, run: Run) -> dict[str, str]:
        """Of the documents near the top, and of those that are relevant, by their ids."""
        dataset = self.dataset
        wanted = {hit.doc_id for hits in run.values() for hit in hits[:TOP]}
        wanted |= {
            doc_id for judged in dataset.qrels.values() for doc_id, grade in judged.items() if grade
        }
        places = sorted(dataset.places_by_id(wanted).values())  # in the order of the documents
        return dict(docs_at(dataset.docs, places))

    def _facts(self, trial: Trial, results: Sequence[tuple[str, StageResult]]) -> dict[str, Any]:
        dataset, choice, system = self.dataset, trial.dataset, trial.system
        parts = [part for one in system.components for part in registry.parts(one)]
        grades = [grade for judged in dataset.qrels.values() for grade in judged.values()]
        return {
            "dataset": {
                "name": choice.name,
                **data_facts(choice),
                "fingerprint": dataset.fingerprint,
                "documents": len(dataset.docs),
                "queries": len(dataset.queries),
                "judgements": len(grades),
                "judged_not_relevant": sum(grade <= 0 for grade in grades),
                "grades": Counter(map(str, grades)),
                "best_grades": Counter(
                    str(max(judged.values())) for judged in dataset.qrels.values()
                ),
                "description": dataset.description,
                "notes": list(dataset.notes),
            },
            "system": system.configuration(),
            "identities": trial.identities(),
            "servers": [dict(part.server()) for part in parts if isinstance(part, Served)],
            "stages": [
                {"kind": stage.kind, "key": stage.key, **_without_lengths(result.facts)}
                for stage, (_, result) in zip(trial.stages, results, strict=True)
            ],
            "notes": [
                note for part in parts if isinstance(part, HasNotes) for note in part.notes()
            ],
            "trainings": [dict(trained.facts(stage.reference)) for stage in trial.trainings],
            "provenance": provenance(),
        }


def _without_lengths(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of a stage for a reader; the lengths of its documents are a table of their own."""
    return {name: value for name, value in facts.items() if name != "lengths"}
