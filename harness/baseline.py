"""The stored baseline of a gate: two text files that are committed together.

BASELINES/EXPERIMENT.csv     one value a dataset, system, metric and query, in that order
BASELINES/EXPERIMENT.json    everything else: reason and date, fingerprints, configurations, models,
                             versions, machine; written last, with its digest and the other's
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import digests, files, spreadsheet
from harness.data import digest
from harness.digests import DamagedError
from harness.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

KEYS = ("dataset", "system", "metric", "query_id")

VALUES = (*KEYS, "value")
"""One row a value; `metric` is a metric's name, or a latency's (`analysis.yardstick`)."""


@dataclass(frozen=True)
class Baseline:
    """Values of every query, and what they were made with."""

    table: pd.DataFrame
    """Columns VALUES, sorted."""
    facts: Mapping[str, Any]
    """Everything but the values; `analysis.accepted.facts_of` says what."""


def read_baseline(folder: Path, experiment: str) -> Baseline | None:
    """The baseline of an experiment, or None if there is none.

    Raises InputError if its two files are damaged or do not belong together.
    """
    table, noted = (folder / f"{experiment}.{ending}" for ending in ("csv", "json"))
    if not table.exists() and not noted.exists():
        return None
    try:
        text = _read(table).replace("\r\n", "\n")  # as some checkouts have it
        facts = json.loads(_read(noted))
        values = _values(text, facts["values_sha256"])
        if digests.STAMP in facts:
            return Baseline(values, digests.unstamped(facts))
    except (DamagedError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{table} and {noted.name} cannot be read as one baseline: {error}. Restore both from "
            "version control, or delete both to begin anew."
        ) from error
    log.warning("%s has no digest, which tells when it was changed: --accept writes one.", noted)
    return Baseline(values, facts)


def write_baseline(folder: Path, experiment: str, baseline: Baseline) -> Path:
    """Write both files; returns the path of the table. Raises StoreError if it cannot."""
    table = folder / f"{experiment}.csv"
    text = spreadsheet.csv_text(baseline.table, float_format="%.12g")
    files.write(table, text)
    facts = digests.stamped({**baseline.facts, "values_sha256": digest([text])})
    noted = json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    files.write(table.with_suffix(".json"), noted)
    return table


def _read(file: Path) -> str:
    with digests.reading(file):
        return file.read_bytes().decode()


def _values(text: str, sha256: str) -> pd.DataFrame:
    """Raises ValueError for what is no table of values, or not that of the digest."""
    import pandas as pd

    if digest([text]) != sha256:
        raise ValueError("the second file has the digest of another first")
    names = dict.fromkeys(KEYS, str)
    table = pd.read_csv(
        StringIO(text), dtype=names, converters={"value": float}, keep_default_na=False
    )
    if tuple(table.columns) != VALUES:
        raise ValueError(f"expected columns {', '.join(VALUES)}, not {', '.join(table.columns)}")
    table = table.assign(**{name: spreadsheet.read_back(table[name]) for name in KEYS})
    if table.duplicated(list(KEYS)).any() or not table["value"].map(math.isfinite).all():
        raise ValueError("a value is repeated, or not finite")
    return table
