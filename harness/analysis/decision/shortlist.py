"""The few options that a reader must see: the baseline, what to do, the next best, the best of each kind."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from harness.analysis.costs.modes import LOOKS
from harness.analysis.decision.amounts import Amount, Quantity, Verdict
from harness.analysis.decision.choose import Choice, DecisionInput
from harness.analysis.decision.measurements import Option
from harness.data import Mode

COSTS = ("p95_ms", "gb_per_million_documents")
"""What each of them is shown to cost."""

STANDINGS: Sequence[Verdict] = ("in", "unknown", "out")

KINDS: Sequence[Mode] = ("rerank", "precomputed", "on the fly")
"""The ways to rerank of which the best is shown."""


class Short(NamedTuple):
    """One of them."""

    option: Option
    roles: Sequence[str]
    value: float
    """The mean of the objective over datasets; NaN where it was not measured."""
    gain: Any
    """Its row of GAINS; None for the baseline and what was not compared."""
    missing: str
    """Why there is no quality."""
    amounts: Mapping[str, Amount]
    """By COSTS, on the first device."""
    median: float
    """Milliseconds of a whole query."""
    over: Mapping[str, float]
    """The limits that it is shown to miss, by COSTS."""


def shortlist(case: DecisionInput, choice: Choice) -> list[Short]:
    """Six, or seven where a first stage ranks best; each once, with all that it is shown for."""
    roles: dict[Option, list[str]] = {}
    for option, role in _roles(case, choice):
        roles.setdefault(option, []).append(role)
    return [_short(case, option, said) for option, said in roles.items()]


def _roles(case: DecisionInput, choice: Choice) -> Iterator[tuple[Option, str]]:
    yield case.baseline, "baseline"
    if choice.option != case.baseline:
        yield choice.option, choice.answer
    if second := _second(case, choice):
        yield second, "runner-up"
    for mode in KINDS:
        if best := _best(case, [one for one in case.options if one.mode == mode]):
            yield best, f"best {LOOKS[mode].key.said}"
    best = _best(case, case.options)
    if best is None or best.mode in KINDS or best in (case.baseline, choice.option):
        return
    if case.gains.means.get(best.system, -math.inf) > -math.inf:
        yield best, "ranks best"


def _best(case: DecisionInput, options: Iterable[Option]) -> Option | None:
    """Which of the options has the greatest mean."""
    return max(options, key=lambda one: case.gains.means.get(one.system, -math.inf), default=None)


def _second(case: DecisionInput, choice: Choice) -> Option | None:
    """Of the others the next to adopt: who meets the requirements first, then the surest gain."""
    order = {row.system: i for i, row in enumerate(case.gains.surest)}
    others = [
        one
        for one in case.options
        if one not in (case.baseline, choice.option)
        if one.system in order and one.system not in case.invalid
    ]

    def place(option: Option) -> tuple[int, int]:
        return STANDINGS.index(case.standings[option]), order[option.system]

    return min(others, key=place, default=None)


def _short(case: DecisionInput, option: Option, roles: Sequence[str]) -> Short:
    quantities = {name: _quantity(case, name) for name in COSTS}
    missed = {one.name: limit for one, _, limit in case.against_limits(option, "out")}
    return Short(
        option,
        roles,
        case.gains.value(option.system),
        case.gains.of.get(option.system),
        case.gains.missing.get(option.system, ""),
        {name: case.amount(option, one) for name, one in quantities.items()},
        case.amount(option, _quantity(case, "p50_ms")).value,
        {name: limit for name, limit in missed.items() if name in COSTS},
    )


def _quantity(case: DecisionInput, name: str) -> Quantity:
    return Quantity(name, next(iter(case.devices), "") if name.endswith("_ms") else "")


def deciding_costs(case: DecisionInput) -> list[str]:
    """COSTS, first the one by whose limit more of those that gain enough are out, then what is limited."""
    shown = case.ranked("shown", *STANDINGS)
    missed = Counter(one.name for option in shown for one, *_ in case.against_limits(option, "out"))
    limited = {one.name for one in case.limits}
    return sorted(COSTS, key=lambda name: (-missed[name], name not in limited))
