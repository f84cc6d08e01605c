"""What a service takes on, and how long it waits for those whom it serves."""

from __future__ import annotations

from typing import NamedTuple

from harness.cli.options import SERVE_LIMITS


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
