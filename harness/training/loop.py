"""The loop: steps, comparisons by queries held out, and checkpoints to go on from."""

from __future__ import annotations

import io
import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from harness.components.models.names import short
from harness.components.models.trained import Training
from harness.components.protocols import Progress
from harness.data import digest
from harness.errors import ComponentError
from harness.files import digests, disk
from harness.files.digests import DamagedError
from harness.training.examples import Examples, Group

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

SECONDS_BETWEEN_CHECKPOINTS = 60
"""What an interruption may lose."""

WEIGHT_DECAY = 0.01
"""PyTorch's default of AdamW."""

DIGITS = 64
"""Of the digest before a checkpoint."""

LONGEST_GRADIENT = 1.0
"""Gradients are scaled down to this norm, as BERT's authors did (Devlin et al. 2019)."""


class Student(Protocol):
    """A model that learns."""

    at_once: int
    """Groups in one forward pass; the gradients of a step are accumulated over several."""

    @property
    def module(self) -> torch.nn.Module:
        """What is trained, with gradients for just that."""
        ...

    def scores(self, groups: Sequence[Group]) -> torch.Tensor:
        """Shape (views, groups, texts); each view, such as a size of vectors, is learnt alike."""
        ...


class Check(NamedTuple):
    """One comparison of checkpoints."""

    groups: int
    """How many had been learnt."""
    loss: float
    """The mean since the comparison before."""
    reciprocal_rank: float
    """Of the relevant document in held-out groups, the mean over groups and views."""


@dataclass
class State:
    """How far a training is."""

    step: int = 0
    checks: list[Check] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    """Of the steps since the last comparison."""
    seconds: float = 0.0
    best: dict[str, Any] = field(default_factory=dict)
    """The weights of the best checkpoint."""


def fit(
    student: Student, examples: Examples, training: Training, partial: Path, progress: Progress
) -> State:
    """Train `student`, and leave it with the weights that ranked held-out groups best.

    Goes on from `partial` where an earlier go was stopped, and ends with the same weights.
    Raises ComponentError for a loss that is not finite.
    """
    import torch

    parameters = [p for p in student.module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=training.learning_rate, weight_decay=WEIGHT_DECAY, fused=True
    )
    state = _resumed(student, optimizer, partial)
    steps = math.ceil(len(examples.learnt) / training.batch_groups)
    due = {round(steps * (i + 1) / training.checks) for i in range(training.checks)}
    saved = time.perf_counter()
    began = saved - state.seconds
    while state.step < steps and not _given_up(state.checks, training.patience):
        start = state.step * training.batch_groups
        batch = examples.learnt[start : start + training.batch_groups]
        for group in optimizer.param_groups:
            group["lr"] = training.learning_rate * _share(state.step, steps, training.warm_up)
        state.losses.append(_step(student, batch, training, state.step))
        torch.nn.utils.clip_grad_norm_(parameters, LONGEST_GRADIENT)
        optimizer.step()
        optimizer.zero_grad()
        state.step += 1
        done = min(start + training.batch_groups, len(examples.learnt))
        progress(training_of(training), done, len(examples.learnt))
        if state.step in due:
            _compare(student, examples.held_out, state, done)
        state.seconds = time.perf_counter() - began
        if state.step in due or time.perf_counter() - saved > SECONDS_BETWEEN_CHECKPOINTS:
            _save(partial, student, optimizer, state)
            saved = time.perf_counter()
    student.module.load_state_dict(state.best)
    return state


def training_of(training: Training) -> str:
    """What a training is called while it goes on."""
    return f"train a {training.makes} from {short(training.base)}"


def _share(step: int, steps: int, warm_up: float) -> float:
    """The share of the full rate in a step, counted from 0: up, then down to 0."""
    rising = warm_up * steps
    return min(1.0, (step + 1) / max(rising, 1), (steps - step) / max(steps - rising, 1))


def _step(student: Student, batch: Sequence[Group], training: Training, step: int) -> float:
    """The loss of a batch, its gradients left in the parameters."""
    total = 0.0
    for part in _parts(batch, student.at_once):
        loss = _loss(student.scores(part), part, training.label_weight) * len(part) / len(batch)
        if not math.isfinite(loss.item()):
            raise ComponentError(
                f"The loss of the {training.makes} was not finite at step {step + 1}: lower its "
                f"learning_rate ({training.learning_rate:g}), or lengthen its warm_up."
            )
        loss.backward()
        total += loss.item()
    return total


def _parts(groups: Sequence[Group], size: int) -> Iterator[Sequence[Group]]:
    return (groups[start : start + size] for start in range(0, len(groups), size))


def _loss(scores: torch.Tensor, groups: Sequence[Group], label_weight: float) -> torch.Tensor:
    """Softmax over each group against its relevant document and its teacher's softmax.

    The first is ListNet's loss with one relevant document, as in localized contrastive estimation
    (Gao et al. 2021); the second is the cross-entropy with the teacher, a divergence but for a
    constant. A group of a query that nobody judged has the second alone.
    """
    import torch

    logs = torch.log_softmax(scores.float(), dim=-1)
    judged = -logs[..., 0]
    if groups[0].taught is None:
        return judged.mean()
    taught = torch.softmax(torch.tensor([group.taught for group in groups], device=logs.device), -1)
    followed = -(taught * logs).sum(dim=-1)
    weights = [label_weight if group.judged else 0.0 for group in groups]
    weight = torch.tensor(weights, device=logs.device)
    return (weight * judged + (1 - weight) * followed).mean()


def _given_up(checks: Sequence[Check], patience: int) -> bool:
    """Whether the last comparisons brought nothing better."""
    return len(checks) - 1 - best_of(checks) >= patience


def best_of(checks: Sequence[Check]) -> int:
    """The place of the first best comparison; of none it is before them."""
    ranks = [check.reciprocal_rank for check in checks]
    return ranks.index(max(ranks)) if ranks else -1


def _compare(student: Student, held_out: Sequence[Group], state: State, done: int) -> None:
    import torch

    was_best = best_of(state.checks)
    with torch.inference_mode():
        found = [student.scores(part).float() for part in _parts(held_out, student.at_once)]
    scores = torch.cat(found, dim=1)
    # A document with the same score as the relevant one stands above it: a tie is no success.
    ranks = (scores >= scores[..., :1]).sum(dim=-1)
    reciprocal = (1.0 / ranks).mean().item()
    mean = sum(state.losses) / len(state.losses)
    state.losses.clear()
    state.checks.append(Check(done, mean, reciprocal))
    log.info("%d groups, loss %.4f, reciprocal rank %.4f", done, mean, reciprocal)
    if best_of(state.checks) != was_best:
        trained = student.module.state_dict()
        state.best = {name: value.detach().clone() for name, value in trained.items()}


def _save(partial: Path, student: Student, optimizer: Any, state: State) -> None:
    import torch

    content = vars(state) | {
        "checks": [tuple(check) for check in state.checks],
        "module": student.module.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    stream = io.BytesIO()
    torch.save(content, stream)
    packed = stream.getvalue()
    disk.write(partial, _digest(partial, packed) + packed)


def _resumed(student: Student, optimizer: Any, partial: Path) -> State:
    """Where an earlier go stood; the beginning where there is none, or its file is damaged."""
    import torch

    try:
        with digests.reading(partial):
            stored = partial.read_bytes()
    except DamagedError:  # it is not there
        return State()
    own, packed = stored[:DIGITS], stored[DIGITS:]
    if own != _digest(partial, packed):
        digests.set_aside(partial)
        return State()
    try:
        content = torch.load(io.BytesIO(packed), weights_only=True)
    except Exception as error:  # noqa: BLE001 - of another version of torch
        digests.set_aside(partial, f"{partial} cannot be read: {error}")
        return State()
    student.module.load_state_dict(content.pop("module"))
    optimizer.load_state_dict(content.pop("optimizer"))
    return State(**content | {"checks": [Check(*check) for check in content["checks"]]})


def _digest(partial: Path, packed: bytes) -> bytes:
    """Of a checkpoint and of the training whose folder it lies in."""
    return digest([partial.parent.name, packed])[:DIGITS].encode()
