"""What the models of a stage leave unread of long documents and queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from harness.components.abilities import LimitsLength
from harness.data import Query, Run
from harness.results.derived_rankings import Lengths

Count = Callable[[LimitsLength, Sequence[str]], Sequence[int]]
"""Tokens of each text by the tokenizer of a reader."""


def facts(
    readers: Sequence[LimitsLength],
    docs: Mapping[str, str],
    queries: Sequence[Query],
    run: Run,
    count: Count,
) -> dict[str, Any]:
    """What is kept with a stage: `lengths` of queries and of the hits of `run`, and how many are cut.

    `docs` are the texts of all that the stage reads, by their ids. Of several readers, as a fusion of
    retrievers has them, the one that cuts most; nothing where there is none.
    """
    found = [_lengths(reader, docs, queries, run, count) for reader in readers]
    if not found:
        return {}
    lengths = max(found, key=lambda one: (len(_cut(one)), len(one.cut_queries())))
    hits = {hit.doc_id for some in run.values() for hit in some}
    kept = {doc_id: tokens for doc_id, tokens in lengths.docs.items() if doc_id in hits}
    counts = {
        "documents": len(lengths.docs),
        "documents_cut": len(_cut(lengths)),
        "queries": len(lengths.queries),
        "queries_cut": len(lengths.cut_queries()),
        "room": max(lengths.room.values(), default=0),
        "query_room": min(lengths.query_room.values(), default=0),
    }
    return {"lengths": asdict(replace(lengths, docs=kept)), "read": counts}


def _lengths(
    reader: LimitsLength,
    docs: Mapping[str, str],
    queries: Sequence[Query],
    run: Run,
    count: Count,
) -> Lengths:
    tokens = dict(zip(docs, count(reader, list(docs.values())), strict=True))
    asked = count(reader, [query.text for query in queries])
    longest = {
        query.query_id: max(
            (tokens.get(h.doc_id, 0) for h in run.get(query.query_id, ())), default=0
        )
        for query in queries
    }
    return Lengths(
        docs=tokens,
        room={query.query_id: reader.room(query.text) for query in queries},
        queries={query.query_id: n for query, n in zip(queries, asked, strict=True)},
        query_room={name: reader.query_room(most) for name, most in longest.items()},
    )


def _cut(lengths: Lengths) -> list[str]:
    """The documents that are longer than what is read of them beside any query."""
    room = max(lengths.room.values(), default=0)
    return [doc_id for doc_id, tokens in lengths.docs.items() if tokens > room]
