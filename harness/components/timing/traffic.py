"""How much was asked of servers during a piece of work; where nobody listens nothing is counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

Fault = Literal["broken", "late", "refused"]
"""What may pass: no connection or one that broke, no answer in time, a status that says so."""

Count = Literal["requests", "retries", "waited_seconds", "client_seconds", "server_seconds"] | Fault
"""`requests` that were answered, be it with a refusal, and the seconds until they were; the seconds
that servers reported of them; `retries` after what may pass, in all and by fault, and the seconds
waited before them."""

_counts: ContextVar[dict[str, float] | None] = ContextVar("traffic", default=None)


@contextmanager
def counted() -> Iterator[dict[str, float]]:
    """Counts by name, filled while it is open; what did not occur is not in it."""
    counts: dict[str, float] = {}
    token = _counts.set(counts)
    try:
        yield counts
    finally:
        _counts.reset(token)


def add(name: Count, amount: float = 1) -> None:
    """Add to the counts that are open here, if any."""
    counts = _counts.get()
    if counts is not None:
        counts[name] = counts.get(name, 0) + amount
