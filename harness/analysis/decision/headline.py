"""The decision in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.analysis.decision.choose import Case, Choice
from harness.analysis.decision.need import Kind, Need, need_of
from harness.analysis.decision.options import Option
from harness.analysis.decision.requirements import verdict
from harness.analysis.statistics.tail import Seen
from harness.page.text import interval, more_queries, significant

UNITS = {
    "p50_ms": "ms at the median",
    "p95_ms": "ms at the 95th percentile",
    "gb_per_million_documents": "GB of index per million documents",
    "memory_gb": "GB of RAM",
    "cost_per_month": "a month",
}

NAMED = 3
"""Systems that a sentence names; of more it gives the number."""


def figure(kind: Kind, value: float) -> str:
    """A figure with what it is of."""
    where = f" on {kind.device}" if kind.device else ""
    return f"{significant(value)} {UNITS[kind.requirement]}{where}"


def gain_words(case: Case, metric: str, system: str) -> str:
    """A gain with its interval."""
    row = case.gains.of[system]
    return f"{row.gain:+.3f} {metric} {interval(row.low, row.high)}"


def miss(kind: Kind, need: Need, limit: float) -> str:
    """By how much a requirement is missed."""
    if kind.requirement == "licence":
        return need.said
    if math.isnan(need.value):
        said = "; ".join(filter(None, (need.said, tested(need.seen(limit), limit))))
        return f"{said}, where {limit:,g} are allowed"
    more = need.value / limit
    over = f"{more:.1f} times" if more >= 2 else f"{more - 1:.1%} over"
    over += NOISE if need.value / need.doubt <= limit else ""
    return f"{figure(kind, need.value)}, where {limit:,g} are allowed ({over})"


def tested(seen: Seen | None, limit: float) -> str:
    """What the timed calls show of a limit to their 95th percentile; empty where none were timed."""
    if seen is None:
        return ""
    many = {0: "none", seen.calls: "all"}.get(seen.above, f"{seen.above:,.0f}")
    calls = f"{seen.calls:,.0f} call{'s' * (seen.calls > 1)}, {many} above {limit:,g} ms"
    if seen.outcome == "open":
        return f"{calls}: whether p95 <= {limit:,g} ms is not settled"
    sign = "<=" if seen.outcome == "met" else ">"
    p = f"= {seen.p:.3f}" if seen.p >= 0.001 else "< 0.001"
    return f"{calls}: p95 {sign} {limit:,g} ms is shown (p {p})"


def not_known(need: Need, limit: float, settle_s: float) -> str:
    """Why it is not known whether a need keeps to a limit, and the way on."""
    seen = need.seen(limit)
    parts = [need.said, tested(seen, limit)]
    if seen and seen.outcome == "open":
        parts.append(_way_on(seen, max(calls.mean for calls in need.tails) / 1000, settle_s))
    return "; ".join(filter(None, parts)) or "it was not measured"


def _way_on(seen: Seen, seconds: float, settle_s: float) -> str:
    """How to settle a percentile; `seconds` are those of a call.

    Three times as many leave room for the arms that are called beside it, and for chance.
    """
    if math.isinf(seen.more):
        return "it is so near the limit that no number of calls like these would settle it"
    enough = 10 * math.ceil((settle_s + 3 * seen.more * seconds) / 10)
    return (
        f"about {seen.more:,.0f} more calls like these would: write `settle_s: {enough}` under "
        "`latency` and run again"
    )


NOISE = ", which is within the noise of the machine"


def misses(case: Case, option: Option) -> str:
    """Every requirement that the option misses."""
    found = [
        miss(kind, need, limit)
        for kind, limit in case.limits.items()
        for need in [need_of(case.needs, option, kind)]
        if verdict(need, limit) == "out"
    ]
    return "; ".join(found)


def unknowns(case: Case, option: Option) -> str:
    """Every requirement of which it is not known whether the option meets it."""
    found = [
        not_known(need, limit, case.settle_s)
        for kind, limit in case.limits.items()
        for need in [need_of(case.needs, option, kind)]
        if verdict(need, limit) == "unknown"
    ]
    return "; ".join(found)


def listed(options: Sequence[Option]) -> str:
    """Names, or of many the number."""
    if len(options) > NAMED:
        return f"{len(options)} systems"
    names = [one.name for one in options]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def headline(case: Case, choice: Choice) -> str:
    """The answer in one sentence."""
    name = choice.option.name
    if choice.answer != "assess":
        return f"{choice.answer.capitalize()} {name}."
    return f"Assess further: {TO_DO[choice.ground].format(name=name, more=more(case, choice))}."


TO_DO = {
    "baseline not measured": "measure the quality of {name}, the baseline",
    "baseline invalid": "mend the measurement of {name}, the baseline",
    "requirement not measured": "measure what is required of {name}",
    "gain undecided": "compare {name} on {more}",
    "system not measured": "measure the quality of {name}",
}


def more(case: Case, choice: Choice) -> str:
    """How many more queries would settle whether the option's gain matters."""
    row = case.gains.of.get(choice.option.system)
    return more_queries(row.needed, case.gains.queries) if row is not None else ""
