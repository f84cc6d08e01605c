from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pandas as pd

from harness.analysis import answer

COLUMNS = ("device", "status", "system", "mode", "k", "p50", "p95")
ROWS = [
    ("cpu", "measured", "base", "on the fly", 50, 1.76, math.nan),
    ("cpu", "predicted", "base", "precomputed", 100, 0.04, math.nan),
    ("cpu", "measured", "base", "precomputed", 50, 0.02, math.nan),
    ("cpu", "measured", "index", "retrieve", 100, 0.1, 0.2),
]


def said(rows: list[Any]) -> list[str]:
    costs: Any = SimpleNamespace(end_to_end=pd.DataFrame(rows, columns=list(COLUMNS)))
    return list(answer._cost(costs, "index", "base"))


def test_a_baseline_that_reranks_is_timed_as_one_would_serve_it() -> None:
    (sentence,) = said(ROWS)
    assert sentence.endswith("takes 100 ms on cpu (median), that of base 20.0 ms.")


def test_what_was_only_predicted_is_not_told() -> None:
    assert said([ROWS[1], ROWS[3]]) == []
