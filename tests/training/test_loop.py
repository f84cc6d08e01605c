from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.components.models.trained import CrossEncoderTraining, Negatives
from harness.components.retrievers.bm25 import Bm25
from harness.errors import ComponentError
from harness.training import loop
from harness.training.examples import Examples, Group
from harness.training.loop import Check, best_of, fit


class Toy:
    """A document's score is a weighted sum of the numbers in its text."""

    at_once = 3

    def __init__(self, stop_after: int | None = None) -> None:
        self.module = torch.nn.Linear(4, 1, bias=False)
        torch.nn.init.zeros_(self.module.weight)
        self.stop_after = stop_after

    def scores(self, groups: Sequence[Group]) -> torch.Tensor:
        if self.stop_after is not None:
            self.stop_after -= 1
            if self.stop_after < 0:
                raise KeyboardInterrupt
        rows = [[[float(x) for x in text.split()] for text in group.texts] for group in groups]
        return self.module(torch.tensor(rows))[None, ..., 0]


def groups(count: int, seed: int, taught: bool = False) -> list[Group]:
    """The relevant document has the greatest first number."""
    drawn = np.random.default_rng(seed).normal(size=(count, 3, 4))
    drawn[:, 0, 0] = drawn[:, :, 0].max(axis=1) + 0.1
    texts = [tuple(" ".join(map(str, row)) for row in group) for group in drawn]
    return [Group("q", three, (3.0, 2.0, 1.0) if taught else None) for three in texts]


def lesson(learnt: int = 200, taught: bool = False) -> Examples:
    return Examples(groups(learnt, 1, taught), groups(40, 2, taught), {})


def training(**fields: Any) -> CrossEncoderTraining:
    fields = {"learning_rate": 0.1, "patience": 9, **fields}
    return CrossEncoderTraining("base", Negatives(Bm25()), **fields)


def quiet(*_: object) -> None:
    pass


def weights(student: Toy) -> list[float]:
    return student.module.weight.detach().flatten().tolist()


def test_it_learns(tmp_path: Path) -> None:
    student = Toy()
    state = fit(student, lesson(), training(), tmp_path / "partial", quiet)
    assert state.step == 25
    assert [check.groups for check in state.checks] == [40, 80, 120, 160, 200]
    assert state.checks[-1].reciprocal_rank > 0.8
    assert weights(student)[0] > 3 * max(map(abs, weights(student)[1:]))


def test_an_interrupted_training_ends_as_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_CHECKPOINTS", 0)
    whole = Toy()
    said = fit(whole, lesson(), training(), tmp_path / "whole", quiet)
    for calls in (10, 31):
        with pytest.raises(KeyboardInterrupt):
            fit(Toy(calls), lesson(), training(), tmp_path / "partial", quiet)
    steps: list[int] = []
    again = Toy()
    state = fit(
        again, lesson(), training(), tmp_path / "partial", lambda _, done, __: steps.append(done)
    )
    assert weights(again) == weights(whole)
    assert state.checks == said.checks
    assert steps[0] > 8


def flipped(place: int) -> Callable[[bytes], bytes]:
    def flip(content: bytes) -> bytes:
        changed = bytearray(content)
        changed[place] ^= 1
        return bytes(changed)

    return flip


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda _: b"no checkpoint",
        lambda content: content[:-1],
        lambda content: content[64:],
        *map(flipped, (0, 64, -1)),
    ],
)
def test_a_damaged_checkpoint_is_set_aside_and_training_starts_over(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    student, other = Toy(), Toy()
    fit(Toy(), lesson(), training(), tmp_path / "partial", quiet)
    damaged = damage((tmp_path / "partial").read_bytes())
    (tmp_path / "partial").write_bytes(damaged)
    fit(student, lesson(), training(), tmp_path / "partial", quiet)
    assert (tmp_path / ".damaged-partial-1").read_bytes() == damaged
    fit(other, lesson(), training(), tmp_path / "other", quiet)
    assert weights(student) == weights(other)


def test_the_best_checkpoint_is_kept_and_patience_ends(tmp_path: Path) -> None:
    backwards = [Group("q", tuple(reversed(g.texts))) for g in groups(400, 1)]
    student = Toy()
    state = fit(
        student,
        Examples([*groups(80, 3), *backwards], groups(40, 2), {}),
        training(checks=12, patience=2, warm_up=0.0),
        tmp_path / "partial",
        quiet,
    )
    best = best_of(state.checks)
    assert len(state.checks) == best + 3 < 12
    assert weights(student) == state.best["weight"].flatten().tolist()
    assert weights(student)[0] > 0


def test_best_of() -> None:
    assert best_of([]) == -1
    assert best_of([Check(1, 0.0, 0.5), Check(2, 0.0, 0.7), Check(3, 0.0, 0.7)]) == 1


def test_a_tie_is_no_success(tmp_path: Path) -> None:
    alike = [Group("q", ("1 2 3 4",) * 3)]
    state = fit(Toy(), Examples(groups(8, 1), alike, {}), training(checks=1), tmp_path / "p", quiet)
    assert state.checks[0].reciprocal_rank == pytest.approx(1 / 3)


def test_a_loss_that_is_not_finite_is_told(tmp_path: Path) -> None:
    bad = [Group("q", ("inf 0 0 0", "1 0 0 0", "0 0 0 0"))] * 8
    with pytest.raises(ComponentError, match=r"loss of the cross-encoder was not finite at step 1"):
        fit(Toy(), Examples(bad, groups(4, 2), {}), training(), tmp_path / "partial", quiet)


def test_the_loss_by_hand() -> None:
    scores = torch.tensor([[[2.0, 0.0, 0.0]]])
    log_first = 2 - math.log(math.exp(2) + 2)
    log_other = -math.log(math.exp(2) + 2)
    alone = loop._loss(scores, [Group("q", ("a", "b", "c"))], 0.25)
    assert alone.item() == pytest.approx(-log_first)
    taught = [Group("q", ("a", "b", "c"), (0.0, math.log(2), 0.0))]  # softmax: 1/4 1/2 1/4
    followed = -(log_first / 4 + log_other * 3 / 4)
    both = loop._loss(scores, taught, 0.25).item()
    assert both == pytest.approx(0.25 * -log_first + 0.75 * followed)
    mixed = [*taught, taught[0]._replace(judged=False)]
    half = loop._loss(scores.expand(1, 2, 3), mixed, 0.25).item()
    assert half == pytest.approx((both + followed) / 2)


def test_the_rate_rises_and_falls() -> None:
    shares = [loop._share(step, 10, 0.2) for step in range(10)]
    assert shares == pytest.approx([0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])
    assert loop._share(0, 1, 0.0) == 1.0


def test_the_gradients_of_a_step_are_those_of_its_groups_together() -> None:
    batch = groups(8, 1)
    apart, together = Toy(), Toy()
    together.at_once = 8
    losses = [loop._step(one, batch, training(), 0) for one in (apart, together)]
    assert losses[0] == pytest.approx(losses[1])
    one, other = (student.module.weight.grad for student in (apart, together))
    torch.testing.assert_close(one, other)
