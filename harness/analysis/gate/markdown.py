"""A gate as Markdown for a pull request: verdict, table, queries that moved, what changed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.analysis.gate.changed_settings import Changed
from harness.analysis.gate.judge import Gate, Judgement
from harness.page.tables import markdown
from harness.page.text import beginning, counted, number
from harness.results.store import Results

QUERIES_SHOWN = 5
"""Queries that moved most, for a judgement."""

SHOWN = 3
"""Judgements whose queries are shown: first those that failed, then those that moved most."""

ROWS = 100
"""Rows of a table at most: where comments are shown, long ones are cut off."""

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


def gate_markdown(gate: Gate, results: Results) -> str:
    """The whole comment; every text from outside is escaped."""
    parts = [
        f"## Gate {_text(gate.experiment)}: {gate.status}",
        f"{gate.tally}. Accepted on {_text(gate.accepted['accepted'])}: {_text(gate.accepted['reason'])}",
        _table(JUDGED, [_judged(one) for one in gate.judgements]),
        "\n".join(
            f"- {one.status}, {_text(one.name)}: {_text(one.message)}" for one in gate.remarkable
        ),
        *_moved(gate, results),
        "### Changed in configuration and versions",
        _table(Changed._fields, [list(map(_text, row)) for row in gate.changed])
        if gate.changed
        else "Nothing.",
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _judged(one: Judgement) -> list[str]:
    accepted, now, change, interval = one.numbers
    return [
        *map(_text, (one.dataset, one.system, one.metric)),
        *(accepted, now, _text(f"{change} {interval}")),
        *(f"{one.margin:g}", number(one.p, ".4f")),
        one.verdict if one.status == "pass" else f"**{one.verdict}**",
    ]


def _moved(gate: Gate, results: Results) -> Iterator[str]:
    moved = sorted((one for one in gate.judgements if len(one.moved)), key=_most_moved_first)
    if moved:
        yield "### Queries that moved most"
    for one in moved[:SHOWN]:
        shown = one.moved.head(QUERIES_SHOWN)
        names = [f"query {query_id}" for query_id in shown["query_id"]]
        texts = results.texts(one.dataset, one.system, names)
        yield f"**{_text(one.name)}**, {counted(len(one.moved), 'query')} moved"
        yield _table(MOVED, [_query(row, texts) for row in shown.itertuples()])


def _most_moved_first(one: Judgement) -> tuple[Any, ...]:
    moved = one.moved["change"].abs().sum()
    return one.status != "fail", -moved, one.dataset, one.system, one.metric


def _query(row: Any, texts: Mapping[str, str]) -> list[str]:
    cut = beginning(texts.get(f"query {row.query_id}", ""))
    found = (f"{row.accepted:.4f}", f"{row.value:.4f}", f"{row.change:+.4f}")
    return [_text(row.query_id), _text(cut), *found]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells are Markdown already; what is over ROWS is counted."""
    lines = [columns, ["---"] * len(columns), *rows[:ROWS]]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    more = len(rows) - ROWS
    return table + (f"\n\nand {counted(more, 'more row')}" if more > 0 else "")


def _text(text: object) -> str:
    """`text` for Markdown; nobody whose name begins with @ in it is called."""
    return re.sub(r"(?<!\w)@(?=\w)", "@&#8203;", markdown(text))
