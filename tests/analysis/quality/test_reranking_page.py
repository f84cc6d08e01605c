"""How a rerank is to be read, from literal tables."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from harness.analysis.quality import reranking as tables
from harness.analysis.quality.alarms import ALARMS
from harness.analysis.quality.leaderboard import differences
from harness.analysis.quality.reranking_page import alarm_blocks, reranking_blocks
from harness.page.blocks import Block
from harness.results.store import Results

Make = Callable[..., Results]


CLOSED = (0.5, 0.25, 0.75)
CEILINGS = pd.DataFrame(
    [("twin", 0.2, 0.4, 0.6, *CLOSED, 0.4, 0.2, "first stage")],
    columns=list(tables.CEILINGS),
)
SWEEP = pd.DataFrame(
    [("twin", depth, depth / 10, 0.0, 1.0) for depth in (0, 5)],
    columns=list(tables.SWEEP),
)
UNJUDGED = pd.DataFrame(
    [("twin", 0.3, 0.5, -0.1, 0.01, -0.02, 0.03)], columns=list(tables.UNJUDGED)
)


def blocks(make_results: Make) -> dict[str, Block]:
    results = make_results()
    lost = differences(results).assign(low=-0.2, high=-0.05)
    made = reranking_blocks(results, CEILINGS, SWEEP, UNJUDGED, lost)
    return {block.title: block for block in made}


def test_the_ceiling_and_what_limits(make_results: Make) -> None:
    (shown,) = blocks(make_results)["How far reranking can go"].tables
    assert shown.table.rows == [
        ["twin", "0.2000", "0.4000", "0.6000", "50% [25%, 75%]", "0.4000", "0.2000", "first stage"]
    ]


def test_a_column_for_each_depth(make_results: Make) -> None:
    (shown,) = blocks(make_results)["With fewer candidates"].tables
    assert shown.table.columns == ["system", "0", "5"]
    assert shown.table.rows == [["twin", "0.0000 [0.000, 1.000]", "0.5000 [0.000, 1.000]"]]


def test_a_loss_of_unjudged_documents_is_doubted(make_results: Make) -> None:
    block = blocks(make_results)["Unjudged documents"]
    (line,) = block.lines
    assert line.startswith("twin loses 0.1000, but fewer of its documents have a judgement")
    assert block.tables[0].table.rows[0][1:3] == ["30%", "50%"]


def test_alarms_and_what_is_only_to_be_known() -> None:
    rows = [
        ("x", "twin", "null reranker", "INVALID", "It changed nothing."),
        *(("x", f"late{i}", "truncated", "INFO", "6 % are longer.") for i in range(4)),
    ]
    (block,) = alarm_blocks(pd.DataFrame(rows, columns=list(ALARMS)))
    assert block.warnings == ["INVALID, null reranker: It changed nothing (twin on x)."]
    assert block.lines == ["Truncated: 6 % are longer (4 systems on x)."]


def test_nothing_is_shown_where_nothing_was_read(make_results: Make) -> None:
    results = make_results()
    nothing = [table.iloc[:0] for table in (CEILINGS, SWEEP, UNJUDGED)]
    assert list(reranking_blocks(results, *nothing, differences(results))) == []
