"""What the terminal says of a gate, at most 79 columns wide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.analysis.gate.baseline_files import KEYS, Baseline
from harness.analysis.gate.judge import Gate
from harness.analysis.gate.markdown import numbers, tally
from harness.analysis.gate.relative_latency import is_latency
from harness.page.terminal import columns, paragraph
from harness.page.text import counted

CHANGES_SHOWN = 12
"""Lines of what changed in configuration and versions; the Markdown has all."""


def gate_text(gate: Gate, run: str, accept: str) -> str:
    """Verdict, a table for each dataset and rule, what is not a pass, and what changed.

    `run` and `accept` are the commands that a reader may need, which are not broken into lines.
    """
    judged = gate.judgements.to_dict("records")
    since = f"Accepted on {gate.accepted['accepted']}: {gate.accepted['reason']}"
    lines = [
        *paragraph(f"Gate {gate.experiment}: {gate.status} ({tally(gate)})"),
        *paragraph(since),
    ]
    for (dataset, metric, margin), rows in _groups(judged).items():
        allowed = f"may grow {margin:g} times" if is_latency(metric) else f"may lose {margin:g}"
        lines += ["", *paragraph(f"{dataset}, {metric}: {allowed}"), *_table(rows)]
    told = [row for row in judged if row["status"] != "pass" or row["better"]]
    lines += [""] * bool(told)
    for row in told:
        name = f"{row['system']} on {row['dataset']}, {row['metric']}"
        lines += paragraph(f"{row['status'].upper()} {name}: {row['message']}")
    lines += _changed(gate)
    return "\n".join([*lines, *_way_out(gate, run, accept)])


def _way_out(gate: Gate, run: str, accept: str) -> list[str]:
    if gate.status == "pass":
        return []
    if gate.judgements["run_again"].any():
        return ["", "Run what has no result:", f"  {run}"]
    return ["", "If this is meant:", f"  {accept}"]


def _groups(judged: Sequence[Mapping[str, Any]]) -> dict[tuple[Any, ...], list[Any]]:
    found: dict[tuple[Any, ...], list[Any]] = {}
    for row in judged:
        found.setdefault((row["dataset"], row["metric"], row["margin"]), []).append(row)
    return found


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    body = [
        [
            str(row["system"]),
            *numbers(row)[:3],
            row["status"] + ", better" * bool(row["better"]),
        ]
        for row in rows
    ]
    return columns([["", "accepted", "now", "change", ""], *body])


def _changed(gate: Gate) -> Iterator[str]:
    if len(gate.changed):
        yield ""
        yield "Changed in configuration and versions:"
    for row in gate.changed.head(CHANGES_SHOWN).itertuples():
        yield from paragraph(f"{row.what}: {row.accepted} -> {row.now} ({row.where})", "  ")
    if len(gate.changed) > CHANGES_SHOWN:
        yield f"  and {len(gate.changed) - CHANGES_SHOWN} more"


def accepted_text(before: Baseline | None, after: Baseline, table: Path) -> str:
    """Where the baseline lies now, and what is another value than before."""
    means = _means(after)
    told = f"Accepted: {counted(len(means), 'mean')} of {counted(len(after.table), 'value')} in {table}"
    lines = paragraph(f"{told} and {table.with_suffix('.json').name}; commit both.")
    if not all(facts["equal_arms"] for facts in after.facts["latency"].values()):
        lines += paragraph(
            "Its timings were noisy, or no arm was timed twice: there is nothing that a later "
            "latency could be compared with."
        )
    if before is None:
        return "\n".join([*lines, "It is the first baseline of this experiment."])
    earlier = _means(before)
    rows = [
        [" ".join(name[1:]) + f" on {name[0]}", *_pair(earlier.get(name), means.get(name))]
        for name in dict.fromkeys([*means, *earlier])
        if earlier.get(name) != means.get(name)
    ]
    if not rows:
        return "\n".join([*lines, *paragraph(_no_mean(before, after))])
    return "\n".join([*lines, "", *columns([["", "before", "now", "change"], *rows])])


def _no_mean(before: Baseline, after: Baseline) -> str:
    same = before.table.equals(after.table)
    return "No value is another than before." if same else "No mean is another than before."


def _means(baseline: Baseline) -> dict[tuple[str, ...], float]:
    groups = baseline.table.groupby(list(KEYS[:3]), sort=False)["value"]
    return {tuple(map(str, name)): float(value) for name, value in groups.mean().round(6).items()}


def _pair(before: float | None, now: float | None) -> list[str]:
    cells = ["-" if value is None else f"{value:.4f}" for value in (before, now)]
    change = "" if before is None or now is None else f"{now - before:+.4f}"
    return [*cells, change or ("new" if before is None else "gone")]
