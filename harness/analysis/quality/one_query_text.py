"""One query side by side as text for the terminal."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence

from harness.analysis.quality.one_query import Why
from harness.page.terminal import columns, paragraph
from harness.page.text import counted, shortened, significant

NAME = 13
"""Characters of a system's name above its column."""

SIDE_BY_SIDE = 3
"""Systems in one table."""

SNIPPET_LINES = 3

LISTED = 5
"""Relevant documents that nobody found, whose ids are said."""

LEGEND = (
    "Rank (score) in each system; rank alone below what its reranker scored; - where the system did not "
    "return the document; rel: its relevance, ? where nobody judged it; *: the system's model read only "
    "the beginning."
)


def why_text(found: Why, metrics: Sequence[str], top: int) -> str:
    """The query's text, metrics and documents: the first `top` of each system, and what is relevant.

    Of relevant documents that stand below those of every system, the first `top` are shown and the
    others counted. A cell is rank and score; `*` marks a document that the model read only in part.
    """
    shown, in_every = _shown(found, top)
    systems = list(enumerate(found.metrics.index, start=1))
    known = [metric for metric in metrics if metric in found.metrics]
    values = [
        [f"{number}: {name}", *(f"{found.metrics.loc[name, metric]:.4f}" for metric in known)]
        for number, name in systems
    ]
    lines = [
        *paragraph(f"{found.dataset}, query {found.query_id}: {found.text}"),
        *paragraph(" ".join(_judged(found, shown))),
        "",
        *columns([["", *known], *values]),
        "",
    ]
    for start in range(0, len(systems), SIDE_BY_SIDE):
        together = systems[start : start + SIDE_BY_SIDE]
        rows = found.ranked[found.ranked["system"].isin([name for _, name in together])]
        here = in_every.union(rows[rows["rank"] <= top]["doc_id"])
        documents = [doc_id for doc_id in shown if doc_id in here]
        lines += [*_documents(found, documents, together), ""]
    lines += paragraph(LEGEND)
    for doc_id in shown:
        text = " ".join(found.texts.get(doc_id, "(text not stored)").split())
        by = f" (judged by {found.judges[doc_id]})" if doc_id in found.judges else ""
        lines += ["", *paragraph(f"{doc_id}{by}: {text}")[:SNIPPET_LINES]]
    return "\n".join(lines)


def _shown(found: Why, top: int) -> tuple[list[str], set[str]]:
    """The documents that are shown, the most relevant first, and those that every table shows."""
    rows = found.ranked
    best = rows.groupby("doc_id")["rank"].min()

    def place(doc_id: str) -> tuple[int, int]:
        return -found.judged.get(doc_id, -1), int(best[doc_id])

    in_front = set(rows[rows["rank"] <= top]["doc_id"])
    relevant = [doc_id for doc_id in _relevant(found) if doc_id in best.index]
    below = sorted((doc_id for doc_id in relevant if doc_id not in in_front), key=place)[:top]
    chosen = {*(doc_id for doc_id in relevant if doc_id in in_front), *below}
    return sorted({*in_front, *below}, key=place), chosen


def _relevant(found: Why) -> list[str]:
    return sorted(doc_id for doc_id, grade in found.judged.items() if grade > 0)


def _judged(found: Why, shown: Collection[str]) -> Iterator[str]:
    """How many documents were judged, and which relevant ones stand nowhere below."""
    relevant = _relevant(found)
    yield f"{counted(len(found.judged), 'judged document')}, {len(relevant)} relevant."
    ranked = set(found.ranked["doc_id"])
    unfound = [doc_id for doc_id in relevant if doc_id not in ranked]
    if unfound:
        count = len(found.metrics)
        none = f"None of the {count} systems" if count > 1 else f"{found.metrics.index[0]} did not"
        more = f" and {len(unfound) - LISTED:,} more" if len(unfound) > LISTED else ""
        yield f"{none} {'found' if count > 1 else 'find'} {', '.join(unfound[:LISTED])}{more}."
    if found.unread:
        verb = "reads" if len(found.unread) == 1 else "read"
        yield f"Of the query {', '.join(found.unread)} {verb} only the beginning."
    left = len(set(relevant) & ranked - set(shown))
    if left:
        yield f"{counted(left, 'more relevant document')} further down: --top shows more."


def _documents(
    found: Why, documents: Sequence[str], systems: Sequence[tuple[int, str]]
) -> list[str]:
    """A row a document, a column each of a few numbered systems."""
    cells = {
        (row.doc_id, row.system): _cell(row.rank, row.score, row.truncated)
        for row in found.ranked.itertuples()
    }
    names = shortened([name for _, name in systems], NAME)
    rows = [["", "rel", *(f"{number}: {names[name]}" for number, name in systems)]]
    rows += [
        [
            doc_id,
            str(found.judged.get(doc_id, "?")),
            *(cells.get((doc_id, system), "-") for _, system in systems),
        ]
        for doc_id in documents
    ]
    return columns(rows)


def _cell(rank: int, score: float, truncated: object) -> str:
    mark = "*" if truncated is True else ""
    return f"{rank}" if math.isnan(score) else f"{rank} ({significant(score, 4)}){mark}"
