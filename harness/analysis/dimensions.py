"""Quality and bytes by the dimensions that are kept: what cutting vectors short costs."""

from __future__ import annotations

import pandas as pd

DIMENSIONS = (
    *("dataset", "precision", "dim", "system", "value", "low", "high"),
    "gb_per_million_documents",
)
"""One row a late-interaction system: its quality, and the token vectors that it keeps."""


def dimensions(leaderboard: pd.DataFrame, kept: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Columns DIMENSIONS, from the most dimensions to the fewest of each precision.

    `leaderboard` is that of `compare`, `kept` has the columns `kept.KEPT`.
    """
    vectors = kept[kept["holder"] == "reranker"].drop(columns="holder")
    board = leaderboard[leaderboard["metric"] == metric]
    both = board.merge(vectors, on=["dataset", "system"])
    ordered = both.sort_values(
        ["dataset", "precision", "dim"], ascending=[True, True, False], kind="stable"
    )
    return ordered[list(DIMENSIONS)].reset_index(drop=True)
