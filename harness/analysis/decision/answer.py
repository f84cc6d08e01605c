"""The answer in one sentence about one system, as the first line of a report has it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness.analysis.decision.amounts import Quantity
from harness.analysis.decision.choose import Choice, DecisionInput, able, nearest_miss
from harness.analysis.decision.measurements import Option
from harness.analysis.decision.reasons import nobody
from harness.experiment.metric_names import written
from harness.page.text import listed, more_queries, rounded_up, significant, spoken
from harness.results.store import NO_JUDGMENTS


def headline(case: DecisionInput, choice: Choice) -> str:
    """The answer in one sentence."""
    name = choice.option.name
    if choice.answer != "assess":
        return f"{choice.answer.capitalize()} {name}."
    missing = case.gains.missing.get(choice.option.system, "")
    if choice.because == "baseline not measured" and missing.startswith(NO_JUDGMENTS):
        return "Assess further: judge what the systems find, by `python -m harness judge FILE`."
    row = case.gains.of.get(choice.option.system)
    more = "" if row is None else more_queries(row.needed, case.gains.queries)
    return f"Assess further: {TO_DO[choice.because].format(name=name, more=more)}."


TO_DO = {
    "baseline not measured": "measure the quality of {name}, the baseline",
    "baseline invalid": "mend the measurement of {name}, the baseline",
    "requirement not measured": "measure {name} against the requirements",
    "judgments open": "judge more of what the systems find, by `python -m harness judge FILE`",
    "gain undecided": "compare {name} on {more}",
    "system not measured": "measure the quality of {name}",
}


def sentence(case: DecisionInput, choice: Choice) -> str:
    """What to do, and the figures that matter most for it."""
    name = spoken(choice.option.name)
    if choice.answer == "adopt":
        said = [better(case, choice.option), *needs(case, choice.option)]
        return f"Adopt {name}: {', '.join(said)}."
    if choice.answer == "keep":
        return f"Keep {name}: {_kept(case)}."
    return f"Assess further: {_open(case, choice)}."


def better(case: DecisionInput, option: Option) -> str:
    """By how much an option ranks better or worse than the baseline."""
    gain = case.gains.of[option.system].gain
    if abs(gain) < 0.0005:
        return f"ranks as {case.baseline.name} does"
    how = "better" if gain > 0 else "worse"
    return f"ranks {abs(gain):.3f} {written(case.metric)} {how} than {case.baseline.name}"


def needs(case: DecisionInput, option: Option) -> Iterator[str]:
    """What an option takes in time and in storage, as far as it is known."""
    for device in case.devices:
        p95 = case.amount(option, Quantity("p95_ms", device))
        p50 = case.amount(option, Quantity("p50_ms", device))
        where = f" on {device}" * (len(case.devices) > 1)
        if not math.isnan(p95.value):
            yield f"answers in {significant(p95.value)} ms (p95){where}"
        elif math.isfinite(p95.at_most):
            yield f"answers in at most {significant(rounded_up(p95.at_most))} ms (p95){where}"
        elif not math.isnan(p50.value):
            yield f"answers in {significant(p50.value)} ms (median){where}"
    size = case.amount(option, Quantity("gb_per_million_documents")).value
    if not math.isnan(size):
        yield f"stores {significant(size)} GB per million documents"


def _kept(case: DecisionInput) -> str:
    if out := nearest_miss(case):
        return f"{spoken(out.name)} {better(case, out)}, but {_misses(case, out)}"
    possible = able(case)
    if not possible:
        return nobody(case)
    most = max(possible, key=lambda one: case.gains.of[one.system].gain)
    row = case.gains.of[most.system]
    only = "the only other system" if len(possible) == 1 else "the nearest other system"
    found = f"{only}, {spoken(most.name)}, {better(case, most)}"
    if row.verdict == "better":
        return f"{found}, less than the {case.smallest:g} that you asked for"
    if row.gain > 0 and row.verdict == "open":
        return f"{found}, which {case.gains.evidence} cannot tell from no gain"
    return found


def _misses(case: DecisionInput, option: Option) -> str:
    limits = [
        "a licence for commercial use"
        if quantity.name == "licence"
        else quantity.text(f"{limit:,g}")
        for quantity, _, limit in case.against_limits(option, "out")
    ]
    return f"misses the {'limits' if len(limits) > 1 else 'limit'} of {listed(limits, ' and ')}"


def _open(case: DecisionInput, choice: Choice) -> str:
    name, system = spoken(choice.option.name), choice.option.system
    if choice.because == "requirement not measured":
        return f"{name} {better(case, choice.option)}, but it may miss a requirement"
    if choice.because == "gain undecided":
        shown = f"{case.gains.evidence} cannot show that it gains {case.smallest:g}"
        return f"{name} {better(case, choice.option)}, but {shown}"
    if choice.because == "judgments open":
        return f"{case.gains.evidence} do not settle the decision yet"
    role = ", the baseline," * (choice.option == case.baseline)
    if choice.because == "baseline invalid":
        return f"the measurement of {name}{role} is invalid ({case.invalid[system]})"
    why = case.gains.missing.get(system, "it was left out").rstrip(".")
    if system in case.gains.untold:
        judge = ": judge what they find, by `python -m harness judge FILE`"
        way = judge if why.startswith(NO_JUDGMENTS) else ""
        return f"nothing says how these systems rank, because there are {why}{way}{_fastest(case)}"
    return f"the quality of {name}{role} was not measured ({why})"


def _fastest(case: DecisionInput) -> str:
    """The reranker with the least median, where any is known."""
    known = {
        one: p50
        for device in case.devices[:1]
        for one in case.options
        if one.mode != "retrieve"
        if not math.isnan(p50 := case.amount(one, Quantity("p50_ms", device)).value)
    }
    if not known:
        return ""
    first = min(known, key=known.__getitem__)
    return f"; the fastest reranker, {spoken(first.name)}, {', '.join(needs(case, first))}"
