"""The nouns that flow between stages. All are frozen: a stage returns new values."""

from __future__ import annotations

import hashlib
import re
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, get_args

Mode = Literal["retrieve", "rerank", "precomputed", "on the fly"]
"""What a system is timed at: the last two are late interaction, whose documents may be encoded before."""

MODES: tuple[Mode, ...] = get_args(Mode)
"""In the order in which they are shown."""


class Doc(NamedTuple):
    """A retrievable text; `text` is title + " " + text where the source has a title."""

    doc_id: str
    text: str


PlacedDoc = tuple[str, Doc]
"""A document with the place where it stands in its source, such as `corpus.jsonl:7`."""


class Columns(Sequence[Doc]):
    """Documents that are no objects: their ids and texts are had apart, and they are found by id."""

    @property
    @abstractmethod
    def ids(self) -> Sequence[str]:
        """Their ids."""

    @property
    @abstractmethod
    def texts(self) -> Sequence[str]:
        """Their texts, read as they are asked for."""

    @abstractmethod
    def places(self, doc_ids: Sequence[str]) -> list[int]:
        """Where each of these documents stands; -1 for one that is not there."""

    @abstractmethod
    def take(self, places: Iterable[int]) -> list[Doc]:
        """The documents at `places`."""


def doc_ids(docs: Sequence[Doc]) -> Sequence[str]:
    """The ids of `docs`, parallel to them."""
    return docs.ids if isinstance(docs, Columns) else [doc.doc_id for doc in docs]


def doc_texts(docs: Sequence[Doc]) -> Sequence[str]:
    """The texts of `docs`, parallel to them."""
    return docs.texts if isinstance(docs, Columns) else [doc.text for doc in docs]


def docs_at(docs: Sequence[Doc], places: Iterable[int]) -> list[Doc]:
    """The documents at `places`; those that lie in a file are read together."""
    return docs.take(places) if isinstance(docs, Columns) else [docs[place] for place in places]


class Query(NamedTuple):
    """What is searched for."""

    query_id: str
    text: str


class Hit(NamedTuple):
    """One document of a search, with the score that placed it there."""

    doc_id: str
    score: float


Run = Mapping[str, Sequence[Hit]]
"""Ranked hits per query id; the first hit has rank 1."""

Qrels = Mapping[str, Mapping[str, int]]
"""Relevance per query id and doc id; 0 is judged and not relevant, absent is unjudged."""


@dataclass(frozen=True)
class Dataset:
    """Documents, the queries that have judgements, and the judgements; or all queries and none."""

    name: str
    docs: Sequence[Doc]
    queries: Sequence[Query]
    qrels: Qrels
    description: str = ""
    """What the collection is and what it is not, for the report."""
    notes: Sequence[str] = ()
    """What a reader of its numbers must know: subset labels, counts of what was left out."""
    drop_self_hits: bool = False
    """Hits whose doc id is the query's own id are dropped before the cut (ArguAna, Quora)."""

    def places_by_id(self, doc_ids: Iterable[str]) -> dict[str, int]:
        """Where in `docs` the documents of these ids stand; without those that are not there."""
        if isinstance(self.docs, Columns):
            names = list(dict.fromkeys(doc_ids))
            found = zip(names, self.docs.places(names), strict=True)
            return {name: place for name, place in found if place >= 0}
        known = self._places
        return {name: known[name] for name in doc_ids if name in known}

    def known(self, doc_ids: Iterable[str]) -> set[str]:
        """Those of `doc_ids` that are documents."""
        return set(self.places_by_id(doc_ids))

    def found(self, doc_ids: Iterable[str]) -> dict[str, Doc]:
        """The documents of these ids by id, in their order; those that are not there are left out.

        Ask for many at once: finding and reading them together is sooner done.
        """
        there = self.places_by_id(doc_ids)
        return dict(zip(there, docs_at(self.docs, there.values()), strict=True))

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {doc.doc_id: place for place, doc in enumerate(self.docs)}

    @cached_property
    def fingerprint(self) -> str:
        """A hash of every document, query and judgement, independent of where they came from."""
        found = Fingerprint()
        found.add(self.docs)
        return found.value(self.queries, self.qrels)


class Fingerprint:
    """The fingerprint of a dataset whose documents come one after the other."""

    def __init__(self) -> None:
        self._state = hashlib.sha256()

    def add(self, docs: Iterable[Doc]) -> None:
        """Take in the next documents."""
        for doc_id, text in docs:
            _add(self._state, f"doc\0{doc_id}\0{text}")

    def value(self, queries: Iterable[Query], qrels: Qrels) -> str:
        """The hash of all documents, and of these queries and judgements."""
        for query_id, text in queries:
            _add(self._state, f"query\0{query_id}\0{text}")
        for query_id, judged in qrels.items():
            for doc_id, relevance in judged.items():
                _add(self._state, f"qrel\0{query_id}\0{doc_id}\0{relevance}")
        return self._state.hexdigest()


def words(text: str) -> list[str]:
    """Its words in lower case, without punctuation."""
    return re.findall(r"\w+", text.casefold())


def digest(parts: Iterable[str | bytes]) -> str:
    """SHA-256 over `parts`, each closed by a byte that cannot occur in UTF-8; 64 hex digits."""
    state = hashlib.sha256()
    for part in parts:
        _add(state, part)
    return state.hexdigest()


def _add(state: hashlib._Hash, part: str | bytes) -> None:
    # Half of a surrogate pair stands in texts that others cut, and has no UTF-8.
    state.update(part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part)
    state.update(b"\xff")
