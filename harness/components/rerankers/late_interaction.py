"""Reranking by late interaction: token vectors of query and document, compared by MaxSim."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from harness.components.abilities import CountsDocTokens, Footprint
from harness.components.models import inference
from harness.components.protocols import Reranker, TokenEncoder, encode_part
from harness.components.timing import span
from harness.components.vectors import token_index
from harness.components.vectors.compression import Precision, pooled, sliced
from harness.components.vectors.maxsim import maxsim, maxsim_on_device
from harness.components.vectors.token_index import TokenIndex, Tokens
from harness.data import Doc

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class LateInteraction:
    """Scores by MaxSim over the token vectors of an encoder."""

    encoder: TokenEncoder
    dim: int | None = None
    """Keep the first `dim` coordinates, at length 1 again; None: all of them."""
    precision: Precision = "float32"
    """How document vectors are stored; queries stay float32."""
    pool_factor: int = 1
    """Keep about one vector for this many tokens of a document."""
    documents: Literal["prepared", "mapped", "on_the_fly"] = "prepared"
    """Encode documents beforehand, and keep them in memory or in memory-mapped files below the
    cache; or encode them when a query brings them."""
    device: inference.Device = "cpu"
    """Where MaxSim runs."""

    def __post_init__(self) -> None:
        """Refuse a factor or dimension below 1."""
        if self.pool_factor < 1 or (self.dim is not None and self.dim < 1):
            raise ValueError("dim and pool_factor must be at least 1")

    def prepare(self, docs: Sequence[Doc]) -> Reranker:
        """A reranker that has the vectors of `docs` at hand, unless they are made on the fly."""
        if self.documents == "on_the_fly":
            return self
        texts = token_index.places(docs)
        make = token_index.mapped if self.documents == "mapped" else token_index.build
        return _Prepared(self, texts, make(self._kept(list(texts)), self.precision))

    def score(self, query: str, docs: Sequence[Doc]) -> Sequence[float]:
        """Scores with the documents encoded now."""
        (found,) = self.score_together([(query, docs)])
        return found

    def score_together(
        self, asked: Sequence[tuple[str, Sequence[Doc]]]
    ) -> Sequence[Sequence[float]]:
        """Scores with the documents of all queries encoded now, together."""
        texts = token_index.places(doc for _, docs in asked for doc in docs)
        with span("encode_docs"):
            index = token_index.build(self._kept(list(texts)), self.precision)
            fetched = [_fetched(self, index, texts, docs) for _, docs in asked]
        return _scores(self, [query for query, _ in asked], fetched)

    def count_tokens(self, query: str, docs: Sequence[Doc]) -> int:
        """Tokens of `docs` that the encoder's model reads; 0 where the encoder cannot count."""
        del query
        if not isinstance(self.encoder, CountsDocTokens):
            return 0
        return sum(self.encoder.count_doc_tokens(list(token_index.places(docs))))

    def _kept(self, texts: Sequence[str]) -> Iterator[NDArray[np.float32]]:
        for matrix in encode_part(self.encoder, "tokens", texts, "doc"):
            yield pooled(sliced(matrix, self.dim), self.pool_factor)


@dataclass(frozen=True)
class _Prepared:
    """Late interaction with the documents' vectors already made."""

    system: LateInteraction
    places: Mapping[str, int]
    """Where the index has a document's text."""
    index: TokenIndex

    def score(self, query: str, docs: Sequence[Doc]) -> Sequence[float]:
        with span("fetch"):
            fetched = _fetched(self.system, self.index, self.places, docs)
        (found,) = _scores(self.system, [query], [fetched])
        return found

    def count_tokens(self, query: str, docs: Sequence[Doc]) -> int:
        """Vectors of `docs` that are compared: tokens that were read beforehand."""
        del query
        return self.index.count([self.places[doc.text] for doc in docs])

    def footprints(self) -> list[Footprint]:
        index = self.index
        counts = (len(index), index.vectors, index.packed.dim)
        return [Footprint("token vectors", *counts, index.precision, index.payload_bytes)]


def _fetched(
    system: LateInteraction, index: TokenIndex, places: Mapping[str, int], docs: Sequence[Doc]
) -> Tokens:
    tokens = index.fetch([places[doc.text] for doc in docs])
    return tokens._replace(vectors=inference.moved(tokens.vectors, system.device, "MaxSim"))


def _scores(
    system: LateInteraction, queries: Sequence[str], fetched: Sequence[Tokens]
) -> list[list[float]]:
    """For each query the scores of what was fetched for it."""
    with span("encode_query"):
        matrices = encode_part(system.encoder, "tokens", queries, "query")
    compare = maxsim if system.device == "cpu" else maxsim_on_device
    with span("score"):
        return [
            compare(sliced(matrix, system.dim), *found).tolist()
            for matrix, found in zip(matrices, fetched, strict=True)
        ]
