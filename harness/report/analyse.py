"""Everything that a report shows of stored results, computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from harness.analysis.costs.load import Loads, analyse_load
from harness.analysis.costs.measured import CostAnalysis, analyse_costs
from harness.analysis.costs.vector_bytes import storage_per_document
from harness.analysis.decision.frontier import frontier
from harness.analysis.decision.recommend import Recommendation, decide
from harness.analysis.quality.alarms import alarms
from harness.analysis.quality.leaderboard import differences, drawn, leaderboard
from harness.report.notes import notes
from harness.results.store import Results


@dataclass(frozen=True)
class Analysis:
    """What the results of an experiment say, computed once."""

    leaderboard: pd.DataFrame
    differences: pd.DataFrame
    costs: CostAnalysis
    loads: Loads
    notes: Mapping[str, Sequence[str]]
    """By dataset: what a reader of its numbers must know."""
    alarms: pd.DataFrame
    answer: str
    """The decision in one sentence."""
    frontier: pd.DataFrame
    """Columns `frontier.FRONTIER`."""
    decision: Recommendation


def analyse(results: Results) -> Analysis:
    """Everything that a report shows of `results`."""
    values = drawn(results)
    changes = differences(results, values)
    cost = analyse_costs(results, storage_per_document(results))
    board, alarmed = leaderboard(results, values), alarms(results)
    decision = decide(results, cost, alarmed)
    return Analysis(
        leaderboard=board,
        differences=changes,
        costs=cost,
        loads=analyse_load(results),
        notes=notes(results),
        alarms=alarmed,
        answer=decision.sentence,
        frontier=frontier(results, board, cost),
        decision=decision,
    )
