"""infinity-emb 0.0.78: POST /rerank in Cohere's form with `raw_scores`, and /embeddings.

For a ColBERT model /embeddings gives a matrix a text: hidden states after the projection, with
[CLS] and [SEP], without markers and not of length 1; asked for base64 it would lose their shape.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.components.servers import cohere, openai
from harness.components.servers.dialect import Request

LIMIT = 2048
"""Texts of a request, by its schema."""

TOKEN_LIMIT = 64
"""Texts to encode in one request: ours, for the size of the answers."""

CACHE = "Off unless it was asked for, a cache of vectors on disk (`vector_disk_cache`) answers repeated texts."


def _body(request: Request) -> dict[str, Any]:
    return {**cohere.body(request), "raw_scores": request.raw, "return_documents": False}


RERANK = replace(cohere.RERANK, body=_body, limit=lambda _: LIMIT, remembers=True, remark=CACHE)

TOKENS = replace(
    cohere.RERANK,
    path="/embeddings",
    body=openai.body,
    read=openai.EMBED.read,
    limit=lambda _: TOKEN_LIMIT,
    remark=f"Without markers of queries and documents, normalised here. {CACHE}",
)
