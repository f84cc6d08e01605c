"""The way out of a server's refusal: from its status, its words, and what it was sent."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from harness.page.text import counted

START = "start the server, or raise `retries` or `timeout_s` if it needs longer"

START_FIRST = "start the server, and run again when it answers"

LARGE = "lower `batch`; else see whether `url`, `dialect` and `model` are right"

REFUSED = "`token_env` must name an environment variable with a token that the server accepts"

REMEDIES: Mapping[int, str] = {
    202: "name a server that answers at once; this one answers later, elsewhere",
    401: REFUSED,
    403: REFUSED,
    404: "see whether `url` (with any prefix such as /v1), `dialect` and `model` are right",
    405: "see whether `url` and `dialect` are right",
    413: "lower `batch`, or raise the server's limit of a request's size",
    422: "lower `batch` or raise the server's limit of texts a request; else see `dialect`",
    424: "the server's model failed: see the server's log",
    429: "the server is overloaded: raise `retries`, or the server's limits",
    500: "the server failed: see its log",
    502: START,
    503: START,
    504: START,
    507: "the server is out of memory or disk: give it more, or feed fewer documents",
}

OTHERWISE = "see whether `url`, `dialect` and `model` are right, and the server's log"

OF_CONTENT = (400, 413, 422, 500)
"""Statuses by which servers refuse what they were sent."""

OF_PLACE = (404, 405)
"""Statuses of a route that is not there."""

ABOUT_SIZE = re.compile(
    r"(?<!physical )batch.?size|too many (texts|inputs|documents|items)|payload|\bbody\b|"
    r"request (entity|size)|(texts|inputs|documents) (per|a) request",
    re.IGNORECASE,
)
ABOUT_EMPTY = re.compile(r"empty|blank|at least 1 character|too[ _]short|min_length", re.IGNORECASE)
ABOUT_LENGTH = re.compile(
    r"too (long|large to process|many tokens)|context (length|size|window)|"
    r"(length|tokens?)\b.*(exceed|than|limit|max)|(exceed|than|limit|max).*(length|tokens?)\b",
    re.IGNORECASE,
)
"""What servers say where it is the size of a request, an empty text, or a long one."""


class Remedy(NamedTuple):
    """A way out."""

    advice: str
    texts: Sequence[str] = ()
    """The texts that are to blame, if any are."""


def of(status: int, words: str, texts: Sequence[str], where: tuple[str, str]) -> Remedy:
    """The way out of a refusal with `status` in `words` of a request with `texts`.

    `where` is the server's url and the path below it.
    """
    plain = REMEDIES.get(status, OTHERWISE)
    if status in OF_PLACE:
        return Remedy(f"{doubled(*where)}{plain}")
    if status not in OF_CONTENT or not texts:
        return Remedy(plain)
    blank = [place for place, text in enumerate(texts) if not text.strip()]
    large = ABOUT_SIZE.search(words) is not None
    long = ABOUT_LENGTH.search(words) is not None and not large
    if blank and (ABOUT_EMPTY.search(words) or not (large or long)):
        return _empty(blank, texts)
    if long or (status == 413 and len(texts) == 1):
        return _long(texts)
    return Remedy(plain)


def _empty(blank: Sequence[int], texts: Sequence[str]) -> Remedy:
    place = f"text {blank[0] + 1} of {len(texts)} is empty"
    if len(blank) > 1:
        place = f"{len(blank)} of {len(texts)} texts are empty, the first is text {blank[0] + 1}"
    return Remedy(
        f"{place}, and a server may refuse that: leave it out of the dataset, or give it a text",
        [texts[i] for i in blank],
    )


def _long(texts: Sequence[str]) -> Remedy:
    longest = max(texts, key=len)
    return Remedy(
        f"the longest of {counted(len(texts), 'text')} has {counted(len(longest), 'character')}: let the server cut long "
        "texts or read more of them (TEI's --auto-truncate, llama.cpp's --ubatch-size, vLLM's "
        "--max-model-len), or shorten it in the dataset",
        [longest],
    )


def doubled(url: str, path: str) -> str:
    """What to say where the url ends with what the dialect's path begins with; else empty."""
    have, add = (part.strip("/").split("/") for part in (urlsplit(url).path, path))
    for count in range(len(add), 0, -1):
        if have[-count:] == add[:count] and have != [""]:
            end = "/".join(("", *add[:count]))
            return (
                f"`url` ends in {end}, and the dialect puts {path} behind it: say `url: "
                f"{url.rstrip('/').removesuffix(end)}`; else "
            )
    return ""
