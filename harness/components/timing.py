"""What was spent where: seconds by span and counts by name, where somebody records them.

A recording hears the names that it was opened for; of two open ones for a name the inner one does.
Where nobody records a name, a span costs next to nothing. Recordings belong to their thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, get_args

Kind = Literal[
    "data", "load", "train", "model", "search", "measure", "cost", "nodes", "report", "other"
]
"""What a run's time goes into."""

Stage = Literal["encode_query", "encode_docs", "fetch", "score"]
"""The parts of scoring candidates; `fetch` reads, decompresses and transfers prepared vectors."""

Fault = Literal["broken", "late", "refused"]
"""What may pass: no connection or one that broke, no answer in time, a status that says so."""

Count = Literal["requests", "retries", "waited_seconds", "client_seconds", "server_seconds", Fault]
"""`requests` that servers answered, be it with a refusal, and the seconds until they did; the
seconds that servers reported of them, which lie inside the stages that wait for them; `retries`
after what may pass, in all and by fault, and the seconds waited before them."""

KINDS: tuple[str, ...] = get_args(Kind)
STAGES: tuple[str, ...] = get_args(Stage)
TRAFFIC: tuple[str, ...] = get_args(Count)


def nothing() -> None:
    """Waits for nothing: what runs on the CPU is done when it returns."""


class _Recorder:
    """What was spent so far, and which spans are open, the innermost last."""

    def __init__(self, synchronise: Callable[[], None]) -> None:
        self.spent: dict[str, float] = {}
        self.open: list[str] = []
        self.synchronise = synchronise
        self._since = 0.0

    def add(self, name: str, amount: float) -> None:
        self.spent[name] = self.spent.get(name, 0) + amount

    def count_open_span(self) -> None:
        """Add the time since the last call to the innermost span."""
        now = time.perf_counter()
        if self.open:
            self.add(self.open[-1], now - self._since)
        self._since = now


_recorders: ContextVar[Mapping[str, _Recorder]] = ContextVar("recorders")
"""By name who hears it."""


@contextmanager
def recording(
    names: Collection[str], synchronise: Callable[[], None] = nothing
) -> Iterator[dict[str, float]]:
    """What is spent on `names`, filled while it is open; what did not occur is not in it.

    `synchronise` waits for the device at both ends of a span, so that no span pays for the work
    that another one queued.
    """
    recorder = _Recorder(synchronise)
    token = _recorders.set({**_recorders.get({}), **dict.fromkeys(names, recorder)})
    try:
        yield recorder.spent
    finally:
        _recorders.reset(token)


@contextmanager
def span(name: Kind | Stage) -> Iterator[None]:
    """Record the seconds inside, without those of spans inside it that the same recording hears."""
    recorder = _recorders.get({}).get(name)
    if recorder is None:
        yield
        return
    recorder.synchronise()
    recorder.count_open_span()
    recorder.open.append(name)
    try:
        yield
        recorder.synchronise()
    finally:
        recorder.count_open_span()
        recorder.open.pop()


def add(name: Count, amount: float = 1) -> None:
    """Record a count, or seconds that somebody else measured."""
    recorder = _recorders.get({}).get(name)
    if recorder is not None:
        recorder.add(name, amount)
