"""Search by a server that has the index: Stanford ColBERT's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.components.abilities import Footprint
from harness.components.protocols import Searcher
from harness.components.servers import colbert, joined
from harness.components.servers.dialect import Dialect, IndexedValue, Request
from harness.components.servers.joined import AnswerError
from harness.components.servers.served import Server
from harness.data import Doc, Hit, Query
from harness.errors import ComponentError


@dataclass(frozen=True, kw_only=True)
class Endpoint(Server):
    """Hits of a server whose index was made of the dataset's documents, in their order.

    Dialects: colbert.
    """

    dialects: ClassVar[Mapping[str, Dialect]] = {"colbert": colbert.SEARCH}

    def index(self, docs: Sequence[Doc]) -> Searcher:
        """A searcher that knows which document the server means."""
        return _Searcher(self, docs)


@dataclass(frozen=True)
class _Searcher:
    server: Endpoint
    docs: Sequence[Doc]

    def search(self, queries: Sequence[Query], depth: int) -> list[list[Hit]]:
        return [self._hits(query, depth) for query in queries]

    def footprints(self) -> list[Footprint]:
        return [Footprint.not_known("its index lies on a server that does not tell its bytes")]

    def _hits(self, query: Query, depth: int) -> list[Hit]:
        if depth > colbert.MOST:
            raise ComponentError(
                f"{self.server.url} gives at most {colbert.MOST} hits, whatever is asked, and "
                f"{depth} are. Way out: lower depth.retrieve (where the queries are documents "
                "themselves, to one less)."
            )
        asked = Request(query=query.text, depth=depth)
        return self.server.answer(asked, f"{depth} hits", self._read)

    def _read(self, placed: Iterable[IndexedValue]) -> list[Hit]:
        found: dict[int, Hit] = {}
        for place, (score, text) in placed:
            if type(place) is not int or not 0 <= place < len(self.docs):
                raise AnswerError(
                    f"it has the document {joined.shown(place)}, and there are {len(self.docs)}"
                )
            if not isinstance(text, str):
                raise AnswerError(f"it gives {joined.shown(text)} as the text of a document")
            if place in found:
                raise AnswerError(f"it has the document {place} twice")
            doc = self.docs[place]
            if text.split() != doc.text.split():
                raise AnswerError(
                    f"its document {place} begins {text[:40]!r}, and {doc.doc_id!r} of the dataset "
                    f"{doc.text[:40]!r}: the index was made of other documents, or in another order"
                )
            found[place] = Hit(doc.doc_id, joined.score(score))
        return list(found.values())
