"""What a component must do. A component is a frozen dataclass whose fields are its configuration.

One class-level fact may stand beside the methods: `needs`, the packages (`name`, or `name>=6`) whose
absence is reported before any work starts. Beyond that a component has no state but its fields.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Literal,
    NamedTuple,
    Protocol,
    runtime_checkable,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.components.datasets._streams import Questions
    from harness.data import Dataset, Doc, Hit, PlacedDoc, Query


SPEED = {"decides": "speed"}
"""Metadata of a field that changes no score, only when it is there: `field(..., metadata=SPEED)`.

It is in the key of what is timed, and not in that of what is scored or encoded."""

PLACE = {"decides": "place"}
"""Metadata of a field that says where something lies or how one gets at it, and decides nothing: what
lies there is in the identity. It is in no key."""

Progress = Callable[[str, int, int], None]
"""Hears the name of the work, how much is done and how much there is."""


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
class StreamedSource(DatasetSource, Protocol):
    """A source whose documents come one after the other, so that they need not fit into memory."""

    def questions(self) -> Questions:
        """The dataset without its documents, and what is to be noted when those go by.

        Raises DataError as `load` does.
        """
        ...

    def stream(self) -> Iterator[PlacedDoc]:
        """The documents, in the same order every time; raises DataError as `load` does.

        Whoever takes them looks at their ids.
        """
        ...

    def documents_key(self) -> Hashable:
        """What is equal for sources of one class whose documents are the same."""
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


Side = Literal["query", "doc"]
"""What a text is to an encoder: many models read queries otherwise than documents."""

Part = Literal["dense", "terms", "tokens"]
"""A kind of what encoders give."""


class Joint(NamedTuple):
    """All parts of some texts, from one pass of a model."""

    dense: NDArray[np.float32]
    terms: Sequence[NDArray[np.float32]]
    tokens: Sequence[NDArray[np.float32]]


class Encoder(ABC):
    """Turns texts into what a score is computed from. A class need not inherit to be one."""

    gives: ClassVar[Part | Literal["joint"]]
    """A part of `Joint`, or all of them: `joint`."""

    @abstractmethod
    def encode(self, texts: Sequence[str], side: Side) -> Any:
        """What `gives` says, of queries or of documents."""

    @classmethod
    def __subclasshook__(cls, other: type) -> bool:
        """Whether a class encodes, and gives what is asked for, alone or jointly."""
        gives = getattr(other, "gives", None)
        wanted = (getattr(cls, "gives", gives), "joint")
        return callable(getattr(other, "encode", None)) and gives in wanted


class DenseEncoder(Encoder):
    """One vector a text: unit vectors, shape (texts, dim)."""

    gives = "dense"


class SparseEncoder(Encoder):
    """For each text a matrix of shape (terms, 2): ids in rising order, weights above 0.

    Lexical search wants such weights. Ids are below 2 ** 24, so that float32 holds them exactly.
    """

    gives = "terms"


class TokenEncoder(Encoder):
    """For each text a matrix of shape (tokens, dim), a unit vector for each token that is compared."""

    gives = "tokens"


class JointEncoder(Encoder):
    """All three as a `Joint`, from one pass; or one of them, where `encode` is given a `part`."""

    gives = "joint"


ENCODERS = (DenseEncoder, SparseEncoder, TokenEncoder, JointEncoder)
"""One of each kind that a component may ask for."""


def encode_part(encoder: Any, part: Part, texts: Sequence[str], side: Side) -> Any:
    """One part of what `encoder` gives; one that gives several makes no other."""
    return encoder.encode(texts, side, *([] if encoder.gives == part else [part]))


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
