"""Which arms are in memory together: as many as a budget of bytes holds, by what was seen in use.

Looked at is the resident set of this process, and on a GPU what torch holds of the GPU's own memory:
so libraries, vectors, indexes and the work of a call count as much as models do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from harness.components.models import shelf
from harness.measure import machine
from harness.measure.latency.budget import Arm, ArmBudget

SHARE = 0.5
"""The share of free memory that a measurement fills if nobody says how much it may fill."""

Keys = frozenset[Hashable]


@dataclass
class Room:
    """The memory that a measurement may fill, and what was seen of its use."""

    device: str
    limit: float
    """Bytes in use at most, what was there before the measurement included."""
    watch: shelf.Watch
    work: float = 0.0
    """Bytes that calls took only while they ran; the most that any arm took so far."""
    too_large: dict[str, float] = field(default_factory=dict)
    """By system the bytes that were in use for an arm alone, where that is more than the limit."""
    groups: int = 0
    _models: tuple[str, ...] = ()

    def prepare_for(self, models: tuple[str, ...]) -> None:
        """Begin to watch an arm that is made ready; other models than its own give way first."""
        self.watch.asked.clear()
        if models != self._models:
            shelf.forget()
        self._models = models

    def in_groups(
        self, arms: Sequence[Arm], warm_up: Callable[[Arm], ArmBudget]
    ) -> list[list[ArmBudget]]:
        """The arms in their order, warmed up, in groups that are in memory together.

        A group ends before an arm that would not fit, or did not when it was tried. One that does not
        fit alone is a group of its own.
        """
        groups: list[list[ArmBudget]] = []
        there: Keys = frozenset()
        for arm in arms:
            if not groups or not self._fits(there, arm.held):
                groups.append([])
                there = frozenset()
                shelf.only(arm.held)
            budget, peak = self._warmed_up(arm, warm_up)
            held = budget.arm.held
            if peak > self.limit and _is_less(held, there):
                groups.append([])
                there = frozenset()
                shelf.only(held)
            groups[-1].append(budget)
            there |= held
        self.groups = len(groups)
        return groups

    def fitting(self, most: float, count: int) -> int:
        """How many fit at once if `count` took up to `most` bytes in use; no fewer than these."""
        stays = machine.held_bytes(self.device)
        each = max(most - stays, 1.0) / count
        return max(int((self.limit - stays) / each), count)

    def facts(self) -> dict[str, Any]:
        """What the report tells of it."""
        return {"limit_bytes": self.limit, "groups": self.groups, "too_large": self.too_large}

    def _fits(self, there: Keys, held: Keys) -> bool:
        """Whether an arm can join a group; what belongs to neither gives way for it."""
        if not _is_less(held, there) or self._has_room(held):
            return True
        shelf.only(there | held)
        return self._has_room(held)

    def _has_room(self, held: Collection[Hashable]) -> bool:
        more = sum(self.watch.sizes.get(key, 0.0) for key in shelf.missing(held))
        return machine.held_bytes(self.device) + more + self.work <= self.limit

    def _warmed_up(self, arm: Arm, warm_up: Callable[[Arm], ArmBudget]) -> tuple[ArmBudget, float]:
        """The arm with what it asked for, and the most bytes that were in use meanwhile."""
        self.watch.asked.clear()
        with machine.peak(self.device) as peak:
            with suppress(Exception):  # a call will say it
                arm.load()
            budget = warm_up(arm)
            most = peak()
        stays = machine.held_bytes(self.device)
        self.work = max(self.work, most - stays)
        held = frozenset(self.watch.asked)
        others = self.watch.sizes.keys() - held - set(shelf.missing(self.watch.sizes))
        alone = most - sum(self.watch.sizes[key] for key in others)
        if alone > self.limit:
            self.too_large[arm.system] = max(alone, self.too_large.get(arm.system, 0.0))
        budget.arm = replace(arm, held=held)
        return budget, most


def _is_less(held: Keys, there: Keys) -> bool:
    """Whether a new group for an arm would hold less than the group does with it."""
    return bool(held) and not there <= held


@contextmanager
def room(device: str, memory_gb: float | None) -> Iterator[Room]:
    """Room for a measurement: so many GB (10^9 bytes) in use, or SHARE of what is free on top."""
    shelf.forget()
    held, free = machine.held_bytes(device), machine.free_device_bytes(device)
    limit = held + SHARE * free if memory_gb is None else memory_gb * 1e9
    with shelf.watched(partial(machine.held_bytes, device)) as watch:
        try:
            yield Room(device, limit, watch)
        finally:
            shelf.forget()
