"""BentoML 1.4: a service's method `score(queries, documents)` is POST /score, keywords as JSON.

It gives {score: [[...]]}, a row a query and a column a document, as in BentoColPali; the order is
all there is to go by, and the number is checked. /docs.json names the service and its version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.components.servers.dialect import Asked, Dialect, Placed, Told, as_named, in_order


def _body(asked: Asked) -> dict[str, Any]:
    return {"queries": [asked.query], "documents": list(asked.texts)}


def _read(content: Any) -> Iterable[Placed]:
    (row,) = content["score"]
    return in_order(row)


def _identify(told: Told, model: str) -> dict[str, str]:
    docs = told.get("/docs.json")
    info = docs.get("info", {}) if isinstance(docs, Mapping) else {}
    named = {key: str(info[key]) for key in ("title", "version") if info.get(key)}
    return as_named(told, model) | named


RERANK = Dialect(
    path="/score",
    body=_body,
    read=_read,
    about=("/readyz", "/docs.json"),
    identify=_identify,
    remark="The order of scores is the service's promise.",
)
