"""The decision as blocks that both templates show alike: what to do, why, and what would change it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from harness.analysis.decision.frontier import RESAMPLES
from harness.analysis.decision.frontier_figure import frontier_figure
from harness.analysis.decision.headline import tested
from harness.analysis.decision.options import Option
from harness.analysis.decision.recommend import Recommendation
from harness.analysis.statistics.tail import Seen
from harness.analysis.statistics.text import with_interval
from harness.experiment.result_folders import slug
from harness.page.blocks import Block, Captioned
from harness.page.tables import Table, number
from harness.page.text import interval, milliseconds, significant
from harness.results.store import Results
from harness.results.terms import objective, terms

if TYPE_CHECKING:
    from harness.report.analyse import Analysis

LONG = 20
"""Rows above which a table is folded."""

LIMITED = {
    "p95_ms": "p95 ms",
    "gb_per_million_documents": "GB / million docs",
    "memory_gb": "RAM GB",
    "cost_per_month": "cost / month",
    "licence": "licence",
}

VERDICTS = {"in": "in", "out": "OUT", "unknown": "assess"}

EXPLAINED = (
    "Dominated: another is at least as good in {metric}, latency and bytes, and better in one of "
    f"them. Its chance is the share of {RESAMPLES:,} draws of the queries in which that holds, by the "
    "quality and the timed calls of the same queries, each system's times moved as two equal arms differed."
)


def decision_blocks(results: Results, analysis: Analysis) -> list[Block]:
    """Reasons, who meets the requirements, what would flip it."""
    decided = analysis.decision
    blocks = [Block("Why", decided.reasons), *_gains(results, decided)]
    if len(decided.requirements):
        table = requirements_table(decided)
        caption = "What each system needs, and by how much it misses what is allowed."
        tables = [Captioned(caption, table, len(table.rows) > LONG)]
        blocks.append(Block("Who meets the requirements", tables=tables, method="decision"))
    if decided.flips:
        blocks.append(Block("What would flip it", decided.flips, method="decision"))
    if len(decided.sensitivity):
        blocks.append(_sensitivity(decided.sensitivity))
    return [*blocks, *_frontiers(results, analysis.frontier)]


SHOWN = {"better": "beats it", "worse": "ranks worse", "open": "no", "same": "never differs"}


def _gains(results: Results, decided: Recommendation) -> Iterator[Block]:
    """Who is shown to beat the baseline: the one table of tests."""
    gained, baseline, metric = decided.gains, results.plan["baseline"], objective(results)
    if gained.table.empty:
        return
    smallest = terms(results).smallest_gain_that_matters
    columns = ["system", "gain", *dict.fromkeys(map(p_of_gain, (0.0, smallest))), "shown"]
    cells = []
    for row in gained.surest:
        p = [p_cell(one) for one in (row.p_none_holm, row.p_holm)][: len(columns) - 3]
        shown = f"beats it by {smallest:g}" if row.state == "shown" and smallest else ""
        gain = f"{row.gain:+.4f} {interval(row.low, row.high)}"
        cells.append([row.system, gain, *p, shown or SHOWN[row.verdict]])
    over = f", over {len(gained.by_dataset)} datasets" * (len(gained.by_dataset) > 1)
    caption = (
        f"By {metric}{over}; queries: {gained.queries:,}, comparisons that are tested: "
        f"{gained.family}. No other table tests a gain."
    )
    yield Block(
        f"Who beats {baseline}", tables=[Captioned(caption, Table(columns, cells))], method="tests"
    )


def p_cell(p: float) -> str:
    """A p as a table has it."""
    return "< 0.0001" if p < 0.0001 else number(p, ".4f")


def p_of_gain(gain: float) -> str:
    """The column of the test that the true gain is this."""
    return f"p ({f'gain of {gain:g}' if gain else 'no gain'}, Holm)"


def requirements_table(decided: Recommendation) -> Table:
    """A row an option, a column a requirement."""
    rows = decided.requirements
    kinds = rows[["requirement", "device", "limit"]].drop_duplicates()
    heads = [_head(*kind) for kind in kinds.itertuples(index=False)]
    cells = []
    for (system, mode), group in rows.groupby(["system", "mode"], sort=False):
        found = set(group["verdict"])
        verdict = "out" if "out" in found else "unknown" if "unknown" in found else "in"
        each = group.to_dict("records")
        said = "; ".join(text for row in each for text in (row["said"], _tested(row)) if text)
        needed = [_needed(row) for row in each]
        cells.append([Option(system, mode).name, VERDICTS[verdict], *needed, said])
    return Table(["system", "verdict", *heads, "remark"], cells, prose=(-1,))


def _tested(row: Mapping[str, Any]) -> str:
    seen = Seen(*(row[name] for name in Seen._fields)) if row["outcome"] else None
    return tested(seen, row["limit"])


def _head(requirement: str, device: str, limit: float) -> str:
    where = f" on {device}" if device else ""
    most = "commercial" if requirement == "licence" else f"at most {limit:,g}"
    return f"{LIMITED[requirement]}{where} ({most})"


def _needed(row: Mapping[str, Any]) -> str:
    """The figure, and how far it is above the limit."""
    if row["requirement"] == "licence":
        return {"in": "allowed", "out": "forbidden", "unknown": "not known"}[row["verdict"]]
    least, most = row["at_least"], row["at_most"]
    if row["verdict"] == "unknown":
        what = "not settled" if row["outcome"] else "not measured"
        return f"{what} (> {significant(least)})" if least > 0 else what
    if math.isnan(row["value"]):
        if row["verdict"] == "in":
            return f"<= {significant(most)}"
        value = f"> {significant(least)}"
    else:
        value = significant(row["value"])
    times = 1 + row["over"]
    return f"{value} ({times:,.1f} times)" if times >= 2 else f"{value} ({row['over']:+.0%})"


FIGURES = {
    "vectors_gb": "GB of index",
    "memory_gb": "RAM GB",
    "p50_ms": "p50 ms",
    "p95_ms": "p95 ms",
    "cost_per_month": "cost / month",
}


def sensitivity_table(rows: pd.DataFrame) -> Table:
    """A row a workload; figures of which none is known are left out."""
    known = [name for name in FIGURES if rows[name].notna().any()]
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
    return Table([*columns, *(FIGURES[name] for name in known)], cells)


def _sensitivity(rows: pd.DataFrame) -> Block:
    caption = "With the quality that was measured; the figures are needs of the named system."
    decided = rows[["answer", "system", "mode"]].drop_duplicates()
    said = "The decision is the same for all of these." if len(decided) == 1 else ""
    tables = [Captioned(caption, sensitivity_table(rows))]
    return Block("For other workloads", [said] * bool(said), tables=tables, method="decision")


def _frontiers(results: Results, table: pd.DataFrame) -> Iterator[Block]:
    metric = objective(results)
    for (dataset, device), rows in table.groupby(["dataset", "device"], sort=False):
        where = f"{dataset} on {device}" if device else str(dataset)
        figures = []
        if rows["seconds"].notna().sum() > 1:
            name = f"frontier-{slug(str(dataset))}-{device}"
            figures = [frontier_figure(rows, metric, where, name)]
        found = frontier_table(rows, metric)
        tables = [Captioned(EXPLAINED.format(metric=metric), found, len(found.rows) > LONG)]
        yield Block(f"Frontier: {where}", list(_left_out(rows)), (), tables, figures, "frontier")


def _left_out(rows: pd.DataFrame) -> Iterator[str]:
    """Which axes some options lack though others have them, and what stands for the 95th percentile."""
    no_bytes, no_time = rows["gb_per_million_documents"].isna(), rows["seconds"].isna()
    for said, chosen in (
        (f"Bytes not counted, {_compared(no_bytes)}", no_bytes),
        (f"Latency not measured, {_compared(no_time)}", no_time),
        ("The median stands for the 95th percentile", rows["statistic"] == "p50"),
        ("The median is predicted", rows["statistic"] == "predicted"),
    ):
        names = [Option(row.system, row.mode).name for row in rows[chosen].itertuples()]
        if names:
            yield f"{said}: {', '.join(names)}."


def _compared(lacking: pd.Series) -> str:
    """What becomes of the options that lack an axis; of one that all lack there is nothing to know."""
    if lacking.all():
        return "compared without it"
    return "so that nobody knows what they dominate or are dominated by"


def frontier_table(rows: pd.DataFrame, metric: str) -> Table:
    """A row an option, with the chance that it is dominated."""
    columns = ["system", metric, "k", "ms", "statistic", "GB / million docs"]
    columns += ["chance to be dominated", "dominated by"]
    cells = [
        [
            Option(row["system"], row["mode"]).name,
            with_interval(row),
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
