"""The frontier: quality against latency, bytes by the size of a mark, what is likely beaten faint."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from harness.analysis.decision.measurements import Option
from harness.page.blocks import Figure
from harness.page.drawing import FAINT, MOST, Key, coloured, drawn, logarithmic, of_all, point
from harness.page.text import milliseconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZES = (6.0, 18.0)
"""Of the marks of the least and the most bytes."""


def frontier_figure(table: pd.DataFrame, metric: str, where: str, name: str) -> Figure:
    """The metric against the latency of the whole query, for one dataset and device.

    `table` has the columns `frontier.FRONTIER`. Circles grow with the logarithm of the bytes; a
    diamond stands where they were not counted, a hollow mark where latency is a median. The chance
    of being dominated stands beside each name, and what is likely dominated is faint.
    """
    rows = table[table["seconds"].notna()].sort_values("p_dominated", kind="stable")
    names = [Option(row.system, row.mode).name for row in rows.itertuples()]
    sizes = _sizes(rows["gb_per_million_documents"])
    rows = rows.assign(name=names, size=sizes, hollow=rows["statistic"] != "p95")
    colours = coloured(names)

    def draw(axes: Axes) -> None:
        for row in rows[::-1].itertuples():
            said = (
                f"{row.name}: {row.value:.4f}, {row.statistic} {milliseconds(row.seconds)} ms, "
                f"dominated with a chance of {row.p_dominated:.0%}"
            )
            known = not math.isnan(row.size)
            point(
                *(axes, 1000 * row.seconds, row.value, colours[row.name], "o" if known else "D"),
                size=row.size if known else 7,
                ends=(row.low, row.high),
                hollow=row.hollow,
                said=said,
                opacity=1 - 0.6 * row.p_dominated,
            )
        logarithmic(axes.xaxis)
        axes.set_title(metric)
        axes.set_xlabel("whole query, milliseconds at the 95th percentile (log scale)")

    keys = [
        Key(f"{row.name} {row.p_dominated:.0%}", colours[row.name])
        for row in rows[:MOST].itertuples()
    ]
    keys += [Key("median only", FAINT, hollow=True)] * bool(rows["hollow"].any())
    keys += [Key("bytes not counted", FAINT, "D")] * bool(rows["size"].isna().any())
    alt = (
        f"{metric} against the latency of the whole query, size by bytes, on {where}; beside each "
        f"name its chance to be dominated{of_all(len(rows), 'named are the least likely dominated')}"
    )
    return Figure(name, alt, drawn(draw, alt, keys))


def _sizes(sizes: pd.Series) -> pd.Series:
    """By the logarithm of each size, between the ends of SIZES; NaN where it is not known."""
    logs = np.log10(sizes.astype(float).where(sizes > 0))
    low, high = logs.min(), logs.max()
    shares = (logs - low) / (high - low) if high > low else logs * 0
    least, most = SIZES
    return least + (most - least) * shares
