"""The decision, and why it is what it is, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from harness.analysis.decision.amounts import Amount, Quantity
from harness.analysis.decision.choose import Choice, DecisionInput, able, nearest_miss
from harness.analysis.decision.measurements import Option
from harness.analysis.statistics.percentiles import MINIMUM
from harness.analysis.statistics.tail import Seen
from harness.page.text import (
    chance,
    change,
    interval,
    percent,
    sentence_case,
    significant,
)

NAMED = 3
"""Systems that a sentence names; of more it gives the number."""

NOISE = ", within the noise of the machine"


def reasons(case: DecisionInput, choice: Choice) -> Iterator[str]:
    """Why the answer is what it is, the first reason first."""
    if choice.answer == "keep":
        if case.standings[case.baseline] == "out":
            yield (
                f"{case.baseline.name} itself misses a requirement: {misses(case, case.baseline)}. "
                "It stays because no system that meets the requirements gains enough."
            )
        yield from _shown_elsewhere(case)
        yield from _nothing(case)
        return
    yield from WHY[choice.because](case, choice)
    if choice.because != "baseline invalid":
        yield from _shown_elsewhere(case)


def _gains(case: DecisionInput, system: str) -> str:
    """A gain with its interval."""
    row = case.gains.of[system]
    return change(row.gain, row.low, row.high, of=case.metric)


def misses(case: DecisionInput, option: Option) -> str:
    """Every requirement that the option misses."""
    return "; ".join(_miss(*missed) for missed in case.against_limits(option, "out"))


def _miss(quantity: Quantity, amount: Amount, limit: float) -> str:
    """By how much a requirement is missed."""
    if quantity.name == "licence":
        return amount.said
    if math.isnan(amount.value):
        said = tested(amount.seen(limit), limit) or f"{limit:,g} allowed"
        return "; ".join(filter(None, (amount.said, said)))
    more = amount.value / limit
    over = f"{more:.1f} times" if more >= 2 else f"{percent(more - 1, 1)} over"
    over += NOISE if amount.value / amount.doubt <= limit else ""
    needed = quantity.text(significant(amount.value))
    return f"{needed}; {limit:,g} allowed ({over})"


def tested(seen: Seen | None, limit: float) -> str:
    """What the timed calls say of a limit to their 95th percentile; empty where none were timed."""
    if seen is None:
        return ""
    many = {0: "none of", seen.calls: "all"}.get(seen.above, f"{seen.above:,.0f} of")
    who = f"{many} {seen.calls:,.0f} calls took more"
    if seen.calls == 1:
        who = f"the only call took {'more' if seen.above else 'no more'}"
    calls = f"{who} than {limit:,g} ms"
    if seen.outcome == "open":
        return f"{calls}, too few calls to say whether p95 meets the limit"
    meets = "meets" if seen.outcome == "met" else "misses"
    return f"{calls}, enough to say that p95 {meets} the limit ({chance(seen.p, 3)})"


def unknowns(case: DecisionInput, option: Option) -> str:
    """Every requirement that the option may or may not meet, and the way on."""
    return "; ".join(
        _not_known(amount, limit, case.settle_s)
        for _, amount, limit in case.against_limits(option, "unknown")
    )


def _not_known(amount: Amount, limit: float, settle_s: float) -> str:
    """Three times as many calls leave room for what is timed beside it, and for chance."""
    seen = amount.seen(limit)
    parts = [amount.said, tested(seen, limit)]
    if seen and seen.outcome == "open" and math.isinf(seen.more):
        parts.append("it is so near the limit that more calls would not settle it")
    elif seen and seen.outcome == "open":
        seconds = max(calls.mean for calls in amount.tails) / 1000
        enough = 10 * math.ceil((settle_s + 3 * seen.more * seconds) / 10)
        parts.append(
            f"about {seen.more:,.0f} more would settle it: write `settle_s: {enough}` under `latency` "
            "and run again"
        )
    return "; ".join(filter(None, parts)) or "it was not measured"


def _ready(case: DecisionInput, choice: Choice) -> Iterator[str]:
    row = case.gains.of[choice.option.system]
    asked = f"; you asked for {case.smallest:g}" if case.smallest else ""
    family = case.gains.family
    yield (
        f"{choice.option.name} gains {_gains(case, choice.option.system)} over {case.baseline.name}: at "
        f"least {row.low:.3f} with 95 % confidence{asked}."
        + f" This holds after correcting for {family} comparisons."
        * (family > 1)
    )
    yield _met(case, choice.option)
    ready = case.ranked("shown", "in")
    if choice.option == choice.best and len(ready) > 1:
        meet = "meet the requirements and " * bool(case.limits)
        yield f"{len(ready)} systems {meet}gain enough; {choice.option.name} has the surest gain."
    if choice.best and choice.price:
        yield from _cheaper(case, choice, choice.best, choice.price)


def _met(case: DecisionInput, option: Option) -> str:
    if not case.limits:
        return "No requirement limits latency, storage, memory, licence or cost."
    parts = []
    for quantity, limit in case.limits.items():
        need = case.amount(option, quantity)
        shown = tested(need.seen(limit), limit)
        if quantity.name == "licence":
            parts.append("its licences allow commercial use")
        elif math.isnan(need.value):
            parts.append(f"p95 is unknown (to measure it takes {MINIMUM[95]} calls), but {shown}")
        else:
            near = (
                "its interval reaches beyond the limit" if need.high > limit and not shown else ""
            )
            near = near or (f"more{NOISE}" if need.value * need.doubt > limit else "")
            notes = f" ({'; '.join(filter(None, (near, shown)))})" if near or shown else ""
            parts.append(f"{quantity.text(significant(need.value))}, {limit:,g} allowed{notes}")
    return f"It meets the requirements: {'; '.join(parts)}."


def _cheaper(case: DecisionInput, choice: Choice, best: Option, by: Quantity) -> Iterator[str]:
    """What is said of cheaper systems that would do, or might do."""

    def beside(option: Option) -> str:
        mine, theirs = (significant(case.amount(one, by).value) for one in (option, best))
        return f"{by.text(mine)} instead of {theirs}"

    for option, loss in choice.cheaper:
        lost = f"{loss.value:.3f} {case.metric} {interval(loss.low, loss.high)}"
        if option == choice.option:
            yield (
                f"{best.name} gains more, but {option.name} needs only {beside(option)} and loses less "
                f"than {case.smallest:g} ({lost})."
            )
            return
        if not loss.low > case.smallest and not loss.high <= case.smallest:
            yield (
                f"{option.name} is cheaper ({beside(option)}), but loses {lost} to {best.name}, which "
                f"may be more than {case.smallest:g}."
            )
    for option in choice.maybe_cheaper[:NAMED]:
        why = case.amount(option, by).said or "that is within the noise of its times"
        if not by.device:
            paces = "; ".join(_pace(case, option, best, device) for device in case.devices)
            why = f"it may be slower ({paces or 'no latency was measured'})"
        yield (
            f"{option.name} needs {beside(option)} and loses less than {case.smallest:g}, but "
            f"{best.name} stays the choice: {why}."
        )


def _pace(case: DecisionInput, option: Option, best: Option, device: str) -> str:
    ratio, low, high = case.pace(option, best, device)
    if math.isnan(ratio):
        return f"not timed beside it on {device}"
    bounds = "no interval" if math.isnan(low) else f"{low:.3g}, {high:.3g}"
    return f"{ratio:.3g} times as long on {device} [{bounds}]"


def _undecided(case: DecisionInput, choice: Choice) -> Iterator[str]:
    row = case.gains.of[choice.option.system]
    sure = "Some gain is certain, but" if row.verdict == "better" else "But"
    yield (
        f"{choice.option.name} gains {_gains(case, choice.option.system)} over {case.baseline.name}. "
        f"{sure} {case.gains.evidence} cannot show that it is at least "
        f"{case.smallest:g}, as you asked ({corrected(row.p_holm, case.gains.family)})."
    )
    if said := unknowns(case, choice.option):
        yield f"It may also miss a requirement: {said}."


def _unsettled(case: DecisionInput, choice: Choice) -> Iterator[str]:
    best = case.gains.best
    yield (
        f"By {case.gains.evidence}, {best.system} gains {_gains(case, best.system)} over "
        f"{choice.option.name}. The judgments that are left may still change the decision: `python -m "
        "harness judge FILE` says about how many it takes."
    )


def _hidden(case: DecisionInput, choice: Choice) -> Iterator[str]:
    yield (
        f"{choice.option.name} gains {_gains(case, choice.option.system)} over {case.baseline.name}, "
        f"but may miss a requirement: {unknowns(case, choice.option)}."
    )


def _invalid(case: DecisionInput, choice: Choice) -> Iterator[str]:
    name = choice.option.name
    yield f"The measurement of {name} is invalid: {case.invalid[name]}. Nothing compares with it."


def _unmeasured(case: DecisionInput, choice: Choice) -> Iterator[str]:
    why = case.gains.missing.get(choice.option.system, "it was not measured")
    yield f"The quality of {choice.option.name} is unknown: {why.rstrip('.')}."


WHY = {
    "ready": _ready,
    "judgments open": _unsettled,
    "gain undecided": _undecided,
    "requirement not measured": _hidden,
    "baseline invalid": _invalid,
    "baseline not measured": _unmeasured,
    "system not measured": _unmeasured,
}
"""By the step of the rule what is said first."""


def _nothing(case: DecisionInput) -> Iterator[str]:
    """Why the baseline stays."""
    possible = able(case)
    yield _greatest(case, possible) if possible else f"{sentence_case(nobody(case))}."
    if case.standings[case.baseline] == "unknown":
        yield (
            f"{case.baseline.name} itself may miss a requirement: {unknowns(case, case.baseline)}."
        )


def nobody(case: DecisionInput) -> str:
    """Why no other system can be adopted, whatever it gains."""
    base = case.baseline
    others = [one for one in case.options if one.system != base.system]
    if not others:
        return f"there is no other system than {base.name}"
    if all(case.standings[one] == "out" for one in others):
        other = "other " * (case.standings[base] != "out")
        return f"no {other}system meets the requirements"
    invalid = [one.name for one in others if one.system in case.invalid]
    if not invalid:
        return "the quality of no other system that meets the requirements was measured"
    return f"no other system can be adopted: the measurement of {', '.join(invalid)} is INVALID"


def _greatest(case: DecisionInput, able: Sequence[Option]) -> str:
    """The greatest gain of those that could be adopted, which is no gain that matters."""
    most = max(able, key=lambda one: case.gains.of[one.system].gain)
    row, which = case.gains.of[most.system], " that no requirement rules out" * bool(case.limits)
    gain, base, alone = _gains(case, most.system), case.baseline.name, len(able) == 1
    many, only = f"the {len(able)} systems{which}", f"The only other system{which}, {most.name},"
    if row.verdict == "same":
        who = f"none of {many} gains; " * (not alone)
        return f"By {case.metric} {who}{most.name} differs from {base} in no query."
    if row.gain <= 0:
        who = only if alone else f"Of {many}, none gains; the nearest, {most.name},"
        return f"{who} {fallen(row, case.gains.family, gain)}."
    who = f"{only} gains" if alone else f"Of {many}, {most.name} gains most:"
    if row.verdict == "open":
        return f"{who} {gain} over {base}, which may be no gain."
    return f"{who} {gain} over {base}, less than the {case.smallest:g} that you asked for."


def _shown_elsewhere(case: DecisionInput) -> Iterator[str]:
    """The systems that gain enough and are out; the nearest with what it misses."""
    out, nearest = case.ranked("shown", "out"), nearest_miss(case)
    if nearest is None:
        return
    names = "; ".join(one.name for one in out)  # a name may have a comma
    who = f"{len(out)} systems gain enough but miss a requirement"
    who += f" ({names})" * (len(out) <= NAMED) + f"; the nearest is {nearest.name}"
    if len(out) == 1:
        who = f"{nearest.name} gains enough but misses a requirement"
    yield f"{who}: {misses(case, nearest)}."


def fallen(row: Any, family: int, change: str) -> str:
    """What is said of a change that is no gain: a loss, or one that may be none."""
    if row.verdict == "worse":
        return f"loses: {change}"
    return f"differs by {change}, which may be no difference ({corrected(row.p_none_holm, family)})"


def corrected(p: float, family: int) -> str:
    """A p, and for how many comparisons it is corrected."""
    return chance(p) + f" after Holm's correction for {family} comparisons" * (family > 1)
