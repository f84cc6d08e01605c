"""Figures of latency: colours tell the mode, hollow marks and dashes a prediction."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from harness.page.axes import (
    AXIS,
    FOOT,
    GAP,
    HEAD,
    Key,
    Named,
    Panel,
    across,
    at_left,
    at_right,
    high_enough,
    left_of,
    legend,
    right_of,
    rows,
    upwards,
)
from harness.page.drawing import WIDTH, Element, box, drawing, line, mark, short
from harness.page.scales import linear, logarithmic
from harness.page.text import milliseconds

COLOURS: Mapping[str, str] = {
    "retrieve": "ink",
    "precomputed": "c0",
    "on the fly": "c1",
    "rerank": "c2",
}
"""By mode."""

KINDS: Mapping[str, str] = {
    "retrieve": "square",
    "precomputed": "circle",
    "on the fly": "triangle",
    "rerank": "diamond",
}
"""Marks by mode."""

NAMES: Mapping[str, str] = {
    "retrieve": "retrieval alone",
    "precomputed": "late interaction, precomputed",
    "on the fly": "late interaction, on the fly",
    "rerank": "cross-encoder",
}

BOX = (5, 25, 50, 75, 95)
"""Percentiles of a box and its whiskers."""


def distributions(latencies: pd.DataFrame, calls: pd.DataFrame, k: int) -> str:
    """A box an arm over its calls with `k` candidates, the fastest on top; retrieval at its depth.

    `latencies` and `calls` are those of one device; whiskers end at the 5th and 95th percentile,
    and a predicted median is a hollow mark.
    """
    arms = latencies[(latencies["k"] == k) | (latencies["mode"] == "retrieve")]
    arms = arms[arms["p50"].notna()].sort_values("p50", kind="stable")
    timed = dict(list(calls.groupby(["system", "mode", "k"])["seconds"]))
    boxes = [
        _percentiles(row, timed.get((row.system, row.mode, row.k))) for row in arms.itertuples()
    ]
    keys, top = legend(_keys(arms))
    names = short(arms["system"])
    scale = logarithmic(itertools.chain(*boxes), left_of(names), WIDTH - 2 * GAP)
    panel = Panel(scale, rows(len(names), top))
    elements = [
        *keys,
        *across(panel, f"milliseconds a call with {k} candidates (log scale)"),
        *at_left(panel, names),
    ]
    for i, (row, found) in enumerate(zip(arms.itertuples(), boxes, strict=True)):
        elements += _box(panel, i, row, found)
    return drawing(panel.y.end + FOOT, elements)


def _percentiles(row: Any, seconds: pd.Series | None) -> list[float]:
    """Milliseconds at the percentiles BOX, of a predicted arm the median alone."""
    if seconds is None or row.status == "predicted":
        return [1000 * row.p50]
    return [float(value) for value in 1000 * np.percentile(seconds, BOX)]


def _box(panel: Panel, place: int, row: Any, found: list[float]) -> Iterator[Element]:
    colour, y = COLOURS[row.mode], panel.y(place)
    if len(found) == 1:
        said = f"{row.system}: predicted {milliseconds(row.p50)} ms"
        yield mark(panel.x(found[0]), y, colour, KINDS[row.mode], hollow=True, said=said)
        return
    low, first, median, third, high = (panel.x(value) for value in found)
    said = f"{row.system}, percentiles 5 25 50 75 95: " + " ".join(
        milliseconds(value / 1000) for value in found
    )
    yield line([(low, y), (high, y)], colour, 1.2, said=said)
    yield box(first, y - 6, third - first, 12, colour, said)
    yield line([(median, y - 8), (median, y + 8)], colour, 2.4, said=said)


def _keys(arms: pd.DataFrame) -> list[Key]:
    """What the marks of these arms mean."""
    modes = [mode for mode in COLOURS if (arms["mode"] == mode).any()]
    keys = [Key(NAMES[mode], COLOURS[mode], KINDS[mode]) for mode in modes]
    if (arms["status"] == "predicted").any():
        keys.append(Key("predicted", "faint", hollow=True))
    return keys


def against_k(latencies: pd.DataFrame) -> str:
    """Median against the number of candidates, a line an arm, named at its end."""
    arms = latencies[(latencies["mode"] != "retrieve") & latencies["p50"].notna()]
    arms = arms.sort_values("k", kind="stable")
    groups = [group for _, group in arms.groupby(["system", "mode"], sort=False)]
    keys, top = legend(_keys(arms))
    panel = _log_panel(
        arms["k"], 1000 * arms["p50"], [group["system"].iloc[0] for group in groups], top
    )
    elements = [
        *keys,
        *across(panel, "candidates (log scale)", sorted(set(arms["k"]))),
        *upwards(panel, "median milliseconds (log scale)"),
        *itertools.chain(*(_arm(panel, group) for group in groups)),
    ]
    ends = [next(group.tail(1).itertuples()) for group in groups]
    named = [Named(row.k, 1000 * row.p50, row.system, COLOURS[row.mode]) for row in ends]
    return drawing(panel.y.start + FOOT, [*elements, *at_right(panel, named)])


def _log_panel(xs: Iterable[float], ys: Iterable[float], names: list[str], top: float) -> Panel:
    start = top + HEAD
    bottom = start + high_enough(len(names))
    return Panel(logarithmic(xs, AXIS, right_of(names)), logarithmic(ys, bottom, start))


def _arm(panel: Panel, group: pd.DataFrame) -> Iterator[Element]:
    """Measured points joined by a line; up to a predicted one it is dashed."""
    points = list(group.itertuples())
    for one, other in itertools.pairwise(points):
        ends = [(panel.x(row.k), panel.y(1000 * row.p50)) for row in (one, other)]
        yield line(ends, COLOURS[one.mode], 1.2, dashed=other.status == "predicted")
    for row in points:
        hollow = row.status == "predicted"
        said = f"{row.system}, k = {row.k}: {'predicted ' * hollow}{milliseconds(row.p50)} ms"
        place = panel.x(row.k), panel.y(1000 * row.p50)
        yield mark(*place, COLOURS[row.mode], KINDS[row.mode], hollow=hollow, said=said)


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


def quality_against_latency(table: pd.DataFrame, metric: str) -> str:
    """The metric with its interval against the 95th percentile of the whole query.

    `table` is that of `points`; where calls do not carry p95 the median stands, as a hollow mark.
    """
    medians = (
        [] if table["carried"].all() else [Key("median, for want of calls", "faint", hollow=True)]
    )
    keys, top = legend([*_keys(table), *medians])
    names = list(table["system"])
    start = top + HEAD
    bottom = start + high_enough(len(names))
    ends = itertools.chain(table["value"], table["low"], table["high"])
    panel = Panel(
        logarithmic(1000 * table["seconds"], AXIS, right_of(names)), linear(ends, bottom, start)
    )
    elements = [
        *keys,
        *across(panel, "whole query, milliseconds at the 95th percentile (log scale)"),
        *upwards(panel, metric),
        *itertools.chain(*(_point(panel, row) for row in table.itertuples())),
    ]
    named = [
        Named(1000 * row.seconds, row.value, row.system, COLOURS[row.mode])
        for row in table.itertuples()
    ]
    return drawing(panel.y.start + FOOT, [*elements, *at_right(panel, named)])


def _point(panel: Panel, row: Any) -> Iterator[Element]:
    colour, x = COLOURS[row.mode], panel.x(1000 * row.seconds)
    statistic = "p95" if row.carried else "median"
    said = (
        f"{row.system}, {NAMES[row.mode]}: {row.value:.4f}, {statistic} "
        f"{milliseconds(row.seconds)} ms"
    )
    if row.low == row.low:
        yield line([(x, panel.y(row.low)), (x, panel.y(row.high))], colour, said=said)
    yield mark(x, panel.y(row.value), colour, KINDS[row.mode], hollow=not row.carried, said=said)
