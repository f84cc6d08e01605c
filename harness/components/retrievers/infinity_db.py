"""Search by the database Infinity, in this process: words, vectors, token vectors, or all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from harness.components.abilities import Footprint
from harness.components.databases import infinity_db
from harness.components.databases.infinity_db import Table, Words
from harness.components.protocols import DenseEncoder, Searcher, TokenEncoder, encode_part
from harness.components.retrievers._empty import Nothing
from harness.components.timing import span
from harness.components.vectors import indexing
from harness.components.vectors.indexing import Encoded
from harness.components.vectors.token_index import finite
from harness.data import Doc, Hit, Query, digest, doc_ids, doc_texts
from harness.errors import ComponentError
from harness.ranking import ranked

PLACE, TEXT, VECTOR, TOKENS = "place", "body", "vector", "tokens"
"""The columns of a table."""

ANALYZER = "standard"
"""Infinity's own choice: words in lower case, and beside each that has another stem its stem."""

WORD = re.compile(r"\w+")
LONGEST_WORD = 255
"""Infinity's parser of queries takes no word of 5,000 letters."""

RANK_CONSTANT = 60
"""Of reciprocal ranks: Cormack, Clarke and Büttcher 2009, and Infinity's own default."""

UNKNOWN = "Infinity does not tell the bytes of its index of words"
NO_SERVER = "Infinity runs in this process: a server adds the way over the network."

MATCH: Mapping[str, Callable[[Any, Any, int], Any]] = {
    TEXT: lambda query, words, most: query.match_text(TEXT, words, most),
    VECTOR: lambda query, vector, most: query.match_dense(VECTOR, vector, "float", "ip", most),
    TOKENS: lambda query, matrix, most: query.match_tensor(TOKENS, matrix, "float", most),
}
"""By column how documents are found."""


@dataclass(frozen=True)
class InfinityDb:
    """BM25, exact inner products and MaxSim by the database Infinity: one of them, or several fused.

    A document without token vectors is no hit where they are asked for.
    """

    needs: ClassVar[tuple[str, ...]] = ("infinity_embedded",)

    encoder: TokenEncoder | None = None
    """Of the token vectors that MaxSim compares; null: none."""
    dense: DenseEncoder | None = None
    """Of the vectors, one a document, whose inner products are compared; null: none."""
    text: bool = False
    """Find documents by BM25 (k1 = 1.2, b = 0.75) of their words and, beside these, English stems."""
    fusion: Literal["maxsim", "rrf"] = "maxsim"
    """Of several: `maxsim` scores what the others find, `rrf` adds 1 / (60 + rank) of each."""
    candidates: int = 100
    """Documents that each of several finds, at least as many as are asked for."""

    def __post_init__(self) -> None:
        """Refuse nothing to look for, and a fusion by token vectors that there are not."""
        if not self.ways():
            raise ValueError("say at least one of encoder, dense and text: true")
        if self.fusion == "maxsim" and self.encoder is None and len(self.ways()) > 1:
            raise ValueError("fusion: maxsim needs an encoder of token vectors; or say fusion: rrf")
        if self.candidates < 1:
            raise ValueError("candidates must be at least 1")

    def ways(self) -> list[str]:
        """The columns by which documents are found."""
        asked = {TEXT: self.text, VECTOR: self.dense is not None, TOKENS: self.encoder is not None}
        return [column for column in MATCH if asked[column]]

    def index(self, docs: Sequence[Doc]) -> Searcher:
        """A searcher over a table of `docs`."""
        docs, found = sorted(docs, key=lambda doc: doc.doc_id), None
        if self.encoder is not None:
            found = indexing.encoded(self.encoder, docs)
            there = set(found.doc_ids)
            docs = [doc for doc in docs if doc.doc_id in there]
        if not docs:
            return Nothing()
        vectors = None
        if self.dense is not None:
            vectors = finite(np.asarray(encode_part(self.dense, "dense", doc_texts(docs), "doc")))
        table = _table(doc_texts(docs) if self.text else None, vectors, found)
        return _Index(self, doc_ids(docs), vectors, found, table)


def _table(
    texts: Sequence[str] | None, vectors: NDArray[np.float32] | None, found: Encoded | None
) -> Table:
    """The table with a column for each of what is given."""
    columns = {PLACE: "int"}
    cells: list[Any] = []
    parts: list[str | bytes] = []
    if texts is not None:
        columns[TEXT] = "varchar"
        cells.append([_whole(text) for text in texts])
        parts.append(repr(texts))
    if vectors is not None:
        columns[VECTOR] = f"vector,{vectors.shape[1]},float"
        cells.append(vectors)
        parts += [repr(vectors.shape), np.ascontiguousarray(vectors).tobytes()]
    if found is not None:
        columns[TOKENS] = f"tensor,{found.dim},float"
        cells.append(found.matrices)
        parts.append(found.key())
    key = digest([repr(columns), *parts])[:24]
    rows = (
        dict(zip(columns, (place, *row), strict=True))
        for place, row in enumerate(zip(*cells, strict=True))
    )
    words = Words(TEXT, ANALYZER) if texts is not None else None
    return infinity_db.table(key, columns, rows, words)


def _whole(text: str) -> str:
    """The text without halves of surrogate pairs, which have no UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")


@dataclass(frozen=True, eq=False)
class _Index:
    system: InfinityDb
    doc_ids: Sequence[str]
    """The document of each place of the table."""
    vectors: NDArray[np.float32] | None
    found: Encoded | None
    table: Table

    def search(self, queries: Sequence[Query], depth: int) -> list[list[Hit]]:
        """The hits of each query; raises ComponentError where fewer candidates than hits are found."""
        several, most = len(self.system.ways()) > 1, self.system.candidates
        if several and min(depth, len(self.doc_ids)) > most:
            raise ComponentError(
                f"Infinity fuses candidates = {most} documents of each way, and {depth} are asked for. "
                "Raise candidates, or lower depth.retrieve."
            )
        with span("encode_query"):
            asked = self._asked([query.text for query in queries])
        with span("score"), infinity_db.clear_errors():
            return [self._hits(one, depth) for one in asked]

    def _asked(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """For each query by column what is looked for there; empty where it has nothing of it."""
        by_column: dict[str, Any] = {}
        if self.system.text:
            by_column[TEXT] = [_words(text) for text in texts]
        if self.system.dense is not None:
            by_column[VECTOR] = encode_part(self.system.dense, "dense", texts, "query")
        if self.system.encoder is not None:
            by_column[TOKENS] = indexing.queries(self.system.encoder, texts)
        each = zip(*by_column.values(), strict=True)
        return [dict(zip(by_column, one, strict=True)) for one in each]

    def _hits(self, asked: Mapping[str, Any], depth: int) -> list[Hit]:
        several = len(asked) > 1
        late = several and self.system.fusion == "maxsim"
        finds = [way for way, what in asked.items() if len(what) and not (late and way == TOKENS)]
        if not finds or (late and not len(asked[TOKENS])):
            return []
        score = "_similarity" if finds == [VECTOR] and not several else "_score"
        query = self.table.select(PLACE, score)
        for way in finds:
            query = MATCH[way](query, asked[way], self.system.candidates if several else depth)
        if late:
            wanted = {"field": TOKENS, "query_tensor": asked[TOKENS], "element_type": "float"}
            query = query.fusion("match_tensor", depth, wanted)
        elif several:
            query = query.fusion("rrf", depth, {"rank_constant": RANK_CONSTANT})
        columns, *_ = query.to_result()
        places, scores = columns.values()
        return ranked(map(Hit, (self.doc_ids[place] for place in places), scores))

    def footprints(self) -> list[Footprint]:
        """Bytes of the vectors; files have all tables of this process in them."""
        parts, count = [], len(self.doc_ids)
        if self.found is not None:
            vectors, dim = self.found.vectors, self.found.dim
            parts.append(
                Footprint("token vectors", count, vectors, dim, "float32", 4 * vectors * dim)
            )
        if self.vectors is not None:
            dim = self.vectors.shape[1]
            parts.append(Footprint("vectors", count, count, dim, "float32", 4 * count * dim))
        return [*parts, *([Footprint.not_known(UNKNOWN)] if self.system.text else [])]

    def facts(self, queries: Sequence[Query], depth: int) -> Mapping[str, Any]:
        """What filling the table took, and what a server would add."""
        del queries, depth
        return {"index": {"build_seconds": self.table.seconds}, "notes": [NO_SERVER]}


def _words(text: str) -> str:
    """The words of a query without what its parser would read as an operator."""
    return " ".join(word for word in WORD.findall(text.lower()) if len(word) <= LONGEST_WORD)
