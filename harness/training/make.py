"""From a stage of training to a model in the cache, with a card of how it came to be."""

from __future__ import annotations

import dataclasses
import functools
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.components import registry
from harness.components.models import references
from harness.components.models.names import reranking
from harness.components.models.trained import FACTS, LateInteractionTraining
from harness.components.timing import span
from harness.data import Dataset, Query, Run
from harness.errors import DataError
from harness.experiment.keys import key
from harness.experiment.plan import TrainStage
from harness.experiment.provenance import provenance
from harness.files import digests, disk
from harness.pipeline import stages
from harness.pipeline.datasets import load_questions
from harness.pipeline.rerank_journal import Journal
from harness.pipeline.stage_runner import StageRunner
from harness.training.card import card
from harness.training.cross_encoder import CrossEncoderStudent
from harness.training.examples import Examples, Teach, examples, learnable, searched
from harness.training.late_interaction import LateInteractionStudent, body_of
from harness.training.loop import State, best_of, fit
from harness.training.near import near_learnt

WEIGHTS = "model.safetensors"


def training_runner(stage: TrainStage, measured: StageRunner) -> StageRunner:
    """The work over the training queries beside that over those to measure on.

    Raises DataError if there are too few.
    """
    with span("data"):
        dataset = learnable(
            load_questions(stage.queries), measured.dataset, unjudged_queries(stage)
        )
    return StageRunner(dataset, (), measured.cache, measured.progress, measured.precision)


def unjudged_queries(stage: TrainStage) -> Sequence[Query]:
    """Those that nobody judged, where it learns from some; raises DataError where some are judged."""
    source = stage.training.unjudged
    if source is None:
        return ()
    found = load_questions(source)
    if found.qrels:
        raise DataError(
            f"The queries of {found.name!r} are to be learnt as unjudged ones, but there are judgements "
            "of them: say `qrels: none`, or name a file of other queries."
        )
    return found.queries


def make(stage: TrainStage, work: StageRunner, measured: Sequence[Query]) -> None:
    """Train the model of a stage over the queries of its `training_runner`; others are `measured`.

    Raises InputError for what the user must mend, ComponentError for a loss that is not finite.
    """
    stage, work = _as_far_as_needed(stage, work)
    folder, dataset = references.trained_folder(stage.reference), work.dataset
    partial = folder.with_suffix(".partial")
    teach = _teach(stage, work, partial)
    found = examples(dataset, work.run(stage.candidates), stage.training, teach)
    with span("load"):
        student = _student(stage.training, work, found)
    with span("train"):
        state = fit(student, found, stage.training, partial / "model.pt", work.progress)
    if folder.exists():  # or it would have been found
        digests.set_aside(folder)
    with disk.new_folder(folder) as aside:
        student.save(aside)
        facts = _facts(stage, dataset, found, state, disk.sha256(_weights(aside)))
        learnt = found.learnt[: state.step * stage.training.batch_groups]
        facts["near"] = near_learnt(measured, {group.query for group in learnt})
        (aside / FACTS).write_text(json.dumps(facts, indent=1), encoding="utf-8")
        (aside / "README.md").write_text(card(facts), encoding="utf-8")
        digests.seal(aside)
    shutil.rmtree(partial)


def _as_far_as_needed(stage: TrainStage, work: StageRunner) -> tuple[TrainStage, StageRunner]:
    """The stage over the queries that its training can use; their search is another stage."""
    dataset = searched(work.dataset, stage.training)
    if dataset is work.dataset:
        return stage, work
    search = stage.candidates
    name = key(search.key, [query.query_id for query in dataset.queries])
    candidates = dataclasses.replace(search, key=name)
    stage = dataclasses.replace(stage, candidates=candidates)
    return stage, StageRunner(dataset, (), work.cache, work.progress)


def _student(
    training: Any, work: StageRunner, found: Examples
) -> CrossEncoderStudent | LateInteractionStudent:
    if isinstance(training, LateInteractionTraining):
        encoder = work.cached_encoder(body_of(training))
        return LateInteractionStudent(training, encoder, found)
    return CrossEncoderStudent(training)


def _teach(stage: TrainStage, work: StageRunner, partial: Path) -> Teach | None:
    """Scores by the teacher, each query's stored at once, so that a stopped run goes on."""
    if stage.training.teacher is None:
        return None
    teacher = registry.replaced(stage.training.teacher, work.cached_encoder)

    def teach(asked: Run) -> Run:
        work.remember_queries(stage.training.teacher)
        most = max(map(len, asked.values()))
        scored_by = f"{stage.key} {stages.order_digest(asked, most)}"
        journal = Journal(partial / "taught.jsonl", scored_by)
        progress = functools.partial(work.progress, reranking(stage.training.teacher))
        return stages.rerank(teacher, asked, work.dataset, most, journal, progress).run

    return teach


def _weights(folder: Path) -> Path:
    """The file of what was trained: the last module's, where each has one of its own."""
    return max(folder.rglob(WEIGHTS), key=lambda file: (len(file.parts), str(file)))


def _facts(
    stage: TrainStage, dataset: Dataset, found: Examples, state: State, weights: str
) -> dict[str, Any]:
    """All that a reader of a trained model's results must know, as JSON."""
    training = stage.training
    return {
        "reference": stage.reference,
        "makes": training.makes,
        "base": training.base,
        "base_revision": dict(training.identity())["model"],
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "documents": len(dataset.docs),
        "examples": found.facts,
        "training": registry.settings_of(training),
        "checks": [check._asdict() for check in state.checks],
        "best": best_of(state.checks),
        "seconds": round(state.seconds, 1),
        "weights_sha256": weights,
        "provenance": provenance(),
    }
