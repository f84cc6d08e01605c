"""Which models can be in memory together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.components.models import catalogue, inference
from harness.experiment.plan import Trial
from harness.measure import machine
from harness.measure.latency.arms import placed, with_models
from harness.measure.latency.budget import Arm

SHARE = 0.8
"""How much of the free memory models may fill; the rest is for vectors and the work itself."""

BYTES_PER_PARAMETER = {"float32": 4, "bfloat16": 2, "float16": 2}
"""By number format; a part that does not say has float32."""


def free(device: str) -> float:
    """Bytes that models may fill on a device: most of what can be had there without swapping."""
    return SHARE * machine.free_device_bytes(device)


def count_together(trials: Sequence[Trial], device: str, room: float) -> int:
    """How many models lie in memory together at first: all if they fit into `room` bytes."""
    stages = (placed(stage.component, device) for trial in trials for stage in trial.stages)
    parts = {part for component in stages for part in with_models(component)}
    fit = sum(_published(parts, device).values()) <= room
    return len(parts) if fit else inference.MODELS_KEPT


def sizes(
    everyone: Sequence[Arm], device: str, started: Mapping[str, Mapping[str, float]]
) -> dict[str, float]:
    """Bytes that the arms' models take on the device, where they are known.

    `started` has by model a row of `columns.STARTS`. In the host's memory what loading added counts
    before what the number of parameters gives. On another device it does not count at all: there
    the parameters do, and for a model of which they are not known the peak, its work included.
    """
    parts = {part for arm in everyone for part in with_models(arm.component)}
    published = _published(parts, device)
    if device == "cpu":
        loaded = {m: row["loaded_bytes"] - row["libraries_bytes"] for m, row in started.items()}
        return published | loaded
    peaks = {model: row["gpu_peak_bytes"] for model, row in started.items()}
    return {model: peak for model, peak in peaks.items() if not math.isnan(peak)} | published


def _published(parts: Iterable[Any], device: str) -> dict[str, float]:
    """By model; one in two number formats is there twice, and a part without a device is not on it."""
    found: dict[str, float] = {}
    formats = {(p.model, getattr(p, "dtype", "float32"), _is_on(p, device)) for p in parts}
    for model, dtype, is_there in sorted(formats):
        known = catalogue.known(model)
        if known and known.parameters:
            size = float(BYTES_PER_PARAMETER.get(dtype, 4) * known.parameters * is_there)
            found[model] = found.get(model, 0.0) + size
    return found


def _is_on(part: Any, device: str) -> bool:
    """Whether a part has its model on the device; one that cannot choose has it in the host's memory."""
    return device == "cpu" or hasattr(part, "device")


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
