"""Documents that go by one after the other, and what of them is looked at meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import NamedTuple

import numpy as np

from harness.components.datasets._qrels import Placed
from harness.components.protocols import StreamedSource
from harness.data import Dataset, Doc, PlacedDoc, Query
from harness.errors import DataError
from harness.files import ids
from harness.files.stored_docs import BLOCK, Numbers, hashes
from harness.page.text import counted

NO_QRELS = "none"
"""What stands in the place of a file of judgements where there are none."""

UNJUDGED = "Nothing is judged (`qrels: none`): all queries count, and quality is not measured."

SELF_HITS_FROM = 0.1
"""Share of the queries that are documents, above which that is said."""


class Block(NamedTuple):
    """Some documents in a row."""

    docs: Sequence[Doc]
    hashes: Numbers
    """Of their ids."""


def blocks(documents: Callable[[], Iterable[PlacedDoc]], label: str) -> Iterator[Block]:
    """The documents, of which only a block and 8 bytes an id are in memory.

    Raises DataError, naming the place of what is wrong, for an id that cannot be one, and, when all
    have gone by, for one that occurs a second time: `documents` is then called again to find it.
    So it does where there are none; `label` is the dataset's.
    """
    seen: list[Numbers] = []
    coming = iter(documents())
    while placed := list(islice(coming, BLOCK)):
        found = hashes([ids.checked(place, doc.doc_id) for place, doc in placed])
        seen.append(found)
        yield Block([doc for _, doc in placed], found)
    if not seen:
        raise DataError(f"The dataset {label!r} has no documents.")
    ordered = np.sort(np.concatenate(seen))
    alike = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
    if alike:
        _refuse_repeated(documents(), alike)


def _refuse_repeated(documents: Iterable[PlacedDoc], alike: set[int]) -> None:
    """Raise DataError for the second of two equal ids, whose hash is in `alike`."""
    seen: set[str] = set()
    for place, (name, _) in documents:
        if int(hashes([name])[0]) not in alike:
            continue
        if name in seen:
            raise DataError(f"{place}: the id {name!r} occurs a second time.")
        seen.add(name)


@dataclass
class Questions:
    """The queries and judgements of a dataset, and how they fit its documents as those go by."""

    dataset: Dataset
    """All but the documents."""
    qrels_name: str
    """Of the judgements, for messages."""
    left_out: int
    """Queries without a judgement."""
    _judged: frozenset[str] = frozenset()
    _there: set[str] = field(default_factory=set)
    """The judged documents that went by."""
    _first: list[str] = field(default_factory=list)
    """Ids from the beginning of the corpus."""
    _own: list[str] = field(default_factory=list)
    """Queries that are documents under their own ids, which is no accident of numbering."""
    _queries: Mapping[str, Query] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Note what is looked for."""
        judgements = self.dataset.qrels.values()
        self._judged = frozenset(doc_id for judged in judgements for doc_id in judged)
        self._queries = {query.query_id: query for query in self.dataset.queries}

    def see(self, docs: Sequence[Doc]) -> None:
        """Look at the next documents."""
        names = [doc.doc_id for doc in docs]
        self._there |= self._judged.intersection(names)
        self._first += names[: ids.LOOKED_AT - len(self._first)]
        if not self.dataset.drop_self_hits:
            self._own += [doc.doc_id for doc in docs if self._finds_itself(doc)]

    def _finds_itself(self, doc: Doc) -> bool:
        query = self._queries.get(doc.doc_id)
        if query is None or self.dataset.qrels.get(query.query_id, {}).get(doc.doc_id, 0) > 0:
            return False
        words = _words(query.text)
        return bool(words) and words in _words(doc.text)

    def over(self, docs: Sequence[Doc]) -> Dataset:
        """The dataset of the documents that went by.

        Raises DataError if there were (nearly) none of those that are judged.
        """
        return replace(self.dataset, docs=docs, notes=tuple(self._notes()))

    def _notes(self) -> Iterator[str]:
        dataset = self.dataset
        if self.left_out:
            total = counted(self.left_out + len(dataset.queries), "query", "queries")
            yield f"Left out without a judgement: {self.left_out} of {total}."
        if not dataset.qrels:
            yield UNJUDGED
        yield from self._unknown_docs()
        if len(self._own) > len(dataset.queries) * SELF_HITS_FROM:
            yield (
                f"{len(self._own)} of {len(dataset.queries)} queries are documents of the corpus "
                f"under the same id, such as {self._own[0]!r}, and each will find itself first: say "
                "`drop_self_hits: true` so that such hits are dropped."
            )
        empty = sum(1 for judged in dataset.qrels.values() if max(judged.values()) < 1)
        if empty:
            many = "queries have no relevant document and count"
            some = counted(empty, "query has no relevant document and counts", many)
            yield f"{some} 0 in every mean."

    def _unknown_docs(self) -> Iterator[str]:
        judged = [doc_id for judged in self.dataset.qrels.values() for doc_id in judged]
        unknown = [doc_id for doc_id in judged if doc_id not in self._there]
        if not unknown:
            return
        near = ids.alike(unknown, self._first)
        if ids.unrelated(judged, self._there):
            why = near or f"the corpus has ids such as {self._first[0]!r}"
            raise DataError(
                f"{self.qrels_name} is of another corpus: it has none, or next to none, of the "
                f"{len(self._judged):,} judged documents, such as {unknown[0]!r}: {why}. Write the ids "
                "of both alike, or name the corpus that was judged."
            )
        hint = f" ({near})" if near else ""
        of = "are of documents" if len(unknown) > 1 else "is of a document"
        yield (
            f"{len(unknown)} of {counted(len(judged), 'judgement')} {of} that the corpus lacks{hint}; "
            "they are kept, since they belong to the ideal ranking."
        )


def asked(
    source: StreamedSource,
    queries: Sequence[Query],
    judgements: Iterable[Placed],
    qrels_name: str,
    drop_self_hits: bool,
) -> Questions:
    """The judged queries of a source; `judgements` come with the place where each stands.

    Raises DataError for a judgement of an unknown query, one that contradicts another, or if no
    judged query is left.
    """
    label, known = source.label(), {query.query_id for query in queries}
    qrels: dict[str, dict[str, int]] = {}
    for place, (query_id, doc_id, relevance) in judgements:
        if query_id not in known:
            raise DataError(f"{place}: {_unknown_query(query_id, known, source)}")
        judged = qrels.setdefault(query_id, {})
        if judged.setdefault(doc_id, relevance) != relevance:
            raise DataError(
                f"{place}: query {query_id!r} and document {doc_id!r} were judged "
                f"{judged[doc_id]} before and {relevance} here."
            )
    found = [query for query in queries if query.query_id in qrels]
    if not found:
        raise DataError(f"No query of the dataset {label!r} has a judgement in {qrels_name}.")
    dataset = Dataset(label, (), found, qrels, drop_self_hits=drop_self_hits)
    return Questions(dataset, qrels_name, len(queries) - len(found))


def unjudged(
    source: StreamedSource, queries: Sequence[Query], *, drop_self_hits: bool
) -> Questions:
    """All queries of a source that has no judgements; raises DataError where there is none."""
    if not queries:
        raise DataError(f"The dataset {source.label()!r} has no queries.")
    return Questions(Dataset(source.label(), (), queries, {}, drop_self_hits=drop_self_hits), "", 0)


def _unknown_query(query_id: str, known: set[str], source: StreamedSource) -> str:
    wrong = f"the query {query_id!r} is judged but not among the queries"
    if any(doc.doc_id == query_id for _, doc in source.stream()):
        return f"{wrong}; a document has this id: are the columns in another order?"
    near = ids.alike([query_id], known)
    return f"{wrong}: {near}." if near else f"{wrong}."


def in_memory(source: StreamedSource) -> Dataset:
    """The dataset with its documents in a list; raises DataError for what is wrong with it."""
    questions = source.questions()
    docs: list[Doc] = []
    for block in blocks(source.stream, source.label()):
        questions.see(block.docs)
        docs += block.docs
    return questions.over(docs)


def _words(text: str) -> str:
    return " ".join(text.casefold().split())
