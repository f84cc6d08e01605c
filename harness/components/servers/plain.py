"""POST /rerank {query, documents, top_n}: the contract of the research report's prototype service.

The answer is {results: [{index, score}]} in any order. In FastAPI the three must be fields of one
pydantic model: plain parameters would be read from the query string, and the body refused with 422.
GET /info tells what is served; a header `Server-Timing: total;dur=MILLISECONDS` how long it took.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.components.servers.dialect import (
    Dialect,
    Request,
    ServerInfo,
    as_named,
    by_index,
    limit_of,
    object_at,
)


def _body(request: Request) -> dict[str, Any]:
    return {"query": request.query, "documents": list(request.texts), "top_n": len(request.texts)}


def _identify(server: ServerInfo, model: str) -> dict[str, str]:
    info = server.get("/info")
    if not isinstance(info, Mapping):
        return as_named(server, model)
    decide = DECIDING if "fingerprint" in info else info.keys() - set(LIMITS)
    return {key: str(info[key]) for key in info if key in decide}


DECIDING = ("model", "fingerprint")
"""What of /info decides the scores, where the server gives a fingerprint of all that does; without one
everything counts but the LIMITS."""

LIMITS = ("max_documents",)
"""What of /info changes no score."""


RERANK = Dialect(
    path="/rerank",
    body=_body,
    read=by_index("score", "results"),
    about=("/info", "/health"),
    identify=_identify,
    limit=lambda server: limit_of(object_at(server, "/info").get("max_documents")),
)

TORCHSERVE = replace(
    RERANK,
    path="/predictions/{model}",
    about=("/ping",),
    names_model=True,
    remark="The server does not say which weights it has.",
)
"""TorchServe 0.12 (archived in 2025) with a handler that takes and gives the same as above.

It wants the inference key as a token unless it was started with `--disable-token-auth`; which weights
it has is said on another port only, to another key.
"""
