"""Stored results -> report.md, report.html, decision.md, figures and leaderboard.csv; no model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2

from harness import files
from harness.analysis.compare import Analysis
from harness.report.claims import claim_blocks
from harness.report.costs import cost_blocks
from harness.report.decision import decision_blocks
from harness.report.missing import not_measured, random_weights
from harness.report.quality import quality_section
from harness.report.record import record_context
from harness.report.reranking import alarm_blocks, reranking_blocks
from harness.report.tables import Table, apart, markdown
from harness.store import Results

CAVEATS: Mapping[tuple[str, str], str] = {
    ("projection", "identity"): (
        "reads the token vectors of a model that was trained for one vector a text: a zero-shot "
        "late-interaction model, not a trained ColBERT"
    ),
    ("projection", "untrained"): "has a random, untrained projection: a control",
    ("head", "untrained"): "has a random, untrained classification head: a control",
}
"""What a setting means for how far a system's numbers may be believed."""


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
    record = _environment("md").get_template("decision.md.j2")
    files.write(results.folder / "decision.md", record.render(record_context(results, analysis)))
    return results.folder / "report.html"


def report_context(results: Results, analysis: Analysis) -> dict[str, Any]:
    """Everything that the templates show, as text and tables."""
    shown: dict[str, str] = {}
    decision = decision_blocks(results, analysis, shown)
    sections = [
        quality_section(results, analysis, name, shown)
        | {
            "alarms": list(alarm_blocks(analysis, name)),
            "blocks": [
                *reranking_blocks(results, analysis, name),
                *cost_blocks(results, analysis, name, shown),
            ],
        }
        for name in _datasets(results)
    ]
    facts = [*results.facts.values(), *results.cost_facts.values()]
    provenance: Mapping[str, Any] = next((fact["provenance"] for fact in facts), {})
    return {
        "name": results.plan["experiment"],
        "question": results.plan["question"],
        "answer": analysis.answer,
        "decision": decision,
        "metric": results.plan["metrics"][0],
        "baseline": results.plan["baseline"],
        "sections": sections,
        "claims": list(claim_blocks(results)),
        "figures": shown,
        "caveats": list(_caveats(results)),
        "random_weights": random_weights(results),
        "not_measured": not_measured(results),
        "systems": _systems(results),
        "timings": _timings(results),
        "provenance": provenance,
    }


def _datasets(results: Results) -> list[str]:
    """Those of which anything was measured, in the order of the experiment."""
    done = {name for name, _ in (*results.facts, *results.cost_facts)}
    return [str(name) for name in dict.fromkeys(results.trials["dataset"]) if name in done]


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
    environment.filters |= {"md": markdown, "apart": apart}
    return environment
