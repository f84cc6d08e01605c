"""The figure of load: latency against the rate at which requests were offered."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from harness.page.blocks import Figure
from harness.page.drawing import FAINT, MOST, Key, coloured, drawn, logarithmic, of_all, point, say
from harness.page.text import milliseconds, significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def rates_figure(table: pd.DataFrame, limit: float, name: str) -> Figure:
    """The 95th percentile against the offered rate, a line a system.

    `table` has the columns `load.LOADS` of open steps; `limit` in seconds is a line across, NaN for
    none. Where requests do not carry the percentile, or too many had no answer, the median stands as a
    hollow mark; a triangle is a rate at which answers fall behind.
    """
    carried = table["p95"].map(math.isfinite)
    rows = table.assign(carried=carried, seconds=table["p95"].where(carried, table["p50"]))
    colours = coloured(rows["system"])

    def draw(axes: Axes) -> None:
        for system, group in rows.sort_values("offered").groupby("system", sort=False):
            colour = colours[system]
            axes.plot(group["offered"], 1000 * group["seconds"], color=colour, linewidth=1.2)
            for row in group.itertuples():
                _point(axes, row, colour)
        if not math.isnan(limit):
            line = axes.axhline(1000 * limit, color=FAINT, linestyle="--")
            say(line, f"{REQUIRED}: {milliseconds(limit)} ms")
        logarithmic(axes.xaxis)
        logarithmic(axes.yaxis)
        axes.set_title("milliseconds at the 95th percentile, from when they were due (log scale)")
        axes.set_xlabel("requests offered a second (log scale)")

    keys = [Key(system, colour) for system, colour in colours.items()][:MOST]
    keys += [Key(REQUIRED, FAINT, "_")] * (not math.isnan(limit))
    keys += [Key("answers fall behind", FAINT, "^")] * bool(rows["saturated"].any())
    keys += [Key("median, where that is all there is", FAINT, hollow=True)] * (not carried.all())
    alt = "95th percentile of latency from when requests were due, against the rate offered"
    alt += of_all(len(colours), "named are the first")
    return Figure(name, alt, drawn(draw, alt, keys))


REQUIRED = "required"


def _point(axes: Axes, row: Any, colour: str) -> None:
    statistic = "p95" if row.carried else "median"
    said = f"{row.system}, {significant(row.offered)} a second: {statistic} {milliseconds(row.seconds)} ms"
    ends = (1000 * row.p95_low, 1000 * row.p95_high) if row.carried else (math.nan, math.nan)
    kind = "^" if row.saturated else "o"
    place = (row.offered, 1000 * row.seconds)
    point(axes, *place, colour, kind, ends=ends, hollow=not row.carried, said=said)
