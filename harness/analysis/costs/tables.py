"""The tables of cost: what was timed, what is stored, what a workload would need."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from harness.analysis.costs.latency import STAGES
from harness.analysis.costs.modes import in_modes
from harness.experiment.decision_terms import Prices
from harness.page.tables import Table
from harness.page.text import NONE, bracketed, milliseconds, number, significant, times_as_fast
from harness.results.costs import timed_itself

NAMED = 3
"""Systems that a caption names; of more it gives the number."""

LATENCY = ["system", "k", "calls", "p50 ms [95 %]", "p90", "p95 ms [95 %]", "p99"]

STAGE_NAMES = {
    "encode_query": "query",
    "encode_docs": "documents",
    "fetch": "fetch",
    "score": "score",
    "server": "of it server",
}


def latency_table(rows: pd.DataFrame) -> Table:
    """One row an arm and k of one mode, without the systems that share another's arm."""
    own = timed_itself(rows)
    used = [stage for stage in STAGES if own[stage].notna().any()]
    arms = own.to_dict("records")
    said = any(map(_remark, arms))
    columns = [*LATENCY, *(f"{STAGE_NAMES[stage]} ms" for stage in used), *["batches"] * said]
    cells = []
    for row in arms:
        stages = [milliseconds(row[stage]) for stage in used]
        cells.append(
            [row["system"], str(row["k"]), *_timed(row), *stages, *[_remark(row) or "-"] * said]
        )
    apart = [i for i, row in enumerate(arms) if predicted(row)]
    return Table(columns, cells, apart, [-1] if said else (), named_by=2)


def sharing_words(rows: pd.DataFrame) -> str:
    """Which systems rerank with the figures of which other one."""
    shared = rows[(rows["mode"] != "retrieve") & (rows["timed_by"] != rows["system"])]
    return " ".join(
        f"{', '.join(group['system']) if len(group) <= NAMED else f'{len(group)} others'}: as {timed}."
        for timed, group in shared.drop_duplicates("system").groupby("timed_by", sort=False)
    )


def predicted(row: Mapping[str, Any]) -> bool:
    """Whether the row has a median that was predicted."""
    return row["status"] == "predicted" and not math.isnan(row["p50"])


def _timed(row: Mapping[str, Any]) -> list[str]:
    """Calls and percentiles."""
    if predicted(row):
        return ["predicted", milliseconds(row["p50"]), NONE, NONE, NONE]
    if row["status"] != "measured" or math.isnan(row["p50"]):
        return ["not measured", NONE, NONE, NONE, NONE]
    p50, p95 = (bracketed(row[p], row[f"{p}_low"], row[f"{p}_high"]) for p in ("p50", "p95"))
    return [str(row["calls"]), p50, milliseconds(row["p90"]), p95, milliseconds(row["p99"])]


def _remark(row: Mapping[str, Any]) -> str:
    said = (row["policy"], row["reason"]) if row["status"] == "measured" else (row["reason"],)
    return "; ".join(str(part) for part in said if part)


def whole_table(rows: pd.DataFrame) -> Table:
    """The table of `whole_cells`, each mode together."""
    sizes, arms = whole_cells(in_modes(rows), "predicted ", "not measured")
    cells = [
        [system, "retrieval only" if mode == "retrieve" else mode, *cells]
        for system, mode, cells in arms
    ]
    return Table(["system", "how", *(f"k = {size}" for size in sizes)], cells, named_by=2)


def whole_cells(
    rows: pd.DataFrame, predicted: str, missing: str
) -> tuple[list[Any], list[tuple[str, str, list[str]]]]:
    """Numbers of candidates; and by system and mode median and p95 of the whole query with each.

    Retrieval alone, which has its own depth, is the same with all; systems that share another's arm
    on the fly are left out. `predicted` stands before a prediction, `missing` for what is not known.
    """
    sizes = sorted(set(rows[rows["mode"] != "retrieve"]["k"])) or ["any"]
    own, found = rows[(rows["timed_by"] == rows["system"]) | (rows["mode"] == "retrieve")], []
    for (system, mode), group in own.groupby(["system", "mode"], sort=False):
        by_k = {
            row.k: f"{predicted}{milliseconds(row.p50)}"
            if row.status == "predicted"
            else f"{milliseconds(row.p50)} / {milliseconds(row.p95)}"
            for row in group[group["p50"].notna()].itertuples()
        }
        other = next(iter(by_k.values()), missing) if mode == "retrieve" else missing
        found.append((str(system), str(mode), [by_k.get(size, other) for size in sizes]))
    return sizes, found


def ratio_table(rows: pd.DataFrame) -> Table:
    """How many times as fast as the reference, a column for each k."""
    sizes = sorted(set(rows["k"]))
    cells = []
    for (system, mode), group in in_modes(rows).groupby(["system", "mode"], sort=False):
        by_k = {row.k: times_as_fast(row.ratio, row.low, row.high) for row in group.itertuples()}
        cells.append([str(system), str(mode), *(by_k.get(k, "not measured") for k in sizes)])
    return Table(["system", "how", *(f"k = {size}" for size in sizes)], cells, named_by=2)


WAYS = [
    *("dims", "precision", "pooled", "vectors / doc", "bytes / doc", "on disk", "difference"),
    *("GB / million docs", "times dense", "trained for these dims"),
    *("memory ms", "map ms", "cold map ms"),
]


def ways_table(rows: pd.DataFrame) -> Table:
    """One row a way to store a model's vectors; a way that could not be built is named as such."""
    cells = []
    for row in rows.to_dict("records"):
        bits = "" if pd.isna(row["nbits"]) else f", {int(row['nbits'])} bits"
        disk = row["disk_bytes_per_document"]
        cells.append(
            [
                str(row["dim"]),
                f"{row['precision']}{bits}",
                "no" if row["pool_factor"] == 1 else f"1 of {row['pool_factor']}",
                number(row["vectors_per_document"], ".1f"),
                number(row["formula_bytes_per_document"]),
                "not measured" if math.isnan(disk) else number(disk),
                number(row["disk_excess"], "+.1%"),
                number(row["gb_per_million_documents"], ",.2f"),
                number(row["times_dense"], ".1f"),
                "yes" if row["trained"] else "no",
                *(milliseconds(row[f"{way}_seconds"]) for way in ("memory", "mapped", "cold")),
            ]
        )
    return Table(WAYS, cells)


MEMORY = [
    *("system", "how", "starts", "imports s", "load s", "first call s"),
    *("model GB", "peak GB", "GPU peak GB"),
]


def memory_table(rows: pd.DataFrame) -> Table:
    """Medians over fresh processes."""
    units = dict.fromkeys(("import_seconds", "load_seconds", "first_call_seconds"), 1.0)
    units |= dict.fromkeys(("model_bytes", "peak_bytes", "gpu_peak_bytes"), 1e9)
    cells = [
        [
            *(row["system"], row["mode"], str(row["starts"])),
            *(number(row[name] / unit, ",.2f") for name, unit in units.items()),
        ]
        for row in rows.to_dict("records")
    ]
    return Table(MEMORY, cells, named_by=2)


def throughput_table(rows: pd.DataFrame) -> Table:
    """Units and tokens per second of offline work."""
    columns = ["system", "stage", "what", "count", "per second", "tokens / s", "s / 1,000 tokens"]
    rates = ("per_second", "tokens_per_second", "seconds_per_1k_tokens")
    cells = [
        [
            *(row["system"], row["mode"], row["unit"], f"{row['count']:,}"),
            *(significant(row[name]) for name in rates),
        ]
        for row in rows.to_dict("records")
    ]
    return Table(columns, cells, named_by=3)


def break_even_table(rows: pd.DataFrame, documents: int | None) -> Table:
    """After how many queries encoding `documents` (or 1,000) beforehand has paid, by k."""
    sizes = sorted(set(rows["k"]))
    name = "queries_per_1000_documents" if documents is None else "queries"
    cells = []
    for system, group in rows.groupby("system", sort=False):
        by_k = {row["k"]: _pays(row, name) for row in group.to_dict("records")}
        first = group.iloc[0]
        each = significant(1000 * first["seconds_per_document"])
        source = "offline" if first["source"] == "throughput" else "within a query"
        cells.append([str(system), each, source, *(by_k.get(k, "not measured") for k in sizes)])
    return Table(["system", "ms / document", "measured", *(f"k = {k}" for k in sizes)], cells)


def _pays(row: Mapping[str, Any], name: str) -> str:
    count = row[name]
    if math.isnan(count):
        return "not measured"
    said = "never" if math.isinf(count) else f"{math.ceil(count):,}"
    return f"predicted {said}" if row["status"] == "predicted" else said


PRICED = {
    "sum / month": "month",
    "RAM / month": "ram_month",
    "disk / month": "disk_month",
    "compute / month": "compute_month",
    "index once": "index_once",
}

NEEDED = {
    "RAM GB": "ram_gb",
    "disk GB": "disk_gb",
    "index h": "index_hours",
    "busy h / month": "busy_hours_month",
    "processor h / month": "processor_hours_month",
}


def projection_table(rows: pd.DataFrame, prices: Prices | None) -> Table:
    """What each arm adds to serve the workload."""
    numbers = NEEDED if prices is None else {**PRICED, **NEEDED}
    arms = in_modes(rows).to_dict("records")
    known = [not math.isnan(row["seconds"]) for row in arms]
    cells = [
        [
            *(row["system"], row["mode"], str(row["k"])),
            milliseconds(row["seconds"]) if is_known else "not measured",
            *(significant(row[name]) for name in numbers.values()),
        ]
        for row, is_known in zip(arms, known, strict=True)
    ]
    apart = [i for i, row in enumerate(arms) if known[i] and row["status"] == "predicted"]
    return Table(["system", "how", "k", "ms / query", *numbers], cells, apart, named_by=3)
