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

from pydantic import BaseModel, ValidationError

from harness.data import digest
from harness.errors import InputError
from harness.files import digests, disk, spreadsheet
from harness.files.digests import DamagedError
from harness.files.wrong_values import message, place

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

KEYS = ("dataset", "system", "metric", "query_id")

VALUES = (*KEYS, "value")
"""One row a value; `metric` is a metric's name, or a latency's (`analysis.gate.relative_latency`)."""


class _Data(BaseModel):
    documents: int
    queries: int
    judgements: int
    judged: dict[str, int] = {}
    """By source how many judgments are of it, where there is a journal of judgments."""


class _Trial(BaseModel):
    fingerprint: str
    key: str
    config: dict[str, Any]
    models: list[Any]
    made_with: int


class _Machine(BaseModel, extra="forbid"):
    system: str
    processor: str
    cores: int
    threads: int
    equal_arms: dict[str, float]


class _Facts(BaseModel):
    """What a gate reads of the second file."""

    accepted: str
    reason: str
    rules: list[dict[str, Any]]
    datasets: dict[str, _Data]
    trials: dict[str, dict[str, _Trial]]
    provenances: list[dict[str, Any]]
    latency: dict[str, _Machine]
    values_sha256: str


@dataclass(frozen=True)
class Baseline:
    """Values of every query, and what they were made with."""

    table: pd.DataFrame
    """Columns VALUES, sorted."""
    facts: Mapping[str, Any]
    """How the values came about, in the shape that is stored; `_Facts` has what a gate reads.

    Of files it has names and digests, not places, which another checkout has elsewhere. `trials`,
    by dataset and system: `fingerprint` of documents, queries and judgements; `first`
    and `candidates`, the key of the first stage and the digest of its lists where there is a
    reranker; `config`, every setting; `models`, digests; `made_with`, an entry of `provenances`.
    """


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
        known = _checked(facts)
        values = _values(text, known.values_sha256)
        _check_together(values, known)
        if digests.STAMP in facts:
            return Baseline(values, digests.unstamped(facts))
    except (DamagedError, ValueError) as error:
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
    disk.write(table, text)
    facts = digests.stamped({**baseline.facts, "values_sha256": digest([text])})
    noted = json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    disk.write(table.with_suffix(".json"), noted)
    return table


def _read(file: Path) -> str:
    with digests.reading(file):
        return file.read_bytes().decode()


def _checked(facts: Any) -> _Facts:
    """Raises ValueError that names every field that is missing, or is none."""
    try:
        return _Facts.model_validate(facts)
    except ValidationError as error:
        faults = [
            f"lacks {where}" if fault["type"] == "missing" else f"{where}: {message(fault)}"
            for fault in error.errors()
            for where in [place(fault["loc"]).lstrip(".")]
        ]
        raise ValueError(f"the second file is not whole ({'; '.join(faults)})") from None


def _check_together(table: pd.DataFrame, facts: _Facts) -> None:
    """Raises ValueError where the values are of something that the second file does not tell of."""
    for dataset, system, metric in table[list(KEYS[:3])].drop_duplicates().itertuples(index=False):
        timed = metric.startswith("latency ")
        if dataset not in (facts.latency if timed else facts.datasets) or (
            system not in facts.trials.get(dataset, {})
        ):
            raise ValueError(f"the second file tells nothing of {system!r} on {dataset!r}")
    made_with = {trial.made_with for own in facts.trials.values() for trial in own.values()}
    if not made_with <= set(range(len(facts.provenances))):
        raise ValueError("the second file does not tell what a trial was made with")


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
