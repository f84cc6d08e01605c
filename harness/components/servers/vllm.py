"""vLLM: POST /rerank and /score of cross-encoders and late interaction, /pooling of token vectors.

Each request has a salt of its own, so that the prefix cache answers nothing that another request
asked (servers that do not know the field ignore it). Texts longer than the model reads are refused
unless they are asked to be cut. A late-interaction model reads plain text: no markers, no [MASK].
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from harness.components.servers import cohere
from harness.components.servers.dialect import Request, by_index

REMARK = (
    "Documents are truncated by the server; its prefix cache is salted anew with every request. "
    "Late-interaction models get plain text, without the markers that they were trained with."
)

STARTS = (
    'if vLLM ended with "cannot assign module before Module.__init__() call": it does so where '
    "config.json of a ColBERT on BERT has dim, colbert_dim or projection_dim: start it with "
    "--hf-overrides '{\"dim\": null}', because it takes the size from the weights"
)

LIMIT = 64
"""Texts to encode in one request: ours, for the size of the answers."""


def _salted() -> dict[str, Any]:
    return {"truncate_prompt_tokens": -1, "cache_salt": uuid.uuid4().hex}


def _common(request: Request) -> dict[str, Any]:
    return _salted() | ({"use_activation": False} if request.raw else {})


def _rerank(request: Request) -> dict[str, Any]:
    return {**cohere.body(request), **_common(request)}


def _score(request: Request) -> dict[str, Any]:
    texts = {"queries": request.query, "documents": list(request.texts)}
    return {"model": request.model, **texts, **_common(request)}


def _pooling(request: Request) -> dict[str, Any]:
    return {
        "model": request.model,
        "input": list(request.texts),
        "task": "token_embed",
        "encoding_format": "float",
        **_salted(),
    }


RERANK = replace(cohere.RERANK, body=_rerank, starts=STARTS, remark=REMARK)

SCORE = replace(RERANK, path="/score", body=_score, read=by_index("score", "data"))

TOKENS = replace(
    RERANK,
    path="/pooling",
    body=_pooling,
    read=by_index("data", "data"),
    limit=lambda _: LIMIT,
)
