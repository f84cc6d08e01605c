"""The section on quality of one dataset: leaderboard, differences, storage, changed queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from harness.analysis import compare
from harness.analysis.compare import Analysis
from harness.analysis.kept import Configs, configurations
from harness.plan import slug
from harness.report import figures
from harness.report.tables import Table
from harness.store import Results

QUERIES_SHOWN = 3
"""Queries that won most and lost most, for each system."""

SYSTEMS_WITH_QUERIES = 3
"""Systems whose changed queries are shown: those that changed most."""

SNIPPET = 240
"""Characters of a document that a reader is shown."""


def quality_section(
    results: Results, analysis: Analysis, dataset: str, shown: dict[str, str]
) -> dict[str, Any]:
    """What the templates show of the dataset's quality; figures are added to `shown`."""
    board, changes, sizes = (
        table[table["dataset"] == dataset]
        for table in (analysis.leaderboard, analysis.differences, analysis.storage)
    )
    storage = _storage(sizes, board[board["metric"] == results.plan["metrics"][0]])
    known = (fact["dataset"] for name, fact in results.facts.items() if name[0] == dataset)
    metric, baseline = results.plan["metrics"][0], results.plan["baseline"]
    main = changes[changes["metric"] == metric]
    figure_names = {}
    if not main.empty:
        figure_names["forest"] = f"forest-{slug(dataset)}"
        shown[figure_names["forest"]] = figures.forest(main, metric, baseline, dataset)
    if not storage.empty:
        flat = board[(board["metric"] == metric) & ~board["system"].isin(storage["system"])]
        figure_names["storage"] = f"storage-{slug(dataset)}"
        lines = [_line(name, configurations(results)) for name in storage["system"]]
        shown[figure_names["storage"]] = figures.quality_against_storage(
            storage.assign(line=lines),
            metric,
            list(zip(flat["system"], flat["value"], strict=True)),
            dataset,
        )
    return {
        "name": dataset,
        "facts": next(known, None),
        "notes": analysis.notes.get(dataset, []),
        "figures": figure_names,
        "label": "".join(f"{label.capitalize()}." for label in board["label"].unique() if label),
        "leaderboard": _leaderboard(board, results.plan["metrics"]),
        "differences": _differences(changes),
        "storage": _storage_table(storage, metric, baseline),
        "changed": list(_changed(results, dataset, metric)),
    }


def _line(system: str, configs: Configs) -> str:
    """What a curve joins: the systems of one name and its `vary`, else those of the same model."""
    varied, bracket, _ = system.partition("[")
    if any(other.startswith(f"{system}[") for other in configs):
        return system
    encoder = (configs.get(system, {}).get("reranker") or {}).get("encoder") or {}
    return varied if bracket else str(encoder.get("model", system))


def _leaderboard(board: pd.DataFrame, metrics: Sequence[str]) -> Table:
    rows = []
    for system, group in board.groupby("system", sort=False):
        by_metric = group.set_index("metric")
        cells = [_with_interval(by_metric.loc[metric]) for metric in metrics]
        extra = [f"{by_metric.loc[name, 'value']:.0%}" for name in ("judged@10", "ties@10")]
        rows.append([str(system), *cells, *extra])
    return Table(["system", *metrics, "judged@10", "ties@10"], rows)


def _with_interval(row: Any) -> str:
    if row["low"] != row["low"]:
        return f"{row['value']:.4f} [no interval: one query]"
    return f"{row['value']:.4f} [{row['low']:.3f}, {row['high']:.3f}]"


def _differences(changes: pd.DataFrame) -> Table:
    rows = [
        [
            row.system,
            row.metric,
            f"{row.gain:+.4f} [{row.low:+.3f}, {row.high:+.3f}]",
            f"{row.p_holm:.4f}",
            f"{row.wins} / {row.ties} / {row.losses}",
        ]
        for row in changes.itertuples()
    ]
    return Table(["system", "metric", "gain", "p (Holm)", "wins / ties / losses"], rows)


def _storage(sizes: pd.DataFrame, board: pd.DataFrame) -> pd.DataFrame:
    """One row a system that keeps vectors: its bytes over all stages, the vectors of the last."""
    quality = board.set_index("system")
    rows = []
    for system, group in sizes.groupby("system", sort=False):
        last = group.iloc[-1]
        rows.append(
            {
                "system": system,
                "dim": last["dim"],
                "precision": last["precision"],
                "multi_vector": last["vectors_per_document"] > 1,
                "vectors_per_document": last["vectors_per_document"],
                "bytes_per_document": group["bytes_per_document"].sum(),
                "gb_per_million_documents": group["gb_per_million_documents"].sum(),
                **{name: quality.loc[system, name] for name in ("value", "low", "high")},
            }
        )
    return pd.DataFrame(rows)


def _storage_table(storage: pd.DataFrame, metric: str, baseline: str) -> Table:
    columns = ["system", metric, "dim", "precision", "vectors / doc", "bytes / doc"]
    columns += ["GB / million docs", f"times {baseline}"]
    if storage.empty:
        return Table(columns, [])
    sizes = storage.set_index("system")["bytes_per_document"]
    rows = [
        [
            row.system,
            _with_interval(row._asdict()),
            str(row.dim),
            row.precision,
            f"{row.vectors_per_document:.1f}",
            f"{row.bytes_per_document:,.0f}",
            f"{row.gb_per_million_documents:,.2f}",
            f"{row.bytes_per_document / sizes[baseline]:.1f}" if baseline in sizes else "-",
        ]
        for row in storage.itertuples(index=False)
    ]
    return Table(columns, rows)


def _changed(results: Results, dataset: str, metric: str) -> Iterator[dict[str, Any]]:
    table = compare.changed_most(results, metric, QUERIES_SHOWN)
    table = table[table["dataset"] == dataset]
    baseline = results.plan["baseline"]
    spread = table.groupby("system", sort=False)["change"].agg(lambda c: c.abs().sum())
    chosen = spread.sort_values(ascending=False, kind="stable").head(SYSTEMS_WITH_QUERIES).index
    before = results.run(dataset, baseline) if len(chosen) else {}
    for system in chosen:
        after = results.run(dataset, str(system))
        texts = {**results.texts(dataset, baseline), **results.texts(dataset, str(system))}
        yield {
            "system": system,
            "queries": [
                {
                    "query_id": row.query_id,
                    "text": texts[f"query {row.query_id}"],
                    "before": f"{row.baseline:.3f}",
                    "after": f"{row.value:.3f}",
                    "first_before": _first(before[row.query_id], texts),
                    "first_after": _first(after[row.query_id], texts),
                }
                for row in table[table["system"] == system].itertuples()
            ],
        }


def _first(hits: Sequence[Any], texts: Mapping[str, str]) -> dict[str, str]:
    if not hits:
        return {"doc_id": "no hit", "text": ""}
    text = texts.get(f"doc {hits[0].doc_id}", "")
    return {"doc_id": hits[0].doc_id, "text": text[:SNIPPET] + "…" * (len(text) > SNIPPET)}
