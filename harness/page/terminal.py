"""Text for a terminal, at most 79 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from harness.page.text import shortened

WIDTH = 79


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows with the first column to the left and cut to fit, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rest = sum(widths[1:]) + 2 * len(widths[1:])
    names = shortened([row[0] for row in rows], max(WIDTH - 2 - rest, 8))
    first = max(map(len, names.values()))
    return [
        "  "
        + names[row[0]].ljust(first)
        + "".join(f"  {cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]


def paragraph(text: str, first: str = "", then: str | None = None) -> list[str]:
    """`text` in lines that fit, `first` before the first, `then` (or the same) before the others.

    An empty line where there is no text.
    """
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=first if then is None else then,
        break_on_hyphens=False,
    ) or [""]
