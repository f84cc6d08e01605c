"""Where the words of a query stand in a text, and the beginning of a long one."""

from __future__ import annotations

import re
from typing import NamedTuple

WORD = re.compile(r"\w+")

COMMON = frozenset(
    WORD.findall(
        "a an and are as at be been by can did do does for from had has have how i if in into is it "
        "its of on or should that the their there these this to was were what when where which who "
        "why will with would you your"
    )
)
"""English words that stand in most texts; they are not marked."""

BEGINNING = 700
"""Characters of a document that are shown before the whole is asked for."""


class Piece(NamedTuple):
    """A part of a text."""

    text: str
    marked: bool
    """Whether it is a word of the query."""


def marked(text: str, query: str) -> list[Piece]:
    """`text` in pieces, in their order; words are equal without case and a plural's s."""
    wanted = {_plain(word) for word in WORD.findall(query.casefold()) if word not in COMMON}
    pieces, end = [], 0
    for found in WORD.finditer(text):
        if _plain(found[0]) in wanted:
            pieces += [Piece(text[end : found.start()], marked=False), Piece(found[0], marked=True)]
            end = found.end()
    return [piece for piece in (*pieces, Piece(text[end:], marked=False)) if piece.text]


def _plain(word: str) -> str:
    word = word.casefold()
    return word.removesuffix("s") if len(word) > 3 and not word.endswith("ss") else word


def beginning(text: str) -> str:
    """As much of `text` as is shown first: whole words of BEGINNING characters, or all of it."""
    if len(text) <= BEGINNING:
        return text
    cut = text[:BEGINNING]
    return cut[: cut.rfind(" ")] if " " in cut[BEGINNING // 2 :] else cut
