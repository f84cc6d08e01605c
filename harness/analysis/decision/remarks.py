"""What a reader must know beside the reasons: what the choice costs, and what would flip it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from harness.analysis.decision.amounts import WORDS, Amount, Quantity
from harness.analysis.decision.answer import headline
from harness.analysis.decision.choose import Choice, DecisionInput, choose
from harness.analysis.decision.measurements import Option
from harness.analysis.decision.reasons import NAMED, unknowns
from harness.analysis.quality.alarms import CAUTION, cautions
from harness.analysis.quality.leaderboard import subsets
from harness.analysis.statistics.paired_ratios import noise_text
from harness.components.subset import LABEL
from harness.experiment.decision_terms import Decision, Workload
from harness.page.text import (
    change,
    counted,
    listed,
    more_queries,
    percent,
    rounded_up,
    significant,
)
from harness.results.store import Results
from harness.results.terms import terms

COULD_BE_LIMITED = ("p95_ms", "gb_per_million_documents", "cost_per_month")
"""What would flip it though it is not required; memory follows the bytes of the index."""

AGAIN = "measure again where nothing else runs (`--results DIR` for results of their own)"


def remarks(
    results: Results, case: DecisionInput, choice: Choice, noise: pd.DataFrame, alarms: pd.DataFrame
) -> Iterator[str]:
    """Where it holds, what it costs beside the baseline, what was not required, and cautions.

    `noise` has columns NOISE.
    """
    asked = terms(results)
    if choice.answer == "adopt":
        yield from _by_dataset(case, choice.option)
        yield from _beside_the_baseline(case, choice.option)
        yield from _not_timed(results, case, choice.option)
        yield from _at_other_candidates(results, asked.workload, choice.option)
    yield from _noisy(case, noise)
    if choice.answer != "assess" and case.limits:
        yield from _not_required(asked)
    decided = alarms["system"].isin((choice.option.system, case.baseline.system))
    yield from cautions(alarms[decided & (alarms["severity"] == CAUTION)])
    for name in sorted(subsets(results)):
        yield f"{name} is a {LABEL}."


def _by_dataset(case: DecisionInput, option: Option) -> Iterator[str]:
    """Of several datasets each by itself, because a mean hides where a system loses."""
    gained = {name: of[option.system] for name, of in case.gains.by_dataset.items()}
    if len(gained) < 2:
        return
    each = ", ".join(f"{change(*gain)} on {name}" for name, gain in gained.items())
    yield f"That is the mean over {len(gained)} datasets: {each}."
    if lost := [name for name, gain in gained.items() if gain.high < 0]:
        yield f"It loses on {', '.join(lost)}."


def _beside_the_baseline(case: DecisionInput, option: Option) -> Iterator[str]:
    """What it needs beside what the baseline needs, of p95 and p50 the first that is known of both."""
    wanted = [[Quantity("gb_per_million_documents")]]
    for device in case.devices:
        wanted += [[Quantity("p95_ms", device), Quantity("p50_ms", device)]]
        wanted += [[Quantity("cost_per_month", device)]]
    parts = []
    for either in wanted:
        for one in either:
            mine, theirs = (case.amount(x, one).value for x in (option, case.baseline))
            if not math.isnan(mine + theirs):
                parts.append(f"{one.text(significant(mine))} instead of {significant(theirs)}")
                break
    if parts:
        yield f"Compared with {case.baseline.name} it needs {'; '.join(parts)}."


def _not_required(asked: Decision) -> Iterator[str]:
    given = asked.requirements.model_dump(exclude_none=True)
    free = [of.general for name, of in WORDS.items() if name != "p50_ms" and not given.get(name)]
    if free:
        yield f"No requirement limits {listed(free, ' or ')}."


def _not_timed(results: Results, case: DecisionInput, option: Option) -> Iterator[str]:
    """That nobody knows how long it takes, where others were timed, and why."""
    for device in case.devices:
        if math.isnan(case.amount(option, Quantity("p50_ms", device)).value):
            arms = results.costs["arms"]
            mine = arms[(arms["system"] == option.system) & (arms["device"] == device)]
            why = next(filter(None, map(str, mine["reason"])), "")
            yield f"How long {option.name} takes on {device} was not measured{why and ': '}{why}."


def _noisy(case: DecisionInput, noise: pd.DataFrame) -> Iterator[str]:
    """Of each device where times cannot be compared well: by how much, and the way out."""
    for device in case.devices:
        pairs = noise[noise["device"] == device]
        noisy = pairs[pairs["noisy"].astype(bool)]
        if len(noisy):
            worst = noisy.loc[np.log(noisy["ratio"]).abs().idxmax()]
            yield (
                f"The times on {device} are noisy: the same system timed twice ({worst['system']}, "
                f"{worst['mode']}, k = {worst['k']}) differed by a factor of {noise_text(worst)}. Smaller "
                f"differences of time decide nothing; to see them, {AGAIN}."
            )
        elif pairs.empty and Quantity("p50_ms", device) in case.known:
            yield (
                f"No system was timed twice on {device}, so the noise of its times is unknown. "
                f"Differences of time decide nothing; to see them, {AGAIN}."
            )


def _at_other_candidates(results: Results, load: Workload | None, option: Option) -> Iterator[str]:
    """Quality is that of the depth it was measured with, not of the workload's candidates."""
    if load is None or option.mode == "retrieve":
        return
    configs = (
        facts["system"] for (_, system), facts in results.facts.items() if system == option.system
    )
    depths = {config.get("depth", {}).get("rerank") for config in configs} - {None, load.candidates}
    for depth in sorted(depths):
        yield (
            f"Its quality is that of {depth} reranked candidates, its cost that of "
            f"{load.candidates}: run it with `depth: {{rerank: {load.candidates}}}` to be sure."
        )


def flips(case: DecisionInput, choice: Choice) -> Iterator[str]:
    """Each way to another answer in a sentence, the nearest of each kind.

    A limit that only lies between two amounts which may be the same flips nothing: their intervals,
    or the noise of the machine, reach across it.
    """
    if choice.because in ("baseline invalid", "baseline not measured", "judgments open"):
        return
    free = [one for one in case.known - case.limits.keys() if one.name in COULD_BE_LIMITED]
    for quantity in [*(one for one in case.limits if one.name != "licence"), *sorted(free)]:
        yield from _looser(case, choice, quantity)
        if choice.answer == "adopt":
            yield from _tighter(case, choice, quantity)
    if choice.answer == "adopt":
        low = case.gains.of[choice.option.system].low
        yield (
            f"{choice.option.name} would not gain enough if you asked for more than {low:.3f} (now "
            f"{case.smallest:g})."
        )
    else:
        yield from _more_queries(case)
    yield from _unmeasured(case, choice)


def _bounds(case: DecisionInput, quantity: Quantity) -> list[float]:
    """The limits at which an option's verdict changes, ascending."""
    amounts = [case.amount(one, quantity) for one in case.options]
    values = {bound for amount in amounts for bound in (amount.lower, amount.upper)}
    return sorted(value for value in values if 0 < value < math.inf)


def _looser(case: DecisionInput, choice: Choice, quantity: Quantity) -> Iterator[str]:
    """The smallest loosening of a limit that changes the answer."""
    limit = case.limits.get(quantity, math.inf)
    for value in _bounds(case, quantity):
        if value > limit and (other := _under(case, choice, quantity, value)):
            more = value / limit
            by = f"{more:.1f} times as much" if more >= 2 else f"{percent(more - 1, 1)} more"
            needed = quantity.text(significant(rounded_up(value)))
            yield f"{other} if the limit were {needed} (now {limit:,g}; {by})."
            return


def _tighter(case: DecisionInput, choice: Choice, quantity: Quantity) -> Iterator[str]:
    """The smallest tightening of a limit, or the loosest new one, that changes the answer."""
    limit, mine = case.limits.get(quantity, math.inf), case.amount(choice.option, quantity)
    for value in reversed(_bounds(case, quantity)):
        if value <= limit and (other := _under(case, choice, quantity, value * (1 - 1e-9))):
            now = "no limit" if math.isinf(limit) else f"{limit:,g}"
            less = quantity.text(significant(value))
            yield f"{other} if the limit were below {less} (now {now}{_open_up_to(mine, value)})."
            return


def _open_up_to(mine: Amount, value: float) -> str:
    """That limits from `value` to where the choice surely meets them are open, if they are."""
    if not math.isnan(mine.value) or not value < mine.upper < math.inf:
        return ""
    most = significant(rounded_up(mine.upper))
    return f"; between {significant(value)} and {most} too few calls were timed to tell"


def _under(case: DecisionInput, choice: Choice, quantity: Quantity, limit: float) -> str:
    """The answer under another limit, if it is another one and not by amounts that may be the same."""
    changed = replace(case, limits={**case.limits, quantity: limit})
    other = choose(changed)
    mine, theirs = (case.amount(one, quantity) for one in (choice.option, other.option))
    if other.because == "requirement not measured" and theirs.tails:
        return ""  # the limit lies within what the calls leave open
    if other[:2] == choice[:2]:
        return ""
    alone = choice.option == other.option or (math.isnan(mine.value) and not mine.tails)
    apart = alone or mine.is_less(theirs) or theirs.is_less(mine)
    return headline(changed, other).rstrip(".") if apart else ""


def _more_queries(case: DecisionInput) -> Iterator[str]:
    """Of undecided gains how many queries would settle them, the fewest first."""
    undecided = case.ranked("undecided", "in", "unknown")
    rows = {one.system: case.gains.of[one.system] for one in undecided}
    for row in sorted(rows.values(), key=lambda row: row.needed)[:NAMED]:
        more = more_queries(row.needed, case.gains.queries).capitalize()
        yield (
            f"{more} like these would settle whether {row.system} "
            f"gains more than {case.smallest:g}, if its true gain is the measured {row.gain:+.3f}."
        )


def _unmeasured(case: DecisionInput, choice: Choice) -> Iterator[str]:
    """Systems that might be adopted if something of them were known."""
    hidden = [one for one in case.ranked("shown", "unknown") if one != choice.option]
    for one in hidden[:NAMED]:
        yield f"{one.name} gains enough, but may miss a requirement: {unknowns(case, one)}."
    missing = case.gains.missing
    names = [name for name in missing if name != choice.option.system]
    for name in names[:NAMED]:
        yield f"{name} was not compared: {missing[name].rstrip('.')}."
    if (more := len(names) - NAMED) > 0:
        yield f"{counted(more, 'more system was', 'more systems were')} not compared."
    for name, evidence in case.invalid.items():
        if name != choice.option.system:
            yield f"{name} cannot be recommended while its measurement is invalid: {evidence}."
