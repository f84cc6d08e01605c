"""The files of one trial.

run.trec.gz qrels.trec.gz candidates.trec.gz lengths.csv timings.csv storage.csv
texts.parquet   what a reader is shown of queries and documents, and what stood first for a query
measurements.parquet readings.parquet   a column a metric; what they hold: `columns`
measured.json   the metrics, and the code that measured them
trial.json      what it was made with: its presence means that the trial is done
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.data import Qrels, Query, Run
from harness.experiment import code_versions
from harness.files import digests, disk, trec
from harness.files.stored_docs import CODING
from harness.results import columns, derived_rankings, values
from harness.results.derived_rankings import Lengths
from harness.results.tables import (
    json_text,
    lengths_table,
    read_lengths,
    read_table,
    stored_json,
    write_table,
)
from harness.results.whole_folders import faults, is_there, opened, opened_if_any

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

SNIPPET = 600
"""Characters of a document that are stored beside the results, for reading."""

MEASURED = ("qrels.trec.gz", "measurements.parquet", "readings.parquet", "measured.json")
"""The files of a trial that are made of its run and the judgements, and may be replaced."""

OLDER = "measurements.csv"
"""What an earlier version wrote instead of the two tables."""

OLDER_TEXTS = "texts.jsonl.gz"
"""What an earlier version wrote instead of texts.parquet."""


@dataclass(frozen=True)
class Measured:
    """What a trial's run says by the judgements."""

    measurements: pd.DataFrame
    """As `metrics.measurements` gives them."""
    readings: pd.DataFrame
    """As `derived_rankings.readings` gives them."""
    qrels: Qrels


class Ranked(NamedTuple):
    """What of a trial is measured by the judgements."""

    run: Run
    candidates: Run | None
    """What was reranked; None where nothing was."""
    lengths: Lengths | None
    """None where no model reads the texts, or it cannot say."""


@dataclass(frozen=True)
class Record:
    """A finished trial, ready to be saved."""

    ranked: Ranked
    measured: Measured
    timings: pd.DataFrame
    storage: pd.DataFrame
    texts: Mapping[str, str]
    """Texts of the queries (`query ID`) and of the documents near the top (`doc ID`)."""
    facts: Mapping[str, Any]
    """Everything else that a reader must know, as JSON."""


def shown_texts(queries: Iterable[Query], docs: Mapping[str, str]) -> dict[str, str]:
    """`Record.texts`, of all queries and of these documents."""
    texts = {f"query {query.query_id}": query.text for query in queries}
    return texts | {f"doc {doc_id}": text[:SNIPPET] for doc_id, text in docs.items()}


def write(folder: Path, record: Record, system: str) -> None:
    """Write all files of a finished trial."""
    run, candidates, lengths = record.ranked
    disk.write(folder / "run.trec.gz", trec.run_bytes(run, system))
    if candidates is not None:
        disk.write(folder / "candidates.trec.gz", trec.run_bytes(candidates, "candidates"))
    if lengths is not None:
        write_table(folder / "lengths.csv", lengths_table(lengths))
    for name in ("timings", "storage"):
        write_table(folder / f"{name}.csv", getattr(record, name))
    values.write(folder / "texts.parquet", _texts_table(record))
    write_measured(folder, record.measured)
    disk.write(folder / "trial.json", json_text(record.facts))


def _texts_table(record: Record) -> pd.DataFrame:
    """A row a text: its name, and for a query the document that stands first."""
    import pandas as pd

    first = {f"query {name}": hits[0].doc_id for name, hits in record.ranked.run.items() if hits}
    rows = [(name, text.encode(*CODING), first.get(name)) for name, text in record.texts.items()]
    return pd.DataFrame(rows, columns=["name", "text", "first"], dtype=object)


def write_measured(folder: Path, measured: Measured) -> None:
    """Write the files of MEASURED."""
    disk.write(folder / "qrels.trec.gz", trec.qrels_bytes(measured.qrels))
    values.write(folder / "measurements.parquet", measured.measurements.reset_index())
    values.write(folder / "readings.parquet", measured.readings)
    metrics = sorted(measured.measurements.columns)
    noted = {"metrics": metrics, "made_by": _measuring()}
    disk.write(folder / "measured.json", json_text(noted))


def ranked(folder: Path) -> Ranked:
    """What was ranked in a trial that is done; raises StoreError where it is damaged."""
    candidates = opened_if_any(folder, "candidates.trec.gz")
    lengths = opened_if_any(folder, "lengths.csv")
    return Ranked(
        trec.stored_run(opened(folder, "run.trec.gz")),
        trec.stored_run(candidates) if candidates else None,
        read_lengths(lengths) if lengths else None,
    )


def texts(folder: Path, names: Iterable[str] | None) -> dict[str, str]:
    """`Record.texts` of a trial that is done: all, or as many of `names` as are there.

    Raises StoreError where they are damaged.
    """
    if file := opened_if_any(folder, "texts.parquet"):
        return {name: text.decode(*CODING) for name, text in _named(file, "text", names)}
    lines = gzip.decompress(opened(folder, OLDER_TEXTS).read_bytes()).splitlines()
    found = {one["id"]: one["text"] for one in map(json.loads, lines)}
    return found if names is None else {name: found[name] for name in names if name in found}


def first_hits(folder: Path, query_ids: Sequence[str]) -> dict[str, str]:
    """The doc id that stands first for each of these queries in a trial that is done, if one does.

    Raises StoreError where that is damaged.
    """
    if file := opened_if_any(folder, "texts.parquet"):
        found = _named(file, "first", [f"query {query_id}" for query_id in query_ids])
        return {name.partition(" ")[2]: doc_id for name, doc_id in found if doc_id}
    run = trec.stored_run(opened(folder, "run.trec.gz"))
    return {query_id: run[query_id][0].doc_id for query_id in query_ids if query_id in run}


def _named(file: Path, column: str, names: Iterable[str] | None) -> Iterator[tuple[str, Any]]:
    """The names in texts.parquet with a column: all, or as many of `names` as are there."""
    import pyarrow as pa
    from pyarrow import compute

    table = values.read(file, ["name", column])
    if names is not None:
        wanted = pa.array(list(names), pa.string())
        table = table.filter(compute.is_in(table["name"], wanted))
    return zip(table["name"].to_pylist(), table[column].to_pylist(), strict=True)


def measurements(folder: Path) -> pa.Table:
    """The values of a trial that is done, a row a query; raises StoreError where they are damaged."""
    if file := opened_if_any(folder, "measurements.parquet"):
        return values.read(file)
    table = read_table(opened(folder, OLDER), columns.MEASUREMENTS)
    metrics = list(table["metric"].unique())
    wide = table.pivot(index="query_id", columns="metric", values="value")[metrics]  # noqa: PD010 - of one trial
    return values.bare(wide.reset_index())


def readings(folder: Path, metrics: Sequence[str]) -> pa.Table:
    """What other rankings made of a trial's run say by these metrics, of a trial that is done.

    An earlier version stored none: they are made of its run. Raises StoreError for damage.
    """
    if file := opened_if_any(folder, "readings.parquet"):
        return values.read(file, metrics)
    run, candidates, lengths = ranked(folder)
    judged = trec.read_qrels(opened(folder, "qrels.trec.gz"))
    depth = stored_json(opened(folder, "trial.json"))["system"]["depth"]["rerank"]
    of_runs = [metric for metric in metrics if metric not in derived_rankings.OF_ORDER]
    made = derived_rankings.readings(run, candidates, judged, of_runs, depth, lengths)
    return values.bare(made[[name for name in made if name in (*values.KEYS, *metrics)]])


def lost(folder: Path) -> list[digests.DamagedError]:
    """What is not as it was written of a trial, but for what can be measured again."""
    return [fault for fault in faults(folder) if fault.file.name not in (*MEASURED, OLDER)]


def holds_run(folder: Path) -> bool:
    """Whether a trial is done, though it may have to be measured again."""
    return is_there(folder) and not lost(folder) and digests.holds(folder, "trial.json")


def is_measured(folder: Path, metrics: Iterable[str]) -> bool:
    """Whether a trial is done, and measured by these metrics as they are now."""
    if not holds_run(folder) or faults(folder):
        return False
    measured = stored_json(opened(folder, "measured.json"))
    by_this_code = _measuring().items() <= measured["made_by"].items()
    return set(metrics) <= set(measured["metrics"]) and by_this_code


def _measuring() -> dict[str, Any]:
    """The code and the package that make metrics of a run."""
    code = code_versions.versions(
        "harness.results.metrics", "harness.results.derived_rankings", "harness.results.leaks"
    )
    return code | code_versions.packages(["ranx"])
