"""Which models can be in memory together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness import catalogue, forward, machine
from harness.latency.arms import with_models
from harness.latency.course import Arm
from harness.plan import Trial

SHARE = 0.8
"""How much of the free memory models may fill; the rest is for vectors and the work itself."""

BYTES_PER_PARAMETER = 4
"""In float32."""


def free() -> float:
    """Bytes that models may fill: most of what can be had without swapping."""
    return SHARE * machine.free_bytes()


def count_together(trials: Sequence[Trial], room: float) -> int:
    """How many models to keep before anything is measured: all if they fit into `room` bytes."""
    parts = {part for t in trials for stage in t.stages for part in with_models(stage.component)}
    fit = sum(_published({part.model for part in parts}).values()) <= room
    return len(parts) if fit else forward.MODELS_KEPT


def published_sizes(everyone: Sequence[Arm]) -> dict[str, float]:
    """Bytes of the arms' models whose number of parameters is known."""
    return _published({model for arm in everyone for model in arm.models})


def _published(names: Iterable[str]) -> dict[str, float]:
    known = {name: catalogue.known(name) for name in names}
    return {
        name: float(BYTES_PER_PARAMETER * model.parameters)
        for name, model in known.items()
        if model and model.parameters
    }


def in_groups(
    everyone: Sequence[Arm], bytes_of: Mapping[str, float], room: float
) -> list[list[Arm]]:
    """The arms in their order, in groups whose models fit into `room` bytes together."""
    groups: list[list[Arm]] = []
    held: dict[str, float] = {}
    for arm in everyone:
        wanted = {model: bytes_of.get(model, 0.0) for model in arm.models}
        if groups and sum((held | wanted).values()) <= room:
            groups[-1].append(arm)
            held |= wanted
        else:
            groups.append([arm])
            held = wanted
    return groups


def most_at_once(groups: Sequence[Sequence[Arm]]) -> int:
    """Models of the group that has most, one in two number formats being two."""
    parts = [{part for arm in group for part in with_models(arm.component)} for group in groups]
    return max(map(len, parts), default=0)
