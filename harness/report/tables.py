"""Tables of text, and how numbers are written in them."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from harness.analysis.answer import milliseconds, significant

NONE = "n/a"
"""What was not measured, or what too few calls do not carry."""


class Table(NamedTuple):
    """A table for both templates; the first column is text, the others numbers."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    apart: Collection[int] = ()
    """Rows that were not measured but predicted."""
    remarks: bool = False
    """Whether the last column is text."""


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
