"""What a report is made of: sections of blocks, which both templates show alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from harness.page.tables import Table
from harness.page.text import unique


class CaptionedTable(NamedTuple):
    """A table with what is said of it."""

    caption: str
    table: Table
    folded: bool = False
    """Whether the reader opens it."""
    anchor: str = ""
    """Under which name links lead here, if any do."""


class Figure(NamedTuple):
    """A figure: the name of its file, its text, and itself as SVG."""

    name: str
    alt: str
    svg: str


class Block(NamedTuple):
    """A titled part of a section."""

    title: str
    lines: Sequence[str] = ()
    warnings: Sequence[str] = ()
    tables: Sequence[CaptionedTable] = ()
    figures: Sequence[Figure] = ()
    method: str = ""
    """Which of `methods` says how its numbers were measured."""
    anchor: str = ""
    """Under which name links lead here; empty: made from the title."""


def tabled(title: str, caption: str, table: Table, method: str, lines: Sequence[str] = ()) -> Block:
    """A block of one table."""
    return Block(title, lines, tables=[CaptionedTable(caption, table)], method=method)


class Section(NamedTuple):
    """A chapter of the report."""

    title: str
    blocks: Sequence[Block]
    anchor: str = ""
    folded: bool = False
    """Whether the reader opens each block: such a section stands in the page alone, not in Markdown."""


def anchored(sections: Iterable[Section]) -> list[Section]:
    """The same with an anchor of its own for every section and block, and a name for every figure."""
    anchors: set[str] = set()
    names: set[str] = set()
    found = []
    for section in sections:
        anchor = unique(_plain(section.anchor or section.title), anchors)
        blocks = [
            block._replace(
                anchor=unique(_plain(block.anchor or f"{anchor}-{block.title}"), anchors),
                figures=[one._replace(name=unique(one.name, names)) for one in block.figures],
            )
            for block in section.blocks
        ]
        found.append(section._replace(blocks=blocks, anchor=anchor))
    return found


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "part"


def figures(sections: Iterable[Section]) -> list[Figure]:
    """Every figure that is shown."""
    return [shown for section in sections for block in section.blocks for shown in block.figures]
