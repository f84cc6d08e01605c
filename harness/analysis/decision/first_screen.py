"""What stands below the answer on the first screen: one figure and one short table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from harness.analysis.decision.amounts import WORDS
from harness.analysis.decision.frontier_figure import COSTS, Wanted, frontier_figure
from harness.analysis.decision.recommend import Recommendation
from harness.analysis.decision.shortlist import Short
from harness.experiment.result_folders import slug
from harness.page.blocks import Block, CaptionedTable, Figure
from harness.page.tables import NOT_MEASURED, Table
from harness.page.text import change, number, rounded_up, significant
from harness.results.store import Results
from harness.results.terms import objective, terms


class Place(NamedTuple):
    """Where options are compared: a dataset and a device, and their rows of FRONTIER."""

    dataset: str
    device: str
    rows: pd.DataFrame

    @property
    def name(self) -> str:
        """As a caption has it."""
        return f"{self.dataset} on {self.device}" if self.device else self.dataset


def places(decided: Recommendation, frontiers: pd.DataFrame) -> list[Place]:
    """All of them, those on the device of the decision first."""
    groups = frontiers.groupby(["dataset", "device"], sort=False)
    found = [Place(str(dataset), str(device), rows) for (dataset, device), rows in groups]
    return sorted(found, key=lambda place: place.device != decided.device)


def figures(
    results: Results, decided: Recommendation, place: Place, costs: Sequence[str]
) -> list[Figure]:
    """The frontier of a place by each of these costs that is known of two options."""
    return [
        _figure(results, decided, place, cost)
        for cost in costs
        if place.rows[COSTS[cost].column].notna().sum() > 1
    ]


def _figure(results: Results, decided: Recommendation, place: Place, cost: str) -> Figure:
    baseline, smallest = results.plan["baseline"], terms(results).smallest_gain_that_matters
    base = place.rows[place.rows["system"] == baseline]["value"]
    here = cost != "p95_ms" or place.device == decided.device
    wanted = Wanted(
        decided.limits.get(cost, math.nan) if here else math.nan,
        float(base.iloc[0]) + smallest if len(base) else math.nan,
        [baseline, decided.system],
    )
    kind = "latency" if cost == "p95_ms" else "storage"
    device = f"-{place.device}" if place.device else ""
    name = f"frontier-{kind}-{slug(place.dataset)}{device}"
    return frontier_figure(place.rows, objective(results), cost, wanted, place.name, name)


def opening_block(results: Results, decided: Recommendation, frontiers: pd.DataFrame) -> Block:
    """The frontier by the cost that decides, or by the other, and the options that one must see."""
    shown: list[Figure] = []
    for place in places(decided, frontiers)[:1]:
        shown = figures(results, decided, place, decided.costs)
    return Block(
        "", tables=[CaptionedTable("", short_table(decided, objective(results)))], figures=shown[:1]
    )


def short_table(decided: Recommendation, metric: str) -> Table:
    """A row for each option that a reader must see: of the baseline its mean, of others their gains."""
    each = [(name, one.amounts[name]) for one in decided.shortlist for name in one.amounts]
    known = {name for name, amount in each if not math.isnan(amount.lower)}
    names = [name for name in WORDS if name in known]
    cells = [
        [
            one.option.name,
            ", ".join(one.roles),
            _quality(one),
            *(_cost(one, name) for name in names),
        ]
        for one in decided.shortlist
    ]
    columns = ["system", "role", metric, *(WORDS[name].column for name in names)]
    return Table(columns, cells, named_by=2)


def _quality(one: Short) -> str:
    """The gain with its interval, the baseline's mean, or why there is neither."""
    if one.missing:
        return f"{NOT_MEASURED}: {one.missing}"
    if one.gain is None:
        return number(one.value, ".3f")
    return change(one.gain.gain, one.gain.low, one.gain.high)


def _cost(one: Short, name: str) -> str:
    """What it needs, and the limit that it misses."""
    amount, limit = one.amounts[name], one.over.get(name)
    if limit is not None:
        reached = f"> {significant(amount.lower)}" if math.isnan(amount.value) else ""
        return f"{reached or significant(amount.value)} (limit {limit:,g})"
    if math.isnan(amount.value) and math.isfinite(amount.at_most):
        return f"<= {significant(rounded_up(amount.at_most))}"
    if math.isnan(amount.value) and name == "p95_ms" and not math.isnan(one.median):
        return f"{significant(one.median)} (median)"
    return significant(amount.value)
