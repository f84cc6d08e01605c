"""Figures of latency, where hollow marks and dashes tell a prediction; and of load."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from harness.analysis.costs.modes import LOOKS
from harness.page import drawing
from harness.page.blocks import Figure
from harness.page.text import milliseconds, significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BOX = (5, 25, 50, 75, 95)
"""Percentiles of a box and its whiskers."""

PREDICTED = drawing.Key("predicted", drawing.FAINT, hollow=True)


def _of_every_mode(arms: pd.DataFrame) -> pd.DataFrame:
    """MOST arms, the fastest on top: of each mode the fastest first, so that none is left out."""
    ordered = arms.sort_values("p50", kind="stable")
    turns = ordered.assign(turn=ordered.groupby("mode").cumcount())
    return turns.sort_values(["turn", "p50"], kind="stable").head(drawing.MOST).sort_values("p50")


def distributions(
    latencies: pd.DataFrame, calls: pd.DataFrame, k: int, device: str, name: str
) -> Figure:
    """A box an arm over its calls with `k` candidates, the fastest on top; retrieval at its depth.

    `latencies` and `calls` are those of one device; whiskers end at the 5th and 95th percentile,
    and a predicted median is a hollow mark.
    """
    known = latencies[(latencies["k"] == k) | (latencies["mode"] == "retrieve")]
    known = known[known["p50"].notna()]
    arms = _of_every_mode(known)
    timed = dict(list(calls.groupby(["system", "mode", "k"])["seconds"]))

    def draw(axes: Axes) -> None:
        for i, row in enumerate(arms.itertuples()):
            _box(axes, i, row, timed.get((row.system, row.mode, row.k)))
        drawing.name_rows(axes, arms["system"])
        drawing.logarithmic(axes.xaxis)
        axes.set_xlabel(f"milliseconds a call with {k} candidates (log scale)")

    keys = [look.key for mode, look in LOOKS.items() if (arms["mode"] == mode).any()]
    keys += [PREDICTED] * bool((arms["status"] == "predicted").any())
    alt = f"Distribution of the calls of each system and mode at {k} candidates on {device}, the fastest first"
    alt += drawing.of_all(len(known), "drawn are the fastest of each mode")
    return Figure(name, alt, drawing.drawn(draw, alt, keys, drawing.ROW * len(arms) + 50))


def _box(axes: Axes, place: int, row: Any, seconds: pd.Series | None) -> None:
    """Milliseconds at the percentiles BOX, of a predicted arm the median alone."""
    look = LOOKS[row.mode].key
    if seconds is None or row.status == "predicted":
        said = f"{row.system}: predicted {milliseconds(row.p50)} ms"
        drawing.point(axes, 1000 * row.p50, place, look.colour, look.kind, hollow=True, said=said)
        return
    low, first, median, third, high = 1000 * np.percentile(seconds, BOX)
    said = f"{row.system}, percentiles 5 25 50 75 95: " + " ".join(
        milliseconds(value / 1000) for value in (low, first, median, third, high)
    )
    (whisker,) = axes.plot([low, high], [place, place], color=look.colour, linewidth=1.2)
    (box,) = axes.barh(place, third - first, 0.55, first, color=look.colour, alpha=0.4)
    (middle,) = axes.plot(
        [median, median], [place - 0.36, place + 0.36], color=look.colour, linewidth=2.4
    )
    for artist in (whisker, box, middle):
        drawing.say(artist, said)


def against_k(latencies: pd.DataFrame, device: str, name: str) -> Figure:
    """Median against the number of candidates, a line an arm; marks tell the mode."""
    arms = latencies[(latencies["mode"] != "retrieve") & latencies["p50"].notna()]
    arms = arms.sort_values("k", kind="stable")
    groups = dict(list(arms.groupby(["system", "mode"], sort=False)))
    last = arms.drop_duplicates(["system", "mode"], keep="last")
    named = _of_every_mode(last)[["system", "mode"]].itertuples(index=False, name=None)
    colours = drawing.coloured([*named, *groups])

    def draw(axes: Axes) -> None:
        for key in reversed(colours):
            _arm(axes, groups[key], colours[key])
        drawing.logarithmic(axes.xaxis, sorted(set(arms["k"])))
        drawing.logarithmic(axes.yaxis)
        axes.set_title("median milliseconds (log scale)")
        axes.set_xlabel("candidates (log scale)")

    keys = [
        drawing.Key(f"{system}, {mode}", colour, LOOKS[mode].key.kind)
        for (system, mode), colour in colours.items()
    ][: drawing.MOST]
    keys += [PREDICTED] * bool((arms["status"] == "predicted").any())
    alt = f"Median latency against the number of candidates on {device}"
    alt += drawing.of_all(len(groups), "named are the fastest of each mode")
    return Figure(name, alt, drawing.drawn(draw, alt, keys))


def _arm(axes: Axes, group: pd.DataFrame, colour: str) -> None:
    """Measured points joined by a line; up to a predicted one it is dashed."""
    points = list(group.itertuples())
    for one, other in itertools.pairwise(points):
        style = "--" if other.status == "predicted" else "-"
        ends = [one.k, other.k], [1000 * one.p50, 1000 * other.p50]
        axes.plot(*ends, style, color=colour, linewidth=1.2)
    for row in points:
        hollow = row.status == "predicted"
        said = f"{row.system}, k = {row.k}: {'predicted ' * hollow}{milliseconds(row.p50)} ms"
        kind = LOOKS[row.mode].key.kind
        drawing.point(axes, row.k, 1000 * row.p50, colour, kind, hollow=hollow, said=said)


def rates_figure(table: pd.DataFrame, limit: float, name: str) -> Figure:
    """The 95th percentile against the offered rate, a line a system.

    `table` has the columns `load.LOADS` of open steps; `limit` in seconds is a line across, NaN for
    none. Where requests do not carry the percentile, or too many had no answer, the median stands as a
    hollow mark; a triangle is a rate at which answers fall behind.
    """
    carried = table["p95"].map(math.isfinite)
    rows = table.assign(carried=carried, seconds=table["p95"].where(carried, table["p50"]))
    colours = drawing.coloured(rows["system"])

    def draw(axes: Axes) -> None:
        for system, group in rows.sort_values("offered").groupby("system", sort=False):
            colour = colours[system]
            axes.plot(group["offered"], 1000 * group["seconds"], color=colour, linewidth=1.2)
            for row in group.itertuples():
                _rate(axes, row, colour)
        if not math.isnan(limit):
            line = axes.axhline(1000 * limit, color=drawing.FAINT, linestyle="--")
            drawing.say(line, f"{REQUIRED}: {milliseconds(limit)} ms")
        drawing.logarithmic(axes.xaxis)
        drawing.logarithmic(axes.yaxis)
        axes.set_title("milliseconds at the 95th percentile, from when they were due (log scale)")
        axes.set_xlabel("requests offered a second (log scale)")

    keys = [drawing.Key(system, colour) for system, colour in colours.items()][: drawing.MOST]
    keys += [drawing.Key(REQUIRED, drawing.FAINT, "_")] * (not math.isnan(limit))
    keys += [drawing.Key("answers fall behind", drawing.FAINT, "^")] * bool(rows["saturated"].any())
    keys += [drawing.Key("median, where that is all there is", drawing.FAINT, hollow=True)] * (
        not carried.all()
    )
    alt = "95th percentile of latency from when requests were due, against the rate offered"
    alt += drawing.of_all(len(colours), "named are the first")
    return Figure(name, alt, drawing.drawn(draw, alt, keys))


REQUIRED = "required"


def _rate(axes: Axes, row: Any, colour: str) -> None:
    statistic = "p95" if row.carried else "median"
    said = f"{row.system}, {significant(row.offered)} a second: {statistic} {milliseconds(row.seconds)} ms"
    ends = (1000 * row.p95_low, 1000 * row.p95_high) if row.carried else (math.nan, math.nan)
    kind = "^" if row.saturated else "o"
    place = (row.offered, 1000 * row.seconds)
    drawing.point(axes, *place, colour, kind, ends=ends, hollow=not row.carried, said=said)
