"""Adopt a system, keep the baseline, or assess further: what stored results say, with reasons."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from harness.analysis.costs.measured import CostAnalysis
from harness.analysis.decision.amounts import Quantity, amounts, limits
from harness.analysis.decision.answer import headline, sentence
from harness.analysis.decision.choose import Answer, DecisionInput, choose
from harness.analysis.decision.estimated_gains import gains_of
from harness.analysis.decision.gains import GAINS, Gains
from harness.analysis.decision.measurements import Measurements, Option
from harness.analysis.decision.reasons import reasons
from harness.analysis.decision.remarks import flips, remarks
from harness.analysis.decision.shortlist import Short, deciding_costs, shortlist
from harness.analysis.quality.alarms import INVALID
from harness.analysis.quality.alarms import alarms as alarms_of
from harness.analysis.statistics.tail import Seen
from harness.experiment.decision_terms import Workload
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

REQUIREMENTS = (
    *("system", "mode", "requirement", "device", "limit", "value", "at_least", "at_most", "high"),
    *("over", "verdict", *Seen._fields, "said"),
)
"""One row an option and requirement. `value` is NaN where it was not measured, or the calls carry no
percentile. `verdict` is `in` where `at_most` is within the limit, `out` where `at_least` is above it,
else `unknown`; `high` is the upper end of the value's interval; `over` is how far the value (else
`at_least`) lies above the limit, as a share of it. What follows is the test of a percentile, as in
`tail.Seen`: NaN, with an empty `outcome`, where nothing was timed and of other requirements. For
`licence` the value is the number of models whose licence forbids commercial use, and the limit 0."""

SENSITIVITY = (
    *("changed", "documents", "queries_per_day", "candidates", "answer", "system", "mode"),
    *("vectors_gb", "memory_gb", "p50_ms", "p95_ms", "cost_per_month"),
)
"""One row a workload, that of the experiment first; `changed` says in what another one differs.
`system` and `mode` are what the rule would adopt, keep or assess, and the rest is what that needs on
the first device: NaN where it was not measured."""

FACTORS = (0.1, 10.0)
"""By which documents and queries of other workloads differ."""


@dataclass(frozen=True)
class Recommendation:
    """The decision of an experiment."""

    answer: Answer
    system: str
    """What to adopt, to keep, or to assess."""
    gains: Gains
    """What the decision rests on, and every sentence about who beats the baseline."""
    headline: str
    """What to do, in a few words."""
    sentence: str
    """The same with the figures that matter most."""
    shortlist: Sequence[Short]
    """The options that a reader must see."""
    costs: Sequence[str]
    """`shortlist.COSTS`, the one that decides most first."""
    limits: Mapping[str, float]
    """What is allowed of them, on `device` where it depends on one."""
    device: str
    """The first on which it is to be served; empty where no latency was measured."""
    reasons: Sequence[str]
    flips: Sequence[str]
    """What would change it."""
    options: pd.DataFrame
    """Columns OPTIONS."""
    requirements: pd.DataFrame
    """Columns REQUIREMENTS."""
    sensitivity: pd.DataFrame
    """Columns SENSITIVITY; empty without a workload."""


def decide(
    results: Results, costs: CostAnalysis, alarms: pd.DataFrame | None = None
) -> Recommendation:
    """The decision by the experiment's terms, from what was stored.

    `alarms` has columns ALARMS; without it those of the results count.
    """
    alarms = alarms_of(results) if alarms is None else alarms
    asked, measured = terms(results), Measurements(results, costs)
    gained = gains_of(results)
    case = decision_input(measured, gained, alarms, asked.workload)
    choice = choose(case)
    return Recommendation(
        answer=choice.answer,
        system=choice.option.name,
        gains=gained,
        headline=headline(case, choice),
        sentence=sentence(case, choice),
        shortlist=shortlist(case, choice),
        costs=deciding_costs(case),
        limits={one.name: limit for one, limit in reversed(list(case.limits.items()))},
        device=next(iter(case.devices), ""),
        reasons=[*reasons(case, choice), *remarks(results, case, choice, costs.noise, alarms)],
        flips=list(flips(case, choice)),
        options=pd.DataFrame(_options(case), columns=list(OPTIONS)),
        requirements=pd.DataFrame(_requirements(case), columns=list(REQUIREMENTS)),
        sensitivity=pd.DataFrame(
            [
                _sensitivity(decision_input(measured, gained, alarms, load), load, said)
                for said, load in _workloads(measured, case)
            ],
            columns=list(SENSITIVITY),
        ),
    )


def decision_input(
    of: Measurements, gained: Gains, alarms: pd.DataFrame, load: Workload | None
) -> DecisionInput:
    """What the rule looks at for a workload; `alarms` has columns ALARMS.

    It is to be served where latency is limited, else where it was measured first. On the fly only
    where a limit of latency holds it back: encoding documents with every query stores no vectors and
    takes seconds, so that without a limit it would win every comparison of bytes.
    """
    asked, name = terms(of.results), of.results.plan["baseline"]
    limited = list(asked.requirements.p95_ms)
    devices = limited or list(map(str, dict.fromkeys(of.costs.end_to_end["device"])))[:1]
    options = of.served() + (of.on_the_fly() if limited else [])
    invalid = alarms[alarms["severity"] == INVALID].groupby("system", sort=False)
    return DecisionInput(
        options=options,
        baseline=next((one for one in options if one.system == name), Option(name, "retrieve")),
        amounts=amounts(of, options, devices, load, asked.prices),
        limits=limits(asked.requirements, devices),
        gains=gained,
        metric=objective(of.results),
        smallest=asked.smallest_gain_that_matters,
        invalid={
            str(system): "; ".join(
                f"{row.alarm} on {row.dataset} ({row.evidence})" for row in rows.itertuples()
            )
            for system, rows in invalid
        },
        devices=devices,
        pace=partial(of.pace, load=load),
        settle_s=max((of.setting(x, "settle_s", 0.0) for x in of.datasets), default=0.0),
    )


def decisions(
    results: Results, costs: CostAnalysis, changed: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:
    """Columns DECISIONS: the decision under each of some changes of its terms, by their names.

    The keys of a change are those of the experiment's block `decision`.
    """
    rows, found_alarms = [], alarms_of(results)
    for name, keys in changed.items():
        found = decide(with_decision(results, **keys), costs, found_alarms)
        rows.append((name, found.answer, found.system, found.headline, next(iter(found.reasons))))
    return pd.DataFrame(rows, columns=list(DECISIONS))


def _options(case: DecisionInput) -> Iterator[dict[str, Any]]:
    """Rows of OPTIONS."""
    device = next(iter(case.devices), "")
    names = ("gb_per_million_documents", "p50_ms", "p95_ms", "cost_per_month")
    for option in case.options:
        row = case.gains.of.get(option.system)
        yield {
            "state": "",
            "verdict": "",
            **({} if row is None else row._asdict()),
            **_values(case, option, names, device),
            "system": option.system,
            "mode": option.mode,
            "value": case.gains.value(option.system),
            "standing": case.standings[option],
            "invalid": case.invalid.get(option.system, ""),
        }


def _values(
    case: DecisionInput, option: Option, names: Sequence[str], device: str
) -> dict[str, float]:
    """By name how much an option needs, on the device where that depends on one."""
    anywhere = "gb_per_million_documents"
    on = {name: Quantity(name, "" if name == anywhere else device) for name in names}
    return {name: case.amount(option, quantity).value for name, quantity in on.items()}


def _requirements(case: DecisionInput) -> Iterator[tuple[Any, ...]]:
    """Rows of REQUIREMENTS."""
    for option in case.options:
        for quantity, limit in case.limits.items():
            need = case.amount(option, quantity)
            reached = need.lower if math.isnan(need.value) else need.value
            over = reached / limit - 1 if limit else math.nan
            figures = (limit, need.value, need.at_least, need.at_most, need.high, over)
            seen = need.seen(limit) or ("", *(math.nan,) * 4)
            yield (*option, *quantity, *figures, need.verdict(limit), *seen, need.said)


def _workloads(of: Measurements, case: DecisionInput) -> Iterator[tuple[str, Workload]]:
    """The workload, then one change at a time; candidates only to numbers that were timed."""
    load = terms(of.results).workload
    if load is None or not case.devices:
        return
    yield "", load
    for name in ("documents", "queries_per_day"):
        for factor in FACTORS:
            value = max(round(getattr(load, name) * factor), 1)
            label = f"{name.replace('_', ' ')} x {factor:g}"
            yield label, load.model_copy(update={name: value})
    whole = of.costs.end_to_end
    timed = set(map(int, whole[whole["mode"] != "retrieve"]["k"]))
    for k in sorted(timed - {load.candidates}):
        yield f"{k} candidates", load.model_copy(update={"candidates": k})


def _sensitivity(case: DecisionInput, load: Workload, changed: str) -> dict[str, Any]:
    """A row of SENSITIVITY."""
    choice = choose(case)
    size = case.amount(choice.option, Quantity("gb_per_million_documents")).value
    return {
        "changed": changed,
        **load.model_dump(),
        "answer": choice.answer,
        **choice.option._asdict(),
        "vectors_gb": size * load.documents / 1e6,
        **_values(case, choice.option, SENSITIVITY[-4:], case.devices[0]),
    }
