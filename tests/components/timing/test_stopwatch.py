"""Stages are timed where somebody listens, and only there."""

from __future__ import annotations

import itertools
import time

import pytest

from harness.components.timing.stopwatch import recording, stage


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock finds it half a second later."""
    ticks = itertools.count(0, 500_000_000)
    monkeypatch.setattr(time, "perf_counter_ns", lambda: next(ticks))


@pytest.mark.usefixtures("clock")
def test_seconds_add_up_by_stage() -> None:
    with recording() as seconds:
        with stage("fetch"):
            pass
        for _ in range(3):
            with stage("score"):
                pass
    assert seconds == {"fetch": 0.5, "score": 1.5}


@pytest.mark.usefixtures("clock")
def test_nobody_listens() -> None:
    with stage("score"):
        pass
    with recording() as seconds:
        pass
    with stage("score"):
        pass
    assert seconds == {}


@pytest.mark.usefixtures("clock")
def test_inner_recording_hides_the_outer() -> None:
    with recording() as outer:
        with recording() as inner, stage("score"):
            pass
        with stage("fetch"):
            pass
    assert (inner, outer) == ({"score": 0.5}, {"fetch": 0.5})


def test_recording_ends_with_an_error() -> None:
    def fails() -> None:
        with recording() as seconds, stage("score"):
            found.append(seconds)
            raise ZeroDivisionError

    found: list[dict[str, float]] = []
    with pytest.raises(ZeroDivisionError):
        fails()
    with stage("fetch"):
        pass
    assert found == [{}]


def test_waits_for_the_device_before_and_after() -> None:
    seen: list[str] = []
    with recording(lambda: seen.append("wait")), stage("score"):
        seen.append("work")
    assert seen == ["wait", "work", "wait"]
