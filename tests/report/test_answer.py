from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from literal import literal

from harness.analysis.costs import vector_bytes
from harness.analysis.costs.measured import analyse_costs
from harness.analysis.decision import gains
from harness.analysis.quality import leaderboard
from harness.report import answer

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


@pytest.mark.parametrize(
    ("equal_arms", "words"), [(1.0, "39.0 ms."), (1.5, "(noisy"), (None, "(noisy")]
)
def test_the_fastest_is_told_with_the_noise(equal_arms: float | None, words: str) -> None:
    values = [0.5] * 20
    quality = {"base": values, "late": values, "cross": values, "untimed": values}
    seconds = {"late": 0.03, "cross": 0.039}
    results = literal(quality, seconds=seconds, equal_arms=equal_arms)
    costs = analyse_costs(results, vector_bytes.storage_per_document(results))
    (sentence,) = answer._fastest(costs)
    assert "fastest of 2 ways" in sentence  # nobody knows how long the third takes
    assert words in sentence


def test_a_model_that_was_trained_in_vain_is_told() -> None:
    base = [0.1 * (i % 5) for i in range(40)]
    quality = {
        "base": base,
        "late": [value + 0.2 for value in base],
        "cross": [value - 0.05 for value in base],
        "cross[layers=2]": [value - 0.01 for value in base],
    }
    results = literal(quality, models={name: f"trained:{name}" for name in quality})
    facts = {
        (dataset, system): {
            **found,
            "trainings": [{"reference": f"trained:{name}"} for name in ("late", system)],
        }
        for (dataset, system), found in results.facts.items()
    }
    results = dataclasses.replace(results, facts=facts)
    storage = vector_bytes.storage_per_document(results)
    gained, changes = gains.gains(results, "m@1", 0.01), leaderboard.differences(results)
    told = answer.answer(results, gained, changes, analyse_costs(results, storage))
    assert told.count("trained in this run") == 1
    assert "cross, trained in this run, ranks worse than base: -0.010 m@1 [-0.010, -0.010]" in told
