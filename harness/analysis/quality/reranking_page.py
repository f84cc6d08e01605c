"""How a rerank is to be read: alarms, ceilings, smaller depths, unjudged documents; as blocks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from harness.analysis.quality.alarms import INFO, sentences
from harness.analysis.statistics.text import with_interval
from harness.page.blocks import Block, Captioned
from harness.page.tables import NONE, Table
from harness.page.text import interval
from harness.results.store import Results
from harness.results.terms import objective

if TYPE_CHECKING:
    from harness.report.analyse import Analysis


def alarm_blocks(analysis: Analysis, dataset: str) -> Iterator[Block]:
    """The dataset's alarms, if there are any: what may be wrong with its numbers."""
    found = analysis.alarms[analysis.alarms["dataset"] == dataset]
    if found.empty:
        return
    said = list(sentences(found))
    yield Block(
        "Alarms",
        lines=[text for severity, text in said if severity == INFO],
        warnings=[text for severity, text in said if severity != INFO],
    )


def reranking_blocks(results: Results, analysis: Analysis, dataset: str) -> Iterator[Block]:
    """Ceilings, smaller depths and unjudged documents, by the objective."""
    metric = objective(results)
    ceilings, sweep, unjudged, changes = (
        table[(table["dataset"] == dataset) & (table["metric"] == metric)]
        for table in (analysis.ceilings, analysis.sweep, analysis.unjudged, analysis.differences)
    )
    if len(ceilings):
        said = (
            f"{metric}. The ceiling is what a perfect reranker of the same candidates would reach; "
            "a first stage that loses more than the reranker leaves is what to mend first."
        )
        table = Captioned(said, _ceilings(ceilings))
        yield Block("How far reranking can go", tables=[table], method="ceilings")
    if len(sweep):
        said = (
            f"{metric} had fewer candidates been reranked, from the scores of the one pass; "
            "0 is the first stage alone."
        )
        table = Captioned(said, _sweep(sweep))
        yield Block("With fewer candidates", tables=[table], method="depths")
    if len(unjudged):
        said = (
            f"{metric} against {results.plan['baseline']}, and the same with the documents that "
            "nobody judged left out of both rankings."
        )
        lines = list(_doubtful(unjudged, changes))
        table = Captioned(said, _unjudged(unjudged))
        yield Block("Unjudged documents", lines, tables=[table], method="unjudged")


def _ceilings(rows: pd.DataFrame) -> Table:
    columns = ["system", "first stage", "reranked", "ceiling", "share of the gap closed"]
    columns += ["lost before", "left behind", "limited by the"]
    cells = [
        [
            row.system,
            *(f"{value:.4f}" for value in (row.first, row.value, row.ceiling)),
            _share(row.closed, row.closed_low, row.closed_high),
            f"{row.lost_before:.4f}",
            f"{row.left_behind:.4f}",
            row.limit,
        ]
        for row in rows.itertuples()
    ]
    return Table(columns, cells)


def _share(value: float, low: float, high: float) -> str:
    if math.isnan(value):
        return NONE
    bounds = "" if math.isnan(low) else f" [{low:.0%}, {high:.0%}]"
    return f"{value:.0%}{bounds}"


def _sweep(rows: pd.DataFrame) -> Table:
    depths = sorted(set(rows["depth"]))
    cells = []
    for system, group in rows.groupby("system", sort=False):
        by_depth = {row.depth: with_interval(row._asdict()) for row in group.itertuples()}
        cells.append([str(system), *(by_depth.get(depth, "-") for depth in depths)])
    return Table(["system", *map(str, depths)], cells)


def _unjudged(rows: pd.DataFrame) -> Table:
    columns = ["system", "judged@10", "the baseline's", "gain", "gain without unjudged"]
    cells = [
        [
            row.system,
            f"{row.judged:.0%}",
            f"{row.judged_baseline:.0%}",
            f"{row.gain:+.4f}",
            f"{row.condensed_gain:+.4f} {interval(row.condensed_low, row.condensed_high)}",
        ]
        for row in rows.itertuples()
    ]
    return Table(columns, cells)


def _doubtful(unjudged: pd.DataFrame, changes: pd.DataFrame) -> Iterator[str]:
    """Losses of systems with fewer judged documents, which the judgements may have made."""
    lost = set(changes[changes["high"] < 0]["system"])
    for row in unjudged[unjudged["system"].isin(lost)].itertuples():
        if row.judged < row.judged_baseline and row.condensed_high >= 0:
            yield (
                f"{row.system} loses {-row.gain:.4f}, but fewer of its documents were judged, and "
                f"without unjudged ones it is not shown to lose ({row.condensed_gain:+.4f}): this "
                "is not to be called a loss before more is judged."
            )
