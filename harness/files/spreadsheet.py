"""CSV of which a spreadsheet runs no cell (CWE-1236), read back as it was.

A text that begins as a formula does is written with an apostrophe before it, and one that begins with
apostrophes and then so with one more. Numbers stay as they are, also where a text is one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""How a formula begins for some spreadsheet, also in the wide forms of East Asia."""

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def csv_text(table: pd.DataFrame, **settings: Any) -> str:
    """`table` as CSV; `settings` are those of pandas."""
    texts = {
        name: table[name].map(_guarded)
        for name in table.columns
        if table[name].dtype.kind not in "biufc"
    }
    written: str = table.assign(**texts).to_csv(index=False, lineterminator="\n", **settings)
    return written


def read_back(column: pd.Series[str]) -> pd.Series[str]:
    """The texts that `csv_text` wrote."""
    guarded = column.str.startswith("'")
    return column.map(_bare) if guarded.any() else column


def _guarded(cell: Any) -> Any:
    text = isinstance(cell, str) and FORMULA.match(cell) and not NUMBER.fullmatch(cell)
    return f"'{cell}" if text else cell


def _bare(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and FORMULA.match(cell) else cell
