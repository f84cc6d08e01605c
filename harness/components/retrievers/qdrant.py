"""Multi-vector search by Qdrant, in this process."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from harness.components.abilities import Footprint
from harness.components.protocols import Searcher, TokenEncoder
from harness.components.retrievers._empty import Nothing
from harness.components.retrievers._token_searcher import TokenSearcher
from harness.components.vectors import indexing
from harness.components.vectors.indexing import Encoded
from harness.data import Doc, Hit, Query
from harness.files import disk, temporary
from harness.ranking import ranked

COLLECTION = "docs"

POINTS_PER_UPSERT = 64

NOT_THE_SERVER = (
    "The Qdrant client in this process is a rewriting of the server in numpy, which compares with "
    "every document: its rankings are those of Qdrant's exact search, its times are not Qdrant's."
)


@dataclass(frozen=True)
class Qdrant:
    """MaxSim over multi-vectors by the Qdrant client's own collection, without a server."""

    needs: ClassVar[tuple[str, ...]] = ("qdrant_client",)

    encoder: TokenEncoder
    documents: Literal["memory", "disk"] = "memory"
    """Keep the collection in memory alone, or in a temporary folder too."""

    def index(self, docs: Sequence[Doc]) -> Searcher:
        """A searcher over a collection of the token vectors of `docs`."""
        from qdrant_client import QdrantClient

        found = indexing.encoded(self.encoder, docs)
        if not found.doc_ids:
            return Nothing()
        folder = temporary.folder() if self.documents == "disk" else None
        client = QdrantClient(path=str(folder)) if folder else QdrantClient(":memory:")
        _fill(client, found)
        return _Index(self, found, client, folder)


def _fill(client: Any, found: Encoded) -> None:
    from qdrant_client import models

    client.create_collection(
        COLLECTION,
        vectors_config=models.VectorParams(
            size=found.dim,
            distance=models.Distance.DOT,
            multivector_config=models.MultiVectorConfig(
                comparator=models.MultiVectorComparator.MAX_SIM
            ),
        ),
    )
    for start in range(0, len(found.matrices), POINTS_PER_UPSERT):
        part = found.matrices[start : start + POINTS_PER_UPSERT]
        points = [
            models.PointStruct(id=place, vector=matrix.tolist())
            for place, matrix in enumerate(part, start)
        ]
        client.upsert(COLLECTION, points)


@dataclass(frozen=True, eq=False)
class _Index(TokenSearcher):
    client: Any
    folder: Path | None

    def __post_init__(self) -> None:
        weakref.finalize(self, _leave, self.client, self.folder)

    def hits(self, query: NDArray[np.float32], depth: int) -> list[Hit]:
        points = self.client.query_points(
            COLLECTION, query=query.tolist(), limit=depth, with_payload=False
        ).points
        return ranked(Hit(self.found.doc_ids[point.id], point.score) for point in points)

    def footprints(self) -> list[Footprint]:
        """Bytes of the folder, or of the vectors in memory."""
        held = 4 * self.found.vectors * self.found.dim
        on_disk = disk.disk_bytes(self.folder) if self.folder else None
        return [self.footprint("float32", on_disk or held, on_disk)]

    def facts(self, queries: Sequence[Query], depth: int) -> Mapping[str, Any]:
        """Whose times these are not."""
        del queries, depth
        return {"notes": [NOT_THE_SERVER]}


def _leave(client: Any, folder: Path | None) -> None:
    client.close()
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
