"""BentoML 1.4: a service's method `score(queries, documents)` is POST /score, keywords as JSON.

It gives {score: [[...]]}, a row a query and a column a document, as in BentoColPali; the order is
all there is to go by, and the number is checked. /docs.json names the service and its version.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.components.servers.dialect import (
    Dialect,
    IndexedValue,
    ServerInfo,
    as_named,
    in_order,
    object_at,
)


def _read(content: Any) -> Iterable[IndexedValue]:
    (row,) = content["score"]
    return in_order(row)


def _identify(server: ServerInfo, model: str) -> dict[str, str]:
    info = object_at(server, "/docs.json").get("info", {})
    named = {key: str(info[key]) for key in ("title", "version") if info.get(key)}
    return as_named(server, model) | named


RERANK = Dialect(
    path="/score",
    body=lambda request: {"queries": [request.query], "documents": list(request.texts)},
    read=_read,
    about=("/readyz", "/docs.json"),
    identify=_identify,
    remark="The order of scores is the service's promise.",
)
