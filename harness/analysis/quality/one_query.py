"""One query side by side: what each system ranked, with scores, judgements and what was cut."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from harness.analysis.judgments.journal import journal_of
from harness.errors import DataError
from harness.files.wrong_values import did_you_mean
from harness.results.store import Results

RANKED = ("doc_id", "relevance", "system", "rank", "score", "truncated")
"""One row a document and system that ranked it; `relevance` is NaN where nobody judged it, `score`
NaN below the documents that the system's reranker scored, `truncated` whether the system's last model
read only part of the document (None where that is not known, or it read none of it)."""


@dataclass(frozen=True)
class Why:
    """What is known of one query on one dataset."""

    dataset: str
    query_id: str
    text: str
    metrics: pd.DataFrame
    """By system the query's metrics; no column where nothing of the dataset is judged."""
    ranked: pd.DataFrame
    """Columns RANKED, in the order of the systems and their ranks."""
    judged: Mapping[str, int]
    judges: Mapping[str, str]
    """By document who gave its judgment, with which grade, where there is a journal of judgments."""
    unread: Sequence[str]
    """The systems whose last model read only the beginning of the query."""
    texts: Mapping[str, str]
    """Beginnings of documents, as far as they were kept."""


def why(
    results: Results, query_id: str, dataset: str | None = None, systems: Sequence[str] = ()
) -> Why:
    """The query's rankings in `systems` (all by default).

    Raises DataError for a query, dataset or system that the results do not have, and for a query
    of several datasets where none is named.
    """
    ranked = _ranked(results)
    found = ranked[ranked["query_id"] == query_id]
    names = list(dict.fromkeys(found["dataset"]))
    if dataset is None and len(names) > 1:
        raise DataError(
            f"Query {query_id!r} stands in {', '.join(map(str, names))}: name one by --dataset."
        )
    chosen = found[found["dataset"] == (dataset or names[0])] if names else found
    if chosen.empty:
        raise DataError(_unknown(ranked, query_id, dataset))
    place = str(chosen["dataset"].iloc[0])
    known = [str(name) for name in dict.fromkeys(chosen["system"])]
    for name in systems:
        if name not in known:
            raise DataError(f"No system {name!r} has results{did_you_mean(name, known)}.")
    wanted = list(systems) or known
    state = journal_of(results, place).state
    given = {doc_id: grade for (name, doc_id), grade in state.grades.items() if name == query_id}
    judged = results.qrels(place, wanted[0]).get(query_id, {}) or given
    parts = [_of_system(results, place, name, query_id, judged) for name in wanted]
    table = pd.concat(parts, ignore_index=True)[list(RANKED)]
    shown = [f"query {query_id}", *(f"doc {doc_id}" for doc_id in {*table["doc_id"], *judged})]
    texts = {
        key: text for name in wanted for key, text in results.texts(place, name, shown).items()
    }
    lengths = {name: results.lengths(place, name) for name in wanted}
    measured = results.measurements
    values = measured[(measured["query_id"] == query_id) & (measured["dataset"] == place)]
    by_metric = values.pivot_table(index="system", columns="metric", values="value", sort=False)
    return Why(
        dataset=place,
        query_id=query_id,
        text=texts.get(f"query {query_id}", ""),
        metrics=by_metric.reindex(wanted),
        ranked=table,
        judged=judged,
        judges={
            doc_id: ", ".join(state.judged_by((query_id, doc_id)))
            for doc_id, grade in judged.items()
            if given.get(doc_id) == grade
        },
        unread=[name for name, own in lengths.items() if own and query_id in own.cut_queries()],
        texts={key.removeprefix("doc "): text for key, text in texts.items() if key[:4] == "doc "},
    )


def _ranked(results: Results) -> pd.DataFrame:
    """Columns dataset, system and query_id: what was measured, and what was ranked without judgments."""
    columns = ["dataset", "system", "query_id"]
    rows = [
        (dataset, system, query_id)
        for dataset, system in results.facts
        if dataset in results.unjudged
        for query_id in results.run(dataset, system)
    ]
    measured = results.measurements[columns].drop_duplicates().astype(str)
    return pd.concat([measured, pd.DataFrame(rows, columns=columns)], ignore_index=True)


def _unknown(ranked: pd.DataFrame, query_id: str, dataset: str | None) -> str:
    datasets = list(map(str, dict.fromkeys(ranked["dataset"])))
    if dataset is not None and dataset not in datasets:
        return f"There are no results on a dataset {dataset!r}{did_you_mean(dataset, datasets)}."
    queries = list(map(str, dict.fromkeys(ranked["query_id"])))
    where = f" on {dataset!r}" if dataset else ""
    if not queries:
        return "There are no results of any query: `python -m harness run FILE` makes them."
    return (
        f"No query {query_id!r} has results{where}{did_you_mean(query_id, queries)}. "
        f"{len(queries):,} have, such as {queries[0]!r}."
    )


def _of_system(
    results: Results, dataset: str, system: str, query_id: str, judged: Mapping[str, int]
) -> pd.DataFrame:
    hits = results.run(dataset, system).get(query_id, ())
    made_by = results.facts[dataset, system]["system"]
    scored = made_by["depth"]["rerank"] if made_by["reranker"] else len(hits)
    lengths = results.lengths(dataset, system)
    known = lengths.docs if lengths is not None and query_id in lengths.room else {}
    rows = [
        (
            hit.doc_id,
            judged.get(hit.doc_id),
            system,
            rank,
            hit.score if rank <= scored else math.nan,
            lengths.truncated(query_id, hit.doc_id)
            if lengths is not None and rank <= scored and hit.doc_id in known
            else None,
        )
        for rank, hit in enumerate(hits, start=1)
    ]
    return pd.DataFrame(rows, columns=list(RANKED)).astype({"relevance": float})
