"""Quality and bytes by the dimensions that are stored: what cutting vectors short costs."""

from __future__ import annotations

import pandas as pd

from harness.analysis.costs.vector_bytes import Configs

DIMENSIONS = (
    *("dataset", "line", "precision", "dim", "system", "value", "low", "high"),
    "gb_per_million_documents",
)
"""One row a late-interaction system: its quality, and the token vectors that it stores; `line` is that
of `line`."""


def line(system: str, configs: Configs) -> str:
    """What a curve joins: the systems of one name and its `vary`, else those of the same model."""
    varied, bracket, _ = system.partition("[")
    if any(other.startswith(f"{system}[") for other in configs):
        return system
    reranker = configs.get(system, {}).get("reranker") or {}
    encoder = reranker.get("encoder") or {}
    pooled = f", 1 of {factor} kept" if (factor := reranker.get("pool_factor", 1)) > 1 else ""
    return (varied if bracket else str(encoder.get("model", system))) + pooled


def dimensions(
    leaderboard: pd.DataFrame, vector_bytes: pd.DataFrame, metric: str, configs: Configs
) -> pd.DataFrame:
    """Columns DIMENSIONS, from the most dimensions to the fewest of each line and precision.

    `leaderboard` has the columns `leaderboard.LEADERBOARD`, `vector_bytes` has the columns `vector_bytes.VECTOR_BYTES`.
    """
    is_token = (vector_bytes["holder"] == "reranker") & (vector_bytes["kind"] == "token vectors")
    vectors = vector_bytes[is_token]
    board = leaderboard[leaderboard["metric"] == metric]
    both = board.merge(vectors.drop(columns="holder"), on=["dataset", "system"])
    both = both.assign(line=[line(str(name), configs) for name in both["system"]])
    ordered = both.sort_values(
        ["dataset", "line", "precision", "dim"], ascending=[True, True, True, False], kind="stable"
    )
    return ordered[list(DIMENSIONS)].reset_index(drop=True)
