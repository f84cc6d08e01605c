"""Every component and dialect as one case: how it is made, asked, and what must come back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import contract_server
import numpy as np
from contract_server import MODEL, matrix, score, sigmoid, vector
from fakes import HashingTokenEncoder

from harness.components.encoders import endpoint as encoder
from harness.components.encoders import token_endpoint
from harness.components.rerankers import endpoint as reranker
from harness.components.rerankers import maxsim_endpoint
from harness.components.retrievers import endpoint as retriever
from harness.components.retrievers.qdrant_server import QdrantServer
from harness.components.retrievers.vespa import Vespa
from harness.components.vectors.compression import unit
from harness.data import Doc, Query

QUERY = "red apple pie"


@dataclass(frozen=True)
class Case:
    name: str
    kind: str
    """`scores`, `vectors`, `matrices` or `hits`."""
    dialect: str
    make: Callable[..., Any]
    path: str
    """What is asked for the work itself."""
    has_index: bool = True

    def component(self, url: str, **changes: Any) -> Any:
        return self.make(dialect=self.dialect, url=url, model=MODEL, retries=2, **changes)

    def ask(self, component: Any, texts: Sequence[str]) -> list[Any]:
        docs = [Doc(str(i), text) for i, text in enumerate(texts)]
        if self.kind == "scores":
            return list(component.score(QUERY, docs))
        if self.kind == "vectors":
            return list(component.encode(texts, "doc"))
        if self.kind == "matrices":
            return list(component.encode(texts, "doc"))
        docs = [Doc(str(i), text) for i, text in enumerate(contract_server.STANFORD_DOCS)]
        (hits,) = component.index(docs).search([Query("q", QUERY)], len(texts))
        return sorted((hit.score for hit in hits), reverse=True)

    def expected(self, texts: Sequence[str]) -> list[Any]:
        if self.name == "maxsim":
            return _maxsim_of(texts)
        if self.kind == "scores":
            squash = sigmoid if self.dialect == "cohere" else float
            return [squash(score(QUERY, text)) for text in texts]
        if self.kind == "vectors":
            return [unit(np.array([vector(text)], np.float32))[0] for text in texts]
        if self.kind == "matrices":
            role = "d " if self.dialect in ("pylate", "next_plaid") else ""
            return [unit(np.array(matrix(text, role), np.float32)) for text in texts]
        if self.name in ("vespa", "qdrant"):
            word = "apple" if self.name == "vespa" else ""  # its first phase searches for words
            found = [text for text in contract_server.STANFORD_DOCS if word in text]
            return sorted(_maxsim_of(found), reverse=True)[: len(texts)]
        everything = [score(QUERY, text) for text in contract_server.STANFORD_DOCS]
        return sorted(everything, reverse=True)[: len(texts)]


def _maxsim_of(texts: Sequence[str]) -> list[Any]:
    encoded = HashingTokenEncoder(8)
    (query,) = encoded.encode([QUERY], "query")
    return [(query @ m.T).max(axis=1).sum() for m in encoded.encode(texts, "doc")]


def _vespa(**fields: Any) -> Any:
    encoder, config_url = HashingTokenEncoder(8), fields["url"]
    return Vespa(encoder=encoder, config_url=config_url, precision="float32", **fields)


def _qdrant(**fields: Any) -> Any:
    return QdrantServer(encoder=HashingTokenEncoder(8), **fields)


def _maxsim(**fields: Any) -> Any:
    return maxsim_endpoint.MaxsimEndpoint(encoder=HashingTokenEncoder(8), **fields)


def _reranking(dialect: str, path: str, *, has_index: bool = True) -> Case:
    return Case(dialect, "scores", dialect, reranker.Endpoint, path, has_index)


CASES = [
    _reranking("bentoml", "/score", has_index=False),
    _reranking("cohere", "/rerank"),
    _reranking("infinity", "/rerank"),
    _reranking("next_plaid", "/rerank_with_encoding"),
    _reranking("plain", "/rerank"),
    _reranking("tei", "/rerank"),
    _reranking("torchserve", "/predictions/org%2Fmodel"),
    _reranking("triton", "/v2/models/org%2Fmodel/infer", has_index=False),
    _reranking("vllm", "/rerank"),
    _reranking("vllm_score", "/score"),
    Case("maxsim", "scores", "next_plaid", _maxsim, "/rerank"),
    Case("ollama", "vectors", "ollama", encoder.Endpoint, "/api/embed", has_index=False),
    Case("openai", "vectors", "openai", encoder.Endpoint, "/embeddings"),
    Case("tei embed", "vectors", "tei", encoder.Endpoint, "/embed", has_index=False),
    Case("infinity tokens", "matrices", "infinity", token_endpoint.TokenEndpoint, "/embeddings"),
    Case(
        "plaid tokens",
        "matrices",
        "next_plaid",
        token_endpoint.TokenEndpoint,
        "/encode",
        has_index=False,
    ),
    Case("pylate", "matrices", "pylate", token_endpoint.TokenEndpoint, "/v1/embeddings"),
    Case("vllm tokens", "matrices", "vllm", token_endpoint.TokenEndpoint, "/pooling"),
    Case("colbert", "hits", "colbert", retriever.Endpoint, "/api/search"),
    Case("qdrant", "hits", "qdrant", _qdrant, "/points/query"),
    Case("vespa", "hits", "vespa", _vespa, "/search/"),
]


def same(ours: Sequence[Any], expected: Sequence[Any]) -> None:
    """The values that were expected, as float32 has them."""
    assert len(ours) == len(expected)
    for one, other in zip(ours, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)
