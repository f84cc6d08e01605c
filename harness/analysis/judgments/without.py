"""What can be known of systems on a dataset of which nothing is judged: how far their rankings differ."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pandas as pd

from harness.analysis.judgments.gain_bounds import gain_bounds
from harness.analysis.judgments.overlap import rank_biased_overlap, shared_first
from harness.experiment.metric_names import parsed, written
from harness.page.blocks import Block, CaptionedTable
from harness.page.tables import Table
from harness.page.text import counted, number, percent
from harness.results.store import Results
from harness.results.terms import objective

FIRST = 10
"""Documents of a ranking that are compared, where the objective names no other number."""

DIFFERENCES = ("system", "overlap", "shared", "same", "low", "high")
"""One row a system but the baseline, of the queries' means: the rank-biased overlap with the baseline's
ranking, the share of the first documents that both have, the share of the queries with the same ones
in the same order, and the bounds of `gain_bounds`."""

HOW = (
    "Means over all queries. Rank-biased overlap is how far the whole rankings agree, the first ranks "
    "above all: 1 is the same ranking, 0 shares nothing (Webber, Moffat and Zobel 2010, persistence "
    "0.9). The last column is the least and the most that any judgments could make of the gain."
)

UNTOLD = (
    "Nothing on {dataset} is judged, so that no number says who ranks better.",
    "`python -m harness judge FILE` shows you the documents on which the decision hangs.",
)


def unjudged_blocks(results: Results, judged: Collection[str]) -> Iterator[Block]:
    """A block for each dataset of which nothing is judged, or drawn queries alone: these in `judged`."""
    baseline = results.plan["baseline"]
    for dataset in sorted(results.unjudged):
        lines = [] if dataset in judged else [line.format(dataset=dataset) for line in UNTOLD]
        found, depth = differences(results, dataset), _depth(results)
        if not len(found):
            yield Block(f"What is known of {dataset} without judgments", lines)
            continue
        row = min(found.itertuples(), key=lambda row: row.overlap)
        lines.append(
            f"{row.system} differs most from {baseline}: their rank-biased overlap is "
            f"{number(row.overlap, '.2f')}, and they share {percent(row.shared)} of their first "
            f"{counted(depth, 'document')}."
        )
        table = CaptionedTable(HOW, _table(found, depth))
        yield Block(f"What is known of {dataset} without judgments", lines, tables=[table])


def differences(results: Results, dataset: str) -> pd.DataFrame:
    """Columns DIFFERENCES; no row where the baseline has no run."""
    baseline, depth = results.plan["baseline"], _depth(results)
    systems = [system for name, system in results.facts if name == dataset]
    rows = []
    if baseline in systems:
        theirs = _ids(results, dataset, baseline)
        for system in (name for name in systems if name != baseline):
            mine = _ids(results, dataset, system)
            pairs = [(mine.get(name, []), theirs.get(name, [])) for name in {**theirs, **mine}]
            each = [
                (
                    rank_biased_overlap(one, other),
                    shared_first(one, other, depth),
                    one[:depth] == other[:depth],
                    *gain_bounds(one, other, {}, most=1, depth=depth),
                )
                for one, other in pairs
            ]
            rows.append((system, *pd.DataFrame(each, dtype=float).mean()))  # without what is NaN
    return pd.DataFrame(rows, columns=list(DIFFERENCES))


def _ids(results: Results, dataset: str, system: str) -> dict[str, list[str]]:
    run = results.run(dataset, system)
    return {query_id: [hit.doc_id for hit in hits] for query_id, hits in run.items()}


def _depth(results: Results) -> int:
    """How many documents the objective looks at."""
    return parsed(objective(results)).cut or FIRST


def _table(found: pd.DataFrame, depth: int) -> Table:
    columns = [
        "system",
        "rank-biased overlap",
        f"first {depth} shared",
        f"queries with the same first {depth}",
        f"possible gain in {written(f'ndcg@{depth}')}",
    ]
    rows = [
        [
            row.system,
            number(row.overlap, ".2f"),
            percent(row.shared),
            percent(row.same),
            f"{row.low:+.3f} to {row.high:+.3f}",
        ]
        for row in found.itertuples()
    ]
    return Table(columns, rows)
