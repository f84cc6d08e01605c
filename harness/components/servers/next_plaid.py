"""next-plaid's API 1.6: POST /rerank_with_encoding of texts, /rerank of vectors, /encode of texts.

The one reranks on the fly and the other precomputed vectors, with the same MaxSim; a server without
a model (`--model`) has /rerank alone. /health tells the version, and in later ones the model.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.components.servers.dialect import (
    Asked,
    Dialect,
    Told,
    WrongServerError,
    as_named,
    by_index,
    in_order,
    object_at,
)

LIMIT = 64
"""Texts to encode in one request: what the server runs at once."""


def _texts(asked: Asked) -> dict[str, Any]:
    return {"query": asked.query, "documents": list(asked.texts)}


def _vectors(asked: Asked) -> dict[str, Any]:
    documents = [{"embeddings": matrix.tolist()} for matrix in asked.texts]
    return {"query": asked.query.tolist(), "documents": documents}


def _encode(asked: Asked) -> dict[str, Any]:
    role = "query" if asked.of_queries else "document"
    return {"texts": list(asked.texts), "input_type": role}


def _identify(told: Told, model: str) -> dict[str, str]:
    health = object_at(told, "/health")
    if "version" not in health:
        raise WrongServerError(
            "it has no /health that tells a version, so it is no next-plaid server"
        )
    own = health.get("model")
    weights = {"weights": str(own)} if own else {}
    return {**as_named(told, model), "version": str(health["version"]), **weights}


RERANK = Dialect(
    path="/rerank_with_encoding",
    body=_texts,
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
