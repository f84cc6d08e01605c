"""Qdrant's REST: collections with token vectors and a single one a point, and searches in them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.components.servers.client import Client, HttpRequest
from harness.components.servers.dialect import (
    Dialect,
    IndexedValue,
    ServerInfo,
    WrongServerError,
    object_at,
)
from harness.errors import ComponentError

ABOUT = "/"

WAIT = 0.5
"""Seconds between two looks at a collection whose graph is not built yet."""

Body = Mapping[str, Any]


def _points(content: Any) -> Iterable[IndexedValue]:
    for point in content["result"]["points"]:
        yield IndexedValue(point["id"], (point["score"], point["payload"]["place"]))


def _identify(server: ServerInfo, model: str) -> dict[str, str]:
    del model
    answer = object_at(server, ABOUT)
    if "qdrant" not in str(answer.get("title", "")) or "version" not in answer:
        raise WrongServerError(f"its {ABOUT} tells no title and version of Qdrant")
    return {"version": str(answer["version"])}


SEARCH = Dialect(
    path="/collections/{model}/points/query",
    body=lambda request: request.query,
    read=_points,
    about=(ABOUT,),
    identify=_identify,
    seconds=lambda reply: float(reply.content["time"]),
    remark=(
        "Token vectors are made by the harness's own encoder, fed to Qdrant and sent with each query "
        "as JSON; Qdrant stores and compares them."
    ),
)


def count(client: Client, name: str) -> int | None:
    """The points of a collection; None where there is no such collection."""
    request = HttpRequest("GET", f"/collections/{name}/exists", what="to see whether it is there")
    if not client.read(request, lambda content: content["result"]["exists"] is True):
        return None
    counted = HttpRequest("POST", f"/collections/{name}/points/count", {"exact": True}, "to count")
    return client.read(counted, lambda content: int(content["result"]["count"]))


def create(client: Client, name: str, config: Body) -> None:
    """Make an empty collection."""
    _done(client, HttpRequest("PUT", f"/collections/{name}", config, "to make it"))


def delete(client: Client, name: str) -> None:
    """Remove a collection with its points."""
    _done(client, HttpRequest("DELETE", f"/collections/{name}", what="to remove it"))


def feed(client: Client, name: str, points: Sequence[Body]) -> None:
    """Put points; Qdrant answers when they are stored."""
    path = f"/collections/{name}/points?wait=true"
    what = f"to feed {len(points)} documents"
    client.read(HttpRequest("PUT", path, {"points": points}, what), _completed)


def _completed(content: Any) -> None:
    if content["result"]["status"] != "completed":
        raise ValueError(f"the points are {content['result']['status']!r}")


def _done(client: Client, request: HttpRequest) -> None:
    def read(content: Any) -> None:
        if content["result"] is not True:
            raise ValueError(f"a result of {content['result']!r}")

    client.read(request, read)


def settle(client: Client, name: str, seconds: float) -> None:
    """Return when the graphs of a collection are built; raises ComponentError when time is up."""
    request = HttpRequest("GET", f"/collections/{name}", what="to see whether it is built")
    until = time.monotonic() + seconds
    while (status := client.read(request, lambda content: content["result"]["status"])) != "green":
        if time.monotonic() > until:
            raise ComponentError(
                f"The collection {name} at {client.url} was {status!r} and not 'green' after "
                f"{seconds:g} s. Way out: see Qdrant's log, or raise `ready_s`."
            )
        time.sleep(WAIT)
