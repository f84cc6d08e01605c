"""The contracts that are spoken: the research report's, Cohere's and Jina's, TEI's.

They differ in the names of a request's fields and in the form of the answer. Scores are the
reranker's own in all of them, never squeezed through a sigmoid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

import msgspec

from harness.data import Doc
from harness.service.limits import Limits
from harness.service.request import Document, RefusedError, Wanted, short, wanted


class Contract(Protocol):
    """One contract: the fields of a request, what they ask for, and how the answer is written."""

    ignored: ClassVar[Sequence[str]]
    """Fields that change nothing here, though clients send them; the answer names those that came."""

    def read(self, model: str, limits: Limits) -> Wanted:
        """What is asked for of `model`; raises RefusedError."""
        ...

    def answer(self, asked: Wanted, scores: Sequence[float]) -> Any:
        """The JSON of the answer, best first."""
        ...


class Plain(msgspec.Struct, forbid_unknown_fields=True):
    """{query, documents, top_n}, answered with {results: [{index, score, id}]}."""

    ignored: ClassVar[Sequence[str]] = ()

    query: str
    documents: list[str | Document]
    top_n: int | float | None = None

    def read(self, model: str, limits: Limits) -> Wanted:
        """Documents are strings, or objects with text and id."""
        del model
        return wanted(self.query, self.documents, self.top_n, limits)

    def answer(self, asked: Wanted, scores: Sequence[float]) -> Any:
        """With the ids that documents came with, where all had one."""
        more = (lambda doc: {"id": doc.doc_id}) if asked.named else None
        return {"results": _ranking(asked, scores, "score", more)}


class Cohere(msgspec.Struct, forbid_unknown_fields=True):
    """{model, query, documents, top_n, return_documents}, as Cohere and Jina have it.

    Optional fields of Cohere's v1 and v2 that clients such as LangChain's send unasked are ignored:
    the model cuts long documents at its own limit.
    """

    ignored: ClassVar[Sequence[str]] = (
        *("max_tokens_per_doc", "max_chunks_per_doc", "rank_fields", "priority"),
    )

    query: str
    documents: list[str | Document]
    model: str | None = None
    """May be left out; one of another name is refused."""
    top_n: int | float | None = None
    return_documents: bool | None = None
    max_tokens_per_doc: float | None = None
    max_chunks_per_doc: float | None = None
    rank_fields: list[str] | None = None
    priority: float | None = None

    def read(self, model: str, limits: Limits) -> Wanted:
        """Documents are strings, or objects with text and id; the ids change nothing but ties."""
        if self.model not in (None, "", model):
            raise RefusedError(404, f"There is no model {short(str(self.model))}, but {model!r}")
        if len(self.rank_fields or ()) > limits.documents:
            raise RefusedError(422, f"rank_fields has more than {limits.documents:,} names.")
        return wanted(self.query, self.documents, self.top_n, limits)

    def answer(self, asked: Wanted, scores: Sequence[float]) -> Any:
        """{results: [{index, relevance_score}]}, the documents in it if they are asked for."""
        more = (lambda doc: {"document": {"text": doc.text}}) if self.return_documents else None
        return {"results": _ranking(asked, scores, "relevance_score", more)}


class Tei(msgspec.Struct, forbid_unknown_fields=True):
    """{query, texts, raw_scores, return_text}, answered with [{index, score}]."""

    ignored: ClassVar[Sequence[str]] = ("truncate", "truncation_direction")

    query: str
    texts: list[str]
    raw_scores: bool | None = None
    return_text: bool | None = None
    truncate: bool | None = None
    truncation_direction: str | None = None

    def read(self, model: str, limits: Limits) -> Wanted:
        """Refused without `raw_scores: true`, because a sigmoid does not suit every reranker's scores."""
        del model
        if self.raw_scores is not True:
            raise RefusedError(422, "Only raw scores are given here: say raw_scores: true.")
        return wanted(self.query, self.texts, None, limits, name="texts")

    def answer(self, asked: Wanted, scores: Sequence[float]) -> Any:
        """A bare list."""
        more = (lambda doc: {"text": doc.text}) if self.return_text else None
        return _ranking(asked, scores, "score", more)


def _ranking(
    asked: Wanted,
    scores: Sequence[float],
    name: str,
    more: Callable[[Doc], dict[str, Any]] | None,
) -> list[dict[str, Any]]:
    """The best documents: place, score by its `name`, and what `more` says of a document."""
    return [
        {"index": i, name: scores[i], **(more(asked.docs[i]) if more else {})}
        for i in asked.order(scores)
    ]


class _Keys(msgspec.Struct):
    """Which contract a body without a route of its own belongs to."""

    texts: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def contract_of(body: bytes | bytearray) -> type[Plain | Tei]:
    """The contract that the fields of a body belong to; of what is none, Plain, which refuses it."""
    if b'"texts"' not in body:
        return Plain
    try:
        keys = msgspec.json.decode(body, type=_Keys)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Plain
    return Plain if keys.texts is msgspec.UNSET else Tei
