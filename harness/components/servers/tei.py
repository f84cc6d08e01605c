"""Hugging Face text-embeddings-inference 1.9: POST /rerank and /embed, GET /info.

/info tells the model, its revision and dtype, and `max_client_batch_size`: the texts of a request,
32 unless the server was started with another `--max-client-batch-size`; more are refused with 422
(413 by older versions). The header x-total-time is in whole milliseconds, useless below about 10.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from harness.components.servers.dialect import (
    Dialect,
    Request,
    ServerInfo,
    WrongServerError,
    by_index,
    in_order,
    limit_of,
    object_at,
)

DEFAULT_LIMIT = 32
"""Texts a request where /info does not say."""

SETTINGS = ("model_id", "model_sha", "model_dtype", "max_input_length", "auto_truncate", "version")
"""What of /info decides the answers."""


def _rerank(request: Request) -> dict[str, Any]:
    return {
        "query": request.query,
        "texts": list(request.texts),
        "raw_scores": request.raw,
        "return_text": False,
        "truncate": True,
    }


def _embed(request: Request) -> dict[str, Any]:
    return {"inputs": list(request.texts), "normalize": True, "truncate": True}


def _identify(server: ServerInfo, model: str) -> dict[str, str]:
    info = object_at(server, "/info")
    if "model_id" not in info:
        raise WrongServerError("it has no /info that names a model, so it is no TEI server")
    if model and model != info["model_id"]:
        raise WrongServerError(f"it serves {info['model_id']!r} and not {model!r}")
    return {key: str(info[key]) for key in SETTINGS if info.get(key) is not None}


RERANK = Dialect(
    path="/rerank",
    body=_rerank,
    read=by_index("score"),
    about=("/info",),
    identify=_identify,
    limit=lambda server: limit_of(server["/info"].get("max_client_batch_size")) or DEFAULT_LIMIT,
    seconds=lambda reply: float(reply.headers.get("x-total-time", math.nan)) / 1e3,
    remark="Documents are truncated by the server. Its time is in whole milliseconds.",
)

EMBED = replace(
    RERANK,
    path="/embed",
    body=_embed,
    read=in_order,
    remark="Texts are truncated by the server. Its time is in whole milliseconds.",
)
