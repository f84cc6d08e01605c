"""Tables of text, and how the numbers in them are read again to sort by."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from harness.page.text import NONE

ABSENT = ("", "-", NONE, "not measured", "predicted", f"{NONE} / {NONE}")
"""Cells without a value: they sort last, whichever way."""


NEVER = "never"
"""A number of queries that is infinite."""

NUMBER = re.compile(r"(?:predicted |[~<>] ?)?([+-]?(?:[\d,]*\.)?\d[\d,]*) ?%?(?= ?[\[(/]|$)")
"""A cell that is a number, perhaps with an interval or other numbers after it."""


class Table(NamedTuple):
    """A table for both templates; the first column names its rows."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    apart: Collection[int] = ()
    """Rows that were not measured but predicted."""
    prose: Collection[int] = ()
    """Columns of running text, counted from 0, or from the end with -1."""

    def kinds(self) -> list[str]:
        """Of each column `prose`, `number` (every cell that has a value begins with one) or `word`."""
        kinds = ["word"] * len(self.columns)
        for i, column in enumerate(zip(*self.rows, strict=True)):
            if not any(isinstance(sort_key(cell), str) for cell in column):
                kinds[i] = "number"
        for i in self.prose:
            kinds[i] = "prose"
        return kinds


def sort_key(cell: str) -> float | str | None:
    """The number that a cell begins with, else its text; None where it has no value."""
    if cell in ABSENT:
        return None
    if cell.removeprefix("predicted ") == NEVER:
        return math.inf
    found = NUMBER.match(cell)
    return float(found[1].replace(",", "")) if found else cell


def apart(text: object) -> str:
    """`text` for Markdown in italics."""
    return f"*{markdown(text)}*" if str(text).strip() else ""


def markdown(text: object) -> str:
    """`text` on one line with everything escaped that Markdown or HTML would act on."""
    line = " ".join(str(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]#|~])", r"\\\1", line)
