"""Ollama: POST /api/embed. The vectors have no indexes: their number is all that can be checked.

A model that was idle for `keep_alive`, five minutes by default, is loaded anew by the next request;
`total_duration`, in nanoseconds, then includes it. The digest of the weights is in /api/tags.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from harness.components.servers.dialect import (
    Dialect,
    Reply,
    ServerInfo,
    WrongServerError,
    in_order,
    object_at,
)


def _identify(server: ServerInfo, model: str) -> dict[str, str]:
    models = object_at(server, "/api/tags").get("models")
    if not isinstance(models, list):
        raise WrongServerError("it has no /api/tags that lists models, so it is no Ollama server")
    digests = {entry["name"]: str(entry.get("digest", "")) for entry in models}
    name = next((name for name in (model, f"{model}:latest") if name in digests), None)
    if name is None:
        there = ", ".join(sorted(digests)) or "none"
        raise WrongServerError(f"it has no model {model!r} but {there}: `ollama pull {model}`")
    return {"model": name, "digest": digests[name]}


def _seconds(reply: Reply) -> float:
    found = reply.content.get("total_duration") if isinstance(reply.content, Mapping) else None
    return float(found) / 1e9 if isinstance(found, int | float) else math.nan


EMBED = Dialect(
    path="/api/embed",
    body=lambda asked: {"model": asked.model, "input": list(asked.texts), "truncate": True},
    read=lambda content: in_order(content["embeddings"]),
    about=("/api/tags", "/api/version"),
    identify=_identify,
    seconds=_seconds,
    names_model=True,
    remark="A model left idle is loaded anew, and that counts to the request that wakes it.",
)
