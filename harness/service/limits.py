"""What a service takes on, and how long it waits for those whom it serves."""

from __future__ import annotations

from typing import Annotated, NamedTuple


class Limits(NamedTuple):
    """What a service takes on; more is refused. `serve` has an option for each, with these words."""

    documents: Annotated[int, "documents a request"] = 1000
    characters: Annotated[int, "characters of a query or document"] = 100_000
    bytes: Annotated[int, "bytes of a request"] = 16 * 2**20
    requests: Annotated[int, "requests inside at once; others are asked to come again"] = 64
    connections: Annotated[int, "connections at once; for one more the idlest is closed"] = 1000
    batch: Annotated[
        int, "documents that are scored at once, of requests that wait; 1: no two requests"
    ] = 256


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
