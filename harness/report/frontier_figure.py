"""The frontier as SVG text: quality against latency, bytes as area, and what is surely beaten faint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.report.cost_figures import COLOURS, LINE, NAMES, name_points
from harness.report.figures import FAINT, logarithmic, short, style, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 5.2
"""Inches: on a narrow page a point of text is then about a pixel, and can be read."""

WIDEST = "44rem"
"""How wide the figure grows on a page."""

LEFT, BELOW, ABOVE = 0.55, 0.45, 0.8
"""Inches around the axes: for their labels, and for the legend."""

CHARACTER = 0.065
"""Inches of a character of a name."""

AREA = (12.0, 80.0)
"""Points squared of the least and the most bytes."""


def frontier_figure(table: pd.DataFrame, metric: str, salt: str) -> str:
    """The metric against the latency of the whole query, for one dataset and device.

    `table` has the columns `frontier.FRONTIER`. Area grows with the logarithm of the bytes; a cross
    stands where they were not counted, an open marker where latency is a median. The chance of being
    dominated stands beside each name, and what is likely dominated is faint.
    """
    rows = table[table["seconds"].notna()]
    named = [
        (1000 * row.seconds, row.value, f"{row.system} {row.p_dominated:.0%}", COLOURS[row.mode])
        for row in rows.itertuples()
    ]
    with style(f"frontier {salt}"):
        figure, height = _figure([name for *_, name, _ in named])
        (axes,) = figure.axes
        areas = _areas(rows["gb_per_million_documents"])
        for row, area in zip(rows.itertuples(), areas, strict=True):
            _mark(axes, row, area)
        logarithmic(axes.xaxis)
        axes.minorticks_off()
        axes.grid(color=FAINT, linewidth=0.3)
        axes.set_xlabel("whole query, ms at the 95th percentile (log scale)", fontsize=8)
        axes.set_ylabel(metric, fontsize=8)
        axes.tick_params(labelsize=8)
        name_points(axes, named, height)
        _legend(axes, rows)
        text = svg(figure)
    return text.replace("<svg ", f'<svg style="max-width: {WIDEST}" ', 1)


def _figure(names: Sequence[str]) -> tuple[Figure, float]:
    """A figure with room for a name each beside its axes, and how high those are in inches.

    Placed by hand: a layout engine would draw everything twice.
    """
    right = min((2 + max(map(len, map(short, names)))) * CHARACTER, 0.55 * WIDTH)
    height = max(2.2, LINE / 72 * len(names))
    whole = height + ABOVE + BELOW
    figure = Figure(figsize=(WIDTH, whole))
    place = (LEFT / WIDTH, BELOW / whole, (WIDTH - LEFT - right) / WIDTH, height / whole)
    figure.add_axes(place)
    return figure, height


def _areas(sizes: pd.Series) -> list[float]:
    """By the logarithm of each size, between the ends of AREA; NaN where it is not known."""
    logs = np.log10(sizes.astype(float).where(sizes > 0))
    low, high = logs.min(), logs.max()
    shares = (logs - low) / (high - low) if high > low else logs * 0
    least, most = AREA
    areas: list[float] = (least + (most - least) * shares).tolist()
    return areas


def _mark(axes: Axes, row: object, area: float) -> None:
    mode, median = row.mode, row.statistic != "p95"  # type: ignore[attr-defined]
    colour, unknown = COLOURS[mode], math.isnan(area)
    axes.scatter(
        [1000 * row.seconds],  # type: ignore[attr-defined]
        [row.value],  # type: ignore[attr-defined]
        s=AREA[0] * 3 if unknown else area,
        marker="x" if unknown else "o",
        facecolors="none" if median and not unknown else colour,
        edgecolors=None if unknown else colour,
        alpha=1 - 0.7 * row.p_dominated,  # type: ignore[attr-defined]
        zorder=3,
    )


def _legend(axes: Axes, rows: pd.DataFrame) -> None:
    """The modes, and what the markers mean; above the axes."""
    marks = [
        Line2D([], [], color=colour, marker="o", linestyle="", label=NAMES[mode])
        for mode, colour in COLOURS.items()
        if (rows["mode"] == mode).any()
    ]
    if (rows["statistic"] != "p95").any():
        marks.append(
            Line2D([], [], color=FAINT, marker="o", ls="", mfc="none", label="median only")
        )
    if rows["gb_per_million_documents"].isna().any():
        marks.append(Line2D([], [], color=FAINT, marker="x", ls="", label="bytes not counted"))
    axes.legend(
        handles=marks,
        title="area: GB of vectors; beside each name: the chance that it is dominated",
        title_fontsize=7.5,
        alignment="left",
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=2,
        frameon=False,
        fontsize=7.5,
        handletextpad=0.3,
    )
