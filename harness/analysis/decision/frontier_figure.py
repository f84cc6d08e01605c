"""The frontier: quality against latency, bytes by the size of a mark, what is likely beaten faint."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from harness.analysis.costs.figures import COLOURS, NAMES
from harness.page.axes import (
    AXIS,
    FOOT,
    HEAD,
    LINE,
    Key,
    Named,
    Panel,
    across,
    at_right,
    high_enough,
    legend,
    right_of,
    upwards,
)
from harness.page.drawing import Element, drawing, line, mark, tag, text
from harness.page.scales import linear, logarithmic
from harness.page.text import milliseconds

RADII = (3.0, 9.0)
"""Of the marks of the least and the most bytes."""

SAID = "size: GB of index; beside each name: the chance that it is dominated"


def frontier_figure(table: pd.DataFrame, metric: str) -> str:
    """The metric against the latency of the whole query, for one dataset and device.

    `table` has the columns `frontier.FRONTIER`. Circles grow with the logarithm of the bytes; a
    diamond stands where they were not counted, a hollow mark where latency is a median. The chance
    of being dominated stands beside each name, and what is likely dominated is faint.
    """
    rows = table[table["seconds"].notna()]
    names = [f"{row.system} {row.p_dominated:.0%}" for row in rows.itertuples()]
    keys, top = legend(_keys(rows))
    start = top + LINE + HEAD
    bottom = start + high_enough(len(rows))
    ends = itertools.chain(rows["value"], rows["low"], rows["high"])
    panel = Panel(
        logarithmic(1000 * rows["seconds"], AXIS, right_of(names)), linear(ends, bottom, start)
    )
    radii = _radii(rows["gb_per_million_documents"])
    elements = [
        *keys,
        text(0, top + 4, SAID, "faint", small=True),
        *across(panel, "whole query, milliseconds at the 95th percentile (log scale)"),
        *upwards(panel, metric),
    ]
    for row, radius in zip(rows.itertuples(), radii, strict=True):
        elements += _point(panel, row, radius)
    named = [
        Named(1000 * row.seconds, row.value, name, COLOURS[row.mode])
        for row, name in zip(rows.itertuples(), names, strict=True)
    ]
    return drawing(panel.y.start + FOOT, [*elements, *at_right(panel, named)])


def _radii(sizes: pd.Series) -> list[float]:
    """By the logarithm of each size, between the ends of RADII; NaN where it is not known."""
    logs = np.log10(sizes.astype(float).where(sizes > 0))
    low, high = logs.min(), logs.max()
    shares = (logs - low) / (high - low) if high > low else logs * 0
    least, most = RADII
    radii: list[float] = (least + (most - least) * shares).tolist()
    return radii


def _point(panel: Panel, row: Any, radius: float) -> Iterator[Element]:
    colour, x, y = COLOURS[row.mode], panel.x(1000 * row.seconds), panel.y(row.value)
    hollow = row.statistic != "p95"
    said = (
        f"{row.system}, {NAMES[row.mode]}: {row.value:.4f}, {row.statistic} "
        f"{milliseconds(row.seconds)} ms, dominated with a chance of {row.p_dominated:.0%}"
    )
    inside = []
    if not math.isnan(row.low):
        inside.append(line([(x, panel.y(row.low)), (x, panel.y(row.high))], colour))
    if math.isnan(radius):
        inside.append(mark(x, y, colour, "diamond", hollow=hollow, said=said))
    else:
        inside.append(mark(x, y, colour, radius=radius, hollow=hollow, said=said))
    yield tag("g", *inside, opacity=1 - 0.6 * row.p_dominated)


def _keys(rows: pd.DataFrame) -> list[Key]:
    """The modes, and what the marks mean."""
    keys = [
        Key(NAMES[mode], colour) for mode, colour in COLOURS.items() if (rows["mode"] == mode).any()
    ]
    if (rows["statistic"] != "p95").any():
        keys.append(Key("median only", "faint", hollow=True))
    if rows["gb_per_million_documents"].isna().any():
        keys.append(Key("bytes not counted", "faint", "diamond"))
    return keys
