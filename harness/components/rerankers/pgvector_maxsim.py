"""Reranking by MaxSim in SQL: token vectors in PostgreSQL with pgvector, which has no index for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from harness.components.abilities import Footprint
from harness.components.databases import postgres
from harness.components.databases.postgres import Table
from harness.components.protocols import PLACE, Reranker, TokenEncoder, encode_part
from harness.components.timing import span
from harness.components.vectors import token_index
from harness.components.vectors.compression import sliced
from harness.data import Doc

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Rows = Mapping[int, "NDArray[np.float32]"]
"""The token vectors of a document, by its place."""


class _Layout(NamedTuple):
    create: str
    types: tuple[str, str]
    after: str
    """What is done when the rows are there."""
    score: str


MAX_SIM = """
CREATE OR REPLACE FUNCTION {name}_max_sim(document vector[], query vector[])
RETURNS double precision LANGUAGE SQL IMMUTABLE PARALLEL SAFE AS $$
    SELECT sum(best) FROM (
        SELECT max(-(d.vector <#> q.vector)) AS best
        FROM unnest(query) WITH ORDINALITY AS q(vector, token), unnest(document) AS d(vector)
        GROUP BY q.token
    ) AS each_token
$$
"""

LAYOUTS: Mapping[str, _Layout] = {
    "array": _Layout(
        create="CREATE TABLE {name} (place int PRIMARY KEY, vectors vector({dim})[]);"
        # floats do not get smaller by compression: it costs time and gains nothing
        "ALTER TABLE {name} ALTER COLUMN vectors SET STORAGE EXTERNAL;" + MAX_SIM,
        types=("int4", "vector[]"),
        after="",
        score="SELECT place, {name}_max_sim(vectors, %b::vector[])::real FROM {name} "
        "WHERE place = ANY(%b::int[])",
    ),
    "tokens": _Layout(
        create="CREATE TABLE {name} (place int NOT NULL, vector vector({dim}) NOT NULL)",
        types=("int4", "vector"),
        after="CREATE INDEX ON {name} (place)",
        score="SELECT place, sum(best)::real FROM (SELECT d.place, max(-(d.vector <#> q.vector)) AS best "
        "FROM unnest(%b::vector[]) WITH ORDINALITY AS q(vector, token), {name} AS d "
        "WHERE d.place = ANY(%b::int[]) GROUP BY d.place, q.token) AS each_token GROUP BY place",
    ),
}


@dataclass(frozen=True)
class PgvectorMaxsim:
    """MaxSim by SQL over token vectors in PostgreSQL: a column of arrays, or a row a token."""

    needs: ClassVar[tuple[str, ...]] = ("psycopg", "pgvector")

    encoder: TokenEncoder
    layout: Literal["array", "tokens"] = "array"
    """A row a document with a `vector[]` and an SQL function, or a row a token and a join."""
    server: postgres.Server = None
    """`embedded` starts PostgreSQL for this process; else `url_env` says where a server is."""
    url_env: str | None = field(default=None, metadata=PLACE)
    """The environment variable that holds a server's URL, which is neither stored nor logged."""
    dim: int | None = None
    """Keep the first `dim` coordinates, at length 1 again; None: all of them."""
    keep: bool = field(default=False, metadata=PLACE)
    """Leave the table on the server, so that another run finds it; else it goes with the process."""

    def __post_init__(self) -> None:
        """Refuse an unclear server, a dimension below 1, and to keep what cannot be kept."""
        postgres.check_choice(self.server, self.url_env)
        if self.dim is not None and self.dim < 1:
            raise ValueError("dim must be at least 1")
        if self.keep and self.server == "embedded":
            raise ValueError("nothing is kept of an embedded server: it goes with the process")

    def identity(self) -> Mapping[str, str]:
        """Which embedded server it is; raises InputError where no server can be meant."""
        return postgres.identity(self.url_env)

    def prepare(self, docs: Sequence[Doc]) -> Reranker:
        """A reranker that has the vectors of `docs` in a table."""
        import numpy as np

        places, rows = self._encoded(docs)
        if not rows:
            return self._over(places, rows, None)
        content = (np.ascontiguousarray(matrix).tobytes() for matrix in rows.values())
        shapes = [(place, matrix.shape) for place, matrix in rows.items()]
        table = postgres.table(
            self.url_env,
            ["maxsim", repr((self.layout, shapes)), *content],
            lambda connection, name: self._build(connection, name, rows),
            keep=self.keep,
        )
        return self._over(places, rows, table)

    def score(self, query: str, docs: Sequence[Doc]) -> Sequence[float]:
        """Scores with the documents encoded, and put into a table of their own, now."""
        with span("encode_docs"):
            places, rows = self._encoded(docs)
        if not rows:
            return self._over(places, rows, None).score(query, docs)
        with postgres.passing_table(
            self.url_env, lambda connection, name: self._build(connection, name, rows)
        ) as table:
            return self._over(places, rows, table).score(query, docs)

    def _encoded(self, docs: Sequence[Doc]) -> tuple[dict[str, int], Rows]:
        """A place for each distinct text, and the vectors of those that have any."""
        places = token_index.places(docs)
        matrices = enumerate(encode_part(self.encoder, "tokens", list(places), "doc"))
        rows = {p: sliced(matrix, self.dim) for p, matrix in matrices if len(matrix)}
        return places, {place: token_index.finite(matrix) for place, matrix in rows.items()}

    def _build(self, connection: Any, name: str, rows: Rows) -> None:
        layout, dim = LAYOUTS[self.layout], _dim(rows)
        connection.execute(layout.create.format(name=name, dim=dim))
        copied: Iterable[tuple[int, Any]] = ((place, list(m)) for place, m in rows.items())
        if self.layout == "tokens":
            copied = ((place, vector) for place, matrix in rows.items() for vector in matrix)
        postgres.copy_rows(connection, name, layout.types, copied)
        if layout.after:
            connection.execute(layout.after.format(name=name))

    def _over(self, places: Mapping[str, int], rows: Rows, table: Table | None) -> _Prepared:
        size = table.total_bytes() if table else 0
        vectors, precision = sum(map(len, rows.values())), f"float32, {self.layout}"
        kept = Footprint("token vectors", len(rows), vectors, _dim(rows), precision, size, size)
        return _Prepared(self, places, {p: len(m) for p, m in rows.items()}, kept, table)


@dataclass(frozen=True, eq=False)
class _Prepared:
    system: PgvectorMaxsim
    places: Mapping[str, int]
    """Where the table has a document's text, if that has any token."""
    lengths: Mapping[int, int]
    """Vectors of the document at a place."""
    kept: Footprint
    """Its bytes are those of the table on disk, with all that PostgreSQL adds to the vectors."""
    table: Table | None
    """None where no document has a token."""

    def score(self, query: str, docs: Sequence[Doc]) -> Sequence[float]:
        """As `harness.components.vectors.maxsim` has it, documents and queries without tokens included."""
        with span("encode_query"):
            (matrix,) = encode_part(self.system.encoder, "tokens", [query], "query")
        places = [self.places[doc.text] for doc in docs]
        with span("score"), postgres.clear_errors(self.system.url_env):
            found = self._scores(matrix, places) if len(matrix) else {}
        return [found.get(place, -float(len(matrix))) for place in places]

    def _scores(self, matrix: NDArray[np.float32], places: Sequence[int]) -> dict[int, float]:
        if self.table is None:
            return {}
        statement = LAYOUTS[self.system.layout].score.format(name=self.table.name)
        query = list(sliced(matrix, self.system.dim))
        distinct = list(dict.fromkeys(places))
        rows = self.table.connection.execute(
            statement, (query, distinct), prepare=True, binary=True
        )
        return dict(rows)

    def count_tokens(self, query: str, docs: Sequence[Doc]) -> int:
        """Vectors of `docs` that are compared."""
        del query
        return sum(self.lengths.get(self.places[doc.text], 0) for doc in docs)

    def footprints(self) -> list[Footprint]:
        return [self.kept]


def _dim(rows: Rows) -> int:
    return next((matrix.shape[1] for matrix in rows.values()), 0)
