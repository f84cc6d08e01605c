"""What the terminal says at the end of a run: one screen of 80 x 24."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.analysis.decision.first_screen import short_table
from harness.analysis.quality.alarms import INFO, OTHER_PACKAGES, cautions
from harness.components.timing import Kind
from harness.experiment.rules import measures_quality
from harness.page.terminal import columns, paragraph
from harness.page.text import brief, listed

if TYPE_CHECKING:
    from harness.analysis.decision.recommend import Recommendation
    from harness.execution.execute import Execution
    from harness.report.analyse import Analysis


HEIGHT = 23
"""Lines of a terminal of 24, one of which holds what is typed next."""

ROLES = ("baseline", "adopt", "assess", "runner-up")
"""The roles that stand beside an option's name."""

MISSED = re.compile(r" \(limit .*\)")
"""The mark of a figure that misses its limit."""

NAMED = 2
"""Failures that are shown, each in so many lines; of more it says how many."""

SPENT: dict[str, tuple[Kind, ...]] = {
    "training": ("train",),
    "models": ("model", "load"),
    "latency and storage": ("cost",),
    "reading data": ("data",),
    "searching": ("search",),
    "waiting for nodes": ("nodes",),
}
"""What a run's time went into, as the last line has it."""

SHARE = 0.05
"""The least share of the time that is named."""


def as_text(
    analysis: Analysis, execution: Execution, seconds: Mapping[str, float], report: Path
) -> str:
    """The closing lines of a run: on a screen of 24 lines the decision, and what it rests on most."""
    decision, experiment = analysis.decision, execution.plan.experiment
    metric = experiment.decision.objective or next(filter(measures_quality, experiment.metrics))
    above = ["", *_before(analysis), *paragraph(f"Decision: {decision.sentence}"), ""]
    below = [
        "",
        *_failures(execution.failures),
        *_left_to_read(analysis, experiment.left_out),
        *paragraph(_time(seconds)),
        f"Report: {report}",
    ]
    rows = _rows(decision, metric)
    room = HEIGHT - len(above) - len(rows) - len(below) - 1
    reason = _cut(paragraph(next(iter(decision.reasons), "")), max(room, 0))
    return "\n".join([*above, *reason, *([""] if reason else []), *rows, *below])


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


def _before(analysis: Analysis) -> Iterator[str]:
    """What must be known before the decision is read."""
    mixed = cautions(analysis.alarms[analysis.alarms["alarm"] == OTHER_PACKAGES])
    for text in (*mixed, *analysis.loads.capacities["said"][:NAMED]):
        yield from _cut(paragraph(text), 3)


def _rows(decided: Recommendation, metric: str) -> list[str]:
    """The options that a reader must see, with what they gain and need."""
    table = short_table(decided, metric)
    rows = [["", *(name.replace(" / million docs", "/M docs") for name in table.columns[2:])]]
    for name, roles, gain, *needed in table.rows:
        role = roles.partition(", ")[0]
        said = f"{brief(name)} ({role})" if role in ROLES else brief(name)
        measured = gain.partition(":")[0]
        rows.append([said, measured, *(MISSED.sub(" *", cell) for cell in needed)])
    lines = columns(rows)
    if any(MISSED.search(cell) for row in table.rows for cell in row):
        lines.append("  * misses the limit")
    more = len(decided.options) - len(table.rows)
    return [*lines, f"  and {more} more in the report"] if more > 0 else lines


def _failures(failures: Mapping[tuple[str, str], str]) -> Iterator[str]:
    for (dataset, system), reason in list(failures.items())[:NAMED]:
        yield from _cut(paragraph(f"FAILED {system} on {dataset}: {reason}"), NAMED)
    if (more := len(failures) - NAMED) > 0:
        yield f"FAILED: {more} more, named in the report"


def _left_to_read(analysis: Analysis, left_out: Mapping[str, str]) -> Iterator[str]:
    """What the report says besides, that a reader must not miss."""
    if left_out:
        yield from paragraph(f"Left out: {listed(list(left_out), most=NAMED)}; see the report.")
    alarmed = analysis.alarms[analysis.alarms["severity"] != INFO]
    if names := list(dict.fromkeys(map(str, alarmed["alarm"]))):
        yield from paragraph(f"Cautions in the report: {', '.join(names)}.")


def _time(seconds: Mapping[str, float]) -> str:
    total = sum(seconds.values())
    shares = {
        name: sum(seconds.get(kind, 0) for kind in kinds) / total for name, kinds in SPENT.items()
    }
    named = sorted(
        (name for name in shares if shares[name] >= SHARE), key=lambda name: -shares[name]
    )
    parts = [f"{shares[name]:.0%} {name}" for name in named]
    rest = 1 - sum(shares[name] for name in named)
    spent = f": {', '.join([*parts, f'{rest:.0%} the rest'])}" if parts else ""
    return f"Time: {_duration(total)}{spent}."


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def _cut(lines: Sequence[str], most: int) -> list[str]:
    """At most so many lines."""
    if len(lines) <= most:
        return [*lines]
    return [*lines[: most - 1], f"{lines[most - 1][:77]} …"] if most else []
