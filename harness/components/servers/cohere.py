"""POST /rerank as Cohere and Jina have it, also llama.cpp and OpenVINO.

vLLM (`vllm.py`) and infinity-emb (`infinity.py`) add flags of their own.
The url holds the prefix: https://api.jina.ai/v1, http://127.0.0.1:8080/v1 of `llama-server
--reranking`, /v3 of OpenVINO. Scores come as the server makes them, mostly through a sigmoid.
"""

from __future__ import annotations

from typing import Any

from harness.components.servers.dialect import MODEL_LISTS, Dialect, Request, by_index, model_facts


def body(request: Request) -> dict[str, Any]:
    """The fields that all have."""
    return {
        "model": request.model,
        "query": request.query,
        "documents": list(request.texts),
        "top_n": len(request.texts),
    }


RERANK = Dialect(
    path="/rerank",
    body=body,
    read=by_index("relevance_score", "results"),
    about=MODEL_LISTS,
    identify=model_facts,
    names_model=True,
    remark="Scores are as the server makes them; a sigmoid, where it applies one, can tie them.",
)
