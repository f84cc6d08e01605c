"""Multi-vector search by LanceDB, in this process, over a table on disk."""

from __future__ import annotations

import time
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
from harness.components.vectors.indexing import Encoded, Made
from harness.data import Doc, Hit, Query
from harness.files import disk
from harness.ranking import ranked

TABLE, COLUMN = "docs", "vectors"


@dataclass(frozen=True)
class Lancedb:
    """MaxSim over a multi-vector column of LanceDB, which knows it for cosines alone."""

    needs: ClassVar[tuple[str, ...]] = ("lancedb",)

    encoder: TokenEncoder
    method: Literal["flat", "ivf_pq"] = "flat"
    """Compare with every document, or search an index of quantised tokens."""
    num_partitions: int | None = None
    """Of the index; None is LanceDB's choice."""
    num_sub_vectors: int | None = None
    """Of the index, a divisor of the dimension; None is LanceDB's choice."""
    nprobes: int = 20
    """Partitions that are looked at for each token of a query."""
    refine_factor: int = 10
    """Hits of the index, in multiples of the depth, that are scored again by their own vectors:
    without that an index gives no MaxSim, but a sum over the tokens that it happened to find."""

    def __post_init__(self) -> None:
        """Refuse to look at nothing."""
        if self.nprobes < 1 or self.refine_factor < 1:
            raise ValueError("nprobes and refine_factor must be at least 1")

    def index(self, docs: Sequence[Doc]) -> Searcher:
        """A searcher over a table of the token vectors of `docs`, in a temporary folder."""
        found = indexing.encoded(self.encoder, docs)
        if not found.doc_ids:
            return Nothing()
        made = indexing.build_once(
            found.key("lancedb", self.method, self.num_partitions, self.num_sub_vectors),
            lambda folder: self._fill(folder, found),
        )
        return _Index(self, found, made, _database(made.folder).open_table(TABLE))

    def _fill(self, folder: Path, found: Encoded) -> float:
        start = time.perf_counter()
        table = _database(folder).create_table(TABLE, _arrow(found))
        if self.method == "ivf_pq":
            from lancedb.index import IvfPq

            said = {
                "num_partitions": self.num_partitions,
                "num_sub_vectors": self.num_sub_vectors,
            }
            table.create_index(COLUMN, config=IvfPq(distance_type="cosine", **said))
        return time.perf_counter() - start


def _database(folder: Path) -> Any:
    import lancedb

    return lancedb.connect(str(folder))


def _arrow(found: Encoded) -> Any:
    """Places and vectors; an Arrow array of arrays is made without a Python object a number."""
    import pyarrow as pa

    flat = pa.array(found.joined(slice(None)).ravel())
    offsets = np.cumsum([0, *found.lengths]).astype(np.int32)
    vectors = pa.FixedSizeListArray.from_arrays(flat, found.dim)
    column = pa.ListArray.from_arrays(pa.array(offsets), vectors)
    places = pa.array(range(len(found.doc_ids)), pa.int32())
    return pa.table({"place": places, COLUMN: column})


@dataclass(frozen=True)
class _Index(TokenSearcher):
    made: Made
    table: Any

    def hits(self, query: NDArray[np.float32], depth: int) -> list[Hit]:
        """LanceDB's distance is the number of query tokens less MaxSim."""
        asked = self.table.search(query, vector_column_name=COLUMN).distance_type("cosine")
        if self.system.method == "ivf_pq":
            asked = asked.nprobes(self.system.nprobes).refine_factor(self.system.refine_factor)
        rows = asked.select(["place", "_distance"]).limit(depth).to_arrow().to_pydict()
        return ranked(
            Hit(self.found.doc_ids[place], len(query) - distance)
            for place, distance in zip(rows["place"], rows["_distance"], strict=True)
        )

    def footprints(self) -> list[Footprint]:
        """Bytes of the table's folder, its index included."""
        size = disk.disk_bytes(self.made.folder)
        precision = "float32" if self.system.method == "flat" else "float32, ivf_pq"
        return [self.footprint(precision, size, size)]

    def facts(self, queries: Sequence[Query], depth: int) -> Mapping[str, Any]:
        """What building the index took."""
        del queries, depth
        return {"index": {"build_seconds": self.made.seconds}}
