"""Stored results -> report.md, report.html, figures and leaderboards. No model is loaded."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from harness.analysis.claims.page import claim_blocks
from harness.analysis.costs.load_page import load_blocks
from harness.analysis.costs.page import cost_details, latency_blocks
from harness.analysis.costs.vector_bytes import configurations
from harness.analysis.decision.first_screen import opening_block
from harness.analysis.decision.gains_page import gain_blocks
from harness.analysis.decision.page import decision_blocks, decision_details
from harness.analysis.decision.record import record_context
from harness.analysis.judgments.without import unjudged_blocks
from harness.analysis.quality.changed_queries import changed_queries
from harness.analysis.quality.leaderboard import subsets
from harness.analysis.quality.page import (
    dataset_block,
    quality_details,
    storage_blocks,
    storage_details,
)
from harness.analysis.quality.reranking import ceilings, sweep, unjudged
from harness.analysis.quality.reranking_page import alarm_blocks, reranking_blocks
from harness.analysis.quality.same_model import parity, speeds
from harness.analysis.quality.same_model_page import parity_blocks
from harness.components.subset import LABEL
from harness.experiment.decision_terms import Decision
from harness.files import disk
from harness.judging.model.trial_file import trial_blocks
from harness.page import blocks, drawing, tables
from harness.page.blocks import Block, Section
from harness.page.text import family
from harness.report import export, judgments, methods
from harness.report.analyse import Analysis, analyse
from harness.report.made_with import made_with, settings, system_anchors
from harness.report.missing import not_measured, random_weights
from harness.results.store import Results, load_results
from harness.results.terms import with_decision

CAVEATS: Mapping[tuple[str, str], str] = {
    ("projection", "identity"): (
        "reads the token vectors of a model that was trained for one vector a text: a zero-shot "
        "late-interaction model, not a trained ColBERT"
    ),
    ("projection", "untrained"): "has a random, untrained projection: a control",
    ("head", "untrained"): "has a random, untrained classification head: a control",
}
"""What a setting means for how far a system's numbers may be believed."""


def report_stored(folder: Path, decision: Decision | None = None) -> tuple[Analysis, Path]:
    """Write the report on the results in `folder`; what it says, and where it lies.

    It is decided by `decision` if that is given. Raises StoreError if there are no results.
    """
    results = load_results(folder)
    if decision is not None:
        results = with_decision(results, **decision.model_dump(mode="json"))
    analysis = analyse(results)
    return analysis, write_report(results, analysis)


def write_report(results: Results, analysis: Analysis) -> Path:
    """Write the report beside the results; returns the path of report.html."""
    context = report_context(results, analysis)
    for name, svg in context["figures"].items():
        disk.write(results.folder / "figures" / f"{name}.svg", drawing.standalone(svg))
    for name, text in export.leaderboards(analysis.leaderboard, results.plan["metrics"]).items():
        disk.write(results.folder / name, text)
    record = record_context(results, analysis.decision)
    pages = {"report.md": context, "report.html": context, "decision.md": record}
    for name, shown in pages.items():
        template = _environment(name.rpartition(".")[2]).get_template(f"{name}.j2")
        disk.write(results.folder / name, template.render(shown))
    return results.folder / "report.html"


def report_context(results: Results, analysis: Analysis) -> dict[str, Any]:
    """Everything that the templates show, as text and tables."""
    opening = opening_block(results, analysis.decision, analysis.frontier)
    done = {name for name, _ in (*results.facts, *results.cost_facts)}
    datasets = [str(name) for name in dict.fromkeys(results.trials["dataset"]) if name in done]
    shown = [
        Section("", [opening, Block("", list(_caveats(results)))], "opening"),
        *_in_short(results, analysis, datasets),
        *_in_detail(results, analysis, datasets),
    ]
    how = methods.methods(results, shown)
    first, *sections = blocks.anchored([*shown, how, made_with(results)])
    return {
        "name": results.plan["experiment"],
        "question": results.plan["question"],
        "answer": analysis.answer,
        "opening": first.blocks,
        "sections": sections,
        "figures": {one.name: one.svg for one in blocks.figures([first, *sections])},
        "systems": system_anchors(results),
        "drawing_style": drawing.STYLE,
    }


def _in_short(results: Results, analysis: Analysis, datasets: Sequence[str]) -> Iterator[Section]:
    """What a reader sees first of the decision, of quality, latency and storage."""
    decided, costs = analysis.decision, analysis.costs
    yield Section(
        "The decision", list(decision_blocks(results, decided, analysis.frontier)), "decision"
    )
    quality = [*gain_blocks(results, decided.gains), *alarm_blocks(analysis.alarms)]
    quality += [*unjudged_blocks(results, decided.gains.judged), *trial_blocks(results)]
    yield Section("Quality", quality, "quality")
    judged = list(judgments.judgment_blocks(results, datasets, decided.gains.judged))
    yield from [Section("Judgments", judged, "judgments")] * bool(judged)
    latency: list[Block] = []
    storage: list[Block] = []
    for name in datasets:
        latency += latency_blocks(results, costs.of(name), name)
        latency += load_blocks(results, analysis.loads, name)
        board = analysis.leaderboard[analysis.leaderboard["dataset"] == name]
        storage += storage_blocks(results, name, board, costs.of(name).vector_bytes)
    yield from [Section("Latency", latency, "latency")] * bool(latency)
    yield from [Section("Storage", storage, "storage")] * bool(storage)
    random = random_weights(results)
    missing = [Block("Not measured", not_measured(results))]
    missing += [Block("What random weights stand in for", random)] * bool(random)
    yield Section("What was not measured and why", missing, "missing")


def _in_detail(results: Results, analysis: Analysis, datasets: Sequence[str]) -> Iterator[Section]:
    """Every system and figure, which the reader opens."""
    decision = list(decision_details(results, analysis.decision, analysis.frontier))
    if decision:
        yield Section("The decision in detail", decision, "decision-details", folded=True)
    yield from (_of_dataset(results, analysis, name) for name in datasets)
    if claims := list(claim_blocks(results)):
        yield Section("Claims", claims, "claims", folded=True)


def _of_dataset(results: Results, analysis: Analysis, dataset: str) -> Section:
    def of(table: pd.DataFrame) -> pd.DataFrame:
        return table[table["dataset"] == dataset]

    board, changes = of(analysis.leaderboard), of(analysis.differences)
    costs = analysis.costs.of(dataset)
    found = [
        *quality_details(results, dataset, board, changes),
        *parity_blocks(results, parity(results, dataset), speeds(results, dataset)),
        *reranking_blocks(
            *(results, ceilings(results, dataset), sweep(results, dataset)),
            *(unjudged(results, dataset), changes),
        ),
        *storage_details(results, board, costs.vector_bytes),
        *cost_details(results, dataset, costs),
        *changed_queries(results, dataset),
        dataset_block(results, dataset, analysis.notes.get(dataset, ())),
    ]
    return Section(f"Everything on {dataset}", found, f"on-{dataset}", folded=True)


def _caveats(results: Results) -> Iterator[str]:
    """What limits how far numbers may be believed: subsets, and settings of systems."""
    seen: dict[str, Counter[str]] = {}
    for system, config in configurations(results).items():
        pairs = [(path.rpartition(".")[2], value) for path, value in settings(config)]
        for meaning in dict.fromkeys(CAVEATS[pair] for pair in pairs if pair in CAVEATS):
            seen.setdefault(meaning, Counter())[family(system)] += 1
    for name in sorted(subsets(results)):
        yield f"{name} is a {LABEL}."
    for meaning, names in seen.items():
        said = ", ".join(f"{n} ({count} systems)" if count > 1 else n for n, count in names.items())
        yield f"{said}: {meaning}."


def _environment(ending: str) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("harness.report"),
        autoescape=ending == "html",  # noqa: S701 - Markdown escapes by its own filter
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "md": tables.markdown,
        "apart": tables.apart,
        "key": _key,
        "method": methods.method_of,
        "how": methods.anchor,
        "breaks": _breaks,
    }
    return environment


def _breaks(name: str) -> Markup:
    """`name` for a page, which may break its line where a part of it ends."""
    return Markup("<wbr>").join(re.split(r"(?<=[\[,./_])", name))


def _key(cell: str) -> str | None:
    """What a page sorts a cell by: a number, nothing for what has no value, None for its text."""
    key = tables.sort_key(cell)
    if key is None:
        return ""
    return None if isinstance(key, str) else f"{key:.12g}"
