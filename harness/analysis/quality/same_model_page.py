"""What was found of systems that are to be one model, as blocks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from harness.analysis.statistics.intervals import NO_INTERVAL
from harness.page.blocks import Block, tabled
from harness.page.tables import Table
from harness.page.text import NONE, counted, interval, number, times_as_fast
from harness.results.store import Results
from harness.results.terms import objective

SMALLEST = 1e-6
"""Differences of scores below this count as none: float32 has about seven digits."""


def parity_blocks(results: Results, parity: pd.DataFrame, speeds: pd.DataFrame) -> Iterator[Block]:
    """A table for each model that several systems are to be on a dataset, by the objective."""
    metric = objective(results)
    for model, rows in parity.groupby("model", sort=False):
        first, queries = rows[["reference", "queries"]].iloc[0]
        caption = (
            f"Against {first}, over {counted(queries, 'query')}; scores and order of the documents that both "
            "systems scored."
        )
        table = _table(rows, metric, _speeds(speeds[speeds["model"] == model]))
        said = [_said(row, metric) for row in rows.to_dict("records")]
        yield tabled(f"{model}, the same model in several ways", caption, table, "parity", said)


def _said(row: Mapping[str, Any], metric: str) -> str:
    same = f"{metric} is the same on every query"
    if row["changed"]:
        same = f"{metric} differs on {row['changed']} of {counted(row['queries'], 'query')}, by {_gain(row)}"
    return f"{row['system']}: scores within {_difference(row['score_difference'])}; {same}."


def _table(rows: pd.DataFrame, metric: str, speeds: Mapping[str, Mapping[str, str]]) -> Table:
    columns = ["system", "largest score difference", "Kendall's tau", f"{metric} difference"]
    columns += ["queries that differ", "documents in common", *speeds]
    cells = [
        [
            row["system"],
            _difference(row["score_difference"]),
            number(row["tau"], ".4f"),
            _gain(row),
            str(row["changed"]),
            f"{row['shared']:.1%}",
            *(by_system.get(row["system"], "not measured") for by_system in speeds.values()),
        ]
        for row in rows.to_dict("records")
    ]
    return Table(columns, cells)


def _gain(row: Mapping[str, Any]) -> str:
    return f"{row['gain']:+.4f} {interval(row['low'], row['high'], '+.4f', NO_INTERVAL)}"


def _difference(value: float) -> str:
    if math.isnan(value):
        return NONE
    return f"<{SMALLEST:f}" if 0 < value < SMALLEST else f"{value:.6f}"


def _speeds(rows: pd.DataFrame) -> dict[str, dict[str, str]]:
    """By device, mode and the greatest k how many times as fast each system is."""
    found: dict[str, dict[str, str]] = {}
    for (device, mode), group in rows.groupby(["device", "mode"], sort=False):
        k = group["k"].max()
        head = f"times as fast, {mode} k = {k} on {device}"
        found[head] = {
            row.system: times_as_fast(row.ratio, row.low, row.high)
            for row in group[group["k"] == k].itertuples()
        }
    return found or {"times as fast": {}}
