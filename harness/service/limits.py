"""What a service takes on, and how long it waits for those whom it serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

SERVE_LIMITS: Mapping[str, tuple[int, str]] = {
    "documents": (1000, "documents a request"),
    "characters": (100_000, "characters of a query or document"),
    "bytes": (16 * 2**20, "bytes of a request"),
    "requests": (64, "requests inside at once; more are told when to come again"),
    "connections": (1000, "connections at once; for one more the idlest is closed"),
    "batch": (256, "documents that are scored at once, of requests that wait; 1: no two requests"),
}
"""What a service takes on, and how much of it if nothing else is said."""


class Limits(NamedTuple):
    """What a service takes on; more is refused."""

    documents: int = SERVE_LIMITS["documents"][0]
    """Documents a request."""
    characters: int = SERVE_LIMITS["characters"][0]
    """Of the query, and of each document."""
    bytes: int = SERVE_LIMITS["bytes"][0]
    """Of a request's body."""
    requests: int = SERVE_LIMITS["requests"][0]
    """Requests inside at once: waiting for their turn, or scored."""
    batch: int = SERVE_LIMITS["batch"][0]
    """Documents that are scored at once, if they come from several requests."""
    connections: int = SERVE_LIMITS["connections"][0]
    """Connections at once; for one more, that which is idle longest is closed."""


class Patience(NamedTuple):
    """Seconds; a connection that takes longer is closed."""

    head: float = 10.0
    """For the head of a request, from when the connection is made or its next request begins."""
    idle: int = 75
    """For the next request on a connection; a benchmark asks others meanwhile."""
    part: float = 10.0
    """For the next part of a body."""
    body: float = 30.0
    """For a whole body."""
    answer: float = 30.0
    """For more of an answer to be taken, once no more of it can be written."""
    drain: int = 60
    """For what is inside to be answered, once the service is asked to stop."""
