"""next-plaid's API 1.6: POST /rerank_with_encoding of texts, /rerank of vectors, /encode of texts.

The one reranks on the fly and the other precomputed vectors, with the same MaxSim; a server without
a model (`--model`) has /rerank alone. /health tells the version, and in later ones the model.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.components.servers.dialect import (
    Dialect,
    Request,
    ServerInfo,
    WrongServerError,
    as_named,
    by_index,
    in_order,
    object_at,
)

LIMIT = 64
"""Texts to encode in one request: what the server runs at once."""


def _vectors(request: Request) -> dict[str, Any]:
    documents = [{"embeddings": matrix.tolist()} for matrix in request.texts]
    return {"query": request.query.tolist(), "documents": documents}


def _encode(request: Request) -> dict[str, Any]:
    role = "query" if request.of_queries else "document"
    return {"texts": list(request.texts), "input_type": role}


def _identify(server: ServerInfo, model: str) -> dict[str, str]:
    health = object_at(server, "/health")
    if "version" not in health:
        raise WrongServerError(
            "it has no /health that tells a version, so it is no next-plaid server"
        )
    own = health.get("model")
    weights = {"weights": str(own)} if own else {}
    return {**as_named(server, model), "version": str(health["version"]), **weights}


RERANK = Dialect(
    path="/rerank_with_encoding",
    body=lambda request: {"query": request.query, "documents": list(request.texts)},
    read=by_index("score", "results"),
    about=("/health",),
    identify=_identify,
)

MAXSIM = replace(
    RERANK,
    path="/rerank",
    body=_vectors,
    remark="Vectors travel as JSON, about ten bytes a number.",
)

TOKENS = replace(
    MAXSIM,
    path="/encode",
    body=_encode,
    read=lambda content: in_order(content["embeddings"]),
    limit=lambda _: LIMIT,
)
