"""Tables of text: how numbers are written in them, and read again to sort by."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from harness.page.text import milliseconds, significant

NONE = "n/a"
"""What was not measured, or what too few calls do not carry."""

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


def number(value: float, form: str = ",.0f") -> str:
    """`value` in this format; NONE for NaN."""
    return NONE if math.isnan(value) else format(value, form)


def bracketed(value: float, low: float, high: float) -> str:
    """Seconds as milliseconds with an interval, of which a bound may be unknown."""
    if math.isnan(value):
        return NONE
    if math.isnan(low) and math.isnan(high):
        return milliseconds(value)
    return f"{milliseconds(value)} [{_bound(low)}, {_bound(high)}]"


def _bound(seconds: float) -> str:
    return "-" if math.isnan(seconds) else milliseconds(seconds)


def times(value: float, low: float, high: float) -> str:
    """A factor with its interval, of which both bounds may be unknown."""
    if math.isnan(value):
        return NONE
    if math.isnan(low) or math.isnan(high):
        return f"{significant(value)} [no interval]"
    return f"{significant(value)} [{significant(low)}, {significant(high)}]"


def apart(text: object) -> str:
    """`text` for Markdown in italics."""
    return f"*{markdown(text)}*" if str(text).strip() else ""


def markdown(text: object) -> str:
    """`text` on one line with everything escaped that Markdown or HTML would act on."""
    line = " ".join(str(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]#|~])", r"\\\1", line)
