"""Late interaction on a server that is handed the vectors: next-plaid's /rerank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.components.abilities import Footprint
from harness.components.protocols import Reranker, TokenEncoder, encode_part
from harness.components.servers import joined, next_plaid
from harness.components.servers.dialect import Dialect, Request
from harness.components.servers.served import Server, unchecked
from harness.components.timing import span
from harness.data import Doc

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class MaxsimEndpoint(Server):
    """Scores by MaxSim on a server, over token vectors that an encoder of ours makes.

    Dialects: next_plaid.
    """

    dialects: ClassVar[Mapping[str, Dialect]] = {"next_plaid": next_plaid.MAXSIM}

    encoder: TokenEncoder

    def prepare(self, docs: Sequence[Doc]) -> Reranker:
        """A reranker that has the vectors of `docs` at hand."""
        texts = list(dict.fromkeys(doc.text for doc in docs))
        matrices = encode_part(self.encoder, "tokens", texts, "doc")
        return _Prepared(self, dict(zip(texts, matrices, strict=True)))

    def score(self, query: str, docs: Sequence[Doc]) -> Sequence[float]:
        """Scores with the documents encoded now."""
        with span("encode_docs"):
            matrices = encode_part(self.encoder, "tokens", [doc.text for doc in docs], "doc")
        return _scores(self, query, matrices)


@dataclass(frozen=True)
class _Prepared:
    system: MaxsimEndpoint
    matrices: Mapping[str, NDArray[np.float32]]

    def score(self, query: str, docs: Sequence[Doc]) -> Sequence[float]:
        return _scores(self.system, query, [self.matrices[doc.text] for doc in docs])

    def count_tokens(self, query: str, docs: Sequence[Doc]) -> int:
        """Vectors of `docs` that are compared."""
        del query
        return sum(len(self.matrices[doc.text]) for doc in docs)

    def footprints(self) -> list[Footprint]:
        kept = list(self.matrices.values())
        vectors, dim = sum(map(len, kept)), kept[0].shape[1] if kept else 0
        size = sum(matrix.nbytes for matrix in kept)
        return [Footprint("token vectors", len(kept), vectors, dim, "float32", size)]


def _scores(
    system: MaxsimEndpoint, query: str, matrices: Sequence[NDArray[np.float32]]
) -> list[float]:
    with span("encode_query"):
        (matrix,) = encode_part(system.encoder, "tokens", [query], "query")
    with span("score"):
        return system.values(Request(matrices, query=matrix), joined.score, unchecked)
