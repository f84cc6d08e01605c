"""What a request asks for, or in one sentence why it is refused; checked before any model is asked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import msgspec

from harness.data import Doc, Hit, Query
from harness.files.wrong_values import did_you_mean
from harness.ranking import ranked
from harness.service.limits import Limits

GONE = 499
"""The status of a request whose sender left before it was answered; nobody reads it."""

SHOWN = 40
"""Characters of a wrong value that a message repeats."""

STRINGS = 64
"""Strings of a body besides those of its documents, at most: the keys and values of a contract."""

BLANKS = " \t\n\v\f\r"
"""A query needs more than these. Readers of the schema differ on what else is blank."""

UNKNOWN = re.compile(r"^Object contains unknown field `(.*)`", re.DOTALL)
PLACE = re.compile(r"^(.*) - at `\$\.?(.*)`$", re.DOTALL)
"""How the parser says which key it does not know, and where a fault is."""


class RefusedError(Exception):
    """A request that gets no ranking; the message is one sentence for whoever sent it."""

    def __init__(self, status: int, fault: str, headers: dict[str, str] | None = None) -> None:
        """`status` is that of HTTP; `headers` go with the answer."""
        super().__init__(fault)
        self.status = status
        self.headers = headers or {}


class Document(msgspec.Struct, forbid_unknown_fields=True):
    """A document that is more than its text."""

    text: str
    id: str | None = None


class Wanted(NamedTuple):
    """A request that can be answered."""

    query: Query
    docs: Sequence[Doc]
    named: bool
    """Whether all documents came with ids, by which ties are broken; else it is their order."""
    top_n: int

    def order(self, scores: Sequence[float]) -> list[int]:
        """The places of the best `top_n` documents, best first; ties as `ranking.ranked` has them."""
        if self.named:
            places = {doc.doc_id: place for place, doc in enumerate(self.docs)}
            pairs = zip(self.docs, scores, strict=True)
            best = [places[hit.doc_id] for hit in ranked(Hit(d.doc_id, s) for d, s in pairs)]
        else:
            best = sorted(range(len(scores)), key=lambda place: -scores[place])
        return best[: self.top_n]


Body = TypeVar("Body")


def parsed(body: bytes | bytearray, kind: type[Body], limits: Limits) -> Body:
    """A body as `kind`, a Struct, has it, without ever building what does not fit there.

    Refuses with 400 what is no JSON, with 422 what has other keys, types or values.
    """
    _check_strings(body, limits.documents)
    try:
        return msgspec.json.decode(body, type=kind)
    except RecursionError:
        raise RefusedError(400, "The body is nested too deeply.") from None
    except msgspec.ValidationError as error:
        raise RefusedError(422, _sentence(str(error), kind)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RefusedError(400, f"The body is no JSON: {error}.") from None


def _check_strings(body: bytes | bytearray, documents: int) -> None:
    """Refuse with 422, before it is read, a body of more strings than its documents can have.

    A document has up to four, with its keys, and one in `rank_fields`. Every string has one or two
    quotation marks without a backslash before them, and none inside.
    """
    bare = body.count(b'"') - body.count(b'\\"')
    if bare > 2 * (5 * documents + STRINGS):
        fault = f"The body has more strings than {documents:,} documents can have"
        raise RefusedError(422, f"{fault}: send them in several requests.")


def _sentence(said: str, kind: type) -> str:
    """What the parser said of a body, with the place of the fault first."""
    what, place = found.groups() if (found := PLACE.match(said)) else (said, "")
    name = place or "The body"
    if unknown := UNKNOWN.match(what):
        known = [field.name for field in msgspec.structs.fields(Document if place else kind)]
        key = unknown[1]
        return f"{name} has the unknown key {short(key)}{did_you_mean(key, known)}"
    return f"{name}: {what[:1].lower()}{what[1:]}."


def wanted(
    query: str,
    documents: Sequence[str | Document],
    top_n: float | None,
    limits: Limits,
    *,
    name: str = "documents",
) -> Wanted:
    """What is asked for, with the documents that came under the key `name`.

    A `top_n` above their number means all of them. Refuses with 422 whatever is empty, doubled or
    above a limit.
    """
    _check_length(query, "query", limits)
    if not query.strip(BLANKS):
        raise RefusedError(422, "query must not be empty.")
    if not documents:
        raise RefusedError(422, f"{name} must not be empty.")
    if len(documents) > limits.documents:
        fault = f"{name} holds {len(documents):,} documents, and at most {limits.documents:,} "
        raise RefusedError(422, f"{fault}are taken: send them in several requests.")
    docs = [_doc(raw, f"{name}[{i}]", str(i), limits) for i, raw in enumerate(documents)]
    named = all(isinstance(raw, Document) and raw.id is not None for raw in documents)
    if named:
        _check_distinct([doc.doc_id for doc in docs], name)
    if top_n is not None and (top_n < 1 or top_n % 1):  # 2.0 is whole, to JSON Schema too
        raise RefusedError(422, "top_n must be a whole number above 0.")
    best = len(docs) if top_n is None else int(min(top_n, len(docs)))
    return Wanted(Query("", query), docs, named, best)


def _doc(raw: str | Document, name: str, place: str, limits: Limits) -> Doc:
    if isinstance(raw, str):
        _check_length(raw, name, limits)
        return Doc(place, raw)
    _check_length(raw.text, f"{name}.text", limits)
    _check_length(raw.id or "", f"{name}.id", limits)
    return Doc(place if raw.id is None else raw.id, raw.text)


def _check_length(value: str, name: str, limits: Limits) -> None:
    if len(value) > limits.characters:
        fault = f"{name} has {len(value):,} characters, and at most {limits.characters:,} are taken"
        raise RefusedError(422, f"{fault}.")


def _check_distinct(ids: Sequence[str], documents: str) -> None:
    first: dict[str, int] = {}
    for place, doc_id in enumerate(ids):
        if first.setdefault(doc_id, place) != place:
            both = f"{documents}[{first[doc_id]}] and {documents}[{place}]"
            raise RefusedError(422, f"{both} have the same id {short(doc_id)}.")


def short(text: str) -> str:
    """A text as JSON has it, or the beginning of a long one."""
    quoted = msgspec.json.encode(text[: 2 * SHOWN]).decode("ascii", "backslashreplace")
    return quoted if len(quoted) <= SHOWN else f"{quoted[: SHOWN - 3]}..."
