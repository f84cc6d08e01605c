"""What would flip the decision: other limits, more queries, what was not measured.

A limit that only lies between two figures which may be the same flips nothing: their intervals, or
the noise of the machine, reach across it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.analysis.decision.choose import Case, Choice, choose, ranked, standings
from harness.analysis.decision.headline import figure, headline, unknowns
from harness.analysis.decision.need import Kind, less, need_of
from harness.analysis.decision.options import Option
from harness.page.text import counted, more_queries

SAID = 3
"""Systems of one kind that are told of; there may be many."""

LIMITABLE = ("p95_ms", "gb_per_million_documents", "cost_per_month")
"""What is told of though it is not required; memory follows the bytes of the index."""


def flips(case: Case, choice: Choice) -> Iterator[str]:
    """Each way to another answer in a sentence, the nearest of each kind."""
    if choice.ground not in ("baseline invalid", "baseline not measured"):
        for kind in _kinds(case):
            yield from _looser(case, choice, kind)
            if choice.answer == "adopt":
                yield from _tighter(case, choice, kind)
        yield from _more_must_matter(case, choice)
        yield from _more_queries(case, choice)
        yield from _unmeasured(case, choice)


def _kinds(case: Case) -> list[Kind]:
    """What is limited, and what could be: the needs that are known of an option."""
    known = {kind for (_, kind), need in case.needs.items() if not math.isnan(need.value)}
    return [
        *(kind for kind in case.limits if kind.requirement != "licence"),
        *sorted(kind for kind in known - case.limits.keys() if kind.requirement in LIMITABLE),
    ]


def _figures(case: Case, kind: Kind) -> list[float]:
    """The limits at which an option's verdict changes, ascending."""
    needs = [need_of(case.needs, one, kind) for one in case.options]
    values = {bound for need in needs for bound in (need.lower, need.upper)}
    return sorted(value for value in values if 0 < value < math.inf)


def _looser(case: Case, choice: Choice, kind: Kind) -> Iterator[str]:
    """The smallest loosening of a limit that changes the answer."""
    limit = case.limits.get(kind, math.inf)
    for value in _figures(case, kind):
        if value > limit and (other := _under(case, choice, kind, value)):
            more = value / limit
            by = f"{more:.1f} times as much" if more >= 2 else f"{more - 1:.1%} more"
            needed = figure(kind, rounded_up(value))
            yield f"{other} if {needed} were allowed instead of {limit:,g} ({by})."
            return


def _tighter(case: Case, choice: Choice, kind: Kind) -> Iterator[str]:
    """The smallest tightening of a limit, or the loosest new one, that changes the answer."""
    limit = case.limits.get(kind, math.inf)
    for value in reversed(_figures(case, kind)):
        if value <= limit and (other := _under(case, choice, kind, value * (1 - 1e-9))):
            now = "nothing is required" if math.isinf(limit) else f"{limit:,g} are allowed"
            yield f"{other} if less than {figure(kind, value)} were allowed; now {now}."
            return


def rounded_up(value: float, digits: int = 3) -> float:
    """The least number of so many digits that is not below `value`."""
    step = 10.0 ** (math.floor(math.log10(value)) - digits + 1)
    return math.ceil(value / step - 1e-9) * step


def _under(case: Case, choice: Choice, kind: Kind, limit: float) -> str:
    """The answer under another limit, if it is another one and not by figures that may be the same."""
    changed = replace(case, limits={**case.limits, kind: limit})
    other = choose(changed)
    same = (other.answer, other.option) == (choice.answer, choice.option)
    unsettled = need_of(case.needs, other.option, kind).tails
    if other.ground == "requirement not measured" and unsettled:
        return ""  # the limit lies within what the calls leave open
    if same or not _apart(case, kind, choice.option, other.option):
        return ""
    return headline(changed, other).rstrip(".")


def _apart(case: Case, kind: Kind, chosen: Option, other: Option) -> bool:
    """Whether a limit tells the two apart; of one alone, or against what nobody knows, it does."""
    mine, theirs = (need_of(case.needs, option, kind) for option in (chosen, other))
    if chosen == other or (math.isnan(mine.value) and not mine.tails):
        return True
    return less(mine, theirs) or less(theirs, mine)


def _more_must_matter(case: Case, choice: Choice) -> Iterator[str]:
    if choice.answer == "adopt":
        low = case.gains.of[choice.option.system].low
        yield (
            f"If only gains above {low:+.3f} mattered (now {case.smallest:g}), the gain of "
            f"{choice.option.name} would not be shown."
        )


def _more_queries(case: Case, choice: Choice) -> Iterator[str]:
    """Of undecided gains how many queries would settle them, the fewest first."""
    if choice.answer == "adopt":
        return
    undecided = ranked(case, "undecided", standings(case), ("in", "unknown"))
    rows = {one.system: case.gains.of[one.system] for one in undecided}
    for row in sorted(rows.values(), key=lambda row: row.needed)[:SAID]:
        more = more_queries(row.needed, case.gains.queries).capitalize()
        yield (
            f"{more} like these would settle whether {row.system} "
            f"gains more than {case.smallest:g}, if its true gain is the {row.gain:+.3f} that was "
            "seen."
        )


def _unmeasured(case: Case, choice: Choice) -> Iterator[str]:
    """Systems that might be adopted if something of them were known."""
    hidden = ranked(case, "shown", standings(case), ("unknown",))
    for option in [one for one in hidden if one != choice.option][:SAID]:
        yield f"{option.name} is shown to gain enough; if measured, it might do: {unknowns(case, option)}."
    named: Sequence[str] = [name for name in case.gains.missing if name != choice.option.system]
    for name in named[:SAID]:
        yield f"{name} was not compared: {case.gains.missing[name]}."
    if len(named) > SAID:
        yield f"{counted(len(named) - SAID, 'more system was', 'more systems were')} not compared."
    for name, evidence in case.invalid.items():
        if name != choice.option.system:
            yield f"{name} cannot be recommended while its measurement is invalid: {evidence}."
