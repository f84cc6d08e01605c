"""Stages that several workers do together: documents by range, queries in parts."""

from __future__ import annotations

from functools import partial
from typing import Any

from harness.components import registry
from harness.components.abilities import AsksServer
from harness.components.models.names import reranking
from harness.components.protocols import ENCODERS, Preparable
from harness.experiment.plan import Stage
from harness.experiment.tasks import TextRange
from harness.pipeline import stages, text_ranges
from harness.pipeline.embedding_cache import StoredEncoder
from harness.pipeline.stage_runner import StageRunner


def can_be_shared(stage: Stage) -> bool:
    """Whether several workers can be at a stage at once: not where they would ask one server.

    Nor where documents are encoded as queries come: what comes together decides the batches.
    """
    parts = list(registry.parts(stage.component))
    if any(isinstance(part, AsksServer) for part in parts):
        return False
    encodes = any(isinstance(part, ENCODERS) for part in parts)
    return stage.candidates is None or not encodes or isinstance(stage.component, Preparable)


def encode(work: StageRunner, stage: Stage, workers: int, mine: TextRange | None) -> None:
    """Have all documents encoded that a stage asks for, be it by doing all of it.

    Raises as `text_ranges.shared` does, which has only the range `mine` encoded.
    """
    if work.is_done(stage):
        return
    component = registry.replaced(stage.component, work.cached_encoder)
    with work.naming(), text_ranges.shared(workers, mine):
        if stage.candidates is None and mine:
            for retriever in _encoding(component):
                retriever.index(work.dataset.docs)
        elif stage.candidates is None:
            work.run(stage)
        else:
            work.remember_queries(stage.component)
            prepared = component.prepare(list(work.asked(stage).docs.values()))
    if stage.candidates is not None and prepared is component:
        work.run(stage)  # it encodes as queries come


def _encoding(component: Any) -> list[Any]:
    """The retrievers inside that have an encoder of their own."""
    return [
        part
        for part in registry.parts(component)
        if any(isinstance(value, StoredEncoder) for value in vars(part).values())
    ]


def unscored(work: StageRunner, stage: Stage) -> int:
    """How many queries of a second stage are not scored yet; 0 where it is done."""
    if work.is_done(stage):
        return 0
    scored = work.journal(stage, work.asked(stage).candidates).scores
    return sum(query.query_id not in scored for query in work.dataset.queries)


def score(work: StageRunner, stage: Stage, part: tuple[int, int]) -> None:
    """Have the scores of a part of the queries: `(2, 8)` is the third of eight."""
    number, parts = part
    name = f".{number}-of-{parts}"
    component = registry.replaced(stage.component, work.cached_encoder)
    work.remember_queries(stage.component)
    about = work.asked(stage)
    with work.alone(stage, name), work.naming():
        journal = work.journal(stage, about.candidates, name)
        progress = partial(work.progress, reranking(stage.component))
        stages.score(component, about, work.dataset.queries[number::parts], journal, progress)
