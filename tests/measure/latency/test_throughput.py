"""Throughput: as many at once as time and memory allow."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from harness.components.models.shelf import Watch
from harness.measure import machine
from harness.measure.latency import throughput
from harness.measure.latency.memory import Room

BASE, EACH = 1e9, 20e6
"""Bytes of the process, and of each document while it is looked at."""


@pytest.mark.parametrize(("room_mb", "fitting"), [(10, 4), (200, 10), (10_000, 30)])
def test_no_more_at_once_than_there_is_memory_for(
    room_mb: int, fitting: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10 documents of 20 MB fill 200 MB; 4 are tried first, and there are 30."""
    held, looked = BASE, threading.Event()

    def resident() -> float:
        if held > BASE:
            looked.set()
        return held

    def run(count: int) -> None:
        nonlocal held
        held = BASE + count * EACH
        if count == throughput.FIRST:
            assert looked.wait(60)  # until the thread that watches has been there twice:
            looked.clear()  # what it saw first is written down when it comes again
            assert looked.wait(60)
        held = BASE

    monkeypatch.setattr(machine, "resident_bytes", resident)
    work: Any = throughput._Workload(None, "documents", 30, run)  # type: ignore[arg-type]
    room = Room("cpu", BASE + room_mb * 1e6, Watch(lambda: machine.held_bytes("cpu")))
    count, seconds, _ = throughput._timed(work, 1e6, room, lambda: None)
    assert count == fitting
    assert seconds > 0
