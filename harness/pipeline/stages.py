"""One stage at a time: what goes into a component, and the checks on what comes out."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.components import footprints, registry
from harness.components.abilities import Footprint, HasFacts, Loadable
from harness.components.protocols import Preparable, Reranker, Retriever, ScoresTogether
from harness.components.timing import span
from harness.data import Dataset, Doc, Hit, Query, Run, digest
from harness.errors import ComponentError, DataError, TextError
from harness.files import digests, disk, trec
from harness.files.digests import DamagedError
from harness.page.text import counted
from harness.pipeline.rerank_journal import Journal
from harness.ranking import ranked, score_fault
from harness.results.tables import stored_json

NAMED = 3
"""Documents and queries that a message names; of more it gives the number."""


@dataclass(frozen=True)
class StageResult:
    """What a stage gave, and what it took."""

    run: Run
    seconds: float
    stored: Sequence[Footprint]
    """What the stage stores of the documents, part by part."""
    facts: Mapping[str, Any]
    finished: str = field(
        default_factory=lambda: dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    )
    """UTC, ISO 8601."""

    def save(self, folder: Path) -> None:
        """Write it to a new folder."""
        noted = {
            "seconds": self.seconds,
            "finished": self.finished,
            "stored": [part._asdict() for part in self.stored],
            "facts": self.facts,
        }
        with disk.new_folder(folder) as aside:
            (aside / "run.trec.gz").write_bytes(trec.run_bytes(self.run, folder.name))
            (aside / "stage.json").write_text(json.dumps(noted), encoding="utf-8")
            digests.seal(aside)

    @classmethod
    def load(cls, folder: Path) -> StageResult:
        """Read what `save` wrote; raises DamagedError if that is not what is there.

        Raises StoreError where that cannot be known.
        """
        digests.check(folder)
        noted = stored_json(folder / "stage.json")
        try:
            stored = [Footprint(**part) for part in noted.pop("stored")]
            return cls(run=trec.read_run(folder / "run.trec.gz"), stored=stored, **noted)
        except (KeyError, TypeError) as error:
            raise DamagedError(folder, f"is of another version of the harness: {error}") from error


def load(component: Any) -> None:
    """Load the models of a component, with the time counted as loading."""
    with span("load"):
        for part in registry.parts(component):
            if isinstance(part, Loadable):
                part.load()


def retrieve(retriever: Retriever, dataset: Dataset, depth: int) -> StageResult:
    """The first `depth` hits of every query, self-hits dropped before the cut.

    Raises ComponentError for a wrong number of answers, a repeated document or a score that is
    not finite.
    """
    start = time.perf_counter()
    load(retriever)
    with span("search"):
        searcher = retriever.index(dataset.docs)
        found = searcher.search(dataset.queries, depth + dataset.drop_self_hits)
    if len(found) != len(dataset.queries):
        raise ComponentError(
            f"The retriever answered {len(found)} of {counted(len(dataset.queries), 'query', 'queries')}."
        )
    run = {
        query.query_id: cut(query, hits, depth, dataset.drop_self_hits)
        for query, hits in zip(dataset.queries, found, strict=True)
    }
    seconds = time.perf_counter() - start
    known = dataset.known(doc_ids(run))
    facts: dict[str, Any] = {
        "queries_without_hits": sum(not hits for hits in run.values()),
        "hits_not_in_corpus": sum(hit.doc_id not in known for hits in run.values() for hit in hits),
        "own_document_first": sum(
            hits[0].doc_id == query_id and dataset.qrels[query_id].get(query_id, 0) < 1
            for query_id, hits in run.items()
            if hits and query_id in dataset.qrels
        ),
    }
    if isinstance(searcher, HasFacts):
        with span("measure"):
            facts |= searcher.facts(dataset.queries, depth)
    return StageResult(run, seconds, footprints.stored_by(searcher), facts)


def cut(query: Query, hits: Sequence[Hit], depth: int, drop_self: bool) -> list[Hit]:
    """The best `depth` hits of a query, ranked; the query itself may have to be left out.

    Raises ComponentError for a repeated document or a score that is not finite.
    """
    kept = [hit for hit in hits if not (drop_self and hit.doc_id == query.query_id)]
    if len({hit.doc_id for hit in kept}) < len(kept):
        raise ComponentError(f"The retriever gave a document twice for query {query.query_id!r}.")
    try:
        return ranked(kept)[:depth]
    except ComponentError as error:
        raise ComponentError(f"For query {query.query_id!r} {error}.") from error


class Asked(NamedTuple):
    """What a reranker is asked about every query of a dataset."""

    candidates: Run
    docs: Mapping[str, Doc]
    """The documents that are scored for any query, by id."""
    depth: int

    def of(self, query: Query) -> list[Doc]:
        """The candidates of a query that are scored."""
        return [self.docs[hit.doc_id] for hit in self.candidates[query.query_id][: self.depth]]

    def pairs(self, query: Query) -> int:
        """How many candidates of a query are scored."""
        return min(len(self.candidates[query.query_id]), self.depth)


def asked(candidates: Run, dataset: Dataset, depth: int) -> Asked:
    """The first `depth` candidates of every query.

    Raises DataError for a candidate that the dataset lacks.
    """
    # A run file has no line for a query without hits.
    candidates = {query.query_id: candidates.get(query.query_id, ()) for query in dataset.queries}
    return Asked(candidates, _docs(dataset, candidates, depth), depth)


def score(
    reranker: Reranker,
    about: Asked,
    queries: Sequence[Query],
    journal: Journal,
    progress: Callable[[int, int], None],
) -> Reranker:
    """Have the scores of these queries in the journal; gives what scored them.

    `progress` is called with the pairs done and those of all.
    Raises ComponentError for a wrong number of scores or one that is not finite.
    """
    if any(query.query_id not in journal.scores for query in queries):
        load(reranker)
    scorer = reranker
    if isinstance(reranker, Preparable):
        with span("search"):
            scorer = reranker.prepare(list(about.docs.values()))
    pairs = {one.query_id: about.pairs(one) for one in queries}
    ahead = [query for query in queries if query.query_id not in journal.scores]
    total = sum(pairs.values())
    done = total - sum(pairs[query.query_id] for query in ahead)
    progress(done, total)
    for query in ahead:
        with span("model"):
            found = scores(scorer, query, about.of(query))
        journal.add(query.query_id, found)
        done += pairs[query.query_id]
        progress(done, total)
    return scorer


def rerank(
    reranker: Reranker,
    candidates: Run,
    dataset: Dataset,
    depth: int,
    journal: Journal,
    progress: Callable[[int, int], None],
) -> StageResult:
    """The first `depth` candidates of every query by their scores, the others below them.

    Raises DataError for a candidate that the dataset lacks, ComponentError for a wrong number of
    scores or one that is not finite.
    """
    start = time.perf_counter()
    about = asked(candidates, dataset, depth)
    scorer = score(reranker, about, dataset.queries, journal, progress)
    run = {
        query_id: _reranked(hits, journal.scores[query_id], depth)
        for query_id, hits in about.candidates.items()
    }
    seconds = time.perf_counter() - start + journal.seconds_before
    stored = [] if scorer is reranker else footprints.stored_by(scorer)
    facts = {"candidates_sha256": order_digest(about.candidates, depth)}
    return StageResult(run, seconds, stored, facts)


def named(error: TextError, dataset: Dataset) -> ComponentError:
    """The error with the ids of the documents and queries whose texts are to blame."""
    sent = dict.fromkeys(blamed.strip() for blamed in error.texts)
    found = [name for blamed in sent for name in _owners(blamed, _named_texts(dataset))]
    more = f" and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
    said = f" It is the text of {', '.join(found[:NAMED])}{more}." if found else ""
    return ComponentError(f"{error}{said}")


def _named_texts(dataset: Dataset) -> Iterator[tuple[str, str]]:
    for doc in dataset.docs:
        yield f"document {doc.doc_id!r}", doc.text.strip()
    for query in dataset.queries:
        yield f"query {query.query_id!r}", query.text.strip()


def _owners(sent: str, texts: Iterable[tuple[str, str]]) -> list[str]:
    """The names of the longest texts that end what was sent: a prompt may stand before them."""
    ends = [(name, text) for name, text in texts if sent.endswith(text)]
    most = max((len(text) for _, text in ends), default=0)
    return [name for name, text in ends if len(text) == most and bool(text) == bool(sent)]


def doc_ids(run: Run) -> set[str]:
    """The documents of a run."""
    return {hit.doc_id for hits in run.values() for hit in hits}


def _docs(dataset: Dataset, candidates: Run, depth: int) -> dict[str, Doc]:
    """The first `depth` documents of every query by id, in the order in which they come."""
    wanted = dict.fromkeys(hit.doc_id for hits in candidates.values() for hit in hits[:depth])
    found = dataset.found(wanted)
    if len(found) < len(wanted):
        lost = next(doc_id for doc_id in wanted if doc_id not in found)
        raise DataError(
            f"A candidate is the document {lost!r}, which {dataset.name!r} does not have, "
            "so that it cannot be reranked: the run belongs to another version of the dataset."
        )
    return found


def scores(reranker: Reranker, query: Query, docs: Sequence[Doc]) -> list[float]:
    """The reranker's scores as float32 values.

    Raises ComponentError for a wrong number of scores or one that is not finite.
    """
    return _checked(reranker.score(query.text, docs), query, docs) if docs else []


def scores_together(
    reranker: ScoresTogether, asked: Sequence[tuple[Query, Sequence[Doc]]]
) -> list[list[float]]:
    """For each query and its documents what `scores` gives, by one call of the reranker.

    Raises ComponentError if that of any query is to be refused.
    """
    found = reranker.score_together([(query.text, docs) for query, docs in asked])
    if len(found) != len(asked):
        raise ComponentError(
            f"The reranker answered {len(found)} of {counted(len(asked), 'query', 'queries')}."
        )
    return [_checked(given, query, docs) for given, (query, docs) in zip(found, asked, strict=True)]


def _checked(given: Sequence[float], query: Query, docs: Sequence[Doc]) -> list[float]:
    found = [float(score) for score in given]
    if len(found) != len(docs):
        raise ComponentError(
            f"The reranker gave {counted(len(found), 'score')} for the {counted(len(docs), 'candidate')} of query "
            f"{query.query_id!r}."
        )
    for score, doc in zip(found, docs, strict=True):
        if why := score_fault(score) or _least(score):
            raise ComponentError(
                f"The reranker gave document {doc.doc_id!r} for query {query.query_id!r} a score "
                f"that {why}."
            )
    return [float(np.float32(score)) for score in found]


def _least(score: float) -> str | None:
    if np.float32(score) > np.finfo(np.float32).min:
        return None
    return "leaves nothing below it for documents that are not reranked"


def _reranked(hits: Sequence[Hit], scores: Sequence[float], depth: int) -> list[Hit]:
    """The scored hits in their new order; the rest keep theirs, just below the lowest score."""
    head = ranked(Hit(hit.doc_id, s) for hit, s in zip(hits[:depth], scores, strict=True))
    floor = np.float32(head[-1].score if head else 0)
    tail = []
    for hit in hits[depth:]:
        floor = np.nextafter(floor, np.float32(-np.inf))
        tail.append(Hit(hit.doc_id, float(floor)))
    return head + tail


def order_digest(candidates: Run, depth: int) -> str:
    """A hash of which documents were reranked for which query, in which order."""
    return digest(
        f"{query_id}\0{hit.doc_id}"
        for query_id in sorted(candidates)
        for hit in candidates[query_id][:depth]
    )
