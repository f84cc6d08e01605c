"""The nouns that flow between stages. All are frozen: a stage returns new values."""

from __future__ import annotations

import hashlib
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


def doc_ids(docs: Sequence[Doc]) -> Sequence[str]:
    """The ids of `docs`, parallel to them."""
    return [doc.doc_id for doc in docs]


def doc_texts(docs: Sequence[Doc]) -> Sequence[str]:
    """The texts of `docs`, parallel to them."""
    return [doc.text for doc in docs]


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
    """Documents, the queries that have judgements, and the judgements."""

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

    @cached_property
    def docs_by_id(self) -> Mapping[str, Doc]:
        """The documents by their ids."""
        return {doc.doc_id: doc for doc in self.docs}

    @cached_property
    def fingerprint(self) -> str:
        """A hash of every document, query and judgement, independent of where they came from."""
        return digest(
            (f"{kind}\0{first}\0{second}" for kind, first, second in self._facts()),
        )

    def _facts(self) -> Iterable[tuple[str, str, str]]:
        for doc in self.docs:
            yield "doc", doc.doc_id, doc.text
        for query in self.queries:
            yield "query", query.query_id, query.text
        for query_id, judged in self.qrels.items():
            for doc_id, relevance in judged.items():
                yield "qrel", query_id, f"{doc_id}\0{relevance}"


def digest(parts: Iterable[str | bytes]) -> str:
    """SHA-256 over `parts`, each closed by a byte that cannot occur in UTF-8; 64 hex digits."""
    state = hashlib.sha256()
    for part in parts:
        # Half of a surrogate pair stands in texts that others cut, and has no UTF-8.
        state.update(part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part)
        state.update(b"\xff")
    return state.hexdigest()
