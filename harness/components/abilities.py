"""What a component, a searcher or a prepared reranker can say or do beside its work, where it can."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.data import Doc, Query


@runtime_checkable
class AsksServer(Protocol):
    """A component part of whose work another process does: a server, or a database."""

    @property
    def server(self) -> Any:
        """Which one, or what it says of itself."""
        ...


class Footprint(NamedTuple):
    """What an index, or a part of one, stores of the documents."""

    kind: str
    """Of what: `vectors`, one a document; `token vectors`; `terms`, each with a document's weight."""
    documents: int
    vectors: int
    """Vectors or terms of all documents."""
    dim: int
    """Of a vector; 1 of a term."""
    precision: str
    bytes: int | None
    """Of the vectors or terms alone, or of all of a database's files; None where `unknown` says why."""
    disk_bytes: int | None = None
    """Of the files that the index takes; None where it was not written to any."""
    unknown: str = ""

    @classmethod
    def not_known(cls, why: str) -> Footprint:
        """A part whose bytes nobody can count."""
        return cls("", 0, 0, 0, "", None, unknown=why)


@runtime_checkable
class Stores(Protocol):
    """A searcher or prepared reranker that can say what it stores of the documents."""

    def footprints(self) -> Sequence[Footprint]:
        """Its parts, counted and not estimated; a part that several share comes once."""
        ...


@runtime_checkable
class HasFacts(Protocol):
    """A searcher of which a reader of its numbers must know more than its answers."""

    def facts(self, queries: Sequence[Query], depth: int) -> Mapping[str, Any]:
        """What is kept with the results; `notes` in it are sentences that the report shows.

        `queries` are those that were searched, each for `depth` hits. `ranks` says of
        how many `queries` the ranks that were given run `against` the scores, or are `unsorted`.
        """
        ...


@runtime_checkable
class HasNotes(Protocol):
    """A component of which a reader of its numbers must know more than its fields say."""

    def notes(self) -> Iterable[str]:
        """Sentences that the report shows; loads no model."""
        ...


@runtime_checkable
class Loadable(Protocol):
    """A component whose model takes time to load, so that this can be counted apart."""

    def load(self) -> None:
        """Have the model in memory; the methods load it themselves if this was not called."""
        ...


@runtime_checkable
class Projects(Protocol):
    """A token encoder whose vectors may be a projection of another one's."""

    def body(self) -> Any | None:
        """That other encoder; None where there is none."""
        ...

    def projected(self, matrices: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """The matrices of texts, from those that `body` gives for them."""
        ...


@runtime_checkable
class Tunable(Protocol):
    """A component whose speed depends on how its work is cut into batches."""

    def policies(self) -> Mapping[str, Self]:
        """Variants by name that score alike and differ in speed; one is the component itself."""
        ...


@runtime_checkable
class CountsTokens(Protocol):
    """A reranker that can say how much its model reads."""

    def count_tokens(self, query: str, docs: Sequence[Doc]) -> int:
        """Tokens that the model reads to score `docs`, padding left out."""
        ...


@runtime_checkable
class LimitsLength(Protocol):
    """A component whose model reads only the beginning of a long document or query."""

    def doc_lengths(self, texts: Sequence[str]) -> Sequence[int]:
        """Tokens of each whole text, document or query, however many of them are read."""
        ...

    def room(self, query: str) -> int:
        """The most tokens of a document that are read beside `query`."""
        ...

    def query_room(self, doc_tokens: int) -> int:
        """The most tokens that a query beside a document of so many can have and not be cut."""
        ...


@runtime_checkable
class CountsDocTokens(Protocol):
    """A token encoder that can say, without running its model, what it would read and keep."""

    def count_doc_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens that the model reads of each text."""
        ...

    def count_kept_tokens(self, texts: Sequence[str]) -> list[int]:
        """Vectors that `encode` gives for each text."""
        ...


@runtime_checkable
class ListsTerms(Protocol):
    """A sparse encoder that can say, without running its model, what could get a weight."""

    def doc_terms(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """For each text the ids of its terms, in rising order."""
        ...


@runtime_checkable
class HasAttention(Protocol):
    """A component that can say how its model computes attention."""

    def attention(self) -> str:
        """The implementation's name, such as `sdpa`; loads the model."""
        ...
