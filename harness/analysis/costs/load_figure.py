"""The figure of load: latency against the rate at which requests were offered."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from harness.page.axes import (
    AXIS,
    FOOT,
    HEAD,
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
from harness.page.drawing import CYCLE, Element, drawing, line, mark
from harness.page.scales import logarithmic
from harness.page.text import milliseconds, significant

REQUIRED = "required"


def rates_figure(table: pd.DataFrame, limit: float) -> str:
    """The 95th percentile against the offered rate, a line a system, named at its end.

    `table` has the columns `load.LOADS` of open steps; `limit` in seconds is a line across, NaN for
    none. Where requests do not carry the percentile, or too many had no answer, the median stands as a
    hollow mark; a triangle is a rate at which answers fall behind.
    """
    rows = table.assign(
        carried=table["p95"].map(math.isfinite),
        seconds=table["p95"].where(table["p95"].map(math.isfinite), table["p50"]),
    )
    groups = [group.sort_values("offered") for _, group in rows.groupby("system", sort=False)]
    names = [str(group["system"].iloc[0]) for group in groups]
    colours = dict(zip(names, itertools.cycle(CYCLE), strict=False))
    keys, top = legend(list(_keys(rows)))
    across_line = [] if math.isnan(limit) else [limit]
    start = top + HEAD
    bottom = start + high_enough(len(names))
    ends = itertools.chain(rows["seconds"], rows["p95_low"], rows["p95_high"], across_line)
    right = right_of([*names, *[REQUIRED] * len(across_line)])
    panel = Panel(
        logarithmic(rows["offered"], AXIS, right),
        logarithmic((1000 * value for value in ends), bottom, start),
    )
    elements = [
        *keys,
        *across(panel, "requests offered a second (log scale)"),
        *upwards(panel, "milliseconds at the 95th percentile, from when they were due (log scale)"),
        *itertools.chain(*(_required(panel, seconds) for seconds in across_line)),
        *itertools.chain(*(_curve(panel, group, colours) for group in groups)),
    ]
    last = [next(group.tail(1).itertuples()) for group in groups]
    named = [
        Named(row.offered, 1000 * row.seconds, row.system, colours[row.system]) for row in last
    ]
    named += [Named(panel.x.high, 1000 * seconds, REQUIRED, "faint") for seconds in across_line]
    return drawing(panel.y.start + FOOT, [*elements, *at_right(panel, named)])


def _keys(rows: pd.DataFrame) -> Iterator[Key]:
    yield Key("95th percentile", "faint")
    if rows["saturated"].any():
        yield Key("answers fall behind", "faint", "triangle")
    if not rows["carried"].all():
        yield Key("median, where that is all there is", "faint", hollow=True)


def _required(panel: Panel, seconds: float) -> Iterator[Element]:
    ends = [(x, panel.y(1000 * seconds)) for x in (panel.x.start, panel.x.end)]
    yield line(ends, "faint", dashed=True, said=f"{REQUIRED}: {milliseconds(seconds)} ms")


def _curve(panel: Panel, group: pd.DataFrame, colours: dict[str, str]) -> Iterator[Element]:
    points = list(group.itertuples())
    path = [(panel.x(row.offered), panel.y(1000 * row.seconds)) for row in points]
    yield line(path, colours[points[0].system], 1.2)
    for row in points:
        yield from _point(panel, row, colours[row.system])


def _point(panel: Panel, row: Any, colour: str) -> Iterator[Element]:
    x, statistic = panel.x(row.offered), "p95" if row.carried else "median"
    said = f"{row.system}, {significant(row.offered)} a second: {statistic} {milliseconds(row.seconds)} ms"
    ends = (row.p95_low, row.p95_high)
    if row.carried and all(map(math.isfinite, ends)):
        yield line([(x, panel.y(1000 * end)) for end in ends], colour, said=said)
    kind = "triangle" if row.saturated else "circle"
    yield mark(x, panel.y(1000 * row.seconds), colour, kind, hollow=not row.carried, said=said)
