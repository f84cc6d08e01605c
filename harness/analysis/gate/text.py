"""What the terminal says of a gate, at most 79 columns wide."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from harness.analysis.gate.baseline_files import KEYS, Baseline
from harness.analysis.gate.judge import Gate
from harness.analysis.gate.relative_latency import is_latency
from harness.page.terminal import columns, paragraph
from harness.page.text import counted

CHANGES_SHOWN = 12
"""Lines of what changed in configuration and versions; the Markdown has all."""


def gate_text(gate: Gate, run: str, accept: str) -> str:
    """Verdict, a table for each dataset and rule, what is not a pass, and what changed.

    `run` and `accept` are the commands that a reader may need, which are not broken into lines.
    """
    lines = [
        *paragraph(f"Gate {gate.experiment}: {gate.status} ({gate.tally})"),
        *paragraph(f"Accepted on {gate.accepted['accepted']}: {gate.accepted['reason']}"),
    ]
    tables: defaultdict[tuple[str, str, float], list[Sequence[str]]] = defaultdict(list)
    for one in gate.judgements:
        cells = (one.system, *one.numbers[:3], one.verdict)
        tables[one.dataset, one.metric, one.margin].append(cells)
    for (dataset, metric, margin), rows in tables.items():
        allowed = f"may grow {margin:g} times" if is_latency(metric) else f"may lose {margin:g}"
        lines += ["", *paragraph(f"{dataset}, {metric}: {allowed}")]
        lines += columns([["", "accepted", "now", "change", ""], *rows])
    lines += [""] * bool(gate.remarkable)
    for one in gate.remarkable:
        lines += paragraph(f"{one.status.upper()} {one.name}: {one.message}")
    if gate.changed:
        lines += ["", "Changed in configuration and versions:"]
    for changed in gate.changed[:CHANGES_SHOWN]:
        lines += paragraph(str(changed), "  ")
    if len(gate.changed) > CHANGES_SHOWN:
        lines.append(f"  and {len(gate.changed) - CHANGES_SHOWN} more")
    return "\n".join([*lines, *_way_out(gate, run, accept)])


def _way_out(gate: Gate, run: str, accept: str) -> list[str]:
    if gate.status == "pass":
        return []
    if any(one.run_again for one in gate.judgements):
        return ["", "Run what has no result:", f"  {run}"]
    return ["", "If this is meant:", f"  {accept}"]


def accepted_text(before: Baseline | None, after: Baseline, table: Path) -> str:
    """Where the baseline lies now, and what is another value than before."""
    means = _means(after)
    count = f"{counted(len(means), 'mean')} of {counted(len(after.table), 'value')}"
    lines = paragraph(
        f"Accepted: {count} in {table} and {table.with_suffix('.json').name}; commit both."
    )
    if not all(facts["equal_arms"] for facts in after.facts["latency"].values()):
        lines += paragraph(
            "Its timings were noisy, or no system was timed twice, so no later latency can be compared with "
            "it."
        )
    if before is None:
        return "\n".join([*lines, "It is the first baseline of this experiment."])
    earlier = _means(before)
    rows = [
        [" ".join(name[1:]) + f" on {name[0]}", *_change(earlier.get(name), means.get(name))]
        for name in dict.fromkeys([*means, *earlier])
        if earlier.get(name) != means.get(name)
    ]
    if rows:
        lines += ["", *columns([["", "before", "now", "change"], *rows])]
    else:
        what = "value" if before.table.equals(after.table) else "mean"
        lines.append(f"Every {what} is the same as before.")
    return "\n".join(lines)


def _means(baseline: Baseline) -> dict[tuple[str, ...], float]:
    groups = baseline.table.groupby(list(KEYS[:3]), sort=False)["value"]
    return {tuple(map(str, name)): float(value) for name, value in groups.mean().round(6).items()}


def _change(before: float | None, now: float | None) -> list[str]:
    cells = ["-" if value is None else f"{value:.4f}" for value in (before, now)]
    change = "" if before is None or now is None else f"{now - before:+.4f}"
    return [*cells, change or ("new" if before is None else "gone")]
