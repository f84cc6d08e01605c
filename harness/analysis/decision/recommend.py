"""Adopt a system, keep the baseline, or assess further: what stored results say, with reasons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from harness.analysis.costs.measured import CostAnalysis
from harness.analysis.decision.choose import Answer, Case, choose, standings
from harness.analysis.decision.flips import flips
from harness.analysis.decision.gains import GAINS, Gains, gains
from harness.analysis.decision.headline import headline
from harness.analysis.decision.need import Kind, need_of
from harness.analysis.decision.needs import Stock, needs, stock
from harness.analysis.decision.options import Option, encoding_on_the_fly, options
from harness.analysis.decision.pace import Paces
from harness.analysis.decision.reasons import reasons
from harness.analysis.decision.remarks import remarks
from harness.analysis.decision.requirements import limits, requirements_table
from harness.analysis.decision.sensitivity import SENSITIVITY, sensitivity
from harness.analysis.quality.alarms import INVALID
from harness.analysis.quality.alarms import alarms as alarms_of
from harness.experiment.schema import Decision, Workload
from harness.results.store import Results
from harness.results.terms import objective, terms, with_decision

DECISIONS = ("terms", "answer", "system", "headline", "reason")
"""One row a change of the terms, with the first reason."""

OPTIONS = (
    *("system", "mode", "value", *GAINS[1:], "standing", "invalid"),
    *("gb_per_million_documents", "p50_ms", "p95_ms", "cost_per_month"),
)
"""One row an option: `value` is the mean of the objective over datasets, then as in GAINS (NaN and
empty for the baseline and what was not compared); `standing` is whether it meets the requirements,
`invalid` the alarm that blocks it; the rest is what it needs on the first device, on the dataset
where that is most."""


@dataclass(frozen=True)
class Recommendation:
    """The decision of an experiment."""

    answer: Answer
    system: str
    """What to adopt, to keep, or to assess."""
    gains: Gains
    """What the decision rests on, and every sentence about who beats the baseline."""
    headline: str
    reasons: Sequence[str]
    flips: Sequence[str]
    """What would change it."""
    options: pd.DataFrame
    """Columns OPTIONS."""
    requirements: pd.DataFrame
    """Columns `requirements.REQUIREMENTS`."""
    sensitivity: pd.DataFrame
    """Columns `sensitivity.SENSITIVITY`; empty without a workload."""


def decide(
    results: Results, costs: CostAnalysis, alarms: pd.DataFrame | None = None
) -> Recommendation:
    """The decision by the experiment's terms, from what was stored.

    `alarms` has columns ALARMS; without it those of the results count.
    """
    told = alarms_of(results) if alarms is None else alarms
    metric, smallest = objective(results), terms(results).smallest_gain_that_matters
    at = desk(results, costs, told, gains(results, metric, smallest))
    case = at.case(at.asked.workload)
    choice = choose(case)
    return Recommendation(
        answer=choice.answer,
        system=choice.option.name,
        gains=at.gains,
        headline=headline(case, choice),
        reasons=[
            *reasons(case, choice, metric),
            *remarks(results, case, choice, costs.noise, told),
        ],
        flips=list(flips(case, choice)),
        options=at.options_table(case),
        requirements=requirements_table(case.options, case.needs, case.limits),
        sensitivity=at.sensitivity(),
    )


def desk(results: Results, costs: CostAnalysis, alarms: pd.DataFrame, gained: Gains) -> Desk:
    """All that a decision by the experiment's terms looks at; `alarms` has columns ALARMS."""
    asked, measured = terms(results), stock(results, costs)
    return Desk(
        results=results,
        asked=asked,
        stock=measured,
        gains=gained,
        options=_options(results, costs, asked),
        devices=_devices(costs, asked),
        invalid=_invalid(alarms),
        paces=Paces(measured),
    )


def decisions(
    results: Results, costs: CostAnalysis, changed: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:
    """Columns DECISIONS: the decision under each of some changes of its terms, by their names.

    The keys of a change are those of the experiment's block `decision`.
    """
    rows = []
    for name, keys in changed.items():
        found = decide(with_decision(results, **keys), costs)
        rows.append((name, found.answer, found.system, found.headline, next(iter(found.reasons))))
    return pd.DataFrame(rows, columns=list(DECISIONS))


def _options(results: Results, costs: CostAnalysis, asked: Decision) -> list[Option]:
    """The systems as they would be served; on the fly only where a limit of latency holds it back.

    Encoding documents with every query keeps no vectors and takes seconds: without a limit of
    latency it would win every comparison of bytes.
    """
    served = options(results, costs)
    return served + (encoding_on_the_fly(served, costs) if asked.requirements.p95_ms else [])


def _devices(costs: CostAnalysis, asked: Decision) -> list[str]:
    """Where it is to be served: where latency is limited, else where it was measured first."""
    measured = [str(device) for device in dict.fromkeys(costs.end_to_end["device"])]
    return list(asked.requirements.p95_ms) or measured[:1]


def _invalid(alarms: pd.DataFrame) -> dict[str, str]:
    rows = alarms[alarms["severity"] == INVALID]
    return {
        str(system): "; ".join(f"{r.alarm} on {r.dataset} ({r.evidence})" for r in of.itertuples())
        for system, of in rows.groupby("system", sort=False)
    }


@dataclass(frozen=True)
class Desk:
    """What lies before the one who decides; only the workload may still change."""

    results: Results
    asked: Decision
    stock: Stock
    gains: Gains
    options: Sequence[Option]
    devices: Sequence[str]
    invalid: Mapping[str, str]
    paces: Paces

    def case(self, load: Workload | None) -> Case:
        """What the rule looks at for a workload."""
        name = self.results.plan["baseline"]
        known = (one for one in self.options if one.system == name)
        return Case(
            options=self.options,
            baseline=next(known, Option(name, "retrieve")),
            needs=needs(self.stock, self.options, self.devices, load, self.asked.prices),
            limits=limits(self.asked.requirements, self.devices),
            gains=self.gains,
            smallest=self.asked.smallest_gain_that_matters,
            invalid=self.invalid,
            devices=self.devices,
            pace=partial(self.paces.ratio, load=load),
            settle_s=self.stock.settle_s,
        )

    def sensitivity(self) -> pd.DataFrame:
        """Columns `sensitivity.SENSITIVITY`."""
        load = self.asked.workload
        if load is None or not self.devices:
            return pd.DataFrame(columns=list(SENSITIVITY))
        whole = self.stock.costs.end_to_end
        timed = set(map(int, whole[whole["mode"] != "retrieve"]["k"]))
        return sensitivity(load, timed, self.case, self.devices[0])

    def options_table(self, case: Case) -> pd.DataFrame:
        """Columns OPTIONS."""
        stands = standings(case)
        device = next(iter(self.devices), "")
        rows: list[dict[str, Any]] = []
        for option in self.options:
            row = self.gains.of.get(option.system)
            gain = {} if row is None else row._asdict()
            figures = {
                name: need_of(case.needs, option, Kind(name, on)).value
                for name, on in [
                    ("gb_per_million_documents", ""),
                    *((name, device) for name in ("p50_ms", "p95_ms", "cost_per_month")),
                ]
            }
            known = {
                "system": option.system,
                "mode": option.mode,
                "value": self.gains.means.get(option.system, math.nan),
                "standing": stands[option],
                "invalid": self.invalid.get(option.system, ""),
            }
            rows.append({"state": "", "verdict": ""} | gain | figures | known)
        return pd.DataFrame(rows, columns=list(OPTIONS))
