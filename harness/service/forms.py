"""The contracts that are spoken: the research report's, Cohere's and Jina's, TEI's.

They differ in the names of a request's fields and in the form of the answer. Scores are the
reranker's own in all of them, never squeezed through a sigmoid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from harness.service.request import Limits, RefusedError, Wanted, check_keys, short, wanted


class Form(Protocol):
    """One contract: how a request is read, and how its answer is written."""

    known: ClassVar[Sequence[str]]
    """The keys that a request may have."""
    ignored: ClassVar[Sequence[str]]
    """Those of them that change nothing here, though clients send them; the answer tells which came."""

    def read(self, content: Mapping[str, Any], model: str, limits: Limits) -> Wanted:
        """What is asked for of `model`; raises RefusedError."""
        ...

    def answer(self, content: Mapping[str, Any], asked: Wanted, scores: Sequence[float]) -> Any:
        """The JSON of the answer, best first."""
        ...


class Plain:
    """{query, documents, top_n}, answered with {results: [{index, score, id}]}."""

    known: ClassVar[Sequence[str]] = ("query", "documents", "top_n")
    ignored: ClassVar[Sequence[str]] = ()

    def read(self, content: Mapping[str, Any], model: str, limits: Limits) -> Wanted:
        """Documents are strings, or objects with text and id."""
        del model
        check_keys(content, self.known, ("query", "documents"))
        return wanted(content, limits)

    def answer(self, content: Mapping[str, Any], asked: Wanted, scores: Sequence[float]) -> Any:
        """With the ids that documents came with, where all had one."""
        del content
        results: list[dict[str, Any]] = [
            {"index": place, "score": scores[place]}
            | ({"id": asked.docs[place].doc_id} if asked.named else {})
            for place in asked.order(scores)
        ]
        return {"results": results}


class Cohere:
    """{model, query, documents, top_n, return_documents}, as Cohere and Jina have it.

    Optional fields of Cohere's v1 and v2 that clients such as LangChain's send unasked are ignored:
    the model cuts long documents at its own limit.
    """

    ignored: ClassVar[Sequence[str]] = (
        *("max_tokens_per_doc", "max_chunks_per_doc", "rank_fields", "priority"),
    )
    known: ClassVar[Sequence[str]] = (
        *("model", "query", "documents", "top_n", "return_documents"),
        *ignored,
    )

    def read(self, content: Mapping[str, Any], model: str, limits: Limits) -> Wanted:
        """The model may be left out; one of another name is refused."""
        check_keys(content, self.known, ("query", "documents"))
        if content.get("model") not in (None, "", model):
            told = f"There is no model {short(content['model'])}, but {model!r}"
            raise RefusedError(404, told)
        return wanted(content, limits, clamp=True)

    def answer(self, content: Mapping[str, Any], asked: Wanted, scores: Sequence[float]) -> Any:
        """{results: [{index, relevance_score}]}, the documents in it if they are asked for."""
        results: list[dict[str, Any]] = [
            {"index": place, "relevance_score": scores[place]}
            | (
                {"document": {"text": asked.docs[place].text}}
                if content.get("return_documents")
                else {}
            )
            for place in asked.order(scores)
        ]
        return {"results": results}


class Tei:
    """{query, texts, raw_scores, return_text}, answered with [{index, score}]."""

    known: ClassVar[Sequence[str]] = (
        "query",
        "texts",
        "raw_scores",
        "return_text",
        "truncate",
        "truncation_direction",
    )
    ignored: ClassVar[Sequence[str]] = ("truncate", "truncation_direction")

    def read(self, content: Mapping[str, Any], model: str, limits: Limits) -> Wanted:
        """Refused without `raw_scores: true`: a sigmoid is not for every reranker's scores."""
        del model
        check_keys(content, self.known, ("query", "texts"))
        if content.get("raw_scores") is not True:
            raise RefusedError(422, "Only raw scores are given here: say raw_scores: true.")
        return wanted(content, limits, documents="texts")

    def answer(self, content: Mapping[str, Any], asked: Wanted, scores: Sequence[float]) -> Any:
        """A bare list."""
        return [
            {"index": place, "score": scores[place]}
            | ({"text": asked.docs[place].text} if content.get("return_text") else {})
            for place in asked.order(scores)
        ]
