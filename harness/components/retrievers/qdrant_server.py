"""Multi-vector search by a Qdrant server."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.components.abilities import Footprint
from harness.components.protocols import PLACE, Searcher, TokenEncoder
from harness.components.retrievers._empty import Nothing
from harness.components.retrievers._prefetching import (
    EDGES,
    FIRST,
    TOKENS,
    WIDTH,
    Prefetching,
    PrefetchingSearcher,
)
from harness.components.servers import joined, qdrant
from harness.components.servers.dialect import Dialect, IndexedValue, Request
from harness.components.servers.joined import AnswerError
from harness.components.servers.served import Server
from harness.components.vectors import indexing
from harness.components.vectors.indexing import Encoded
from harness.data import Doc, Hit, Query, digest
from harness.ranking import ranked

NUMBERS_PER_UPSERT = 2**20
"""In JSON some 20 bytes each; Qdrant refuses requests above 32 MB."""

SMALL_KB = 10
"""Qdrant's least size of vectors from which their graph is searched."""

COMPRESSED: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "int8": {"quantization_config": {"scalar": {"type": "int8", "always_ram": True}}},
    "binary": {"quantization_config": {"binary": {"always_ram": True}}},
}


@dataclass(frozen=True, kw_only=True)
class QdrantServer(Prefetching, Server):
    """MaxSim by a Qdrant server: of every document, or of candidates that HNSW finds.

    Documents are fed into a collection `harness-DIGEST`, named by its content, which stays there for
    the next run; remove it when it is no longer wanted.
    """

    dialects: ClassVar[Mapping[str, Dialect]] = {"qdrant": qdrant.SEARCH}

    dialect: str = "qdrant"
    """There is no other."""
    encoder: TokenEncoder
    ready_s: float = field(default=600.0, metadata=PLACE)
    """For the graph to be built after documents were fed."""

    def __post_init__(self) -> None:
        """Refuse to look at nothing."""
        Server.__post_init__(self)
        Prefetching.__post_init__(self)
        if self.ready_s <= 0:
            raise ValueError("ready_s must be above 0")

    def index(self, docs: Sequence[Doc]) -> Searcher:
        """A searcher over `docs`, fed to the server unless it holds just them."""
        found = indexing.encoded(self.encoder, docs)
        if not found.doc_ids:
            return Nothing()
        first = self.first_vectors(docs, found)
        name = f"harness-{digest(_parts(self, found, first))[:16]}"
        began, client = time.perf_counter(), self.client
        held = qdrant.count(client, name)
        if held != len(found.doc_ids):
            if held is not None:
                qdrant.delete(client, name)
            qdrant.create(client, name, _config(self, found, first))
            for points in _points(found, first):
                qdrant.feed(client, name, points)
        qdrant.settle(client, name, self.ready_s)
        return _Index(replace(self, model=name), found, time.perf_counter() - began)


def _parts(
    system: QdrantServer, found: Encoded, first: NDArray[np.float32] | None
) -> Iterable[str | bytes]:
    """What tells a collection from any other."""
    yield system.quantization
    for matrix in found.matrices:
        yield str(matrix.shape)
        yield np.ascontiguousarray(matrix, dtype=np.float32).tobytes()
    if first is not None:
        yield str(first.shape)
        yield first.tobytes()


def _config(
    system: QdrantServer, found: Encoded, first: NDArray[np.float32] | None
) -> dict[str, Any]:
    """One segment, without a graph over token vectors: all of them are compared."""
    vectors: dict[str, Any] = {
        TOKENS: {
            "size": found.dim,
            "distance": "Dot",
            "multivector_config": {"comparator": "max_sim"},
            "hnsw_config": {"m": 0},
            **COMPRESSED[system.quantization],
        }
    }
    if first is not None:
        graph = {"m": EDGES, "ef_construct": WIDTH, "full_scan_threshold": SMALL_KB}
        vectors[FIRST] = {"size": first.shape[1], "distance": "Dot", "hnsw_config": graph}
    optimizers = {"default_segment_number": 1, "indexing_threshold": 1}
    return {"vectors": vectors, "optimizers_config": optimizers}


def _points(found: Encoded, first: NDArray[np.float32] | None) -> Iterator[list[dict[str, Any]]]:
    """All documents by their places, as many at a time as a request can hold."""
    part: list[dict[str, Any]] = []
    numbers = 0
    for place, matrix in enumerate(found.matrices):
        if part and numbers + matrix.size > NUMBERS_PER_UPSERT:
            yield part
            part, numbers = [], 0
        single = {} if first is None else {FIRST: first[place].tolist()}
        vectors = {TOKENS: matrix.tolist(), **single}
        part.append({"id": place, "vector": vectors, "payload": {"place": place}})
        numbers += matrix.size
    yield part


@dataclass(frozen=True, eq=False)
class _Index(PrefetchingSearcher):
    build_seconds: float

    def ask(
        self, query: NDArray[np.float32], depth: int, first: NDArray[np.float32] | None
    ) -> list[Hit]:
        system: QdrantServer = self.system
        body: dict[str, Any] = {
            "query": {"nearest": query.tolist()},
            "using": TOKENS,
            "limit": min(depth, len(self.found.doc_ids)),
            "params": {"quantization": {"ignore": system.quantization == "none", "rescore": False}},
            "with_payload": True,
        }
        if first is not None:
            near = {
                "query": {"nearest": first.tolist()},
                "using": FIRST,
                "limit": system.candidates,
            }
            body["prefetch"] = [{**near, "params": {"hnsw_ef": system.ef}}]
        return ranked(system.answer(Request(query=body), f"{depth} hits", self._read))

    def _read(self, placed: Iterable[IndexedValue]) -> list[Hit]:
        hits: dict[int, Hit] = {}
        count = len(self.found.doc_ids)
        for place, (score, mark) in placed:
            if type(place) is not int or not 0 <= place < count:
                raise AnswerError(
                    f"it has the document {joined.shown(place)}, and {count} were fed"
                )
            if place in hits:
                raise AnswerError(f"it has the document {place} twice")
            if mark != place:
                raise AnswerError(f"its document {place} bears the mark {joined.shown(mark)}")
            hits[place] = Hit(self.found.doc_ids[place], joined.score(score))
        return list(hits.values())

    def footprints(self) -> list[Footprint]:
        """Bytes of the vectors that are compared, by formula: a server tells none."""
        return [self.footprint(*self.bytes_held())]

    def facts(self, queries: Sequence[Query], depth: int) -> Mapping[str, Any]:
        """What feeding the server took, or looking whether it holds the documents."""
        del queries, depth
        return {"index": {"build_seconds": self.build_seconds}}
