"""What the models of a stage leave unread of long documents and queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.components.abilities import LimitsLength
from harness.data import Query, Run
from harness.results.derived_rankings import Lengths

Count = Callable[[LimitsLength], NDArray[np.int32]]
"""Tokens of each document that a stage reads, by the tokenizer of a reader."""


class _Read(NamedTuple):
    lengths: Lengths
    documents: int
    cut: int
    """How many are longer than what is read of them beside any query."""


def facts(
    readers: Sequence[LimitsLength],
    hits: Mapping[str, int],
    queries: Sequence[Query],
    run: Run,
    count: Count,
) -> dict[str, Any]:
    """What is kept with a stage: `lengths` of queries and of the hits of `run`, and how many are cut.

    `hits` has, by id, where each hit that is a document stands among all that `count` counts. Of several
    readers, as a fusion of retrievers has them, the one that cuts most; nothing where there is none.
    """
    found = [_read(reader, hits, queries, run, count(reader)) for reader in readers]
    if not found:
        return {}
    most = max(found, key=lambda one: (one.cut, len(one.lengths.cut_queries())))
    lengths = most.lengths
    counts = {
        "documents": most.documents,
        "documents_cut": most.cut,
        "queries": len(lengths.queries),
        "queries_cut": len(lengths.cut_queries()),
        "room": max(lengths.room.values(), default=0),
        "query_room": min(lengths.query_room.values(), default=0),
    }
    return {"lengths": asdict(lengths), "read": counts}


def _read(
    reader: LimitsLength,
    hits: Mapping[str, int],
    queries: Sequence[Query],
    run: Run,
    counted: NDArray[np.int32],
) -> _Read:
    tokens = {doc_id: int(counted[place]) for doc_id, place in hits.items()}
    asked = reader.doc_lengths([query.text for query in queries])
    longest = {
        query.query_id: max(
            (tokens.get(h.doc_id, 0) for h in run.get(query.query_id, ())), default=0
        )
        for query in queries
    }
    lengths = Lengths(
        docs=tokens,
        room={query.query_id: reader.room(query.text) for query in queries},
        queries={query.query_id: n for query, n in zip(queries, asked, strict=True)},
        query_room={name: reader.query_room(most) for name, most in longest.items()},
    )
    room = max(lengths.room.values(), default=0)
    return _Read(lengths, len(counted), int((counted > room).sum()))
