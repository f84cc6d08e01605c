"""How systems that are to be one model are shown, from literal tables."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd

from harness.analysis.quality import same_model as tables
from harness.analysis.quality.same_model_page import parity_blocks
from harness.page.blocks import Block
from harness.results.store import Results

Make = Callable[..., Results]

NAME = ("It", "twin", "cross")


def block(make_results: Make, row: tuple[object, ...], speeds: list[tuple[object, ...]]) -> Block:
    parity = pd.DataFrame([(*NAME, *row)], columns=list(tables.PARITY))
    (made,) = parity_blocks(
        make_results(), parity, pd.DataFrame(speeds, columns=list(tables.SPEEDS))
    )
    return made


def test_what_differs_and_how_fast(make_results: Make) -> None:
    name = (*NAME, "cpu")
    speeds = [(*name, k, "rerank", 0.5, 0.4, 0.625, 9, 9) for k in (2, 4)]
    found = block(make_results, (20, 90, 0.9, 0.0625, 0.98, -0.01, -0.03, 0.002, 4), speeds)
    assert found.lines == [
        "twin: scores within 0.062500; m@1 differs on 4 of 20 queries, by -0.0100 [-0.0300, +0.0020]."
    ]
    (shown,) = found.tables
    assert shown.caption.startswith("Against cross, over 20 queries;")
    assert dict(zip(shown.table.columns, shown.table.rows[0], strict=True)) == {
        "system": "twin",
        "largest score difference": "0.062500",
        "Kendall's tau": "0.9800",
        "m@1 difference": "-0.0100 [-0.0300, +0.0020]",
        "queries that differ": "4",
        "documents in common": "90.0%",
        "times as fast, rerank k = 4 on cpu": "2.00 [1.60, 2.50]",
    }


def test_equal_and_not_timed(make_results: Make) -> None:
    found = block(make_results, (20, 90, 1.0, 3e-8, math.nan, 0.0, 0.0, 0.0, 0), [])
    assert found.lines == ["twin: scores within <0.000001; m@1 is the same on every query."]
    row = found.tables[0].table.rows[0]
    assert row[1:3] == ["<0.000001", "n/a"]
    assert row[-1] == "not measured"
