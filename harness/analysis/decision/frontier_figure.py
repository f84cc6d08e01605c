"""The frontier: quality against what it costs, where requirements stand, and who is on it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from harness.analysis.decision.measurements import Option
from harness.page.blocks import Figure
from harness.page.drawing import (
    CYCLE,
    FAINT,
    INK,
    LINE,
    MOST,
    NARROW,
    drawn,
    logarithmic,
    point,
)
from harness.page.labels import Label, label
from harness.page.text import brief, milliseconds, significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT = 260

INSIDE = (NARROW - 60.0, HEIGHT - 62.0)
"""About how large the axes are."""


class Cost(NamedTuple):
    """What quality is drawn against: a column of FRONTIER, its unit, and how it is called."""

    column: str
    factor: float
    words: str


COSTS: Mapping[str, Cost] = {
    "p95_ms": Cost("seconds", 1000.0, "time of a query, ms (p95; hollow: median)"),
    "gb_per_million_documents": Cost(
        "gb_per_million_documents", 1.0, "index, GB per million documents"
    ),
}
"""By the name of a requirement."""


class Wanted(NamedTuple):
    """What the axes are compared with, and who is named in any case."""

    limit: float = math.nan
    """The most that is allowed of the cost; NaN for no limit."""
    value: float = math.nan
    """The quality from which on a gain matters."""
    named: Collection[str] = ()
    """Names of options; the last is the one that the answer is of."""


def frontier_figure(
    table: pd.DataFrame, metric: str, cost: str, wanted: Wanted, where: str, name: str
) -> Figure:
    """The metric against a cost, for one dataset and device.

    `table` has the columns `frontier.FRONTIER`; `cost` is a key of COSTS. Named are the options that
    no other dominates and those that are `wanted`; the others are grey. What lies beyond a limit, or
    below the quality that matters, is shaded; a hollow mark is of a median.
    """
    column, factor, words = COSTS[cost]
    rows = table[table[column] > 0]
    names = [Option(row.system, row.mode).name for row in rows.itertuples()]
    rows = rows.assign(name=names, x=factor * rows[column].astype(float))
    rows = rows.assign(asked=rows["name"].isin(wanted.named))
    first = rows[rows["asked"] | (rows["dominated_by"] == "")]
    first = first.sort_values(["asked", "value"], ascending=False, kind="stable").head(MOST)
    is_time = column == "seconds"

    def draw(axes: Axes) -> None:
        for row in rows.itertuples():
            colour = FAINT if row.name not in set(first["name"]) else _colour(row, wanted)
            _mark(axes, row, colour, hollow=is_time and row.statistic != "p95")
        axes.margins(x=0.15, y=0.12)
        logarithmic(axes.xaxis)
        _shade(axes, wanted)
        axes.set_title(metric)
        axes.set_xlabel(f"{words}, log scale")
        marks = [Label(r.x, r.value, brief(r.name), _colour(r, wanted)) for r in first.itertuples()]
        rest = rows[~rows["name"].isin(first["name"])]
        label(axes, INSIDE, marks, list(zip(rest["x"], rest["value"], strict=True)))

    alt = (
        f"{metric} against {words.partition(',')[0]} ({where}). Named: the baseline, the choice, and "
        "those that no other beats in quality, latency and storage together. Shaded: it gains too little, "
        "or misses a requirement"
    )
    return Figure(name, alt, drawn(draw, alt, (), HEIGHT, NARROW))


def _colour(row: Any, wanted: Wanted) -> str:
    if row.name in list(wanted.named)[-1:]:
        return CYCLE[1]
    return CYCLE[0] if row.dominated_by == "" else INK


def _mark(axes: Axes, row: Any, colour: str, *, hollow: bool) -> None:
    said = f"{row.name}: {row.value:.4f}"
    if not math.isnan(row.seconds):
        said += f", {row.statistic} {milliseconds(row.seconds)} ms"
    if not math.isnan(row.gb_per_million_documents):
        said += f", {significant(row.gb_per_million_documents)} GB per million documents"
    opacity = 0.6 if colour == FAINT else 1.0
    point(axes, row.x, row.value, colour, hollow=hollow, said=said, opacity=opacity)


def _shade(axes: Axes, wanted: Wanted) -> None:
    """What lies beyond the limit and below the quality that matters, as far as the axes reach."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    if left < wanted.limit < right:
        axes.axvspan(wanted.limit, right, color=LINE, alpha=0.45, linewidth=0)
        axes.axvline(wanted.limit, color=FAINT, linewidth=1)
    if low < wanted.value < high:
        axes.axhspan(low, wanted.value, color=LINE, alpha=0.45, linewidth=0)
        axes.axhline(wanted.value, color=FAINT, linewidth=1)
    axes.set_xlim(left, right)
    axes.set_ylim(low, high)
