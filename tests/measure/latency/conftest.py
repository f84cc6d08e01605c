"""A clock that stands still while others work."""

from __future__ import annotations

import time

import pytest
from simulated import CLOCK


@pytest.fixture
def simulated_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """`time.perf_counter` as CLOCK has it."""
    CLOCK.start_again()
    monkeypatch.setattr(time, "perf_counter", lambda: CLOCK.now() / 1e9)
