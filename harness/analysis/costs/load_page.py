"""The block on servers under load of one dataset."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from harness.analysis.costs.capacity import warnings
from harness.analysis.costs.figures import rates_figure
from harness.analysis.costs.load import Loads, required
from harness.experiment.result_folders import slug
from harness.page.blocks import Block, CaptionedTable, Figure
from harness.page.tables import NEVER, Table
from harness.page.text import NONE, bracketed, counted, milliseconds, significant
from harness.results.store import Results

TIMES = ["p50 ms [95 %]", "p95 ms [95 %]", "slowest ms"]

STANDS = {"met": "in", "missed": "OUT", "unknown": "unknown"}

CLOSED = "Closed loop, {k} candidates: each client asks again as soon as it is answered."

OPEN = (
    "Open loop, {k} candidates: requests at random times, latency from when each was due. One without "
    "an answer counts as infinitely late."
)

WHOLE = "Milliseconds of the whole query, retrieval included."

ALONE = "Milliseconds of reranking alone, because retrieval was not timed."

MISSING = ("refused", "failed", "unsent")


def load_blocks(results: Results, loads: Loads, dataset: str) -> Iterator[Block]:
    """What servers did under load, where the experiment asked for it."""
    facts = results.cost_facts.get((dataset, "load"))
    if facts is None:
        return
    here, limit = loads.of(dataset), required(results, dataset)
    asked = here.steps[here.steps["loop"] != ""]
    said = here.capacities
    failed = said["status"] == "not measured"
    lines = [*said[~failed]["said"], *_setting(facts, limit), *_unanswered(asked)]
    yield Block(
        "Under load",
        lines if len(asked) else [NOBODY],
        [*said[failed]["said"], *warnings(asked, facts)],
        list(_tables(asked[asked["requests"].notna()], limit)),
        list(_figures(asked, limit, dataset)),
        method="load",
    )


NOBODY = "No system of this experiment has its reranker on a server."


def _setting(facts: Mapping[str, Any], limit: float) -> Iterator[str]:
    """What was required, where client and servers ran, and what the client can do."""
    settings = facts["settings"]
    if math.isnan(limit):
        yield f"No requirement limits p95 on {settings['device']}."
    else:
        yield (
            f"The limit of a whole query on {settings['device']} is {milliseconds(limit)} ms (p95). Requests "
            "are reranking alone; the milliseconds of retrieval come on top: those of the same query, "
            "timed one at a time, or of a random one where that was not timed."
        )
    servers = facts["servers"]
    here = [name for name, server in servers.items() if server["here"]]
    if here:
        yield (
            f"Client and server shared the {facts['cores']} cores of this machine "
            f"({', '.join(here)}), so each slows the other."
        )
    for name, server in servers.items():
        if server["remembers"]:
            yield (
                f"{name}: its server may remember answers, so each of {server['queries']} queries was sent "
                "once."
            )
        else:
            yield f"{name}: {counted(server['queries'], 'query')}, again and again."
    for one in facts["ceiling"]:
        clients = counted(one["clients"], "client")
        yield (
            f"The client's own limit, {clients}: {significant(one['per_second'])} such "
            f"requests a second to a server that answers at once, {milliseconds(one['median_seconds'])} "
            f"ms each at the median, {one['cores']:.1f} cores used."
        )


def _unanswered(asked: pd.DataFrame) -> Iterator[str]:
    """What a server said to the first of its requests that it did not answer."""
    remarked = asked[(asked["status"] == "measured") & (asked["remark"] != "")]
    for row in remarked.drop_duplicates("system").itertuples():
        yield f"{row.system}, first request without an answer: {row.remark}"


def _tables(asked: pd.DataFrame, limit: float) -> Iterator[CaptionedTable]:
    for loop, caption in (("closed", CLOSED), ("open", OPEN)):
        rows = asked[asked["loop"] == loop]
        if len(rows):
            said = WHOLE if rows["first_stage"].notna().any() else ALONE
            k = f"{rows['k'].iloc[0]:.0f}"
            yield CaptionedTable(f"{caption.format(k=k)} {said}", _steps(rows, limit, loop))


def _steps(rows: pd.DataFrame, limit: float, loop: str) -> Table:
    missing = [name for name in MISSING if rows[name].sum()]
    cells = []
    for row in rows.to_dict("records"):
        level, end = [f"{row['level']:.0f}"], f"{row['cores']:.1f}"
        if loop == "open":
            level, end = [significant(row["offered"]), f"{row['share']:.0%}"], _stands(row, limit)
        counts = [f"{row[name]:,.0f}" for name in missing]
        cells.append([row["system"], *level, _rate(row), *_times(row), *counts, end])
    level, end = (
        (["offered / s", "of the most"], "verdict") if loop == "open" else (["clients"], "cores")
    )
    columns = ["system", *level, "answered / s [95 %]", *TIMES, *missing, end]
    return Table(columns, cells, prose=(-1,) if loop == "open" else (), named_by=2)


def _rate(row: Mapping[str, Any]) -> str:
    rate, low, high = (significant(row[f"achieved{end}"]) for end in ("", "_low", "_high"))
    return f"{rate} [{low}, {high}]"


def _times(row: Mapping[str, Any]) -> list[str]:
    found = []
    for name in ("p50", "p95"):
        value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
        known = math.nan if math.isinf(high) else high
        found.append(NEVER if math.isinf(value) else bracketed(value, low, known))
    return [*found, milliseconds(row["max"])]


def _stands(row: Mapping[str, Any], limit: float) -> str:
    if row["status"] != "measured":
        return str(row["reason"])
    if math.isnan(limit):
        return row["why"] or NONE
    stands = STANDS[row["verdict"]]
    return f"{stands}: {row['why']}" if row["why"] else stands


def _figures(asked: pd.DataFrame, limit: float, dataset: str) -> Iterator[Figure]:
    rows = asked[(asked["loop"] == "open") & (asked["status"] == "measured")]
    rows = rows[rows["p50"].map(math.isfinite)]
    if len(rows):
        yield rates_figure(rows, limit, f"load-{slug(dataset)}")
