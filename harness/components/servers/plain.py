"""POST /rerank {query, documents, top_n}: the contract of the research report's prototype service.

The answer is {results: [{index, score}]} in any order. In FastAPI the three must be fields of one
pydantic model: plain parameters would be read from the query string, and the body refused with 422.
GET /info tells what is served; a header `Server-Timing: total;dur=MILLISECONDS` how long it took.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.components.servers.dialect import Asked, Dialect, Placed, Told, as_named, limit_of


def body(asked: Asked) -> dict[str, Any]:
    """The three fields."""
    return {"query": asked.query, "documents": list(asked.texts), "top_n": len(asked.texts)}


def read(content: Any) -> Iterable[Placed]:
    """Results in any order."""
    return (Placed(item["index"], item["score"]) for item in content["results"])


def _identify(told: Told, model: str) -> dict[str, str]:
    info = told.get("/info")
    if not isinstance(info, Mapping):
        return as_named(told, model)
    decide = DECIDING if "fingerprint" in info else info.keys() - set(LIMITS)
    return {key: str(info[key]) for key in info if key in decide}


DECIDING = ("model", "fingerprint")
"""What of /info decides the scores, where the server gives a fingerprint of all that does; without one
everything counts but the LIMITS."""

LIMITS = ("max_documents",)
"""What of /info changes no score."""


def _limit(told: Told) -> int | None:
    info = told.get("/info")
    return limit_of(info.get("max_documents")) if isinstance(info, Mapping) else None


RERANK = Dialect(
    path="/rerank",
    body=body,
    read=read,
    about=("/info", "/health"),
    identify=_identify,
    limit=_limit,
)
