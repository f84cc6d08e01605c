"""Which models fit together: on a GPU by its own memory and the weights in their number format."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from harness.components.models import catalogue
from harness.components.rerankers.cross_encoder import CrossEncoder
from harness.measure import machine
from harness.measure.latency import memory
from harness.measure.latency.budget import Arm

MODEL = "BAAI/bge-reranker-base"
KNOWN = catalogue.known(MODEL)
assert KNOWN is not None
PARAMETERS = KNOWN.parameters
assert PARAMETERS is not None


@dataclass(frozen=True)
class OnHost:
    """A component that has no field `device`."""

    model: str


def arm(component: Any) -> Arm:
    models = (component.model,)
    return Arm("s", "rerank", (1,), {}, {}, component=component, models=models)


def start(loaded: float, peak: float = math.nan) -> dict[str, float]:
    return {"libraries_bytes": 1e9, "loaded_bytes": 1e9 + loaded, "gpu_peak_bytes": peak}


def gpu_with(free: float, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = SimpleNamespace(cuda=SimpleNamespace(mem_get_info=lambda: (free, 2 * free)))
    monkeypatch.setitem(__import__("sys").modules, "torch", fake)
    monkeypatch.setattr(machine, "free_bytes", lambda: 8e9)


def test_the_memory_of_a_gpu_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu_with(1e9, monkeypatch)
    assert memory.free("cuda") == pytest.approx(0.8e9)
    assert memory.free("cpu") == pytest.approx(6.4e9)


def test_on_a_gpu_weights_count_in_their_format_and_not_what_the_host_held() -> None:
    # the host took 3 GB to load them and has let go of it since
    half = [arm(CrossEncoder(model=MODEL, device="cuda", dtype="float16"))]
    assert memory.sizes(half, "cuda", {MODEL: start(3e9, 2e9)}) == {MODEL: 2 * PARAMETERS}
    assert memory.sizes(half, "cpu", {MODEL: start(3e9)}) == {MODEL: pytest.approx(3e9)}
    whole = [arm(CrossEncoder(model=MODEL, device="cuda"))]
    assert memory.sizes(whole, "cuda", {}) == {MODEL: 4 * PARAMETERS}
    assert memory.sizes([*half, *whole], "cuda", {}) == {MODEL: 6 * PARAMETERS}  # both are there


def test_a_model_that_nobody_knows_takes_at_most_its_peak() -> None:
    own = [arm(CrossEncoder(model="./own", device="cuda"))]
    assert memory.sizes(own, "cuda", {"./own": start(3e9, 2e9)}) == {"./own": 2e9}
    assert memory.sizes(own, "cuda", {"./own": start(3e9)}) == {}


def test_what_cannot_choose_its_device_is_not_on_the_gpu() -> None:
    on_host = arm(OnHost(MODEL))
    assert memory.sizes([on_host], "cuda", {}) == {MODEL: 0}
    assert memory.sizes([on_host], "cpu", {}) == {MODEL: 4 * PARAMETERS}


def test_arms_take_turns_on_a_gpu_that_is_smaller_than_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpu_with(1.5 * 4 * PARAMETERS / 0.8, monkeypatch)
    other = "BAAI/bge-reranker-large"
    both = [arm(CrossEncoder(model=name, device="cuda")) for name in (MODEL, other)]
    started = {name: start(1e6) for name in (MODEL, other)}
    room = memory.free("cuda")
    assert len(memory.in_groups(both, memory.sizes(both, "cuda", started), room)) == 2
    assert len(memory.in_groups(both, memory.sizes(both, "cpu", started), memory.free("cpu"))) == 1
