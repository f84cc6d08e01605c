"""What a request asks for, or in one sentence why it is refused; checked before any model is asked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from harness.arguments import SERVE_LIMITS
from harness.data import Doc, Hit, Query
from harness.frames import ranked
from harness.registry import did_you_mean

GONE = 499
"""The status of a request whose sender left before it was answered; nobody reads it."""

SHOWN = 40
"""Characters of a wrong value that a message repeats."""


class Limits(NamedTuple):
    """What a service takes on; more is refused."""

    documents: int = SERVE_LIMITS["documents"][0]
    """Documents a request."""
    characters: int = SERVE_LIMITS["characters"][0]
    """Of the query, and of each document."""
    bytes: int = SERVE_LIMITS["bytes"][0]
    """Of a request's body."""
    requests: int = SERVE_LIMITS["requests"][0]
    """Requests inside at once: read, waiting for their turn, or scored."""
    batch: int = SERVE_LIMITS["batch"][0]
    """Documents that are scored at once, if they come from several requests."""


class RefusedError(Exception):
    """A request that gets no ranking; the message is one sentence for whoever sent it."""

    def __init__(self, status: int, told: str, headers: Mapping[str, str] | None = None) -> None:
        """`status` is that of HTTP; `headers` go with the answer."""
        super().__init__(told)
        self.status = status
        self.headers = headers or {}


class Wanted(NamedTuple):
    """A request that can be answered."""

    query: Query
    docs: Sequence[Doc]
    named: bool
    """Whether all documents came with ids, by which ties are broken; else it is their order."""
    top_n: int

    def order(self, scores: Sequence[float]) -> list[int]:
        """The places of the best `top_n` documents, best first; ties as `frames.ranked` has them."""
        if self.named:
            places = {doc.doc_id: place for place, doc in enumerate(self.docs)}
            pairs = zip(self.docs, scores, strict=True)
            best = [places[hit.doc_id] for hit in ranked(Hit(d.doc_id, s) for d, s in pairs)]
        else:
            best = sorted(range(len(scores)), key=lambda place: -scores[place])
        return best[: self.top_n]


def parsed(body: bytes) -> Mapping[str, Any]:
    """The JSON object of a body; refuses with 400 what is no JSON, with 422 what is no object."""
    try:
        content = json.loads(body, parse_constant=_no_number)
    except RecursionError:
        raise RefusedError(400, "The body is nested too deeply.") from None
    except ValueError as error:  # not UTF-8, or no JSON
        raise RefusedError(400, f"The body is no JSON: {error}.") from None
    if not isinstance(content, dict):
        _refuse("The body", "an object", content)
    return content


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def check_keys(
    content: Mapping[str, Any], known: Sequence[str], needed: Sequence[str], name: str = "The body"
) -> None:
    """Refuse an object with a key that is not known, or without one that is needed."""
    for key in content:
        if key not in known:
            hint = did_you_mean(key, known)
            raise RefusedError(422, f"{name} has the unknown key {short(key)}{hint}")
    for key in needed:
        if key not in content:
            raise RefusedError(422, f"{name} lacks the key {key!r}.")


def wanted(
    content: Mapping[str, Any], limits: Limits, documents: str = "documents", clamp: bool = False
) -> Wanted:
    """What is asked for, with the documents under the key `documents`.

    `clamp`: a `top_n` above the number of documents means all of them. Refuses with 422 whatever is
    of a wrong type, empty, doubled or above a limit.
    """
    query = _text(content["query"], "query", limits)
    if not query.strip():
        raise RefusedError(422, "query must not be empty.")
    listed = content[documents]
    if not isinstance(listed, list):
        _refuse(documents, "a list", listed)
    if not listed:
        raise RefusedError(422, f"{documents} must not be empty.")
    if len(listed) > limits.documents:
        told = f"{documents} holds {len(listed):,} documents, and at most {limits.documents:,} "
        raise RefusedError(422, f"{told}are taken: send them in several requests.")
    docs = [_doc(raw, f"{documents}[{i}]", str(i), limits) for i, raw in enumerate(listed)]
    named = all(isinstance(raw, dict) and raw.get("id") is not None for raw in listed)
    if named:
        _check_distinct([doc.doc_id for doc in docs], documents)
    return Wanted(Query("", query), docs, named, _top_n(content.get("top_n"), len(docs), clamp))


def _doc(raw: Any, name: str, place: str, limits: Limits) -> Doc:
    if isinstance(raw, str):
        return Doc(place, _text(raw, name, limits))
    if not isinstance(raw, dict):
        _refuse(name, "a string or an object with id and text", raw)
    check_keys(raw, ("id", "text"), ("text",), name)
    given = raw.get("id")
    doc_id = place if given is None else _text(given, f"{name}.id", limits)
    return Doc(doc_id, _text(raw["text"], f"{name}.text", limits))


def _text(value: Any, name: str, limits: Limits) -> str:
    if not isinstance(value, str):
        _refuse(name, "a string", value)
    if len(value) > limits.characters:
        told = f"{name} has {len(value):,} characters, and at most {limits.characters:,} are taken"
        raise RefusedError(422, f"{told}.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise RefusedError(
            422, f"{name} holds half of a surrogate pair, which is no text."
        ) from None
    return value


def _check_distinct(ids: Sequence[str], documents: str) -> None:
    first: dict[str, int] = {}
    for place, doc_id in enumerate(ids):
        if first.setdefault(doc_id, place) != place:
            both = f"{documents}[{first[doc_id]}] and {documents}[{place}]"
            raise RefusedError(422, f"{both} have the same id {short(doc_id)}.")


def _top_n(value: Any, count: int, clamp: bool) -> int:
    if value is None:
        return count
    if not isinstance(value, int) or isinstance(value, bool):
        _refuse("top_n", "a whole number", value)
    if value < 1 or (value > count and not clamp):
        raise RefusedError(
            422, f"top_n must be from 1 to the {count:,} documents, not {short(value)}."
        )
    return min(value, count)


def _refuse(name: str, kind: str, value: Any) -> NoReturn:
    raise RefusedError(422, f"{name} must be {kind}, not {short(value)}.")


def short(value: Any) -> str:
    """A value as JSON has it, or the beginning of a long one."""
    try:
        text = json.dumps(value, ensure_ascii=True)
    except (ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
