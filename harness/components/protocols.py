"""What a component must do. A component is a frozen dataclass whose fields are its configuration.

One class-level fact may stand beside the methods: `needs`, the packages (`name`, or `name>=6`) whose
absence is reported before any work starts. Beyond that a component has no state but its fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.data import Dataset, Doc, Hit, Query


SPEED = {"decides": "speed"}
"""Metadata of a field that changes no score, only when it is there: `field(..., metadata=SPEED)`.

It is in the key of what is timed, and not in that of what is scored or encoded."""

PLACE = {"decides": "place"}
"""Metadata of a field that says where something lies or how one gets at it, and decides nothing: what
lies there is in the identity. It is in no key."""

Progress = Callable[[str, int, int], None]
"""Told the name of the work, how much is done and how much there is."""


@runtime_checkable
class Identified(Protocol):
    """A component whose answers depend on more than its fields: files, models, packages."""

    def identity(self) -> Mapping[str, str]:
        """Digests or versions of what it depends on, found without loading it.

        Raises InputError where a file or folder is missing.
        """
        ...


@runtime_checkable
class FitsModel(Protocol):
    """A component, or a training, some of whose settings a model may not be able to follow."""

    def misfits(self) -> Mapping[str, str]:
        """By field what is wrong with it, from the model's files; empty where they are not here.

        What the experiment file asks is refused there; `identity` raises ModelError for the rest.
        """
        ...


@runtime_checkable
class DatasetSource(Identified, Protocol):
    """Where a dataset comes from."""

    def label(self) -> str:
        """A short name for tables and folders."""
        ...

    def load(self) -> Dataset:
        """The dataset; raises DataError naming file and line of what is wrong."""
        ...


@runtime_checkable
class HasTraining(DatasetSource, Protocol):
    """A source that has queries to learn from beside those to measure on."""

    def training(self) -> DatasetSource:
        """The source of the training queries, over the same documents.

        Raises DataError where there is no such split.
        """
        ...


@runtime_checkable
class Searcher(Protocol):
    """Answers from an index."""

    def search(self, queries: Sequence[Query], depth: int) -> Sequence[Sequence[Hit]]:
        """At most `depth` hits for each query, in any order, parallel to `queries`.

        Queries come with their ids, so that a run made elsewhere is a searcher like any other.
        """
        ...


@runtime_checkable
class Retriever(Protocol):
    """Makes an index; nothing can be searched before it is indexed."""

    def index(self, docs: Sequence[Doc]) -> Searcher:
        """A searcher over `docs`."""
        ...


@runtime_checkable
class Reranker(Protocol):
    """Scores given candidates."""

    def score(self, query: str, docs: Sequence[Doc]) -> Sequence[float]:
        """One score a document, parallel to `docs`; higher is better."""
        ...


@runtime_checkable
class ScoresTogether(Reranker, Protocol):
    """A reranker that scores the candidates of several queries sooner together than apart."""

    def score_together(
        self, asked: Sequence[tuple[str, Sequence[Doc]]]
    ) -> Sequence[Sequence[float]]:
        """For each query and its documents what `score` gives, but for the rounding of float32."""
        ...


@runtime_checkable
class Preparable(Protocol):
    """A reranker that can do part of its work on the documents before any query comes."""

    def prepare(self, docs: Sequence[Doc]) -> Reranker:
        """A reranker that scores only documents of `docs`."""
        ...


@runtime_checkable
class Encoder(Protocol):
    """One vector a text."""

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, shape (texts, dim)."""
        ...

    def encode_docs(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, shape (texts, dim)."""
        ...


@runtime_checkable
class TokenEncoder(Protocol):
    """One matrix a text, a unit vector for each kept token."""

    def encode_query_tokens(self, texts: Sequence[str]) -> Sequence[NDArray[np.float32]]:
        """For each text a matrix of shape (tokens, dim)."""
        ...

    def encode_doc_tokens(self, texts: Sequence[str]) -> Sequence[NDArray[np.float32]]:
        """For each text a matrix of shape (tokens, dim)."""
        ...


@runtime_checkable
class SparseEncoder(Protocol):
    """A weight for each term of a text, as lexical search wants them, but learned."""

    def encode_query_terms(self, texts: Sequence[str]) -> Sequence[NDArray[np.float32]]:
        """For each text a matrix of shape (terms, 2): ids in rising order, weights above 0.

        Ids are below 2 ** 24, so that float32 holds them exactly.
        """
        ...

    def encode_doc_terms(self, texts: Sequence[str]) -> Sequence[NDArray[np.float32]]:
        """For each text a matrix of shape (terms, 2), as for queries."""
        ...


AnyEncoder = Encoder | TokenEncoder | SparseEncoder


class Joint(NamedTuple):
    """What one pass over some texts gives, each part as its own protocol has it."""

    dense: NDArray[np.float32]
    terms: Sequence[NDArray[np.float32]]
    tokens: Sequence[NDArray[np.float32]]


@runtime_checkable
class JointEncoder(Encoder, SparseEncoder, TokenEncoder, Protocol):
    """An encoder of all three kinds whose parts come from one pass."""

    def encode_queries_jointly(self, texts: Sequence[str]) -> Joint:
        """All parts of queries."""
        ...

    def encode_docs_jointly(self, texts: Sequence[str]) -> Joint:
        """All parts of documents."""
        ...


@runtime_checkable
class Served(Protocol):
    """A component whose model runs on a server; nothing of it need be on this machine."""

    url: str
    """Where the server is."""

    def server(self) -> Mapping[str, Any]:
        """What the server says of itself, and how it is asked; no secrets.

        Raises ComponentError if it serves something else than when the work was planned.
        """
        ...
