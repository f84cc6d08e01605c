"""The rule of the decision: requirements first, then the objective.

1. Nothing is decided where the baseline was not measured, or its measurement is INVALID.
2. An option is *ready* if it meets every requirement, no alarm calls its measurement INVALID, and
   its gain is shown: the lower bound is at least the smallest gain that matters, and Holm's
   correction for all systems that were compared leaves it so (`gains`).
3. Of those that are ready, the best has the greatest lower bound. A cheaper one takes its place if
   what is lost by it is shown to be at most the smallest gain that matters: the upper bound of the
   loss, at a confidence shared among all cheaper ones. Cheaper is what costs less a month; without
   prices, what stores fewer bytes and is no slower, for else time is paid for bytes. Both
   must be shown: what was not measured is never cheaper nor as fast, and a difference of times that
   two equal arms might have too shows nothing. So what is given up does not matter by the
   experiment's own word, and what is saved is certain. That no loss is shown would not do: with few
   queries that holds for anything.
4. Without any that is ready, something worth measuring comes before the baseline: a requirement of a
   system whose gain is shown, the gain of one that looks large enough, a system that failed.
5. Else the baseline stays. Where it misses a requirement itself, that is the first thing said of it:
   what meets all of them is not shown to be better.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from harness.analysis.decision.gains import Gains, Loss
from harness.analysis.decision.need import Kind, Needs, less, need_of
from harness.analysis.decision.options import Option
from harness.analysis.decision.requirements import Limits, Verdict, standing
from harness.analysis.statistics import intervals, paired_ratios
from harness.analysis.statistics.paired_ratios import Ratio

Answer = Literal["adopt", "keep", "assess"]

Pace = Callable[[Option, Option, str], Ratio]
"""How many times as long the first option's whole query takes as the second's on a device; NaN where
that was not measured or has no bounds."""

Ground = Literal[
    "ready",
    "baseline not measured",
    "baseline invalid",
    "requirement not measured",
    "gain undecided",
    "system not measured",
    "nothing gains",
]
"""Which step of the rule gave the answer."""


@dataclass(frozen=True)
class Case:
    """All that the rule looks at."""

    options: Sequence[Option]
    """Those that would be served first, then others in which the same systems could be."""
    baseline: Option
    needs: Needs
    limits: Limits
    gains: Gains
    smallest: float
    invalid: Mapping[str, str]
    """By system the alarm that blocks it."""
    devices: Sequence[str]
    """Where it is to be served."""
    pace: Pace
    settle_s: float = 0.0
    """Seconds in which more calls could be made of what was open."""


class Price(NamedTuple):
    """By which kind of need options are cheaper, and how much each needs."""

    kind: Kind
    of: Mapping[Option, float]


class Cheaper(NamedTuple):
    """An option that is ready and cheaper than the best, and what is lost by it."""

    option: Option
    loss: Loss


class Choice(NamedTuple):
    """What the rule says."""

    answer: Answer
    option: Option
    """The one to adopt, to keep, or to assess."""
    ground: Ground
    best: Option | None = None
    """Of those that are ready, the one with the greatest lower bound."""
    cheaper: Sequence[Cheaper] = ()
    """Of those that are ready, the cheaper ones, the cheapest first."""
    price: Price | None = None
    untold: Sequence[Option] = ()
    """Those that would take its place, were they shown to be cheaper, or no slower."""


def choose(case: Case) -> Choice:
    """The answer to a case."""
    if case.baseline.system in case.invalid:
        return Choice("assess", case.baseline, "baseline invalid")
    if case.baseline.system not in case.gains.means:
        return Choice("assess", case.baseline, "baseline not measured")
    stands = standings(case)
    if ready := ranked(case, "shown", stands, ("in",)):
        return _cheapest(case, ready)
    return _unsettled(case, stands) or Choice("keep", case.baseline, "nothing gains")


def _unsettled(case: Case, stands: Mapping[Option, Verdict]) -> Choice | None:
    """What is worth measuring before the baseline is kept."""
    if hidden := ranked(case, "shown", stands, ("unknown",)):
        return Choice("assess", hidden[0], "requirement not measured")
    if undecided := ranked(case, "undecided", stands, ("in", "unknown")):
        return Choice("assess", undecided[0], "gain undecided")
    for option in case.options:
        if option.system in case.gains.missing and stands[option] != "out":
            return Choice("assess", option, "system not measured")
    return None


def standings(case: Case) -> dict[Option, Verdict]:
    """Whether each option meets the requirements."""
    return {one: standing(one, case.needs, case.limits) for one in case.options}


def ranked(
    case: Case, state: str, stands: Mapping[Option, Verdict], wanted: Sequence[Verdict]
) -> list[Option]:
    """The options whose gain is in this state and which stand so, greatest lower bound first."""
    of = case.gains.of
    found = [
        one
        for one in case.options
        if one.system in of and of[one.system].state == state
        if stands[one] in wanted and one.system not in case.invalid
    ]

    def surest(option: Option) -> tuple[float, float]:
        low, gain = of[option.system].low, of[option.system].gain
        return (-math.inf if math.isnan(low) else low), gain

    return sorted(found, key=surest, reverse=True)


def _cheapest(case: Case, ready: Sequence[Option]) -> Choice:
    """The best of those that are ready, or a cheaper one by which nothing is lost that matters."""
    best = ready[0]
    price = _price(case, ready)
    if price is None:
        return Choice("adopt", best, "ready", best)
    lower = sorted((x for x in price.of if price.of[x] < price.of[best]), key=lambda x: price.of[x])
    shown = [one for one in lower if _is_cheaper(case, price.kind, one, best)]
    confidence = 1 - (1 - intervals.CONFIDENCE) / max(len(lower), 1)
    losses = {one: case.gains.loss(one.system, best.system, confidence) for one in lower}
    able = [one for one in lower if losses[one].high <= case.smallest]
    taken = _taken(case, price.kind, [one for one in ready if one in shown and one in able], best)
    untold = [] if taken != best else [one for one in able if _is_open(case, price.kind, one, best)]
    cheaper = [Cheaper(one, losses[one]) for one in shown]
    return Choice("adopt", taken, "ready", best, cheaper, price, untold)


def _taken(case: Case, kind: Kind, able: Sequence[Option], best: Option) -> Option:
    """The cheapest; of those that it is not shown to be cheaper than, the one that gains most."""
    if not able:
        return best
    needs = {one: need_of(case.needs, one, kind) for one in able}
    cheapest = min(able, key=lambda one: needs[one].value)
    return next(one for one in able if not less(needs[cheapest], needs[one]))


def _price(case: Case, ready: Sequence[Option]) -> Price | None:
    """Money where it is known of the best, else the bytes of the index."""
    kinds = [Kind("cost_per_month", device) for device in case.devices]
    for kind in (*kinds, Kind("gb_per_million_documents")):
        values = {one: need_of(case.needs, one, kind).value for one in ready}
        known = {one: value for one, value in values.items() if not math.isnan(value)}
        if ready[0] in known:
            return Price(kind, known)
    return None


def _is_cheaper(case: Case, kind: Kind, one: Option, best: Option) -> bool:
    """Whether one that needs less is shown to; of bytes alone, whether it is also shown to be no slower."""
    if kind.device:
        return less(*(need_of(case.needs, option, kind) for option in (one, best)))
    paces = [case.pace(one, best, device) for device in case.devices]
    return bool(paces) and all(pace.high <= paired_ratios.QUIET[1] for pace in paces)


def _is_open(case: Case, kind: Kind, one: Option, best: Option) -> bool:
    """Whether one that needs less is not shown to be cheaper, nor to pay for its bytes with time."""
    paces = [] if kind.device else [case.pace(one, best, device) for device in case.devices]
    return not _is_cheaper(case, kind, one, best) and not any(pace.low > 1 for pace in paces)
