"""next-plaid's API 1.6: POST /rerank_with_encoding of texts, /rerank of vectors, /encode of texts.

The one reranks on the fly and the other precomputed vectors, with the same MaxSim; a server without
a model (`--model`) has /rerank alone. /health tells the version, and in later ones the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.components.servers.dialect import (
    Asked,
    Dialect,
    Placed,
    Told,
    WrongServerError,
    as_named,
    in_order,
)

LIMIT = 64
"""Texts to encode in one request: what the server runs at once."""


def _texts(asked: Asked) -> dict[str, Any]:
    return {"query": asked.query, "documents": list(asked.texts)}


def _vectors(asked: Asked) -> dict[str, Any]:
    documents = [{"embeddings": matrix.tolist()} for matrix in asked.texts]
    return {"query": asked.query.tolist(), "documents": documents}


def _results(content: Any) -> Iterable[Placed]:
    return (Placed(item["index"], item["score"]) for item in content["results"])


def _encode(asked: Asked) -> dict[str, Any]:
    role = "query" if asked.of_queries else "document"
    return {"texts": list(asked.texts), "input_type": role}


def _matrices(content: Any) -> Iterable[Placed]:
    return in_order(content["embeddings"])


def _identify(told: Told, model: str) -> dict[str, str]:
    health = told.get("/health")
    if not isinstance(health, Mapping) or "version" not in health:
        raise WrongServerError(
            "it has no /health that tells a version, so it is no next-plaid server"
        )
    own = health.get("model")
    weights = {"weights": str(own)} if own else {}
    return {**as_named(told, model), "version": str(health["version"]), **weights}


RERANK = Dialect(
    path="/rerank_with_encoding",
    body=_texts,
    read=_results,
    about=("/health",),
    identify=_identify,
)

MAXSIM = Dialect(
    path="/rerank",
    body=_vectors,
    read=_results,
    about=("/health",),
    identify=_identify,
    remark="Vectors travel as JSON, about ten bytes a number.",
)

TOKENS = Dialect(
    path="/encode",
    body=_encode,
    read=_matrices,
    about=("/health",),
    identify=_identify,
    limit=lambda _: LIMIT,
    remark="Vectors travel as JSON, about ten bytes a number.",
)
