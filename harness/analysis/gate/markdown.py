"""A gate as Markdown for a pull request: verdict, table, queries that moved, what changed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from harness.analysis.gate.judge import Gate
from harness.analysis.gate.relative_latency import is_latency
from harness.page.tables import markdown, number
from harness.page.text import counted
from harness.results.store import Results

QUERIES_SHOWN = 5
"""Queries that moved most, for a judgement."""

SHOWN = 3
"""Judgements whose queries are shown: first those that failed, then those that moved most."""

TEXT = 240
"""Characters of a query that are shown."""

ROWS = 100
"""Rows of a table at most: where comments are shown, long ones are cut off."""

GRAVEST_FIRST = ("fail", "not measured", "not comparable", "inconclusive", "pass")

JUDGED = (
    "dataset",
    "system",
    "metric",
    "accepted",
    "now",
    "change",
    "margin",
    "p (no such loss)",
    "verdict",
)

MOVED = ("query", "text", "accepted", "now", "change")


class Numbers(NamedTuple):
    """The numbers of a judgement as they are written: differences of quality, factors of latency."""

    accepted: str
    now: str
    change: str
    interval: str
    """Empty where there is none."""


def numbers(row: Mapping[str, Any]) -> Numbers:
    """A row of `judge.JUDGEMENTS` as text."""
    value, change = (".3f", ".3f") if is_latency(row["metric"]) else (".4f", "+.4f")
    accepted, now = (number(row[name], value) for name in ("accepted", "value"))
    nothing = 1.0 if is_latency(row["metric"]) else 0.0
    if row["low"] == row["high"] == nothing:
        return Numbers(accepted, now, "unchanged", "")
    known = not math.isnan(row["low"])
    interval = f"[{row['low']:{change}}, {row['high']:{change}}]" if known else ""
    return Numbers(accepted, now, number(row["change"], change), interval)


def tally(gate: Gate) -> str:
    """How many judgements there are of each status, the gravest first."""
    counts = gate.judgements["status"].value_counts()
    told = [f"{counts[status]} {status}" for status in GRAVEST_FIRST if status in counts]
    return ", ".join(told) or "nothing was judged"


def gate_markdown(gate: Gate, results: Results) -> str:
    """The whole comment; every text from outside is escaped."""
    judged = gate.judgements.to_dict("records")
    since = f"{_text(gate.accepted['accepted'])}: {_text(gate.accepted['reason'])}"
    parts = [
        f"## Gate {_text(gate.experiment)}: {gate.status}",
        f"{tally(gate)}. Accepted on {since}",
        _table(JUDGED, [_judged(row) for row in judged]),
        "\n".join(
            f"- {_text(row['status'])}, {_name(row)}: {_text(row['message'])}"
            for row in judged
            if row["status"] != "pass" or row["better"]
        ),
        *_moved(gate, results),
        "### Changed in configuration and versions",
        _table(gate.changed.columns, [list(map(_text, row)) for row in gate.changed.to_numpy()])
        if len(gate.changed)
        else "Nothing.",
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _name(row: Mapping[str, Any]) -> str:
    return _text(f"{row['system']} on {row['dataset']}, {row['metric']}")


def _judged(row: Mapping[str, Any]) -> list[str]:
    found = numbers(row)
    verdict = row["status"] + ", better" * bool(row["better"])
    return [
        *(_text(row[name]) for name in ("dataset", "system", "metric")),
        *(found.accepted, found.now, _text(f"{found.change} {found.interval}")),
        *(f"{row['margin']:g}", number(row["p"], ".4f")),
        verdict if row["status"] == "pass" else f"**{verdict}**",
    ]


def _moved(gate: Gate, results: Results) -> Iterator[str]:
    names = ["dataset", "system", "metric"]
    failed = gate.judgements.set_index(names)["status"] == "fail"
    groups = [
        (not failed[name], -part["change"].abs().sum(), name, part)
        for name, part in gate.moved.groupby(names, sort=False)
    ]
    if groups:
        yield "### Queries that moved most"
    for _, _, (dataset, system, metric), part in sorted(groups, key=lambda group: group[:3])[
        :SHOWN
    ]:
        texts = results.texts(dataset, system)
        shown = part.head(QUERIES_SHOWN).to_dict("records")
        yield f"**{_text(f'{system} on {dataset}, {metric}')}**, {counted(len(part), 'query', 'queries')} moved"
        yield _table(MOVED, [_query(row, texts) for row in shown])


def _query(row: Mapping[str, Any], texts: Mapping[str, str]) -> list[str]:
    text = texts.get(f"query {row['query_id']}", "")
    cut = text[:TEXT] + "…" * (len(text) > TEXT)
    found = (f"{row['accepted']:.4f}", f"{row['value']:.4f}", f"{row['change']:+.4f}")
    return [_text(row["query_id"]), _text(cut), *found]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells are Markdown already; what is over ROWS is counted."""
    lines = [columns, ["---"] * len(columns), *rows[:ROWS]]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    more = len(rows) - ROWS
    return table + (f"\n\nand {counted(more, 'more row')}" if more > 0 else "")


def _text(text: object) -> str:
    """`text` for Markdown; nobody whose name begins with @ in it is called."""
    return re.sub(r"(?<!\w)@(?=\w)", "@&#8203;", markdown(text))
