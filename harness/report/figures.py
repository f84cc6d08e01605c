"""Figures of the report as SVG text."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

INK = "#1b1f24"
FAINT = "#8b949e"
COLOURS = {
    "float32": "#0072b2",
    "float16": "#009e73",
    "int8": "#d55e00",
    "binary": "#cc79a7",
}
"""Okabe and Ito's colours, which people with any colour vision tell apart."""

CYCLE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8b949e")
"""Theirs again, for models."""

MARKERS = {"float32": "o", "float16": "s", "int8": "^", "binary": "D"}
WIDTH = 7.4
"""Inches."""

WIDE = 200
"""Factor between the ends of a log axis from which on only powers of ten are named."""

LONGEST = 40
"""Characters of a name in a figure."""


def forest(table: pd.DataFrame, metric: str, baseline: str, dataset: str) -> str:
    """Gain over the baseline with its interval, a line a system.

    `table` has the columns system, gain, low, high.
    """
    with style(f"forest {dataset}"):
        figure = Figure(figsize=(WIDTH, 1.0 + 0.34 * len(table)), layout="constrained")
        axes = figure.subplots()
        places = range(len(table))[::-1]
        axes.axvline(0, color=FAINT, linewidth=1)
        errors = [table["gain"] - table["low"], table["high"] - table["gain"]]
        axes.errorbar(
            table["gain"], list(places), xerr=errors, fmt="o", color=INK, capsize=3, markersize=5
        )
        axes.set_yticks(list(places), labels=list(map(short, table["system"])))
        axes.set_xlabel(f"{metric}: gain over {baseline} (95 % interval)")
        return svg(figure)


def quality_against_storage(
    table: pd.DataFrame, metric: str, flat: Sequence[tuple[str, float]], dataset: str
) -> str:
    """The metric against the vectors' size, a line a model and precision, a point a system.

    `table` has the columns system, line, gb_per_million_documents, precision, dim, multi_vector,
    value, low, high; `flat` are systems without counted bytes, drawn as lines across. Colours tell
    the models, or the precisions of a single one.
    """
    with style(f"storage {dataset}"):
        figure = Figure(figsize=(WIDTH, 4.2 + 0.1 * len(table)), layout="constrained")
        axes = figure.subplots()
        for name, value in flat:
            axes.axhline(value, color=FAINT, linewidth=1, linestyle="--")
            axes.annotate(
                f"{name} (bytes not counted)",
                (0.01, value),
                xycoords=("axes fraction", "data"),
                xytext=(0, 3),
                textcoords="offset points",
                color=FAINT,
                fontsize=8,
            )
        late = table[table["multi_vector"]]
        models = list(dict.fromkeys(late["line"]))
        for (line, precision), group in late.groupby(["line", "precision"], sort=False):
            ordered = group.sort_values("gb_per_million_documents")
            _curve(axes, ordered, str(precision), *_appearance(line, str(precision), models))
        for row in table[~table["multi_vector"]].itertuples():
            axes.errorbar(
                [row.gb_per_million_documents],
                [row.value],
                yerr=[[row.value - row.low], [row.high - row.value]],
                fmt="*",
                markersize=12,
                color=INK,
                capsize=3,
                label=f"{short(row.system)}, one {row.dim}-d vector",
            )
        logarithmic(axes.xaxis)
        axes.set_xlabel("vectors of the system, GB per million documents (log scale)")
        axes.set_ylabel(metric)
        if not table.empty:
            axes.legend(
                loc="upper left", bbox_to_anchor=(0, -0.16), ncols=2, frameon=False, fontsize=8
            )
        return svg(figure)


def _appearance(line: str, precision: str, models: Sequence[str]) -> tuple[str, str]:
    """A curve's colour and its name in the legend."""
    if len(models) == 1:
        return COLOURS.get(precision, INK), f"token vectors, {precision}"
    return CYCLE[models.index(line) % len(CYCLE)], f"{short(line)}, {precision}"


def _curve(axes: Axes, group: pd.DataFrame, precision: str, colour: str, label: str) -> None:
    axes.errorbar(
        group["gb_per_million_documents"],
        group["value"],
        yerr=[group["value"] - group["low"], group["high"] - group["value"]],
        marker=MARKERS.get(precision, "o"),
        color=colour,
        ecolor=colour,
        elinewidth=0.7,
        capsize=2,
        markersize=5,
        label=label,
    )
    for row in group.itertuples():
        axes.annotate(
            f"{row.dim}-d",
            (row.gb_per_million_documents, row.value),
            xytext=(4, 5),
            textcoords="offset points",
            fontsize=8,
            color=colour,
        )


def logarithmic(axis: Axis) -> None:
    """A log scale with plain numbers at its ticks; called when everything is drawn."""
    scale = axis.axes.set_xscale if axis is axis.axes.xaxis else axis.axes.set_yscale
    scale("log")
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < WIDE * low else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.set_minor_formatter(NullFormatter())


def short(name: str) -> str:
    """`name`, cut in the middle to LONGEST characters."""
    tail = 2 * LONGEST // 3
    return name if len(name) <= LONGEST else f"{name[: LONGEST - tail - 1]}…{name[-tail:]}"


def style(salt: str) -> AbstractContextManager[None]:
    """Plain axes, text kept as text, and the same bytes for the same figure."""
    return mpl.rc_context(
        {
            "svg.hashsalt": salt,
            "svg.fonttype": "none",
            "text.parse_math": False,
            "font.family": "sans-serif",
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "text.color": INK,
            "axes.labelcolor": INK,
        }
    )


def svg(figure: Figure) -> str:
    """The figure as text that stands in a page."""
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
