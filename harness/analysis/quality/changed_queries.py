"""The queries that a system changed most: what stood first before and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.analysis.quality import leaderboard
from harness.page.blocks import Block, CaptionedTable
from harness.page.tables import Table
from harness.page.text import beginning
from harness.results.store import Results
from harness.results.terms import objective

QUERIES_SHOWN = 3
"""Queries that won most and lost most, for each system."""

SYSTEMS_WITH_QUERIES = 3
"""Systems whose changed queries are shown: those that changed most."""

CHANGED = ["query", "text", "before", "after", "first document before", "first document after"]


def changed_queries(results: Results, dataset: str) -> Iterator[Block]:
    """The queries whose value changed most, for the systems that changed most."""
    metric, baseline = objective(results), results.plan["baseline"]
    table = leaderboard.changed_most(results, dataset, metric, QUERIES_SHOWN)
    distance = table.groupby("system", sort=False)["change"].agg(lambda c: c.abs().sum())
    chosen = distance.sort_values(ascending=False, kind="stable").head(SYSTEMS_WITH_QUERIES).index
    if not len(chosen):
        return
    queries = table[table["system"].isin(chosen)]["query_id"].unique().tolist()
    first = {name: results.first_hits(dataset, name, queries) for name in (baseline, *chosen)}
    docs = {doc_id for hits in first.values() for doc_id in hits.values()}
    names = [*(f"query {query_id}" for query_id in queries), *(f"doc {doc_id}" for doc_id in docs)]
    texts, before = results.texts(dataset, baseline, names), first[baseline]
    tables = []
    for i, system in enumerate(map(str, chosen)):
        known, after = {**texts, **results.texts(dataset, system, names)}, first[system]
        rows = [
            [
                row.query_id,
                known[f"query {row.query_id}"],
                f"{row.baseline:.3f}",
                f"{row.value:.3f}",
                _first(before.get(row.query_id), known),
                _first(after.get(row.query_id), known),
            ]
            for row in table[table["system"] == system].itertuples()
        ]
        caption = f"{system} against {baseline}, by {metric}."
        tables.append(CaptionedTable(caption, Table(CHANGED, rows, prose=(1, 4, 5)), folded=i > 0))
    yield Block("Queries that changed most", tables=tables, method="metrics")


def _first(doc_id: str | None, texts: Mapping[str, str]) -> str:
    """The id and the beginning of a document."""
    if doc_id is None:
        return "no hit"
    return f"{doc_id}: {beginning(texts.get(f'doc {doc_id}', ''))}"
