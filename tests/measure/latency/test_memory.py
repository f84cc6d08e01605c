"""Which arms are in memory together: by what is seen in use, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time
from types import SimpleNamespace
from typing import Any

import pytest

from harness.experiment.schema import Latency
from harness.measure import machine
from harness.measure.latency import memory

CHILD = """
import json, math, sys, time
import numpy as np
from harness.components.models import shelf
from harness.measure import machine
from harness.measure.latency import memory
from harness.measure.latency.budget import Arm, ArmBudget

def filled(mb):
    return np.ones(int(mb * 1e6), dtype=np.uint8)

def arm(name, models, work, known):
    held = frozenset(models) if known else frozenset()
    return Arm(name, "rerank", (1,), {}, {}, component=work, models=tuple(models), held=held)

def warm_up(arm):
    for model in arm.models:
        shelf.loaded(model, lambda: filled(60))
    work = filled(arm.component)  # what a call takes for a time
    time.sleep(5 * machine.LOOK_S)
    seen.append(machine.resident_bytes())
    return ArmBudget(arm)

filled(60)
for asked in json.load(sys.stdin):
    seen = []
    arms = [arm(*one, asked["known"]) for one in asked["arms"]]
    base = machine.resident_bytes()
    limit = 1e-9 if asked["mb"] == 0 else base / 1e9 + asked["mb"] / 1e3
    with memory.room("cpu", limit) as room, shelf.keep(math.inf):
        for one in arms if asked["known"] else ():
            warm_up(one)
        shelf.forget()
        seen.clear()
        found = room.in_groups(arms, warm_up)
    groups = [[budget.arm.system for budget in group] for group in found]
    assert shelf.missing(["x", "y", "z"]) == ["x", "y", "z"]
    most = (max(seen) - base) / 1e6
    print(json.dumps({"groups": groups, "too_large": list(room.too_large), "most": most}))
"""
"""Arms whose models take 60 MB each, in a room of so many MB beside what is there; 0 is one byte."""

X, Y, Z = ["a", ["x"], 0], ["b", ["x", "y"], 0], ["c", ["z"], 0]
WORDS = ["words", [], 0]


def grouped(mb: float, *arms: list[Any], known: bool = True) -> dict[str, Any]:
    asked = json.dumps([{"mb": mb, "arms": arms, "known": known}])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CHILD)],
        input=asked,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("known", [True, False])
def test_arms_whose_models_do_not_fit_together_take_turns(known: bool) -> None:
    found = grouped(150, X, WORDS, Y, Z, known=known)
    assert found["groups"] == [["a", "words", "b"], ["c"]]
    assert found["too_large"] == []
    assert found["most"] < (
        150 if known else 210
    )  # of one that is not known one is loaded too many


def test_all_are_together_where_there_is_room() -> None:
    assert grouped(1e6, X, Y, Z, WORDS)["groups"] == [["a", "b", "c", "words"]]


def test_what_does_not_fit_alone_is_measured_alone_and_told() -> None:
    found = grouped(0, X, Y, Z, WORDS)
    # b's models are those of a and one more, so that another group would hold no less
    assert found["groups"] == [["a", "b"], ["c", "words"]]
    assert found["too_large"] == ["a", "b", "c", "words"]


def test_what_a_call_takes_for_a_time_counts() -> None:
    working = ["working", ["x"], 200]
    assert grouped(350, working, ["b", ["y"], 0], Z)["groups"] == [["working", "b"], ["c"]]
    assert grouped(350, ["b", ["y"], 0], Z, working)["groups"] == [["b", "c"], ["working"]]


def gpu_with(free: float, held: float, monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = SimpleNamespace(
        mem_get_info=lambda: (free, 2 * free),
        memory_allocated=lambda: held,
        max_memory_allocated=lambda: 3 * held,
        reset_peak_memory_stats=lambda: None,
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))


def test_the_memory_of_a_gpu_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu_with(free=8e9, held=1e9, monkeypatch=monkeypatch)
    with memory.room("cuda", None) as room:
        assert room.limit == pytest.approx(5e9)
    assert machine.held_bytes("cuda") == 1e9
    with machine.peak("cuda") as peak:
        assert peak() == 3e9


def test_half_of_what_is_free_is_filled_where_nobody_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "free_bytes", lambda: 8e9)
    with memory.room("cpu", Latency().memory_gb) as room:
        assert room.limit == pytest.approx(4e9 + machine.resident_bytes(), rel=0.1)
    with memory.room("cpu", Latency(memory_gb=2.5).memory_gb) as room:
        assert room.limit == 2.5e9


def test_what_was_held_for_a_moment_is_seen() -> None:
    with machine.peak("cpu") as peak:
        before = peak()
        taken = bytearray(b"x") * 100_000_000
        time.sleep(25 * machine.LOOK_S)
        del taken
        assert peak() > before + 90e6
