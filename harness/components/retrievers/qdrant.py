"""Multi-vector search by Qdrant's own engine, in this process."""

from __future__ import annotations

import shutil
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.components.abilities import Footprint
from harness.components.protocols import Searcher, TokenEncoder
from harness.components.retrievers._empty import Nothing
from harness.components.retrievers._prefetching import (
    EDGES,
    FIRST,
    TOKENS,
    WIDTH,
    Prefetching,
    PrefetchingSearcher,
)
from harness.components.vectors import indexing
from harness.components.vectors.indexing import Encoded
from harness.data import Doc, Hit, Query
from harness.files import disk, temporary
from harness.ranking import ranked

POINTS_PER_UPSERT = 64

NO_SERVER = (
    "Qdrant's engine runs in this process: a server adds the way over the network, and shards "
    "(`use: qdrant_server`)."
)


@dataclass(frozen=True)
class Qdrant(Prefetching):
    """MaxSim by Qdrant's engine: of every document, or of candidates that HNSW finds."""

    needs: ClassVar[tuple[str, ...]] = ("qdrant_edge",)

    encoder: TokenEncoder

    def index(self, docs: Sequence[Doc]) -> Searcher:
        """A searcher over a shard with the vectors of `docs`, in a temporary folder."""
        found = indexing.encoded(self.encoder, docs)
        if not found.doc_ids:
            return Nothing()
        first = self.first_vectors(docs, found)
        folder = temporary.folder()
        began = time.perf_counter()
        shard = _filled(folder, found, first, self.quantization)
        return _Index(self, found, shard, folder, time.perf_counter() - began)


def _filled(
    folder: Path, found: Encoded, first: NDArray[np.float32] | None, quantization: str
) -> Any:
    """A shard of all documents, its graph built by one thread: so it is the same each time."""
    import qdrant_edge as engine

    compressed: Mapping[str, Any] = {
        "none": None,
        "int8": engine.ScalarQuantizationConfig(engine.ScalarType.Int8, always_ram=True),
        "binary": engine.BinaryQuantizationConfig(always_ram=True),
    }
    vectors = {
        TOKENS: engine.EdgeVectorParams(
            found.dim,
            engine.Distance.Dot,
            multivector_config=engine.MultiVectorConfig(engine.MultiVectorComparator.MaxSim),
            quantization_config=compressed[quantization],
            hnsw_config=engine.HnswIndexConfig(0, WIDTH, 0, 1),  # no graph: all are compared
        )
    }
    if first is not None:
        graph = engine.HnswIndexConfig(EDGES, WIDTH, 1, 1)
        vectors[FIRST] = engine.EdgeVectorParams(
            first.shape[1], engine.Distance.Dot, hnsw_config=graph
        )
    optimizers = engine.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=1)
    config = engine.EdgeConfig(vectors=vectors, optimizers=optimizers, wal_enabled=False)
    shard = engine.EdgeShard.create(str(folder), config)
    for points in _points(found, first):
        shard.update(engine.UpdateOperation.upsert_points(points))
    shard.optimize()
    shard.flush()
    return shard


def _points(found: Encoded, first: NDArray[np.float32] | None) -> Iterator[list[Any]]:
    """All documents by their places, some at a time."""
    import qdrant_edge as engine

    for start in range(0, len(found.matrices), POINTS_PER_UPSERT):
        part = enumerate(found.matrices[start : start + POINTS_PER_UPSERT], start)
        yield [
            engine.Point(
                place,
                {TOKENS: matrix.tolist()}
                | ({} if first is None else {FIRST: first[place].tolist()}),
            )
            for place, matrix in part
        ]


@dataclass(frozen=True, eq=False)
class _Index(PrefetchingSearcher):
    shard: Any
    folder: Path
    build_seconds: float

    def __post_init__(self) -> None:
        weakref.finalize(self, _leave, self.shard, self.folder)

    def ask(
        self, query: NDArray[np.float32], depth: int, first: NDArray[np.float32] | None
    ) -> list[Hit]:
        import qdrant_edge as engine

        compressed = engine.QuantizationSearchParams(
            ignore=self.system.quantization == "none", rescore=False
        )
        points = self.shard.query(
            engine.QueryRequest(
                min(depth, len(self.found.doc_ids)),
                query=engine.Query.Nearest(query.tolist(), using=TOKENS),
                prefetches=[] if first is None else [self._near(first)],
                params=engine.SearchParams(quantization=compressed),
            )
        )
        return ranked(Hit(self.found.doc_ids[point.id], point.score) for point in points)

    def _near(self, vector: NDArray[np.float32]) -> Any:
        """Has HNSW find the candidates."""
        import qdrant_edge as engine

        nearest = engine.Query.Nearest(vector.tolist(), using=FIRST)
        params = engine.SearchParams(hnsw_ef=self.system.ef)
        return engine.Prefetch(self.system.candidates, query=nearest, params=params)

    def footprints(self) -> list[Footprint]:
        """Bytes of the vectors that are compared, and of the shard's folder."""
        precision, held = self.bytes_held()
        return [self.footprint(precision, held, disk.disk_bytes(self.folder))]

    def facts(self, queries: Sequence[Query], depth: int) -> Mapping[str, Any]:
        """What building the shard took, and what a server would add."""
        del queries, depth
        return {"index": {"build_seconds": self.build_seconds}, "notes": [NO_SERVER]}


def _leave(shard: Any, folder: Path) -> None:
    shard.close()
    shutil.rmtree(folder, ignore_errors=True)
