"""Which part of a call takes how long; without a recording a stage costs next to nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, NamedTuple

Stage = Literal["encode_query", "encode_docs", "fetch", "score"]
"""The parts of scoring candidates; `fetch` reads, decompresses and transfers prepared vectors."""

Elsewhere = Literal["server"]
"""Seconds that somebody else counted: a server, of its own part of a request. They are no stage of
their own but lie inside those that wait for it."""


class _Recording(NamedTuple):
    seconds: dict[str, float]
    synchronise: Callable[[], None]


_recording: ContextVar[_Recording | None] = ContextVar("recording", default=None)


def nothing() -> None:
    """Waits for nothing: what runs on the CPU is done when it returns."""


@contextmanager
def stage(name: Stage) -> Iterator[None]:
    """Add the time inside to the recording that is open here, if any; stages do not nest."""
    recording = _recording.get()
    if recording is None:
        yield
        return
    recording.synchronise()
    start = time.perf_counter_ns()
    yield
    recording.synchronise()
    seconds = (time.perf_counter_ns() - start) / 1e9
    recording.seconds[name] = recording.seconds.get(name, 0.0) + seconds


def told(name: Elsewhere, seconds: float) -> None:
    """Add what somebody else counted to the recording that is open here, if any."""
    recording = _recording.get()
    if recording is not None:
        recording.seconds[name] = recording.seconds.get(name, 0.0) + seconds


@contextmanager
def recording(synchronise: Callable[[], None] = nothing) -> Iterator[dict[str, float]]:
    """Seconds by stage, filled while it is open; a stage that did not run is not in it.

    `synchronise` waits for the device at both ends of a stage, so that no stage pays for the work
    that another one queued. Recordings belong to their thread; an inner one hides the outer.
    """
    seconds: dict[str, float] = {}
    token = _recording.set(_Recording(seconds, synchronise))
    try:
        yield seconds
    finally:
        _recording.reset(token)
