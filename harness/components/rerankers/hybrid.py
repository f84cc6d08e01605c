"""Reranking by three scores from one encoding: vectors, weighted terms, and late interaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from harness.components.abilities import CountsDocTokens, Footprint
from harness.components.models import inference
from harness.components.protocols import Joint, JointEncoder, Reranker
from harness.components.timing import span
from harness.components.vectors import sparse_index, token_index
from harness.components.vectors.compression import Precision
from harness.components.vectors.maxsim import maxsim, maxsim_on_device
from harness.components.vectors.sparse_index import TermIndex
from harness.components.vectors.token_index import TokenIndex, Tokens
from harness.data import Doc

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Hybrid:
    """The weighted mean of a dense, a sparse and a multi-vector score; each text is encoded once.

    The scores are the inner product of the two vectors, the sum over shared terms of the products
    of their weights, and the mean over the query's tokens of the best inner product with a token
    of the document, as FlagEmbedding's `BGEM3FlagModel.compute_score` has them.
    """

    encoder: JointEncoder
    dense: float = 0.4
    """Weight of the dense score. The three defaults are those of BGE-M3's README
    (`weights_for_different_modes=[0.4, 0.2, 0.4]`); its training code weighs 1, 0.3 and 1."""
    sparse: float = 0.2
    """Weight of the sparse score."""
    multi_vector: float = 0.4
    """Weight of the multi-vector score."""
    precision: Precision = "float32"
    """How token vectors of documents are stored; queries, dense vectors and terms stay float32."""
    documents: Literal["prepared", "mapped", "on_the_fly"] = "prepared"
    """Encode documents beforehand, and keep their token vectors in memory or in memory-mapped files
    below the cache; or encode them when a query brings them."""
    device: inference.Device = "cpu"
    """Where MaxSim runs."""

    def __post_init__(self) -> None:
        """Refuse weights below 0, and no weight at all."""
        weights = (self.dense, self.sparse, self.multi_vector)
        if min(weights) < 0 or sum(weights) == 0:
            raise ValueError("no weight may be below 0, and one must be above")

    def prepare(self, docs: Sequence[Doc]) -> Reranker:
        """A reranker that has the parts of `docs` at hand, unless they are made on the fly."""
        if self.documents == "on_the_fly":
            return self
        return _Prepared(self, _stored(self, docs, mapped=self.documents == "mapped"))

    def score(self, query: str, docs: Sequence[Doc]) -> Sequence[float]:
        """Scores with the documents encoded now."""
        with span("encode_docs"):
            stored = _stored(self, docs)
            found = _fetched(self, stored, docs)
        return _scores(self, query, stored, found)

    def count_tokens(self, query: str, docs: Sequence[Doc]) -> int:
        """Tokens of `docs` that the encoder's model reads; 0 where the encoder cannot count."""
        del query
        if not isinstance(self.encoder, CountsDocTokens):
            return 0
        return sum(self.encoder.count_doc_tokens(list(token_index.places(docs))))


class _Stored(NamedTuple):
    """What is kept of some documents."""

    places: Mapping[str, int]
    """Where a document's text is in the others."""
    dense: NDArray[np.float32]
    terms: TermIndex
    tokens: TokenIndex


class _Fetched(NamedTuple):
    """What is read to score some candidates."""

    places: Sequence[int]
    dense: NDArray[np.float32]
    tokens: Tokens
    """Where MaxSim runs."""


@dataclass(frozen=True)
class _Prepared:
    """A hybrid with the documents' parts already made."""

    system: Hybrid
    stored: _Stored

    def score(self, query: str, docs: Sequence[Doc]) -> Sequence[float]:
        with span("fetch"):
            found = _fetched(self.system, self.stored, docs)
        return _scores(self.system, query, self.stored, found)

    def count_tokens(self, query: str, docs: Sequence[Doc]) -> int:
        """Token vectors of `docs` that are compared."""
        del query
        return self.stored.tokens.count([self.stored.places[doc.text] for doc in docs])

    def footprints(self) -> list[Footprint]:
        """Token vectors and dense ones are counted together; terms add to the bytes alone."""
        _, dense, weighted, tokens = self.stored
        counts = (len(tokens), tokens.vectors + len(dense), tokens.packed.dim)
        size = tokens.payload_bytes + dense.nbytes + weighted.nbytes
        return [Footprint("token vectors", *counts, tokens.precision, size)]


def _stored(system: Hybrid, docs: Sequence[Doc], *, mapped: bool = False) -> _Stored:
    places = token_index.places(docs)
    joint: Joint = system.encoder.encode(list(places), "doc")
    make = token_index.mapped if mapped else token_index.build
    tokens = make(joint.tokens, system.precision)
    return _Stored(places, joint.dense, sparse_index.build(joint.terms), tokens)


def _fetched(system: Hybrid, stored: _Stored, docs: Sequence[Doc]) -> _Fetched:
    places = [stored.places[doc.text] for doc in docs]
    tokens = stored.tokens.fetch(places)
    moved = inference.moved(tokens.vectors, system.device, "MaxSim")
    return _Fetched(places, stored.dense[places], tokens._replace(vectors=moved))


def _scores(system: Hybrid, query: str, stored: _Stored, found: _Fetched) -> list[float]:
    with span("encode_query"):
        dense, (weighted,), (tokens,) = system.encoder.encode([query], "query")
    if not found.places:
        return []
    compare = maxsim if system.device == "cpu" else maxsim_on_device
    with span("score"):
        late = compare(tokens, *found.tokens) / max(len(tokens), 1)
        lexical = stored.terms.scores(weighted, found.places)
        whole = system.dense * (found.dense @ dense[0])
        whole += system.sparse * lexical + system.multi_vector * late
        whole /= system.dense + system.sparse + system.multi_vector
    scores: list[float] = whole.tolist()
    return scores
