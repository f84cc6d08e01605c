"""The decision as blocks: why, who meets the requirements, what would change it; and every test."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from harness.analysis.decision.amounts import WORDS
from harness.analysis.decision.first_screen import Place, figures, places
from harness.analysis.decision.frontier import RESAMPLES
from harness.analysis.decision.measurements import Option
from harness.analysis.decision.reasons import tested
from harness.analysis.decision.recommend import Recommendation
from harness.analysis.statistics.intervals import mean_text
from harness.analysis.statistics.tail import Seen
from harness.page.blocks import Block, CaptionedTable, Figure, tabled
from harness.page.tables import Table
from harness.page.text import (
    NONE,
    chance,
    change,
    listed,
    milliseconds,
    number,
    rounded_up,
    significant,
)
from harness.results.store import Results
from harness.results.terms import objective, terms

NAMED = 6
"""Systems that a line names; of more it gives the number."""

VERDICTS = {"in": "in", "out": "OUT", "unknown": "open"}

VERDICT = "what the queries show"

SHOWN = {"better": "a gain", "worse": "a loss", "open": "neither", "same": "no difference"}

NEEDED = (
    "What each system needs; in brackets the distance from the limit, or what it needs at least (>)"
)

DOMINATED = (
    "Dominated: another is at least as good in {metric}, latency and bytes, and better in one of "
    f"them. Its chance is the share of {RESAMPLES:,} draws of the queries in which that holds, with each "
    "system's times moved by as much as the same system timed twice differed."
)


def decision_blocks(
    results: Results, decided: Recommendation, frontiers: pd.DataFrame
) -> Iterator[Block]:
    """Why, who meets the requirements, what would change it, other workloads."""
    shown = [
        figure
        for place in places(decided, frontiers)[:1]
        for figure in figures(results, decided, place, decided.costs)
    ]
    yield Block("Why", decided.reasons, figures=shown[1:], method="frontier")
    if len(decided.requirements):
        table = _requirements(decided.requirements, remarks=False)
        caption = f"{NEEDED}."
        yield tabled("Who meets the requirements", caption, table, "decision")
    if decided.flips:
        yield Block("What would change it", decided.flips, method="decision")
    yield from workload_blocks(decided)


def workload_blocks(decided: Recommendation) -> Iterator[Block]:
    """What the decision would be for other workloads."""
    rows = decided.sensitivity
    if not len(rows):
        return
    changed = ", ".join(filter(None, rows["changed"]))
    table = _sensitivity(rows)
    caption = "Each workload, with the measured quality; the figures are those of the named system."
    if len(rows[["answer", "system", "mode"]].drop_duplicates()) == 1:
        lines = [f"The decision stays the same with {changed}."] * bool(changed)
        tables = [CaptionedTable(caption, table, folded=True)]
        yield Block("Other workloads", lines, tables=tables, method="decision")
    else:
        yield tabled("Other workloads", caption, table, "decision")


def decision_details(
    results: Results, decided: Recommendation, frontiers: pd.DataFrame
) -> Iterator[Block]:
    """Every test, requirement and point of the frontier."""
    if len(decided.gains.table):
        yield _tests(results, decided)
    if len(decided.requirements):
        table = _requirements(decided.requirements, remarks=True)
        caption = f"{NEEDED}; and how that is known."
        yield tabled("Every requirement", caption, table, "decision")
    for i, place in enumerate(places(decided, frontiers)):
        drawn = figures(results, decided, place, decided.costs) if i else []
        yield _frontier(place, objective(results), drawn)


def _tests(results: Results, decided: Recommendation) -> Block:
    """Who is shown to beat the baseline: the one table of tests."""
    gained, smallest = decided.gains, terms(results).smallest_gain_that_matters
    tests = {_p_of_gain(0.0): "p_none_holm", _p_of_gain(smallest): "p_holm"}
    cells = []
    for row in gained.surest:
        p = [_p(getattr(row, name)) for name in tests.values()]
        gain = change(row.gain, row.low, row.high, "+.4f")
        cells.append([row.system, gain, *p, gain_words(row, smallest)])
    over = f", over {len(gained.by_dataset)} datasets" * (len(gained.by_dataset) > 1)
    caption = (
        f"By {objective(results)}{over}; queries: {gained.queries:,}, comparisons: {gained.family}. "
        "No other table tests a gain."
    )
    table = Table(["system", "gain", *tests, VERDICT], cells)
    return tabled("Tests", caption, table, "tests")


def gain_words(row: Any, smallest: float) -> str:
    """What a row of GAINS shows."""
    if row.state == "shown" and smallest:
        return f"a gain of {smallest:g} or more"
    return SHOWN[row.verdict]


def _p(p: float) -> str:
    return NONE if math.isnan(p) else chance(p).removeprefix("p ").removeprefix("= ")


def _p_of_gain(gain: float) -> str:
    """The column of the test that the true gain is this."""
    return f"p ({f'gain of {gain:g}' if gain else 'no gain'}, Holm)"


def _requirements(rows: pd.DataFrame, *, remarks: bool) -> Table:
    """A row an option, a column a requirement, and with `remarks` how each figure is known."""
    kinds = rows[["requirement", "device", "limit"]].drop_duplicates()
    heads = [_head(*kind) for kind in kinds.itertuples(index=False)]
    cells = []
    for (system, mode), group in rows.groupby(["system", "mode"], sort=False):
        found = set(group["verdict"])
        verdict = "out" if "out" in found else "unknown" if "unknown" in found else "in"
        each = group.to_dict("records")
        said = "; ".join(text for row in each for text in (row["said"], _tested(row)) if text)
        needed = [_needed(row) for row in each]
        cells.append([Option(system, mode).name, VERDICTS[verdict], *needed, *[said] * remarks])
    columns = ["system", "verdict", *heads, *["remark"] * remarks]
    return Table(columns, cells, prose=(-1,) if remarks else ())


def _tested(row: Mapping[str, Any]) -> str:
    seen = Seen(*(row[name] for name in Seen._fields)) if row["outcome"] else None
    return tested(seen, row["limit"])


def _head(requirement: str, device: str, limit: float) -> str:
    most = "commercial" if requirement == "licence" else f"at most {limit:,g}"
    return f"{WORDS[requirement].column}{device and f' on {device}'} ({most})"


def _needed(row: Mapping[str, Any]) -> str:
    """The figure, and how far it is above the limit."""
    if row["requirement"] == "licence":
        return {"in": "allowed", "out": "forbidden", "unknown": "unknown"}[row["verdict"]]
    least, most = row["at_least"], row["at_most"]
    if row["verdict"] == "unknown":
        what = "open" if row["outcome"] else "not measured"
        return f"{what} (> {significant(least)})" if least > 0 else what
    value = significant(row["value"])
    if math.isnan(row["value"]):
        if row["verdict"] == "in":
            return f"<= {significant(rounded_up(most))}"
        value = f"> {significant(least)}"
    times = 1 + row["over"]
    return f"{value} ({times:,.1f} times)" if times >= 2 else f"{value} ({row['over']:+.0%})"


def _sensitivity(rows: pd.DataFrame) -> Table:
    """A row a workload; figures of which none is known are left out."""
    heads = {"vectors_gb": "GB of index"}
    heads |= {name: WORDS[name].column for name in rows.columns if name in WORDS}
    known = {name: head for name, head in heads.items() if rows[name].notna().any()}
    columns = ["workload", "documents", "queries / day", "candidates", "decision"]
    cells = [
        [
            row["changed"] or "as given",
            *(f"{row[key]:,}" for key in ("documents", "queries_per_day", "candidates")),
            f"{row['answer']} {Option(row['system'], row['mode']).name}",
            *(significant(row[name]) for name in known),
        ]
        for row in rows.to_dict("records")
    ]
    return Table([*columns, *known.values()], cells)


def _frontier(place: Place, metric: str, figures: Sequence[Figure]) -> Block:
    table = _frontier_table(place.rows, metric)
    tables = [CaptionedTable(DOMINATED.format(metric=metric), table)]
    lines = list(_left_out(place.rows))
    return Block(f"Frontier: {place.name}", lines, (), tables, figures, "frontier")


def _left_out(rows: pd.DataFrame) -> Iterator[str]:
    """Which axes some options lack though others have them, and what stands for the 95th percentile."""
    no_bytes, no_time = rows["gb_per_million_documents"].isna(), rows["seconds"].isna()
    for said, chosen in (
        (f"Bytes not counted, {_compared(no_bytes)}", no_bytes),
        (f"Latency not measured, {_compared(no_time)}", no_time),
        ("Median instead of p95", rows["statistic"] == "p50"),
        ("Predicted median", rows["statistic"] == "predicted"),
    ):
        names = [Option(row.system, row.mode).name for row in rows[chosen].itertuples()]
        if names:
            yield f"{said}: {listed(names, most=NAMED)}."


def _compared(lacking: pd.Series) -> str:
    """What becomes of the options that lack an axis; of one that all lack there is nothing to know."""
    if lacking.all():
        return "compared without it"
    return "so nobody knows what they dominate or what dominates them"


def _frontier_table(rows: pd.DataFrame, metric: str) -> Table:
    """A row an option, with the chance that it is dominated."""
    columns = ["system", metric, "k", "ms", "statistic", "GB / million docs"]
    columns += ["chance to be dominated", "dominated by"]
    cells = [
        [
            Option(row["system"], row["mode"]).name,
            mean_text(row),
            number(row["k"]),
            milliseconds(row["seconds"]),
            row["statistic"] or "-",
            number(row["gb_per_million_documents"], ",.2f"),
            f"{row['p_dominated']:.0%}",
            row["dominated_by"] or "-",
        ]
        for row in rows.to_dict("records")
    ]
    return Table(columns, cells, prose=(-1,))
