"""A document to be judged, as a terminal shows it, and what a line that was typed means."""

from __future__ import annotations

from typing import NamedTuple

from harness.analysis.judgments.journal import GRADES
from harness.judging.desk import Texts
from harness.judging.marking import beginning, marked
from harness.judging.session import View
from harness.page.terminal import WIDTH, paragraph
from harness.page.text import counted

KEYS = "u undo, s skip, n TEXT note, w whole text, q quit"


class Typed(NamedTuple):
    """What was typed; `key` is empty where it means nothing."""

    key: str
    rest: str


def typed(line: str) -> Typed:
    """A key, and what stands after it; only a note has something there."""
    key, _, rest = line.strip().partition(" ")
    key = key.lower()
    known = key in {*map(str, GRADES), "u", "s", "w", "q"} and not rest
    return Typed(key, " ".join(rest.split())) if known or (key == "n" and rest) else Typed("", "")


def shown(view: View, texts: Texts, *, whole: bool) -> str:
    """The query and the document, words of the query between stars."""
    text = texts.document if whole else beginning(texts.document)
    starred = "".join(
        f"*{one.text}*" if one.marked else one.text for one in marked(text, texts.query)
    )
    cut = len(text) < len(texts.document)
    lines = [
        "",
        "-" * WIDTH,
        *standing(view),
        "",
        *paragraph(texts.query, "Query: ", "       "),
        "",
    ]
    for line in (starred + " ..." * cut).splitlines() or ["(This document has no text.)"]:
        lines += paragraph(line, "  ")
    lines += ["", *(f"  {grade}  {meaning}" for grade, meaning in GRADES.items()), f"  {KEYS}"]
    if view.note:
        lines += paragraph(f"Your note: {view.note}", "  ")
    return "\n".join(lines)


def standing(view: View) -> list[str]:
    """How far the judgments have come."""
    return paragraph(f"{view.standing.sentence} {counted(view.mine, 'document')} judged by you.")
