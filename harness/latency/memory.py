"""Which arms can be in memory together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness import catalogue, machine
from harness.latency.course import Arm

MEMORY_SHARE = 0.8
"""How much of the free memory models may fill."""

BYTES_PER_PARAMETER = 4
"""In float32."""


def published_sizes(everyone: Sequence[Arm]) -> dict[str, float]:
    """Bytes of the models whose number of parameters is known, in float32."""
    models = {model for arm in everyone for model in arm.models}
    known = {model: catalogue.known(model) for model in models}
    return {
        name: float(BYTES_PER_PARAMETER * model.parameters)
        for name, model in known.items()
        if model and model.parameters
    }


def free() -> float:
    """Bytes that models may fill: most of what can be had without swapping."""
    return MEMORY_SHARE * machine.free_bytes()


def in_groups(
    everyone: Sequence[Arm], bytes_of: Mapping[str, float], most: float
) -> list[list[Arm]]:
    """The arms in their order, in groups whose models fit into memory together."""
    groups: list[list[Arm]] = []
    held: dict[str, float] = {}
    for arm in everyone:
        wanted = {model: bytes_of.get(model, 0.0) for model in arm.models}
        if groups and sum((held | wanted).values()) <= most:
            groups[-1].append(arm)
            held |= wanted
        else:
            groups.append([arm])
            held = wanted
    return groups
