"""Figures of quality: what is gained, and what it takes in bytes and dimensions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import pandas as pd

from harness.analysis.statistics.text import with_interval
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
from harness.page.drawing import (
    CYCLE,
    MARKS,
    SMALL,
    WIDTH,
    Element,
    drawing,
    line,
    mark,
    short,
    text,
    width,
)
from harness.page.scales import linear, logarithmic

PRECISIONS = ("float32", "float16", "int8", "binary")
"""By their places colours (of a single model) and marks."""


def forest(table: pd.DataFrame, metric: str, baseline: str) -> str:
    """Gain over the baseline with its interval, a row a system, in figures too.

    `table` has the columns system, gain, low, high.
    """
    *names, against = short([*table["system"], baseline])
    told = [_interval_words(row) for row in table.itertuples()]
    right = WIDTH - max((width(words, SMALL) for words in told), default=0) - 2 * GAP
    ends = chain([0.0], table["gain"], table["low"], table["high"])
    panel = Panel(linear(ends, left_of(names), right), rows(len(names), GAP))
    zero = panel.x(0)
    elements = [
        *across(panel, f"{metric}: gain over {against}, with 95 % interval"),
        line([(zero, panel.y.start), (zero, panel.y.end)], "faint", 1.2),
        *at_left(panel, names),
    ]
    for i, (row, words) in enumerate(zip(table.itertuples(), told, strict=True)):
        said = f"{row.system}: {words}"
        elements += _whisker(panel, (row.low, i), (row.high, i), "ink", said)
        elements.append(mark(panel.x(row.gain), panel.y(i), "ink", said=said))
        elements.append(text(WIDTH - 2, panel.y(i), words, "ink", anchor="end", small=True))
    return drawing(panel.y.end + FOOT, elements)


def _interval_words(row: Any) -> str:
    if math.isnan(row.low):
        return f"{row.gain:+.3f}"
    return f"{row.gain:+.3f} [{row.low:+.3f}, {row.high:+.3f}]"


def _whisker(
    panel: Panel,
    low: tuple[float, float],
    high: tuple[float, float],
    colour: str,
    said: str = "",
) -> Iterator[Element]:
    """An interval from one point to another, if it is known."""
    if not any(map(math.isnan, (*low, *high))):
        ends = [(panel.x(x), panel.y(y)) for x, y in (low, high)]
        yield line(ends, colour, 1.2, said=said)


def quality_against_storage(
    table: pd.DataFrame, metric: str, flat: Sequence[tuple[str, float]]
) -> str:
    """The metric against the index's size, a line a model and precision, a point a system.

    `table` has the columns system, line, gb_per_million_documents, precision, dim, multi_vector,
    value, low, high; `flat` are systems whose bytes are not known, drawn as lines across. Colours tell
    the models, or the precisions of a single one.
    """
    models = list(dict.fromkeys(table[table["multi_vector"]]["line"]))
    keys, top = legend(_keys(table, models))
    panel = _panel(table, table["gb_per_million_documents"], flat, top, list(table["system"]))
    elements = [
        *keys,
        *across(panel, "index of the system, GB per million documents (log scale)"),
        *upwards(panel, metric),
        *_flats(panel, flat),
    ]
    late = table[table["multi_vector"]]
    for (model, precision), group in late.groupby(["line", "precision"], sort=False):
        points = group.sort_values("gb_per_million_documents", kind="stable")
        xs = points["gb_per_million_documents"]
        elements += _curve(panel, xs, points, *_look(model, precision, models))
    for row in table[~table["multi_vector"]].itertuples():
        elements += _point(panel, row.gb_per_million_documents, row, "ink", "star")
    named = [
        Named(row.gb_per_million_documents, row.value, row.system, _colour(row, models))
        for row in table.itertuples()
    ]
    elements += at_right(panel, [*named, *_flat_names(panel, flat)])
    return drawing(panel.y.start + FOOT, elements)


def quality_against_dimension(
    table: pd.DataFrame, metric: str, flat: Sequence[tuple[str, float]]
) -> str:
    """The metric against the dimensions of the token vectors (the Matryoshka curve).

    A line a model and precision; `table` is that of `quality_against_storage`, `flat` are systems
    to compare with, drawn as lines across.
    """
    late = table[table["multi_vector"]]
    models = list(dict.fromkeys(late["line"]))
    keys, top = legend(_keys(late, models))
    panel = _panel(late, late["dim"], flat, top, [])
    elements = [
        *keys,
        *across(panel, "dimensions of a token vector (log scale)", sorted(set(late["dim"]))),
        *upwards(panel, metric),
        *_flats(panel, flat),
    ]
    curves = list(late.groupby(["line", "precision"], sort=False))
    for i, ((model, precision), group) in enumerate(curves):
        points = group.sort_values("dim", kind="stable")
        # Side by side, so that the intervals of equal dimensions can be told apart.
        aside = 1 + 0.014 * (i - (len(curves) - 1) / 2)
        elements += _curve(panel, points["dim"] * aside, points, *_look(model, precision, models))
    elements += at_right(panel, list(_flat_names(panel, flat)))
    return drawing(panel.y.start + FOOT, elements)


def _panel(
    table: pd.DataFrame,
    sizes: pd.Series,
    flat: Sequence[tuple[str, float]],
    top: float,
    names: Sequence[str],
) -> Panel:
    """A panel below `top` with room for intervals, lines across and names at the right."""
    named = [*names, *(name for name, _ in flat)]
    ends = chain(table["value"], table["low"], table["high"], (value for _, value in flat))
    start = top + HEAD
    bottom = start + high_enough(len(named))
    return Panel(logarithmic(sizes, AXIS, right_of(named)), linear(ends, bottom, start))


def _keys(table: pd.DataFrame, models: Sequence[str]) -> list[Key]:
    late = table[table["multi_vector"]]
    curves = late[["line", "precision"]].drop_duplicates()
    names = dict(zip(models, short(models), strict=True))
    found = []
    for model, precision in curves.itertuples(index=False):
        name = "token vectors" if len(models) == 1 else names[model]
        colour, kind = _look(model, precision, models)
        found.append(Key(f"{name}, {precision}", colour, kind))
    if not table["multi_vector"].all():
        found.append(Key("one vector a document", "ink", "star"))
    return found


def _look(model: str, precision: str, models: Sequence[str]) -> tuple[str, str]:
    """Colour and mark of a curve."""
    place = PRECISIONS.index(precision) if precision in PRECISIONS else 0
    number = place if len(models) == 1 else models.index(model)
    return CYCLE[number % len(CYCLE)], MARKS[place]


def _colour(row: Any, models: Sequence[str]) -> str:
    return _look(row.line, row.precision, models)[0] if row.multi_vector else "ink"


def _curve(
    panel: Panel, xs: pd.Series, points: pd.DataFrame, colour: str, kind: str
) -> Iterator[Element]:
    path = [(panel.x(x), panel.y(value)) for x, value in zip(xs, points["value"], strict=True)]
    yield line(path, colour, 1.2)
    for x, row in zip(xs, points.itertuples(), strict=True):
        yield from _point(panel, x, row, colour, kind)


def _point(panel: Panel, x: float, row: Any, colour: str, kind: str) -> Iterator[Element]:
    said = f"{row.system}: {with_interval(row._asdict())}"
    yield from _whisker(panel, (x, row.low), (x, row.high), colour, said)
    yield mark(panel.x(x), panel.y(row.value), colour, kind, said=said)


def _flats(panel: Panel, flat: Sequence[tuple[str, float]]) -> Iterator[Element]:
    """Lines across."""
    for name, value in flat:
        ends = [(x, panel.y(value)) for x in (panel.x.start, panel.x.end)]
        yield line(ends, "faint", dashed=True, said=f"{name}: {value:.4f}")


def _flat_names(panel: Panel, flat: Sequence[tuple[str, float]]) -> Iterator[Named]:
    for name, value in flat:
        yield Named(panel.x.high, value, name, "faint")
