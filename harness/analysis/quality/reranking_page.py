"""How a rerank is to be read: alarms, ceilings, smaller depths, unjudged documents; as blocks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pandas as pd

from harness.analysis.quality.alarms import INFO, sentences
from harness.analysis.statistics.intervals import mean_text
from harness.page.blocks import Block, tabled
from harness.page.tables import Table
from harness.page.text import NONE, change, interval
from harness.results.store import Results
from harness.results.terms import objective


def alarm_blocks(alarms: pd.DataFrame) -> Iterator[Block]:
    """A dataset's alarms, if there are any: what may be wrong with its numbers."""
    said = list(sentences(alarms))
    if said:
        yield Block(
            "Cautions",
            lines=[text for severity, text in said if severity == INFO],
            warnings=[text for severity, text in said if severity != INFO],
        )


def reranking_blocks(
    results: Results,
    ceilings: pd.DataFrame,
    sweep: pd.DataFrame,
    unjudged: pd.DataFrame,
    changes: pd.DataFrame,
) -> Iterator[Block]:
    """Ceilings, smaller depths and unjudged documents of a dataset, by the objective.

    `changes` has columns DIFFERENCES.
    """
    metric = objective(results)
    yield from _block(
        "How far reranking can go",
        f"{metric}. The ceiling is what a perfect reranker of the same candidates would reach. Where the "
        "first stage loses more than the reranker leaves, improve the first stage.",
        _ceilings(ceilings),
        "ceilings",
    )
    yield from _block(
        "With fewer candidates",
        f"{metric} with fewer reranked candidates, from the scores of the one pass; 0 is the first stage "
        "alone.",
        _sweep(sweep),
        "depths",
    )
    yield from _block(
        "Unjudged documents",
        f"{metric} against {results.plan['baseline']}, and the same without the documents that nobody "
        "judged.",
        _unjudged(unjudged),
        "unjudged",
        list(_doubtful(unjudged, changes[changes["metric"] == metric])),
    )


def _block(
    title: str, caption: str, table: Table, method: str, lines: Sequence[str] = ()
) -> Iterator[Block]:
    """A table that has rows."""
    if table.rows:
        yield tabled(title, caption, table, method, lines)


def _ceilings(rows: pd.DataFrame) -> Table:
    columns = ["system", "first stage", "reranked", "ceiling", "share of the gap closed"]
    columns += ["lost before", "left behind", "limited by the"]
    cells = [
        [
            row.system,
            *(f"{value:.4f}" for value in (row.first, row.value, row.ceiling)),
            NONE if math.isnan(row.closed) else _share(row.closed, row.closed_low, row.closed_high),
            f"{row.lost_before:.4f}",
            f"{row.left_behind:.4f}",
            row.limit,
        ]
        for row in rows.itertuples()
    ]
    return Table(columns, cells)


def _share(value: float, low: float, high: float) -> str:
    return f"{value:.0%} {interval(low, high, '.0%', '')}".rstrip()


def _sweep(rows: pd.DataFrame) -> Table:
    depths = sorted(set(rows["depth"]))
    cells = []
    for system, group in rows.groupby("system", sort=False):
        by_depth = {row.depth: mean_text(row._asdict()) for row in group.itertuples()}
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
            change(row.condensed_gain, row.condensed_low, row.condensed_high, "+.4f"),
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
                f"{row.system} loses {-row.gain:.4f}, but fewer of its documents have a judgement. Without "
                f"unjudged documents the loss is not certain ({row.condensed_gain:+.4f}): judge more before "
                "you call it a loss."
            )
