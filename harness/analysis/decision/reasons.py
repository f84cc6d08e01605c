"""Why the decision is what it is, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.analysis.decision.choose import Case, Choice, Price, ranked, standings
from harness.analysis.decision.headline import (
    NAMED,
    NOISE,
    figure,
    gain_words,
    listed,
    misses,
    tested,
    unknowns,
)
from harness.analysis.decision.need import need_of
from harness.analysis.decision.options import Option
from harness.analysis.decision.requirements import Verdict, verdict
from harness.page.text import counted, interval, significant


def reasons(case: Case, choice: Choice, metric: str) -> Iterator[str]:
    """Why the answer is what it is, the first reason first."""
    told = {
        "ready": _ready,
        "gain undecided": _undecided,
        "requirement not measured": _hidden,
    }
    if choice.answer == "keep":
        if standings(case)[case.baseline] == "out":
            yield (
                f"{case.baseline.name} misses what is required itself: "
                f"{misses(case, case.baseline)}. It stays because no system that meets it is shown to "
                "gain enough."
            )
        yield from _shown_elsewhere(case)
        yield from _nothing(case, metric)
        return
    if choice.ground in told:
        yield from told[choice.ground](case, choice, metric)
    else:
        yield from _blocked(case, choice)
    if choice.ground != "baseline invalid":
        yield from _shown_elsewhere(case)


def _ready(case: Case, choice: Choice, metric: str) -> Iterator[str]:
    row = case.gains.of[choice.option.system]
    yield (
        f"{choice.option.name} gains {gain_words(case, metric, choice.option.system)} over "
        f"{case.baseline.name}: the lower bound reaches {case.smallest:g}, the smallest gain that "
        f"matters ({chance(row.p_holm, case.gains.family)})."
    )
    yield _met(case, choice.option)
    ready = ranked(case, "shown", standings(case), ("in",))
    if choice.option == choice.best and len(ready) > 1:
        where = "meet the requirements and are" if case.limits else "are"
        yield f"{len(ready)} systems {where} shown to gain enough; its lower bound is the greatest."
    yield from _cheaper(case, choice, metric)


def _met(case: Case, option: Option) -> str:
    if not case.limits:
        return "Nothing is required of latency, storage, memory, licence or cost: quality decides."
    parts = []
    for kind, limit in case.limits.items():
        need = need_of(case.needs, option, kind)
        if kind.requirement == "licence":
            parts.append("its models may be used commercially")
        else:
            shown = tested(need.seen(limit), limit)
            if math.isnan(need.value):
                parts.append(shown)
                continue
            near = "its interval reaches beyond" if need.high > limit and not shown else ""
            near = near or (f"more{NOISE}" if need.value * need.doubt > limit else "")
            notes = f" ({'; '.join(filter(None, (near, shown)))})" if near or shown else ""
            parts.append(f"{figure(kind, need.value)}, {limit:,g} allowed{notes}")
    return f"It meets what is required: {'; '.join(parts)}."


def _cheaper(case: Case, choice: Choice, metric: str) -> Iterator[str]:
    """What is said of cheaper systems that would do, or are not shown not to."""
    if choice.best is None or choice.price is None:
        return
    kind, of = choice.price
    for option, loss in choice.cheaper:
        lost = f"{loss.value:.3f} {metric} {interval(loss.low, loss.high)}"
        if option == choice.option:
            yield (
                f"{choice.best.name} gains more, but {option.name} needs only "
                f"{figure(kind, of[option])} instead of {significant(of[choice.best])}, and what is "
                f"lost by it ({lost}) is shown to be less than {case.smallest:g}."
            )
            return
        if not loss.low > case.smallest:
            yield (
                f"{option.name} is cheaper ({figure(kind, of[option])} instead of "
                f"{significant(of[choice.best])}). It is not shown to be worse by more than "
                f"{case.smallest:g}, but nor is it shown not to be: what is lost by it is {lost}."
            )
    yield from _untold(case, choice.best, choice.price, choice.untold)


def _untold(case: Case, best: Option, price: Price, options: Sequence[Option]) -> Iterator[str]:
    """That a system by which nothing is lost that matters may be cheaper, and why that is not shown."""
    for option in options[:NAMED]:
        needs = f"{figure(price.kind, price.of[option])} instead of {significant(price.of[best])}"
        if price.kind.device:
            why = (
                need_of(case.needs, option, price.kind).said
                or "that is within the noise of its times"
            )
        else:
            why = "; ".join(_pace(case, option, best, device) for device in case.devices)
            why = f"it is not shown to be no slower ({why or 'no latency was measured'})"
        yield (
            f"{option.name} needs {needs}, and what is lost by it is shown to be less than "
            f"{case.smallest:g}, but {best.name} is taken: {why}."
        )


def _pace(case: Case, option: Option, best: Option, device: str) -> str:
    ratio, low, high = case.pace(option, best, device)
    if math.isnan(ratio):
        return f"not timed beside it on {device}"
    bounds = "no interval" if math.isnan(low) else f"{low:.3g}, {high:.3g}"
    return f"{ratio:.3g} times as long on {device} [{bounds}]"


def _undecided(case: Case, choice: Choice, metric: str) -> Iterator[str]:
    row = case.gains.of[choice.option.system]
    yield (
        f"{choice.option.name} gains {gain_words(case, metric, choice.option.system)} over "
        f"{case.baseline.name}. {_beats(row)} looks like more than {case.smallest:g}, the "
        "smallest gain that matters, but "
        f"{counted(case.gains.queries, 'query does', 'queries do')} not show it "
        f"({chance(row.p_holm, case.gains.family)})."
    )
    if said := unknowns(case, choice.option):
        yield f"Whether it meets what is required is not known either: {said}."


def _beats(row: Any) -> str:
    """Where a gain is shown and not its size: which of the two is meant."""
    return "That there is a gain is shown. It" if row.verdict == "better" else "That"


def _hidden(case: Case, choice: Choice, metric: str) -> Iterator[str]:
    yield (
        f"{choice.option.name} is shown to gain {gain_words(case, metric, choice.option.system)} "
        f"over {case.baseline.name}, but whether it meets what is required is not known: "
        f"{unknowns(case, choice.option)}."
    )


def _nobody(case: Case, stands: Mapping[Option, Verdict]) -> str:
    """Why no other system can be adopted, whatever it gains."""
    others = [one for one in case.options if one.system != case.baseline.system]
    if not others:
        return f"There is no other system than {case.baseline.name}."
    if all(stands[one] == "out" for one in others):
        but = f" but {case.baseline.name}" * (stands[case.baseline] != "out")
        return f"No system{but} meets the requirements."
    invalid = [one.name for one in others if one.system in case.invalid]
    if not invalid:
        return f"No system but {case.baseline.name} was measured and meets the requirements."
    return f"No other system can be adopted: the measurement of {', '.join(invalid)} is INVALID."


def _nothing(case: Case, metric: str) -> Iterator[str]:
    stands = standings(case)
    able = [
        one
        for one in case.options
        if stands[one] != "out" and one.system in case.gains.of
        if one.system not in case.invalid
    ]
    if able:
        yield _most(case, able, metric)
    else:
        yield _nobody(case, stands)
    if stands[case.baseline] == "unknown":
        yield (
            f"Whether {case.baseline.name} itself meets what is required is not known: "
            f"{unknowns(case, case.baseline)}."
        )


def _most(case: Case, able: Sequence[Option], metric: str) -> str:
    """The greatest gain of those that could be adopted, which is no gain that matters."""
    most = max(able, key=lambda one: case.gains.of[one.system].gain)
    row, which = case.gains.of[most.system], " that no requirement rules out" * bool(case.limits)
    gain = gain_words(case, metric, most.system)
    alone = len(able) == 1
    many, only = (
        f"Of the {len(able)} systems{which}, ",
        f"The only other system{which}, {most.name},",
    )
    if row.verdict == "same":
        who = f"none of the {len(able)} systems{which} gains; " * (not alone)
        return f"By {metric} {who}{most.name} differs from {case.baseline.name} in no query."
    if row.gain <= 0:
        who = only if alone else f"{many}none gains; the nearest, {most.name},"
        return f"{who} differs by {gain}, {not_shown(row, case.gains.family)}."
    who = f"{only} gains" if alone else f"{many}{most.name} gains most:"
    return (
        f"{who} {gain} over {case.baseline.name}, which is less than {case.smallest:g}, the smallest "
        "gain that matters."
    )


def _blocked(case: Case, choice: Choice) -> Iterator[str]:
    name = choice.option.name
    if choice.ground == "baseline invalid":
        yield f"The measurement of {name} is invalid: {case.invalid[name]}. Nothing can be compared."
    else:
        why = case.gains.missing.get(choice.option.system, "it was not measured")
        yield f"The quality of {name} is not known: {why}."


def _shown_elsewhere(case: Case) -> Iterator[str]:
    """The systems that gain enough and are out; the nearest with what it misses."""
    out = ranked(case, "shown", standings(case), ("out",))
    if not out:
        return
    nearest = min(out, key=lambda one: _furthest(case, one))
    who = f"{listed(out)} are" if len(out) > 1 else f"{out[0].name} is"
    which = f"; the nearest is {nearest.name}" if len(out) > 1 else ""
    miss_it = "miss" if len(out) > 1 else "misses"
    yield (
        f"{who} shown to gain enough but {miss_it} what is required{which}: "
        f"{misses(case, nearest)}."
    )


def _furthest(case: Case, option: Option) -> float:
    """How many times its limit the option needs of what it misses most."""
    found = [1.0]
    for kind, limit in case.limits.items():
        need = need_of(case.needs, option, kind)
        if verdict(need, limit) == "out":
            found.append(need.lower / limit if limit else math.inf)
    return max(found)


def not_shown(row: Any, family: int) -> str:
    """Of a gain that is not shown: that a loss is, or that the queries do not tell."""
    if row.verdict == "worse":
        return "a loss that is shown"
    return f"which these queries cannot tell from no gain ({chance(row.p_none_holm, family)})"


def chance(p: float, family: int) -> str:
    """A p in words with four decimals, and for how many comparisons it is corrected."""
    corrected = f" after Holm's correction for {family} comparisons" * (family > 1)
    return ("p < 0.0001" if p < 0.0001 else f"p = {p:.4f}") + corrected
