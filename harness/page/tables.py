"""Tables of text, and how the numbers in them are read again to sort by."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

from harness.page.text import NONE, family

NOT_MEASURED = "not measured"
"""Begins a cell of what has no value; a reason may follow."""

ABSENT = ("", "-", NONE, "predicted", f"{NONE} / {NONE}")
"""Cells without a value: they sort last, whichever way."""


NEVER = "never"
"""A number of queries that is infinite."""

NUMBER = re.compile(
    r"(predicted |<= |[~<>] ?)?([+-]?(?:[\d,]*\.)?\d[\d,]*)( ?%)?(?= ?[\[(/]| to |$)"
)
"""A cell that is a number, perhaps with an interval or other numbers after it."""

FEW = 3
"""Different words that the row of a group counts; of more it says nothing."""


class Group(NamedTuple):
    """Rows that are one to a reader: variants of one system, else a row alone."""

    head: Sequence[str]
    """What stands for all of them: the only row, or the range of each column."""
    rows: Sequence[int]
    """Their places in the table."""


class Table(NamedTuple):
    """A table for both templates; the first column names its rows."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    apart: Collection[int] = ()
    """Rows that were not measured but predicted."""
    prose: Collection[int] = ()
    """Columns of running text, counted from 0, or from the end with -1."""
    named_by: int = 1
    """By how many columns a row is named: variants of a system that differ in another are no group."""

    def groups(self) -> list[Group]:
        """The rows, variants of one system (see `text.family`) together."""
        found: dict[tuple[object, ...], list[int]] = {}
        for i, row in enumerate(self.rows):
            own = (family(row[0]), *row[1 : self.named_by]) if self.of_systems else (i,)
            found.setdefault((i in self.apart, *own), []).append(i)
        kinds = self.kinds()
        return [Group(self._head(places, kinds), places) for places in found.values()]

    @property
    def of_systems(self) -> bool:
        """Whether a row is of a system."""
        return self.columns[0] == "system"

    def _head(self, places: Sequence[int], kinds: Sequence[str]) -> Sequence[str]:
        rows = [self.rows[i] for i in places]
        if len(rows) == 1:
            return rows[0]
        names, *columns = zip(*rows, strict=True)
        name = f"{family(names[0])} ({len(rows)} variants)"
        return [name, *map(_together, columns, kinds[1:])]

    def collapsed(self) -> Table:
        """A row a group, for a page on which nothing opens."""
        groups = self.groups()
        apart = [i for i, group in enumerate(groups) if group.rows[0] in self.apart]
        return self._replace(rows=[group.head for group in groups], apart=apart)

    def kinds(self) -> list[str]:
        """Of each column `prose`, `number` (every cell that has a value begins with one) or `word`."""
        kinds = ["word"] * len(self.columns)
        for i, column in enumerate(zip(*self.rows, strict=True)):
            if not any(isinstance(sort_key(cell), str) for cell in column):
                kinds[i] = "number"
        for i in self.prose:
            kinds[i] = "prose"
        return kinds


def _together(cells: Sequence[str], kind: str) -> str:
    """One cell for the same column of several rows."""
    if len(set(cells)) == 1:
        return cells[0]
    if kind == "prose":
        return ""
    known = [cell for cell in cells if sort_key(cell) is not None]
    found = [NUMBER.match(cell) for cell in known]
    if found and all(found):
        numbers = sorted(filter(None, found), key=lambda one: float(one[2].replace(",", "")))
        if len({one[1] for one in numbers}) == 1 and numbers[0][0] != numbers[-1][0]:
            last = numbers[-1][0].removeprefix(numbers[-1][1] or "")
            return f"{numbers[0][0]} to {last}"
    counts = Counter(cell.partition(" (")[0] for cell in cells)
    if len(counts) > FEW or kind == "number":
        return ""
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{cell} ({count})" for cell, count in counts.items())


def sort_key(cell: str) -> float | str | None:
    """The number that a cell begins with, else its text; None where it has no value."""
    if cell in ABSENT or cell.startswith(NOT_MEASURED):
        return None
    if cell.removeprefix("predicted ") == NEVER:
        return math.inf
    found = NUMBER.match(cell)
    return float(found[2].replace(",", "")) if found else cell


def apart(text: object) -> str:
    """`text` for Markdown in italics."""
    return f"*{markdown(text)}*" if str(text).strip() else ""


def markdown(text: object) -> str:
    """`text` on one line with everything escaped that Markdown or HTML would act on."""
    line = " ".join(str(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]#|~])", r"\\\1", line)
