"""Spans are timed where somebody records them, and only there."""

from __future__ import annotations

import itertools
import time

import pytest

from harness.components.timing import KINDS, STAGES, TRAFFIC, add, recording, span


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock finds it half a second later."""
    ticks = itertools.count(0, 0.5)
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))


@pytest.mark.usefixtures("clock")
def test_seconds_add_up_by_span() -> None:
    with recording(STAGES) as spent:
        with span("fetch"):
            pass
        for _ in range(3):
            with span("score"):
                pass
    assert spent == {"fetch": 0.5, "score": 1.5}


@pytest.mark.usefixtures("clock")
def test_seconds_of_an_inner_span_are_not_the_outer_ones() -> None:
    with recording(KINDS) as spent, span("other"):
        with span("load"):
            pass
        with span("search"), span("model"):
            pass
    assert spent == {"other": 1.5, "load": 0.5, "search": 1.0, "model": 0.5}


@pytest.mark.usefixtures("clock")
def test_nobody_listens() -> None:
    with span("score"):
        add("requests")
    with recording(STAGES) as spent:
        pass
    with span("score"):
        pass
    assert spent == {}


@pytest.mark.usefixtures("clock")
def test_inner_recording_hides_the_outer_for_its_names() -> None:
    with recording((*STAGES, *TRAFFIC)) as outer:
        with recording(STAGES) as inner, span("score"):
            add("requests")
        with span("fetch"):
            add("server_seconds", 2.0)
    assert inner == {"score": 0.5}
    assert outer == {"requests": 1, "fetch": 0.5, "server_seconds": 2.0}


@pytest.mark.usefixtures("clock")
def test_recording_ends_with_an_error() -> None:
    waits: list[str] = []

    def fails() -> None:
        with recording(STAGES, lambda: waits.append("wait")) as spent, span("score"):
            found.append(spent)
            raise ZeroDivisionError

    found: list[dict[str, float]] = []
    with pytest.raises(ZeroDivisionError):
        fails()
    with span("fetch"):
        pass
    assert (found, waits) == ([{"score": 0.5}], ["wait"])


def test_waits_for_the_device_before_and_after() -> None:
    seen: list[str] = []
    with recording(STAGES, lambda: seen.append("wait")), span("score"):
        seen.append("work")
    assert seen == ["wait", "work", "wait"]
