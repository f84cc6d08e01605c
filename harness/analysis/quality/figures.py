"""Figures of quality: what is gained, and what it takes in bytes and dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from harness.analysis.statistics.intervals import mean_text
from harness.page import drawing
from harness.page.blocks import Figure
from harness.page.text import brief, family, interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PRECISIONS = dict(zip(("float32", "float16", "int8", "binary"), drawing.MARKS, strict=False))
"""The mark of each."""


def forest(table: pd.DataFrame, metric: str, baseline: str, name: str) -> Figure:
    """Gain over the baseline with its interval, a row a system, the highest on top.

    `table` has the columns system, gain, low, high. Of many systems the best variant of each comes
    first.
    """
    ordered = table.sort_values("gain", ascending=False, kind="stable")
    turns = ordered.groupby(ordered["system"].map(family)).cumcount()
    first = ordered.assign(turn=turns).sort_values("turn", kind="stable").head(drawing.MOST)
    rows = first.sort_values("gain", ascending=False, kind="stable")

    def draw(axes: Axes) -> None:
        axes.axvline(0, color=drawing.FAINT, linewidth=1.2)
        for i, row in enumerate(rows.itertuples()):
            axes.plot([row.low, row.high], [i, i], color=drawing.INK, linewidth=1.2)
            (mark,) = axes.plot([row.gain], [i], "o", color=drawing.INK)
            drawing.say(mark, f"{row.system}: {row.gain:+.3f} {interval(row.low, row.high)}")
        drawing.name_rows(axes, [brief(name) for name in rows["system"]])
        axes.set_xlabel(f"{metric}: gain over {drawing.short([baseline])[0]}, with 95 % interval")

    alt = f"Gain of each system over {baseline} in {metric}, with intervals"
    alt += drawing.of_all(len(table), "drawn are the best of each system")
    return Figure(name, alt, drawing.drawn(draw, alt, height=drawing.ROW * len(rows) + 50))


def quality_against_storage(
    table: pd.DataFrame, metric: str, flat: Sequence[tuple[str, float]], name: str
) -> Figure:
    """The metric against the index's size, a line a model and precision, with dimensions at its points.

    `table` has the columns system, line, gb_per_million_documents, precision, dim, multi_vector,
    value, low, high; a star has one vector a document. `flat` are systems whose bytes are not known,
    drawn as lines across.
    """
    late, stars = table[table["multi_vector"]], table[~table["multi_vector"]]
    one_model = len(set(late["line"])) == 1
    curves: dict[tuple[str, ...], pd.DataFrame] = {}
    marks: dict[tuple[str, ...], str] = {}
    for (model, precision), group in late.groupby(["line", "precision"], sort=False):
        curve = ("token vectors" if one_model else model, precision)
        key = curve if len(group) > 1 else (group["system"].iloc[0],)
        curves[key], marks[key] = group, PRECISIONS.get(precision, drawing.MARKS[0])
    marks.update(((system,), "*") for system in stars["system"])
    marks.update(((system,), "_") for system, _ in flat)
    colours = drawing.coloured(marks)

    def draw(axes: Axes) -> None:
        for system, value in flat:
            line = axes.axhline(value, color=colours[system,], linestyle="--")
            drawing.say(line, f"{system}: {value:.4f}")
        for place, (key, group) in enumerate(curves.items()):
            _curve(axes, group, colours[key], marks[key], 1 if place % 2 else -1)
        for row in stars.itertuples():
            _point(axes, row, colours[row.system,], "*")
        drawing.logarithmic(axes.xaxis)
        axes.set_title(metric)
        axes.set_xlabel("index of the system, GB per million documents (log scale)")

    keys = [drawing.Key(", ".join(key), colours[key], kind) for key, kind in marks.items()][
        : drawing.MOST
    ]
    alt = f"{metric} with its interval against gigabytes of the index per million documents"
    alt += ", dimensions of token vectors at their points" * (len(set(late["dim"])) > 1)
    alt += drawing.of_all(len(marks), "named are token vectors first")
    return Figure(name, alt, drawing.drawn(draw, alt, keys))


def _curve(axes: Axes, group: pd.DataFrame, colour: str, kind: str, side: int) -> None:
    """Points joined by a line; their dimensions stand above it, or below where `side` is -1."""
    points = group.sort_values("gb_per_million_documents", kind="stable")
    axes.plot(points["gb_per_million_documents"], points["value"], color=colour, linewidth=1.2)
    for row in points.itertuples():
        _point(axes, row, colour, kind)
        if len(points) > 1:
            place, aside = (row.gb_per_million_documents, row.value), (6, 8 * side)
            said = axes.annotate(f"{row.dim}", place, aside, textcoords="offset points")
            said.set(color=colour, size=10, verticalalignment="center")


def _point(axes: Axes, row: Any, colour: str, kind: str) -> None:
    size = 10 if kind == "*" else 7
    said = f"{row.system}: {mean_text(row._asdict())}"
    ends = (row.low, row.high)
    place = (row.gb_per_million_documents, row.value)
    drawing.point(axes, *place, colour, kind, ends=ends, said=said, size=size)
