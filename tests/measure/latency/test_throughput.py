"""Throughput: as many at once as time and memory allow."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from harness.components.models.shelf import Watch
from harness.measure import machine
from harness.measure.latency import throughput
from harness.measure.latency.memory import Room

MB_EACH = 20


def run(count: int) -> None:
    """Takes memory for each document, for as long as it is looked at."""
    work = np.ones(count * MB_EACH * 10**6, dtype=np.uint8)
    time.sleep(5 * machine.LOOK_S)
    del work


@pytest.mark.parametrize(("room_mb", "least", "most"), [(10, 4, 4), (200, 5, 12), (10_000, 30, 30)])
def test_no_more_at_once_than_there_is_memory_for(room_mb: int, least: int, most: int) -> None:
    work: Any = throughput._Workload(None, "documents", 30, run)  # type: ignore[arg-type]
    limit = machine.held_bytes("cpu") + room_mb * 10**6
    room = Room("cpu", limit, Watch(lambda: machine.held_bytes("cpu")))
    count, seconds, _ = throughput._timed(work, 1e6, room, lambda: None)
    assert least <= count <= most
    assert seconds > 0
