"""What the terminal says at the end of a run, at most 79 columns wide."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.analysis.costs.tables import whole_cells
from harness.analysis.quality.alarms import INFO, OTHER_PACKAGES, cautions, sentences
from harness.components.timing import Kind
from harness.page.terminal import columns, paragraph
from harness.page.text import counted

if TYPE_CHECKING:
    from harness.execution.execute import Execution
    from harness.report.analyse import Analysis


OUTSIDE: dict[Kind, str] = {
    "load": "loading models and their libraries",
    "data": "reading the dataset",
    "search": "indexing and searching",
    "measure": "measuring",
    "cost": "measuring latency and storage",
    "nodes": "waiting for the nodes of the cluster",
    "report": "writing the report",
    "other": "everything else",
}


def as_text(
    analysis: Analysis, execution: Execution, seconds: Mapping[str, float], report: Path
) -> str:
    """The closing lines of a run."""
    decision = analysis.decision
    first_reason = next(iter(decision.reasons), "")
    lines = [
        *_leaderboard_lines(analysis, execution.plan.experiment.metrics),
        *_cost_lines(analysis),
        *paragraph(analysis.answer),
    ]
    for text in (
        *analysis.loads.capacities["said"],
        *cautions(analysis.alarms[analysis.alarms["alarm"] == OTHER_PACKAGES]),
        f"Decision: {decision.headline} {first_reason}",
    ):
        lines += ["", *paragraph(text)]
    lines.append("")
    for (dataset, system), reason in execution.failures.items():
        lines += paragraph(f"FAILED {system} on {dataset}: {reason}")
    return "\n".join([*lines, *paragraph(_time(seconds)), f"Report: {report}"])


def as_json(
    analysis: Analysis, execution: Execution, seconds: Mapping[str, float], report: Path
) -> str:
    """The closing lines of a run, for programs."""
    content = {
        "answer": analysis.answer,
        "decision": {
            name: getattr(analysis.decision, name)
            for name in ("answer", "system", "headline", "reasons", "flips")
        },
        "leaderboard": json.loads(analysis.leaderboard.to_json(orient="records")),
        "seconds_per_query": json.loads(analysis.costs.end_to_end.to_json(orient="records")),
        "failures": [
            {"dataset": dataset, "system": system, "reason": reason}
            for (dataset, system), reason in execution.failures.items()
        ],
        "seconds": seconds,
        "report": str(report),
    }
    return json.dumps(content, indent=1)


def _leaderboard_lines(analysis: Analysis, metrics: Sequence[str]) -> list[str]:
    lines: list[str] = []
    for dataset, group in analysis.leaderboard.groupby("dataset", sort=False):
        values = group.pivot_table(index="system", columns="metric", values="value", sort=False)
        queries = counted(int(group["queries"].max()), "query")
        rows = [[str(name), *(f"{row[m]:.4f}" for m in metrics)] for name, row in values.iterrows()]
        lines += ["", *paragraph(f"{dataset}, {queries}"), *columns([["", *metrics], *rows])]
        alarmed = analysis.alarms[analysis.alarms["dataset"] == dataset]
        alarms = [text for severity, text in sentences(alarmed) if severity != INFO]
        for note in [*analysis.notes[str(dataset)], *alarms]:
            lines += paragraph(note)
    return [*lines, ""]


def _cost_lines(analysis: Analysis) -> list[str]:
    """The whole query's latency: a row a system and mode, a column for each k."""
    lines: list[str] = []
    table = analysis.costs.end_to_end
    known = table[table["p50"].notna()]
    for (dataset, device), group in known.groupby(["dataset", "device"], sort=False):
        sizes, arms = whole_cells(group, "~", "-")
        rows = [["", *(f"k={size}" for size in sizes)]]
        rows += [[f"{system}, {mode}", *cells] for system, mode, cells in arms]
        title = f"{dataset} on {device}: ms of a whole query, median / p95 (~ predicted)"
        lines += [*paragraph(title), *columns(rows), ""]
    return lines


def _time(seconds: Mapping[str, float]) -> str:
    total = sum(seconds.values())
    shares = [
        f"{seconds[kind] / total:.1%} {name}"
        for kind, name in OUTSIDE.items()
        if seconds.get(kind, 0) >= total / 1000
    ]
    inside = {"training models": seconds.get("train", 0), "model calls": seconds.get("model", 0)}
    named = " and ".join(name for name, spent in inside.items() if spent)
    outside = 1 - sum(inside.values()) / total
    where = f", {outside:.1%} of it outside {named}" if named and "nodes" not in seconds else ""
    return f"Time: {total:.1f} s{where}: {', '.join(shares)}."
