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
   system whose gain is shown, the gain of one that looks large enough, a system that failed. A system
   with random weights or without judgments is not: no measurement would tell how it ranks.
5. Else the baseline stays. Where it misses a requirement itself, that is the first thing said of it:
   what meets all of them may be no better.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from harness.analysis.decision.amounts import WORDS, Amount, Amounts, Limits, Quantity, Verdict
from harness.analysis.decision.gains import Gains, Loss
from harness.analysis.decision.measurements import Option
from harness.analysis.statistics import intervals, paired_ratios
from harness.analysis.statistics.paired_ratios import Ratio

Answer = Literal["adopt", "keep", "assess"]

Pace = Callable[[Option, Option, str], Ratio]
"""How many times as long the first option's whole query takes as the second's on a device; NaN where
that was not measured or has no bounds."""

Because = Literal[
    "ready",
    "baseline not measured",
    "judgments open",
    "baseline invalid",
    "requirement not measured",
    "gain undecided",
    "system not measured",
    "nothing gains",
]
"""Which step of the rule gave the answer."""


@dataclass(frozen=True)
class DecisionInput:
    """All that the rule looks at, and the sentences that say what it found."""

    options: Sequence[Option]
    """Those that would be served first, then others in which the same systems could be."""
    baseline: Option
    amounts: Amounts
    limits: Limits
    gains: Gains
    metric: str
    """That gains are of."""
    smallest: float
    """The smallest gain that matters."""
    invalid: Mapping[str, str]
    """By system the alarm that blocks it."""
    devices: Sequence[str]
    """Where it is to be served."""
    pace: Pace
    settle_s: float = 0.0
    """Seconds in which more calls could be made of what was open."""

    def amount(self, option: Option, quantity: Quantity) -> Amount:
        """What the option needs, also where nothing at all is known of it."""
        unknown = Amount(said=f"{WORDS[quantity.name].own} was not measured")
        return self.amounts.get((option, quantity), unknown)

    def against_limits(
        self, option: Option, verdict: Verdict
    ) -> list[tuple[Quantity, Amount, float]]:
        """The requirements that the option so stands to: what it needs, and how much is allowed."""
        each = [(one, self.amount(option, one), limit) for one, limit in self.limits.items()]
        return [found for found in each if found[1].verdict(found[2]) == verdict]

    @property
    def known(self) -> set[Quantity]:
        """The quantities of which it is known of any option how much it needs."""
        return {one for (_, one), amount in self.amounts.items() if not math.isnan(amount.value)}

    @cached_property
    def standings(self) -> Mapping[Option, Verdict]:
        """Whether each option meets the requirements: out by one is out, in only by all."""
        return {
            one: next((v for v in ("out", "unknown") if self.against_limits(one, v)), "in")
            for one in self.options
        }

    def ranked(self, state: str, *wanted: Verdict) -> list[Option]:
        """The options whose gain is in this state and which stand so, greatest lower bound first."""
        rows = self.gains.of
        found = [
            one
            for one in self.options
            if one.system in rows and rows[one.system].state == state
            if self.standings[one] in wanted and one.system not in self.invalid
        ]

        def surest(option: Option) -> tuple[float, float]:
            low, gain = rows[option.system].low, rows[option.system].gain
            return (-math.inf if math.isnan(low) else low), gain

        return sorted(found, key=surest, reverse=True)


class Choice(NamedTuple):
    """What the rule says."""

    answer: Answer
    option: Option
    """The one to adopt, to keep, or to assess."""
    because: Because
    best: Option | None = None
    """Of those that are ready, the one with the greatest lower bound."""
    cheaper: Sequence[tuple[Option, Loss]] = ()
    """Of those that are ready, the cheaper ones and what is lost by each, the cheapest first."""
    price: Quantity | None = None
    """By which options are cheaper."""
    maybe_cheaper: Sequence[Option] = ()
    """Those that would take its place, were they shown to be cheaper, or no slower."""


def choose(case: DecisionInput) -> Choice:
    """The answer to a case."""
    if case.baseline.system in case.invalid:
        return Choice("assess", case.baseline, "baseline invalid")
    if case.baseline.system not in case.gains.means:
        return Choice("assess", case.baseline, "baseline not measured")
    if not case.gains.settled:
        return Choice("assess", case.baseline, "judgments open")
    if ready := case.ranked("shown", "in"):
        return _cheapest(case, ready)
    return _unsettled(case) or Choice("keep", case.baseline, "nothing gains")


def able(case: DecisionInput) -> list[Option]:
    """The options that could be adopted if they gained enough."""
    return [
        one
        for one in case.options
        if case.standings[one] != "out" and one.system in case.gains.of
        if one.system not in case.invalid
    ]


def nearest_miss(case: DecisionInput) -> Option | None:
    """Of those that gain enough and miss a requirement, the one that misses it by least."""

    def furthest(option: Option) -> float:
        """How many times its limit the option needs of what it misses most."""
        missed = case.against_limits(option, "out")
        return max(amount.lower / limit if limit else math.inf for _, amount, limit in missed)

    return min(case.ranked("shown", "out"), key=furthest, default=None)


def _unsettled(case: DecisionInput) -> Choice | None:
    """What is worth measuring before the baseline is kept."""
    if hidden := case.ranked("shown", "unknown"):
        return Choice("assess", hidden[0], "requirement not measured")
    if undecided := case.ranked("undecided", "in", "unknown"):
        return Choice("assess", undecided[0], "gain undecided")
    unmeasured = case.gains.missing.keys() - case.gains.untold
    for option in case.options:
        if option.system in unmeasured and case.standings[option] != "out":
            return Choice("assess", option, "system not measured")
    return None


def _cheapest(case: DecisionInput, ready: Sequence[Option]) -> Choice:
    """The best of those that are ready, or a cheaper one by which nothing is lost that matters."""
    best = ready[0]
    by = _price(case, best)
    if by is None:
        return Choice("adopt", best, "ready", best)
    needs = {one: case.amount(one, by).value for one in ready}
    lower = sorted((one for one in ready if needs[one] < needs[best]), key=needs.__getitem__)
    shown = [one for one in lower if _is_cheaper(case, by, one, best)]
    confidence = 1 - (1 - intervals.CONFIDENCE) / max(len(lower), 1)
    losses = {one: case.gains.loss(one.system, best.system, confidence) for one in lower}
    able = [one for one in lower if losses[one].high <= case.smallest]
    taken = _taken(case, by, [one for one in ready if one in shown and one in able], best)
    maybe = [] if taken != best else [one for one in able if _is_open(case, by, one, best)]
    cheaper = [(one, losses[one]) for one in shown]
    return Choice("adopt", taken, "ready", best, cheaper, by, maybe)


def _taken(case: DecisionInput, by: Quantity, able: Sequence[Option], best: Option) -> Option:
    """The cheapest; of those that may be as cheap, the one that gains most."""
    if not able:
        return best
    least = min((case.amount(one, by) for one in able), key=lambda amount: amount.value)
    return next(one for one in able if not least.is_less(case.amount(one, by)))


def _price(case: DecisionInput, best: Option) -> Quantity | None:
    """Money where it is known of the best, else the bytes of the index."""
    costs = [Quantity("cost_per_month", device) for device in case.devices]
    each = (*costs, Quantity("gb_per_million_documents"))
    return next((one for one in each if not math.isnan(case.amount(best, one).value)), None)


def _is_cheaper(case: DecisionInput, by: Quantity, one: Option, best: Option) -> bool:
    """Whether one that needs less is shown to; of bytes alone, whether it is also shown to be no slower."""
    if by.device:
        return case.amount(one, by).is_less(case.amount(best, by))
    paces = [case.pace(one, best, device) for device in case.devices]
    return bool(paces) and all(pace.high <= paired_ratios.QUIET[1] for pace in paces)


def _is_open(case: DecisionInput, by: Quantity, one: Option, best: Option) -> bool:
    """Whether one that needs less may be no cheaper, and may pay for its bytes with time."""
    paces = [] if by.device else [case.pace(one, best, device) for device in case.devices]
    return not _is_cheaper(case, by, one, best) and not any(pace.low > 1 for pace in paces)
