"""What the terminal says of a table, at most 79 columns wide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import get_args

from harness.analysis.audit.judge import ALIKE, MEAN, UNLIKE, Judged, Pair, Verdict
from harness.analysis.audit.table import Table
from harness.analysis.statistics.intervals import ALPHA, POWER
from harness.page.terminal import columns, paragraph
from harness.page.text import counted, listed, significant

FAR = 1000
"""From so many times the queries that there are, their number is no help to anybody."""


def as_text(name: str, table: Table, judged: Sequence[Judged], deviation: float | None) -> str:
    """What is assumed, what each dataset can show, and what its best system is ahead of."""
    found = f"{counted(len(table.means), 'system')}, {counted(len(table.queries), 'dataset')}"
    lines = paragraph(f"{name}: {found}, {_kind(table)}. {_assumed(table, deviation)}")
    lines += ["", *columns([HEADER, *map(_row, judged)]), ""]
    lines += paragraph(VISIBLE + (OPEN if any(map(_is_open, judged)) else ""))
    for one in judged:
        lines += ["", *paragraph(" ".join(_leader(one)))]
    return "\n".join(lines)


VISIBLE = (
    "Visible: the smallest difference of two systems that chance does not explain, at "
    f"{ALPHA:.0%} for all pairs of the row together."
)
OPEN = " Open: clear or too close, depending on how alike the two systems rank."

VERDICTS = get_args(Verdict)

HEADER = ("dataset", "queries", "visible", "pairs", *VERDICTS)


def _is_open(one: Judged) -> bool:
    return any(pair.verdict == "open" for pair in one.pairs)


def _row(one: Judged) -> tuple[str, ...]:
    verdicts = Counter(pair.verdict for pair in one.pairs)
    counts = (len(one.pairs), *map(verdicts.__getitem__, VERDICTS))
    return (one.dataset, f"{one.queries:,}", _range(*one.visible), *map(str, counts))


def _range(low: float, high: float) -> str:
    texts = significant(low, 2), significant(high, 2)
    return texts[0] if texts[0] == texts[1] else " to ".join(texts)


def _kind(table: Table) -> str:
    scale = " in percent" if table.percent else ""
    return f"a value for each query{scale}" if table.values else f"means{scale}"


def _assumed(table: Table, deviation: float | None) -> str:
    if table.values:
        return "Nothing is assumed: each pair is tested on its own values."
    if deviation is not None:
        return (
            "Assumed: from query to query the difference of two systems has a standard deviation of "
            f"{deviation:g}."
        )
    return (
        "Assumed: from query to query the difference of two systems has a standard deviation of "
        f"{ALIKE} (systems that rank alike, such as a reranker and its first stage) to {UNLIKE:.2f} "
        "(systems that do not, such as lexical and dense search). --deviation sets another, such as "
        "0.1 for two sizes of one model. With a value for each query nothing need be assumed."
    )


def _leader(one: Judged) -> Iterator[str]:
    """The claim that the best system is the best: where it holds, and what would settle the rest."""
    if not one.pairs:
        yield f"{one.dataset}: fewer than two systems."
        return
    best = one.pairs[0].better
    rivals = [pair for pair in one.pairs if pair.better == best]
    yield f"{one.dataset}: {best} is first."
    beaten = [pair.worse for pair in rivals if pair.verdict == "clear"]
    if len(beaten) == len(rivals):
        yield "It beats all others."
        return
    if beaten:
        yield f"It beats {listed(beaten, ' and ')}."
    for words, verdict in (("Open", "open"), ("Too close to call", "too close")):
        ahead = [f"{p.worse} ({p.difference:+.3f})" for p in rivals if p.verdict == verdict]
        if ahead:
            yield f"{words}: {listed(ahead, ' and ')}."
    largest = max(
        (pair for pair in rivals if pair.verdict != "clear"), key=lambda one: one.difference
    )
    yield _needed(largest, one)


def _needed(pair: Pair, one: Judged) -> str:
    """How many queries would find the largest of the differences that are not clear."""
    low, high = pair.factor
    if high > FAR:
        return f"No feasible number of queries would separate it from {pair.worse}."
    if one.dataset == MEAN:
        amount = f"Up to {significant(high, 2)}" if low < 1 else _range(low, high)
        return (
            f"{amount} times as many queries on each dataset would separate it from {pair.worse}."
        )
    needed = [f"{float(f'{factor * one.queries:.2g}'):,.0f}" for factor in (low, high)]
    amount = f"Up to {needed[1]}" if low < 1 else " to ".join(dict.fromkeys(needed))
    return f"{amount} queries would separate it from {pair.worse} ({POWER:.0%} of the time)."
