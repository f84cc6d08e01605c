"""Figures of the report as SVG text."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

INK = "#1b1f24"
FAINT = "#8b949e"
COLOURS = {
    "float32": "#0072b2",
    "float16": "#009e73",
    "int8": "#d55e00",
    "binary": "#cc79a7",
}
"""Okabe and Ito's colours, which people with any colour vision tell apart."""

MARKERS = {"float32": "o", "float16": "s", "int8": "^", "binary": "D"}
WIDTH = 7.4
"""Inches."""


def forest(table: pd.DataFrame, metric: str, baseline: str, dataset: str) -> str:
    """Gain over the baseline with its interval, a line a system.

    `table` has the columns system, gain, low, high.
    """
    with _style(f"forest {dataset}"):
        figure = Figure(figsize=(WIDTH, 1.0 + 0.34 * len(table)), layout="constrained")
        axes = figure.subplots()
        places = range(len(table))[::-1]
        axes.axvline(0, color=FAINT, linewidth=1)
        errors = [table["gain"] - table["low"], table["high"] - table["gain"]]
        axes.errorbar(
            table["gain"], list(places), xerr=errors, fmt="o", color=INK, capsize=3, markersize=5
        )
        axes.set_yticks(list(places), labels=list(table["system"]))
        axes.set_xlabel(f"{metric}: gain over {baseline} (95 % interval)")
        return _svg(figure)


def quality_against_storage(
    table: pd.DataFrame, metric: str, flat: Sequence[tuple[str, float]], dataset: str
) -> str:
    """The metric against the vectors' size, a line a precision, a point a system.

    `table` has the columns system, gb_per_million_documents, precision, dim, multi_vector, value,
    low, high; `flat` are systems without counted bytes, drawn as lines across.
    """
    with _style(f"storage {dataset}"):
        figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
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
        for precision, group in table[table["multi_vector"]].groupby("precision", sort=False):
            _curve(axes, group.sort_values("gb_per_million_documents"), str(precision))
        for row in table[~table["multi_vector"]].itertuples():
            axes.errorbar(
                [row.gb_per_million_documents],
                [row.value],
                yerr=[[row.value - row.low], [row.high - row.value]],
                fmt="*",
                markersize=12,
                color=INK,
                capsize=3,
                label=f"{row.system}, one {row.dim}-d vector",
            )
        axes.set_xscale("log")
        axes.set_xlabel("vectors of the system, GB per million documents (log scale)")
        axes.set_ylabel(metric)
        if not table.empty:
            axes.legend(loc="lower right", frameon=False, fontsize=8)
        return _svg(figure)


def _curve(axes: Axes, group: pd.DataFrame, precision: str) -> None:
    colour = COLOURS.get(precision, INK)
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
        label=f"token vectors, {precision}",
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


def _style(salt: str) -> AbstractContextManager[None]:
    """Plain axes, text kept as text, and the same bytes for the same figure."""
    return mpl.rc_context(
        {
            "svg.hashsalt": salt,
            "svg.fonttype": "none",
            "font.family": "sans-serif",
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "text.color": INK,
            "axes.labelcolor": INK,
        }
    )


def _svg(figure: Figure) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
