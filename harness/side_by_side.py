"""One query side by side as text for the terminal."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

import pandas as pd

from harness.analysis.answer import significant
from harness.analysis.why import Why
from harness.closing import WIDTH, columns, short

NAME = 13
"""Characters of a system's name above its column."""

SIDE_BY_SIDE = 3
"""Systems in one table."""

SNIPPET_LINES = 3


def why_text(found: Why, metrics: Sequence[str], top: int) -> str:
    """The query's text, metrics and documents: the first `top` of each system, and what is relevant.

    A cell is rank and score; `*` marks a document that the model read only in part.
    """
    rows = found.ranked
    relevant = {doc_id for doc_id, grade in found.judged.items() if grade > 0}
    shown = rows[(rows["rank"] <= top) | rows["doc_id"].isin(relevant)]
    best = shown.groupby("doc_id")["rank"].min()
    order = sorted(best.index, key=lambda doc_id: (-found.judged.get(doc_id, -1), best[doc_id]))
    unfound = sorted(relevant - set(order))
    lines = [
        *_wrapped(f"{found.dataset}, query {found.query_id}: {found.text}"),
        *_wrapped(
            f"{len(found.judged)} judged documents, {len(relevant)} of them relevant"
            + (f"; no system found {', '.join(unfound)}." if unfound else ".")
        ),
        "",
        *columns([["", *metrics], *_values(found, metrics)]),
        "",
    ]
    systems = list(enumerate(found.metrics.index, start=1))
    for start in range(0, len(systems), SIDE_BY_SIDE):
        lines += [*_documents(shown, order, found, systems[start : start + SIDE_BY_SIDE]), ""]
    lines += _wrapped(
        "Rank (score) in each system, - where it did not rank the document; rel: its relevance, "
        "? where nobody judged it; *: the model read only the beginning."
    )
    for doc_id in order:
        text = " ".join(found.texts.get(doc_id, "(text not kept)").split())
        lines += ["", *_wrapped(f"{doc_id}: {text}")[:SNIPPET_LINES]]
    return "\n".join(lines)


def _values(found: Why, metrics: Sequence[str]) -> list[list[str]]:
    return [
        [f"{number}: {system}", *(f"{row[metric]:.4f}" for metric in metrics)]
        for number, (system, row) in enumerate(found.metrics.iterrows(), start=1)
    ]


def _documents(
    shown: pd.DataFrame, order: Sequence[str], found: Why, systems: Sequence[tuple[int, str]]
) -> list[str]:
    """A row a document, a column each of a few numbered systems."""
    cells = {
        (row.doc_id, row.system): _cell(row.rank, row.score, row.truncated)
        for row in shown.itertuples()
    }
    rows = [["", "rel", *(f"{number}: {short(name, NAME)}" for number, name in systems)]]
    rows += [
        [
            doc_id,
            str(found.judged.get(doc_id, "?")),
            *(cells.get((doc_id, system), "-") for _, system in systems),
        ]
        for doc_id in order
    ]
    return columns(rows)


def _cell(rank: int, score: float, truncated: object) -> str:
    mark = "*" if truncated is True else ""
    return f"{rank} ({significant(score, 4) if not math.isnan(score) else 'n/a'}){mark}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_on_hyphens=False) or [""]
