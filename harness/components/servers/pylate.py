"""PyLate 1.6's server (`pylate/server/server.py`): POST /v1/embeddings gives a matrix a text.

`is_query` is true unless it is said, so it is always said; the model must be named exactly as the
server was started with. A number takes about ten bytes of JSON: documents of 150 tokens of 128
dimensions are 0.2 MB each. The server tells nothing of itself.
"""

from __future__ import annotations

from typing import Any

from harness.components.servers import openai
from harness.components.servers.dialect import Dialect, Request

LIMIT = 32
"""Texts a request: ours, for the size of the answers."""


def _body(request: Request) -> dict[str, Any]:
    return {"model": request.model, "input": list(request.texts), "is_query": request.of_queries}


TOKENS = Dialect(
    path="/v1/embeddings",
    body=_body,
    read=openai.EMBED.read,
    limit=lambda _: LIMIT,
    names_model=True,
    remark="The server does not say which weights it has. Vectors travel as JSON.",
)
