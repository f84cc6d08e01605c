"""The decision in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from harness.analysis.answer import significant
from harness.analysis.needs import Kind, Need
from harness.analysis.options import Option
from harness.analysis.requirements import need_of, verdict
from harness.analysis.rule import Case, Choice, ranked, standings

UNITS = {
    "p50_ms": "ms at the median",
    "p95_ms": "ms at the 95th percentile",
    "gb_per_million_documents": "GB of vectors per million documents",
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


def interval(low: float, high: float) -> str:
    """Bounds in brackets."""
    return "[no interval]" if math.isnan(low) else f"[{low:+.3f}, {high:+.3f}]"


def miss(kind: Kind, need: Need, limit: float) -> str:
    """By how much a requirement is missed."""
    if kind.requirement == "licence":
        return need.said
    if math.isnan(need.value):
        return f"{need.said}, where {limit:,g} are allowed"
    more = need.value / limit
    over = f"{more:.1f} times" if more >= 2 else f"{more - 1:.1%} over"
    return f"{figure(kind, need.value)}, where {limit:,g} are allowed ({over})"


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
    """Every requirement of which the option's need was not measured."""
    found = [
        need.said or "it was not measured"
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
    "baseline out": "name a baseline that meets the requirements, for {name} does not",
    "requirement not measured": "measure what is required of {name}",
    "gain undecided": "compare {name} on {more}",
    "system not measured": "measure the quality of {name}",
}


def more(case: Case, choice: Choice) -> str:
    """How many more queries would settle whether the option's gain matters."""
    row = case.gains.of.get(choice.option.system)
    return more_queries(case, row) if row is not None else ""


def more_queries(case: Case, row: Any) -> str:
    """How many more queries would settle a gain."""
    if not math.isfinite(row.needed):
        return "many more queries"
    count = max(row.needed - case.gains.queries, 1)
    return f"about {float(f'{count:.2g}'):,.0f} more queries"


def reasons(case: Case, choice: Choice, metric: str) -> Iterator[str]:
    """Why the answer is what it is, the first reason first."""
    told = {
        "ready": _ready,
        "gain undecided": _undecided,
        "requirement not measured": _hidden,
        "nothing gains": _nothing,
    }
    yield from (
        told[choice.ground](case, choice, metric)
        if choice.ground in told
        else _blocked(case, choice)
    )
    yield from _shown_elsewhere(case, choice)


def _ready(case: Case, choice: Choice, metric: str) -> Iterator[str]:
    row, count = case.gains.of[choice.option.system], len(case.gains.of)
    among = f", also after Holm's correction for the {count} systems that were compared"
    yield (
        f"{choice.option.name} gains {gain_words(case, metric, choice.option.system)} over "
        f"{case.baseline.name}: the lower bound reaches {case.smallest:g}, the smallest gain that "
        f"matters{among if count > 1 else ''} (p = {row.p_holm:.4f})."
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
            near = " (its interval reaches beyond)" if need.high > limit else ""
            parts.append(f"{figure(kind, need.value)}, {limit:,g} allowed{near}")
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
        if loss.low <= case.smallest:
            yield (
                f"{option.name} is cheaper ({figure(kind, of[option])} instead of "
                f"{significant(of[choice.best])}). It is not shown to be worse by more than "
                f"{case.smallest:g}, but nor is it shown not to be: what is lost by it is {lost}."
            )


def _undecided(case: Case, choice: Choice, metric: str) -> Iterator[str]:
    row = case.gains.of[choice.option.system]
    yield (
        f"{choice.option.name} gains {gain_words(case, metric, choice.option.system)} over "
        f"{case.baseline.name}. That looks like more than {case.smallest:g}, the smallest gain that "
        f"matters, but {case.gains.queries:,} queries do not show it (p = {row.p_holm:.4f} after "
        f"Holm's correction for {len(case.gains.of)} compared)."
    )
    if said := unknowns(case, choice.option):
        yield f"Whether it meets what is required is not known either: {said}."


def _hidden(case: Case, choice: Choice, metric: str) -> Iterator[str]:
    yield (
        f"{choice.option.name} is shown to gain {gain_words(case, metric, choice.option.system)} "
        f"over {case.baseline.name}, but whether it meets what is required is not known: "
        f"{unknowns(case, choice.option)}."
    )


def _nothing(case: Case, choice: Choice, metric: str) -> Iterator[str]:
    stands = standings(case)
    able = [
        one
        for one in case.options
        if stands[one] != "out" and one.system in case.gains.of
        if one.system not in case.invalid
    ]
    if able:
        most = max(able, key=lambda one: case.gains.of[one.system].gain)
        yield (
            f"Of {listed(able)} that no requirement rules out, "
            if len(able) > 1
            else "Of those that no requirement rules out, "
        ) + (
            f"the most is gained by {most.name}: {gain_words(case, metric, most.system)} over "
            f"{choice.option.name}, less than {case.smallest:g}, the smallest gain that matters."
        )
    else:
        yield f"No system but {choice.option.name} meets the requirements."
    if stands[case.baseline] == "unknown":
        yield (
            f"Whether {case.baseline.name} itself meets what is required is not known: "
            f"{unknowns(case, case.baseline)}."
        )


def _blocked(case: Case, choice: Choice) -> Iterator[str]:
    name = choice.option.name
    if choice.ground == "baseline invalid":
        yield f"The measurement of {name} is invalid: {case.invalid[name]}. Nothing can be compared."
    elif choice.ground == "baseline out":
        yield f"{name} misses what is required: {misses(case, choice.option)}."
        yield "No system that meets it is shown to gain enough to take its place."
    else:
        why = case.gains.missing.get(choice.option.system, "it was not measured")
        yield f"The quality of {name} is not known: {why}."


def _shown_elsewhere(case: Case, choice: Choice) -> Iterator[str]:
    """The systems that gain enough and are out; the nearest with what it misses."""
    out = ranked(case, "shown", standings(case), ("out",))
    if not out:
        return
    by = {one: _furthest(case, one) for one in out}
    nearest = min(out, key=lambda one: by[one])
    many = f"{listed(out)} are" if len(out) > 1 else f"{out[0].name} is"
    first = f", the nearest, {nearest.name}, by" if len(out) > 1 else ":"
    yield f"{many} shown to gain enough, but out{first} {misses(case, nearest)}."
    del choice


def _furthest(case: Case, option: Option) -> float:
    """How many times its limit the option needs of what it misses most."""
    found = [1.0]
    for kind, limit in case.limits.items():
        need = need_of(case.needs, option, kind)
        if verdict(need, limit) == "out":
            found.append(need.at_least / limit if limit else math.inf)
    return max(found)
