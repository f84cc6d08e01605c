"""Stored results -> report.md, report.html, figures and leaderboard.csv. No model is loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import pandas as pd

from harness import files
from harness.analysis import compare
from harness.analysis.compare import Analysis
from harness.plan import slug
from harness.report import figures
from harness.store import Results

QUERIES_SHOWN = 3
"""Queries that won most and lost most, for each system."""

SYSTEMS_WITH_QUERIES = 3
"""Systems whose changed queries are shown: those that changed most."""

SNIPPET = 240
"""Characters of a document that a reader is shown."""

CAVEATS: Mapping[tuple[str, str], str] = {
    ("projection", "identity"): (
        "reads the token vectors of a model that was trained for one vector a text: a zero-shot "
        "late-interaction model, not a trained ColBERT"
    ),
    ("projection", "untrained"): "has a random, untrained projection: a control",
    ("head", "untrained"): "has a random, untrained classification head: a control",
}
"""What a setting means for how far a system's numbers may be believed."""

NOT_MEASURED = (
    "Latency, memory and cost: this experiment measures quality and the bytes of vectors.",
    "The bytes of lexical indexes: only vectors are counted.",
)
"""What no experiment measures yet; a reader must not take its absence for a zero."""


class Table(NamedTuple):
    """A table for both templates; the first column is text, the others numbers."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def write_report(results: Results, analysis: Analysis) -> Path:
    """Write the report beside the results; returns the path of report.html."""
    context = report_context(results, analysis)
    for name, svg in context["figures"].items():
        files.write(results.folder / "figures" / f"{name}.svg", svg)
    table = analysis.leaderboard.to_csv(index=False, lineterminator="\n")
    files.write(results.folder / "leaderboard.csv", table)
    for ending in ("md", "html"):
        text = _environment(ending).get_template(f"report.{ending}.j2").render(context)
        files.write(results.folder / f"report.{ending}", text)
    return results.folder / "report.html"


def report_context(results: Results, analysis: Analysis) -> dict[str, Any]:
    """Everything that the templates show, as text and tables."""
    shown: dict[str, str] = {}
    sections = [_dataset_section(results, analysis, name, shown) for name in _datasets(results)]
    provenance: Mapping[str, Any] = next(
        (fact["provenance"] for fact in results.facts.values()), {}
    )
    return {
        "name": results.plan["experiment"],
        "question": results.plan["question"],
        "answer": analysis.answer,
        "metric": results.plan["metrics"][0],
        "baseline": results.plan["baseline"],
        "sections": sections,
        "figures": shown,
        "caveats": list(_caveats(results)),
        "not_measured": [*_undone(results), *NOT_MEASURED],
        "systems": _systems(results),
        "timings": _timings(results),
        "provenance": provenance,
    }


def _datasets(results: Results) -> list[str]:
    done = results.trials[results.trials["status"] == "done"]
    return [str(name) for name in dict.fromkeys(done["dataset"])]


def _dataset_section(
    results: Results, analysis: Analysis, dataset: str, shown: dict[str, str]
) -> dict[str, Any]:
    board, changes, sizes = (
        table[table["dataset"] == dataset]
        for table in (analysis.leaderboard, analysis.differences, analysis.storage)
    )
    storage = _storage(sizes, board[board["metric"] == results.plan["metrics"][0]])
    facts = next(fact["dataset"] for name, fact in results.facts.items() if name[0] == dataset)
    metric, baseline = results.plan["metrics"][0], results.plan["baseline"]
    main = changes[changes["metric"] == metric]
    figure_names = {}
    if not main.empty:
        figure_names["forest"] = f"forest-{slug(dataset)}"
        shown[figure_names["forest"]] = figures.forest(main, metric, baseline, dataset)
    if not storage.empty:
        flat = board[(board["metric"] == metric) & ~board["system"].isin(storage["system"])]
        figure_names["storage"] = f"storage-{slug(dataset)}"
        shown[figure_names["storage"]] = figures.quality_against_storage(
            storage, metric, list(zip(flat["system"], flat["value"], strict=True)), dataset
        )
    return {
        "name": dataset,
        "facts": facts,
        "notes": analysis.notes[dataset],
        "figures": figure_names,
        "label": board["label"].iloc[0].capitalize() + "." if board["label"].iloc[0] else "",
        "leaderboard": _leaderboard(board, results.plan["metrics"]),
        "differences": _differences(changes),
        "storage": _storage_table(storage, metric, baseline),
        "changed": list(_changed(results, dataset, metric)),
    }


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


def _caveats(results: Results) -> Iterator[str]:
    seen: dict[str, list[str]] = {}
    for (_, system), facts in results.facts.items():
        for key, value in _settings(facts["system"]):
            if (key, value) in CAVEATS:
                systems = seen.setdefault(CAVEATS[key, value], [])
                systems += [] if system in systems else [system]
    for meaning, systems in seen.items():
        yield f"{', '.join(systems)}: {meaning}."


def _settings(config: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(config, Mapping):
        for key, value in config.items():
            if isinstance(value, Mapping | list):
                yield from _settings(value)
            else:
                yield key, value
    elif isinstance(config, list):
        for item in config:
            yield from _settings(item)


def _undone(results: Results) -> list[str]:
    undone = results.trials[results.trials["status"] != "done"]
    return [f"{row.system} on {row.dataset}: {row.reason}" for row in undone.itertuples()]


def _systems(results: Results) -> list[tuple[str, str]]:
    configs = {system: facts["system"] for (_, system), facts in results.facts.items()}
    return [
        (
            system,
            json.dumps(
                {k: v for k, v in config.items() if k != "name" and v is not None}, indent=1
            ),
        )
        for system, config in configs.items()
    ]


def _timings(results: Results) -> Table:
    rows = [
        [row.system, row.dataset, row.stage, f"{row.seconds:.1f}", row.finished]
        for row in results.timings.itertuples()
    ]
    return Table(["system", "dataset", "stage", "seconds", "finished (UTC)"], rows)


def _environment(ending: str) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("harness.report"),
        autoescape=ending == "html",  # noqa: S701 - Markdown escapes by its own filter
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["md"] = markdown
    return environment


def markdown(text: object) -> str:
    """`text` on one line with everything escaped that Markdown or HTML would act on."""
    line = " ".join(str(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]#|~])", r"\\\1", line)
