"""Figures of latency as SVG text: colours tell the mode, open markers and dashes a prediction."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.report.figures import FAINT, INK, WIDTH, logarithmic, short, style, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS: Mapping[str, str] = {
    "retrieve": INK,
    "precomputed": "#0072b2",
    "on the fly": "#d55e00",
    "rerank": "#009e73",
}
"""By mode, of Okabe and Ito's colours."""

NAMES: Mapping[str, str] = {
    "retrieve": "retrieval alone",
    "precomputed": "late interaction, precomputed",
    "on the fly": "late interaction, on the fly",
    "rerank": "cross-encoder",
}

BOX = (5, 25, 50, 75, 95)
"""Percentiles of a box and its whiskers."""

LINE = 12
"""Points from one label to the next."""


def distributions(latencies: pd.DataFrame, calls: pd.DataFrame, k: int, salt: str) -> str:
    """A box an arm over its calls with `k` candidates, the fastest on top; retrieval at its depth.

    `latencies` and `calls` are those of one device; whiskers end at the 5th and 95th percentile,
    and a predicted median is an open marker.
    """
    rows = latencies[(latencies["k"] == k) | (latencies["mode"] == "retrieve")]
    rows = rows[rows["p50"].notna()].sort_values("p50", ascending=False, kind="stable")
    timed = dict(list(calls.groupby(["system", "mode", "k"])["seconds"]))
    with style(f"latency {salt}"):
        figure = Figure(figsize=(WIDTH, 1.2 + 0.24 * len(rows)), layout="constrained")
        axes = figure.subplots()
        for place, row in enumerate(rows.itertuples()):
            colour = COLOURS[row.mode]
            seconds = timed.get((row.system, row.mode, row.k))
            if seconds is None or row.status == "predicted":
                axes.plot(1000 * row.p50, place, "o", mfc="none", mec=colour, markersize=6)
            else:
                _box(axes, 1000 * np.percentile(seconds, BOX), place, colour)
        axes.use_sticky_edges = False
        axes.set_yticks(range(len(rows)), labels=list(map(short, rows["system"])))
        logarithmic(axes.xaxis)
        axes.grid(axis="x", color=FAINT, linewidth=0.3)
        axes.set_xlabel(f"milliseconds a call with {k} candidates (log scale)")
        _legend(axes, rows)
        return svg(figure)


def _box(axes: Axes, at: Iterable[float], place: int, colour: str) -> None:
    low, first, median, third, high = at
    axes.plot([low, high], [place, place], color=colour, linewidth=1, zorder=1)
    axes.barh(place, third - first, 0.55, first, color=colour, alpha=0.45, zorder=2)
    axes.plot(median, place, "|", color=colour, markersize=9, markeredgewidth=2, zorder=3)


def _legend(axes: Axes, rows: pd.DataFrame) -> None:
    """A mark for each mode, and one for predictions if there are any; above the axes."""
    marks = [
        Line2D([], [], color=colour, marker="s", linestyle="", label=NAMES[mode])
        for mode, colour in COLOURS.items()
        if (rows["mode"] == mode).any()
    ]
    if (rows["status"] == "predicted").any():
        marks.append(
            Line2D([], [], color=FAINT, marker="o", linestyle="--", mfc="none", label="predicted")
        )
    axes.legend(
        handles=marks,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=2,
        frameon=False,
        fontsize=8,
        handletextpad=0.3,
    )


def against_k(latencies: pd.DataFrame, salt: str) -> str:
    """Median against the number of candidates, a line an arm, named at its end."""
    rows = latencies[(latencies["mode"] != "retrieve") & latencies["p50"].notna()]
    rows = rows.sort_values("k", kind="stable")
    arms = [(mode, group) for (_, mode), group in rows.groupby(["system", "mode"], sort=False)]
    with style(f"candidates {salt}"):
        height = max(3.6, 1.4 + 0.17 * len(arms))
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = figure.subplots()
        for mode, group in arms:
            _arm(axes, group, COLOURS[mode])
        logarithmic(axes.xaxis)
        logarithmic(axes.yaxis)
        sizes = sorted(set(rows["k"]))
        axes.set_xticks(sizes, labels=[str(size) for size in sizes])
        axes.minorticks_off()
        axes.grid(color=FAINT, linewidth=0.3)
        axes.set_xlabel("candidates (log scale)")
        axes.set_ylabel("median milliseconds (log scale)")
        ends = [(group.iloc[-1], COLOURS[mode]) for mode, group in arms]
        name_points(
            axes,
            [(row["k"], 1000 * row["p50"], row["system"], colour) for row, colour in ends],
            height,
        )
        _legend(axes, rows)
        return svg(figure)


def _arm(axes: Axes, group: pd.DataFrame, colour: str) -> None:
    """Measured points joined by a line; up to a predicted one it is dashed."""
    points = list(zip(group["k"], 1000 * group["p50"], group["status"], strict=True))
    for k, p50, status in points:
        fill = "none" if status == "predicted" else colour
        axes.plot(k, p50, "o", mfc=fill, mec=colour, markersize=4)
    for (k, p50, _), (next_k, next_p50, status) in itertools.pairwise(points):
        dashed = "--" if status == "predicted" else "-"
        axes.plot([k, next_k], [p50, next_p50], dashed, color=colour, linewidth=1)


def name_points(axes: Axes, points: Sequence[tuple[float, float, str, str]], inches: float) -> None:
    """Name points (x, y, name, colour) at the right of axes so high, apart from each other."""
    axes.get_ylim()  # settles the limits, which the places depend on
    gap = LINE / 72 / inches
    ordered = sorted(points, key=lambda point: point[1])
    to_axes = axes.transData + axes.transAxes.inverted()
    wanted = [float(to_axes.transform((x, y))[1]) for x, y, *_ in ordered]
    for (x, y, name, colour), place in zip(ordered, spread(wanted, gap), strict=True):
        end_x, end_y = to_axes.inverted().transform((1.02, place))
        leader = Line2D([x, end_x], [y, end_y], color=colour, linewidth=0.4, alpha=0.6)
        leader.set_clip_on(False)
        axes.add_line(leader)
        axes.text(
            1.03,
            place,
            short(name),
            transform=axes.transAxes,
            fontsize=7.5,
            color=colour,
            va="center",
        )


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Places near `wanted`, which ascend, at least `gap` apart, within 0 and 1 as far as they fit.

    What lies too close is spread around its middle.
    """
    crowds: list[tuple[float, int]] = []
    for place in wanted:
        crowds.append((place, 1))
        while len(crowds) > 1 and _overlap(crowds[-2], crowds[-1], gap):
            (one, count), (other, more) = crowds[-2:]
            crowds[-2:] = [((one * count + other * more) / (count + more), count + more)]
    places = [
        middle + (i - (count - 1) / 2) * gap for middle, count in crowds for i in range(count)
    ]
    for i in range(len(places)):
        places[i] = max(places[i], i * gap)
    for i in range(len(places)):
        places[-1 - i] = min(places[-1 - i], 1 - i * gap)
    return places


def _overlap(below: tuple[float, int], above: tuple[float, int], gap: float) -> bool:
    (one, count), (other, more) = below, above
    return bool(other - one < (count + more) / 2 * gap)


def points(whole: pd.DataFrame, quality: pd.DataFrame) -> pd.DataFrame:
    """For each system and mode with quality its latency at the most candidates it was timed with.

    Of systems that share an arm on the fly only the one that was timed.

    `whole` has the columns END_TO_END of one device, `quality` those of a leaderboard for one
    metric. `carried` says whether `seconds` is p95; else it is the median.
    """
    is_own = (whole["timed_as"] == "") | (whole["mode"] != "on the fly")
    timed = whole[is_own & (whole["status"] == "measured")].sort_values("k", kind="stable")
    last = timed.drop_duplicates(["system", "mode"], keep="last")
    both = last.merge(quality[["system", "value", "low", "high"]], on="system")
    carried = both["p95"].notna()
    return both.assign(carried=carried, seconds=both["p95"].where(carried, both["p50"]))


def quality_against_latency(table: pd.DataFrame, metric: str, salt: str) -> str:
    """The metric with its interval against the 95th percentile of the whole query.

    `table` is that of `points`; where calls do not carry p95 the median stands, as an open marker.
    """
    with style(f"quality latency {salt}"):
        height = max(3.8, 1.4 + 0.17 * len(table))
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = figure.subplots()
        for row in table.itertuples():
            colour = COLOURS[row.mode]
            axes.errorbar(
                [1000 * row.seconds],
                [row.value],
                yerr=[[row.value - row.low], [row.high - row.value]],
                fmt="o",
                color=colour,
                markerfacecolor=colour if row.carried else "none",
                markersize=5,
                elinewidth=0.6,
                capsize=2,
            )
        logarithmic(axes.xaxis)
        axes.grid(color=FAINT, linewidth=0.3)
        axes.set_xlabel(
            "whole query, milliseconds at the 95th percentile (open: median; log scale)"
        )
        axes.set_ylabel(metric)
        named = [
            (1000 * row.seconds, row.value, row.system, COLOURS[row.mode])
            for row in table.itertuples()
        ]
        name_points(axes, named, height)
        _legend(axes, table)
        return svg(figure)
