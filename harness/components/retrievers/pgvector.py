"""Search over single vectors in PostgreSQL, by pgvector."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.components.abilities import Footprint
from harness.components.databases import postgres
from harness.components.databases.postgres import Table
from harness.components.protocols import PLACE, DenseEncoder, Searcher, encode_part
from harness.components.retrievers._empty import Nothing
from harness.components.timing import span
from harness.data import Doc, Hit, Query, doc_ids, doc_texts
from harness.errors import ComponentError
from harness.ranking import ranked

SEARCH = (
    "SELECT place, {score} FROM (SELECT place, embedding {operator} %b AS d "
    "FROM {name} ORDER BY d{ties} LIMIT %s) AS nearest"
)

RECALL_QUERIES = 200
"""Queries that are searched exactly too, to see what HNSW misses."""

AS_FAR = 1e-6
"""A document counts as found if it is at least as near, up to rounding, as the last exact one."""


class _Column(NamedTuple):
    """How pgvector stores a vector."""

    type: str
    most: int
    """Dimensions that its HNSW takes."""
    sent: Callable[[NDArray[np.float32]], Any]
    """A vector as it is sent."""


COLUMNS: Mapping[str, _Column] = {
    "float32": _Column("vector", 2000, lambda vector: vector),
    "float16": _Column("halfvec", 4000, lambda vector: _pgvector().HalfVector(vector)),
    "binary": _Column("bit", 64_000, lambda vector: _pgvector().Bit(vector > 0)),
}


class _Distance(NamedTuple):
    operator: str
    operators: str
    score: str
    """The score that a distance `d` means."""


DISTANCES: Mapping[str, _Distance] = {
    "cosine": _Distance("<=>", "{type}_cosine_ops", "1 - d"),
    "inner_product": _Distance("<#>", "{type}_ip_ops", "-d"),
}
HAMMING = _Distance("<~>", "bit_hamming_ops", "1 - 2 * d / {dim}")
"""Of bits: their score is the cosine of vectors of 1 and -1."""


@dataclass(frozen=True)
class Pgvector:
    """Documents by the distance of their vectors to the query's, in PostgreSQL with pgvector.

    A document or query whose vector is zero has no cosine, and there is no hit.
    """

    needs: ClassVar[tuple[str, ...]] = ("psycopg", "pgvector")

    encoder: DenseEncoder
    server: postgres.Server = None
    """`embedded` starts PostgreSQL for this process; else `url_env` says where a server is."""
    url_env: str | None = field(default=None, metadata=PLACE)
    """The environment variable that holds a server's URL, which is neither stored nor logged."""
    method: Literal["exact", "hnsw"] = "exact"
    """Compare with every row, or search an HNSW index, which the planner is made to use."""
    distance: Literal["cosine", "inner_product"] = "cosine"
    """The same for vectors of length 1, as encoders give them unless their settings say otherwise."""
    precision: Literal["float32", "float16", "binary"] = "float32"
    """What is stored of a dimension: 4 bytes, 2 (`halfvec`), or a bit for its sign, which is compared
    by the number of bits that differ, whatever `distance` says."""
    m: int = 16
    """Links of a vector in a layer of the index."""
    ef_construction: int = 64
    """Candidates that are looked at to place a vector."""
    ef_search: int = 100
    """Candidates of a search, and the most hits it gives (pgvector's own default is 40)."""
    keep: bool = field(default=False, metadata=PLACE)
    """Leave the table on the server, so that another run finds it; else it goes with the process."""

    def __post_init__(self) -> None:
        """Refuse what pgvector would refuse after the table is loaded."""
        postgres.check_choice(self.server, self.url_env)
        if not (2 <= self.m <= 100 and 2 * self.m <= self.ef_construction <= 1000):
            raise ValueError("m must be 2 to 100, and ef_construction 2 m to 1000")
        if not 1 <= self.ef_search <= 1000:
            raise ValueError("ef_search must be 1 to 1000")
        if self.keep and self.server == "embedded":
            raise ValueError("nothing is kept of an embedded server: it goes with the process")

    def measured_by(self) -> _Distance:
        """The distance of what is stored."""
        return HAMMING if self.precision == "binary" else DISTANCES[self.distance]

    def identity(self) -> Mapping[str, str]:
        """Which embedded server it is; raises InputError where no server can be meant."""
        return postgres.identity(self.url_env)

    def index(self, docs: Sequence[Doc]) -> Searcher:
        """A searcher over a table of the vectors of `docs`, which is made if it is not there."""
        docs = sorted(docs, key=lambda doc: doc.doc_id)  # ties go to the greater id
        if not docs:
            return Nothing()
        vectors = encode_part(self.encoder, "dense", doc_texts(docs), "doc")
        table = self._table(vectors)
        return _Index(self, doc_ids(docs), vectors.shape[1], table)

    def _table(self, vectors: NDArray[np.float32]) -> Table:
        dim = vectors.shape[1]
        if not np.isfinite(vectors).all():
            raise ComponentError("The encoder gave a vector that is not finite.")
        most = COLUMNS[self.precision].most
        if self.method == "hnsw" and dim > most:
            raise ComponentError(
                f"pgvector's HNSW takes {self.precision} vectors of at most {most} dimensions, and the "
                f"encoder gives {dim}. Say `method: exact`, or use an encoder with fewer."
            )
        indexed = (self.distance, self.m, self.ef_construction) if self.method == "hnsw" else ()
        indexed = (self.precision, *indexed) if self.precision != "float32" else indexed
        found = postgres.table(
            self.url_env,
            ["dense", repr((vectors.shape, indexed)), np.ascontiguousarray(vectors).tobytes()],
            lambda connection, name: self._build(connection, name, vectors),
            keep=self.keep,
        )
        if self.method == "hnsw":  # without these the planner sorts small tables instead
            found.connection.execute("SET enable_sort = off")
            found.connection.execute(f"SET hnsw.ef_search = {self.ef_search}")
        return found

    def _build(self, connection: Any, name: str, vectors: NDArray[np.float32]) -> None:
        dim, (kind, _, sent) = vectors.shape[1], COLUMNS[self.precision]
        connection.execute(f"CREATE TABLE {name} (place int NOT NULL, embedding {kind}({dim}))")
        rows = ((place, sent(vector)) for place, vector in enumerate(vectors))
        postgres.copy_rows(connection, name, ("int4", kind), rows)
        if self.method == "hnsw":
            operators = self.measured_by().operators.format(type=kind)
            connection.execute(
                f"CREATE INDEX ON {name} USING hnsw (embedding {operators})"
                f" WITH (m = {self.m}, ef_construction = {self.ef_construction})"
            )


@dataclass(frozen=True, eq=False)
class _Index:
    system: Pgvector
    doc_ids: Sequence[str]
    """The document of each place of the table, in order of their ids."""
    dim: int
    table: Table

    def search(self, queries: Sequence[Query], depth: int) -> list[list[Hit]]:
        most = min(depth, len(self.doc_ids))
        if self.system.method == "hnsw" and most > self.system.ef_search:
            raise ComponentError(
                f"pgvector's HNSW gives at most ef_search = {self.system.ef_search} hits, and "
                f"{most} are asked for. Raise ef_search (up to 1000), or lower depth.retrieve."
            )
        with span("encode_query"):
            vectors = self._encoded(queries)
        with span("score"), postgres.clear_errors(self.system.url_env):
            return [self._hits(vector, depth, self._statement()) for vector in vectors]

    def _encoded(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        texts = [query.text for query in queries]
        found: NDArray[np.float32] = encode_part(self.system.encoder, "dense", texts, "query")
        return found

    def _hits(self, vector: NDArray[np.float32], depth: int, statement: str) -> list[Hit]:
        sent = COLUMNS[self.system.precision].sent(vector)
        rows = self.table.connection.execute(statement, (sent, depth), prepare=True, binary=True)
        hits = [Hit(self.doc_ids[place], score) for place, score in rows]
        return ranked(hit for hit in hits if hit.score == hit.score)

    def _statement(self, *, exact: bool = False) -> str:
        """Nearest rows first; a second key, by which ties are cut, would put an index aside."""
        operator, _, score = self.system.measured_by()
        ties = ", place DESC" if exact or self.system.method == "exact" else ""
        name = self.table.name
        score = score.format(dim=self.dim)
        return SEARCH.format(name=name, operator=operator, score=score, ties=ties)

    def footprints(self) -> list[Footprint]:
        """Bytes of the table on disk, its index and everything else that PostgreSQL adds included."""
        count, size = len(self.doc_ids), self.table.total_bytes()
        precision = self.system.precision + (", hnsw" if self.system.method == "hnsw" else "")
        return [Footprint("vectors", count, count, self.dim, precision, size, size)]

    def facts(self, queries: Sequence[Query], depth: int) -> Mapping[str, Any]:
        """The server's versions; of HNSW its recall, beside seconds in the database alone."""
        database = {**self.table.versions(), "build_seconds": self.table.seconds}
        if self.system.method == "exact" or not queries:
            return {"database": database}
        with postgres.clear_errors(self.system.url_env):
            compared = self._compared(queries[:RECALL_QUERIES], depth)
        note = (
            f"HNSW (ef_search {self.system.ef_search}) finds {compared['recall']:.1%} of the exact "
            f"first {compared['depth']} ({compared['queries']} queries). In the database alone a "
            f"search takes {compared['median_ms']:.2f} ms at the median, an exact one "
            f"{compared['exact_median_ms']:.2f} ms."
        )
        return {"database": database | compared, "notes": [note]}

    def _compared(self, queries: Sequence[Query], depth: int) -> dict[str, Any]:
        """HNSW and exact search by turns, over the same table."""
        found, seconds, exact_seconds = [], [], []
        for vector in self._encoded(queries):
            start = time.perf_counter()
            hits = self._hits(vector, depth, self._statement())
            seconds.append(time.perf_counter() - start)
            with self.table.connection.transaction():
                self.table.connection.execute("SET LOCAL enable_sort = on")
                self.table.connection.execute("SET LOCAL enable_indexscan = off")
                start = time.perf_counter()
                exact = self._hits(vector, depth, self._statement(exact=True))
                exact_seconds.append(time.perf_counter() - start)
            found.append(_recall(hits, exact))
        return {
            "recall": statistics.fmean(found),
            "depth": min(depth, len(self.doc_ids)),
            "queries": len(found),
            "median_ms": statistics.median(seconds) * 1000,
            "exact_median_ms": statistics.median(exact_seconds) * 1000,
        }


def _pgvector() -> Any:
    import pgvector

    return pgvector


def _recall(hits: Sequence[Hit], exact: Sequence[Hit]) -> float:
    """The share of the exact hits that was found; of ties at the end any will do."""
    if not exact:
        return 1.0
    return sum(hit.score >= exact[-1].score - AS_FAR for hit in hits) / len(exact)
