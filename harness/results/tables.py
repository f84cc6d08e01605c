"""Tables and JSON in files, written whole and read back with the same values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import StoreError
from harness.files import digests, disk, spreadsheet
from harness.files.digests import DamagedError
from harness.results import columns
from harness.results.derived_rankings import Lengths
from harness.results.whole_folders import AGAIN

if TYPE_CHECKING:
    import pandas as pd

TEXTS = (
    *("dataset", "system", "query_id", "metric", "stage", "finished", "holder", "precision"),
    *("kind", "id"),
    *("device", "mode", "status", "reason", "policy", "dtype", "attention", "unit", "model"),
    *("remark", "loop", "outcome", "unknown"),
)
"""Columns that hold text, even where it looks like a number."""


KINDS = {"doc": "docs", "room": "room", "query": "queries", "query_room": "query_room"}
"""By kind of a row the part of Lengths that it is of."""


def write_table(file: Path, table: pd.DataFrame) -> None:
    """Put a table into a CSV file; raises StoreError if it cannot."""
    disk.write(file, spreadsheet.csv_text(table))


def read_table(file: Path, names: Sequence[str]) -> pd.DataFrame:
    """What `write_table` gave, to the last bit; `names` are the columns that it may have.

    Raises StoreError for a file that cannot be read.
    """
    import pandas as pd

    texts = {name: str for name in names if name in TEXTS}
    # pandas' own parser of numbers may be off by the last bit, Python's is not.
    exact = {
        name: lambda text: float(text or "nan") for name in names if name in ("value", "seconds")
    }
    missing = {name: [""] for name in names if name not in (*TEXTS, *exact)}
    try:
        with digests.reading(file):
            table = pd.read_csv(
                file, dtype=texts, converters=exact, keep_default_na=False, na_values=missing
            )
    except ValueError as error:
        raise StoreError(
            f"{file} cannot be read: {error}. Delete its folder, and run again."
        ) from error
    back = {name: spreadsheet.read_back(table[name]) for name in texts if name in table}
    return table.assign(**back)


def stored_json(file: Path) -> Any:
    """The content of a JSON file; raises StoreError for one that is not there or not whole."""
    try:
        with digests.reading(file):
            return json.loads(file.read_text(encoding="utf-8"))
    except DamagedError as error:
        raise StoreError(
            f"There are no results in {file.parent}; `python -m harness run FILE` makes them."
        ) from error
    except ValueError as error:
        raise StoreError(f"{file} cannot be read: {error}. {AGAIN}") from error


def json_text(content: Any) -> str:
    """`content` as text, the same for the same content."""
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def lengths_table(lengths: Lengths) -> pd.DataFrame:
    """Columns LENGTHS."""
    import pandas as pd

    parts = {name: getattr(lengths, own) for name, own in KINDS.items()}
    rows = [(name, *item) for name, part in parts.items() for item in part.items()]
    return pd.DataFrame(rows, columns=list(columns.LENGTHS))


def read_lengths(file: Path) -> Lengths:
    """What `lengths_table` gave, from its file."""
    table = read_table(file, columns.LENGTHS)
    by_kind = {
        kind: dict(zip(rows["id"], rows["tokens"].tolist(), strict=True))
        for kind, rows in table.groupby("kind")
    }
    return Lengths(**{own: by_kind.get(name, {}) for name, own in KINDS.items()})


def joined(name: str, parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The parts of a table of `columns` one below the other; older ones may lack columns."""
    import pandas as pd

    names = list(getattr(columns, name.upper()))
    filled = [part for part in parts if len(part)]
    if not filled:
        return pd.DataFrame(columns=names)
    return pd.concat(filled, ignore_index=True).reindex(columns=names)
