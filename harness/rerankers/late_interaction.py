"""Reranking by late interaction: token vectors of query and document, compared by MaxSim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.data import Doc
from harness.maxsim import maxsim
from harness.precision import Packed, Precision, pack, pooled, sliced, unpack
from harness.protocols import Footprint, Reranker, TokenEncoder


@dataclass(frozen=True)
class LateInteraction:
    """Scores by MaxSim over the token vectors of an encoder."""

    encoder: TokenEncoder
    dim: int | None = None
    """Keep the first `dim` coordinates, at length 1 again; None keeps all."""
    precision: Precision = "float32"
    """How document vectors are kept; queries stay float32."""
    pool_factor: int = 1
    """Keep about one vector for this many tokens of a document."""
    documents: Literal["prepared", "on_the_fly"] = "prepared"
    """Encode documents beforehand, or when a query brings them."""

    def __post_init__(self) -> None:
        """Refuse a factor or dimension below 1."""
        if self.pool_factor < 1 or (self.dim is not None and self.dim < 1):
            raise ValueError("dim and pool_factor must be at least 1")

    def prepare(self, docs: Sequence[Doc]) -> Reranker:
        """A reranker that has the vectors of `docs` at hand, unless they are made on the fly."""
        return self if self.documents == "on_the_fly" else self._packed(docs)

    def score(self, query: str, docs: Sequence[Doc]) -> Sequence[float]:
        """Scores with the documents encoded now."""
        return self._packed(docs).score(query, docs)

    def _packed(self, docs: Sequence[Doc]) -> _Prepared:
        texts = list(dict.fromkeys(doc.text for doc in docs))
        matrices = self.encoder.encode_doc_tokens(texts)
        packed = {
            text: pack(pooled(sliced(matrix, self.dim), self.pool_factor), self.precision)
            for text, matrix in zip(texts, matrices, strict=True)
        }
        return _Prepared(self, packed)


@dataclass(frozen=True)
class _Prepared:
    """Late interaction with the documents' vectors already made."""

    system: LateInteraction
    packed: Mapping[str, Packed]

    def score(self, query: str, docs: Sequence[Doc]) -> Sequence[float]:
        (matrix,) = self.system.encoder.encode_query_tokens([query])
        vectors = [unpack(self.packed[doc.text], self.system.precision) for doc in docs]
        scores: list[float] = maxsim(sliced(matrix, self.system.dim), vectors).tolist()
        return scores

    def footprint(self) -> Footprint:
        kept = list(self.packed.values())
        return Footprint(
            holder="reranker",
            documents=len(kept),
            vectors=sum(len(packed.codes) for packed in kept),
            dim=kept[0].dim if kept else 0,
            precision=self.system.precision,
            bytes=sum(packed.nbytes for packed in kept),
        )
