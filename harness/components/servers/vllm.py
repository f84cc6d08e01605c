"""vLLM: POST /rerank and /score of cross-encoders and late interaction, /pooling of token vectors.

Each request has a salt of its own, so that the prefix cache answers nothing that another request
asked (servers that do not know the field ignore it). Texts longer than the model reads are refused
unless they are asked to be cut. A late-interaction model reads plain text: no markers, no [MASK].
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from harness.components.servers import cohere
from harness.components.servers.dialect import MODEL_LISTS, Asked, Dialect, Placed, listed

REMARK = (
    "Documents are truncated by the server; its prefix cache is salted anew with every request. "
    "Late-interaction models get plain text, without the markers that they were trained with."
)


LIMIT = 64
"""Texts to encode in one request: ours, for the size of the answers."""


def _common(asked: Asked) -> dict[str, Any]:
    salt = {"truncate_prompt_tokens": -1, "cache_salt": uuid.uuid4().hex}
    return salt | ({"use_activation": False} if asked.raw else {})


def _rerank(asked: Asked) -> dict[str, Any]:
    return {**cohere.body(asked), **_common(asked)}


def _score(asked: Asked) -> dict[str, Any]:
    texts = {"queries": asked.query, "documents": list(asked.texts)}
    return {"model": asked.model, **texts, **_common(asked)}


def _scores(content: Any) -> Iterable[Placed]:
    return (Placed(item["index"], item["score"]) for item in content["data"])


def _pooling(asked: Asked) -> dict[str, Any]:
    return {
        "model": asked.model,
        "input": list(asked.texts),
        "task": "token_embed",
        "encoding_format": "float",
        "truncate_prompt_tokens": -1,
        "cache_salt": uuid.uuid4().hex,
    }


def _matrices(content: Any) -> Iterable[Placed]:
    return (Placed(item["index"], item["data"]) for item in content["data"])


RERANK = Dialect(
    path="/rerank",
    body=_rerank,
    read=cohere.read,
    about=MODEL_LISTS,
    identify=listed,
    names_model=True,
    remark=REMARK,
)

SCORE = Dialect(
    path="/score",
    body=_score,
    read=_scores,
    about=MODEL_LISTS,
    identify=listed,
    names_model=True,
    remark=REMARK,
)

TOKENS = Dialect(
    path="/pooling",
    body=_pooling,
    read=_matrices,
    about=MODEL_LISTS,
    identify=listed,
    limit=lambda _: LIMIT,
    names_model=True,
    remark=REMARK,
)
