"""Reranking by a server: TEI, Cohere's and Jina's API, vLLM, Triton and others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.components.servers import (
    bentoml,
    cohere,
    infinity,
    joined,
    next_plaid,
    plain,
    tei,
    triton,
    vllm,
)
from harness.components.servers.dialect import Dialect, Request
from harness.components.servers.served import Server, unchecked
from harness.data import Doc


@dataclass(frozen=True, kw_only=True)
class Endpoint(Server):
    """Scores of a reranking server, as it gives them.

    Dialects: tei, cohere (also Jina, llama.cpp), infinity, vllm, vllm_score, next_plaid, triton,
    torchserve, bentoml, plain.
    """

    dialects: ClassVar[Mapping[str, Dialect]] = {
        "bentoml": bentoml.RERANK,
        "cohere": cohere.RERANK,
        "infinity": infinity.RERANK,
        "next_plaid": next_plaid.RERANK,
        "plain": plain.RERANK,
        "tei": tei.RERANK,
        "torchserve": plain.TORCHSERVE,
        "triton": triton.RERANK,
        "vllm": vllm.RERANK,
        "vllm_score": vllm.SCORE,
    }

    raw_scores: bool = True
    """Ask for scores before any sigmoid, which saturates and ties, where the dialect can (tei,
    infinity, vllm, vllm_score). Say false for late interaction on vLLM: what is switched off there
    may be the vectors' normalisation."""

    def score(self, query: str, docs: Sequence[Doc]) -> Sequence[float]:
        """One score a document."""
        asked = Request([doc.text for doc in docs], query=query, raw=self.raw_scores)
        return self.values(asked, joined.score, unchecked)
