"""What a reader must know of a decision beside the rule's own reasons."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from harness.analysis.decision.choose import Case, Choice
from harness.analysis.decision.headline import figure
from harness.analysis.decision.need import Kind, need_of
from harness.analysis.decision.options import Option
from harness.analysis.quality.leaderboard import subsets
from harness.analysis.statistics.text import factor_words
from harness.components.subset import LABEL
from harness.experiment.schema import Decision, Workload
from harness.page.text import interval, significant
from harness.results.store import Results
from harness.results.terms import terms

WEIGHED = {
    "p95_ms": "latency",
    "gb_per_million_documents": "storage",
    "memory_gb": "memory",
    "cost_per_month": "cost",
    "licence": "licences",
}
"""By requirement what it is of."""


def remarks(
    results: Results, case: Case, choice: Choice, noise: pd.DataFrame, alarms: pd.DataFrame
) -> Iterator[str]:
    """Where it holds, what it costs beside the baseline, what was not required, and cautions.

    `noise` has columns NOISE.
    """
    asked = terms(results)
    if choice.answer == "adopt":
        yield from _by_dataset(case, choice)
        yield from _price_of(case, choice)
        yield from _not_timed(results, case, choice.option)
        yield from _at_other_candidates(results, asked.workload, choice.option)
    yield from _noisy(case, noise)
    if choice.answer != "assess" and case.limits:
        yield from _not_required(asked)
    yield from _cautions(alarms, (choice.option.system, case.baseline.system))
    for name in sorted(subsets(results)):
        yield f"{name}: {LABEL}."


def _by_dataset(case: Case, choice: Choice) -> Iterator[str]:
    """Of several datasets each by itself, for a mean hides where a system loses."""
    if len(case.gains.by_dataset) < 2:
        return
    gained = {name: of[choice.option.system] for name, of in case.gains.by_dataset.items()}
    lost = [name for name, gain in gained.items() if gain.high < 0]
    said = ", ".join(
        f"{gain.value:+.3f} {interval(gain.low, gain.high)} on {name}"
        for name, gain in gained.items()
    )
    yield f"That is the mean over {len(gained)} datasets: {said}."
    if lost:
        yield f"It loses on {', '.join(lost)}."


def _not_required(asked: Decision) -> Iterator[str]:
    given = asked.requirements.model_dump(exclude_none=True)
    free = [said for name, said in WEIGHED.items() if not given.get(name)]
    if free:
        yield f"Nothing is required of {either(free)}."


def either(words: Sequence[str]) -> str:
    """Words with an `or` before the last."""
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _price_of(case: Case, choice: Choice) -> Iterator[str]:
    """What it needs beside what the baseline needs."""
    wanted = [Kind("gb_per_million_documents")]
    for device in case.devices:
        for names in (("p95_ms", "p50_ms"), ("cost_per_month",)):
            kinds = [Kind(name, device) for name in names]
            wanted += [kind for kind in kinds if _both(case, choice, kind)][:1]
    parts = [
        f"{figure(kind, both[0])} instead of {significant(both[1])}"
        for kind in wanted
        if (both := _both(case, choice, kind))
    ]
    if parts:
        yield f"Beside {case.baseline.name} it needs {'; '.join(parts)}."


def _both(case: Case, choice: Choice, kind: Kind) -> tuple[float, float] | None:
    mine, theirs = (need_of(case.needs, one, kind).value for one in (choice.option, case.baseline))
    return None if math.isnan(mine) or math.isnan(theirs) else (mine, theirs)


def _not_timed(results: Results, case: Case, option: Option) -> Iterator[str]:
    """That nobody knows how long it takes, where others were timed, and why."""
    for device in case.devices:
        if math.isnan(need_of(case.needs, option, Kind("p50_ms", device)).value):
            arms = results.costs["arms"]
            mine = arms[(arms["system"] == option.system) & (arms["device"] == device)]
            why = next(filter(None, map(str, mine["reason"])), "")
            yield f"How long {option.name} takes on {device} was not measured{why and ': '}{why}."


def _noisy(case: Case, noise: pd.DataFrame) -> Iterator[str]:
    """Of each device where times cannot be told apart well: by how much, and the way out."""
    again = "measure again where nothing else runs (`--results DIR` for results of their own)"
    for device in case.devices:
        pairs = noise[noise["device"] == device]
        noisy = pairs[pairs["noisy"].astype(bool)]
        if len(noisy):
            worst = noisy.loc[np.log(noisy["ratio"]).abs().idxmax()]
            yield (
                f"The times on {device} are noisy: two equal arms ({worst['system']}, {worst['mode']}, "
                f"k = {worst['k']}) differed by a factor of {factor_words(worst)}. Nothing is decided by "
                f"smaller differences of time; to tell them, {again}."
            )
        elif pairs.empty and any(kind == Kind("p50_ms", device) for _, kind in _known(case)):
            yield (
                f"No two equal arms were timed on {device}, so that nobody knows how noisy its times are. "
                f"Nothing is decided by differences of time; to tell them, {again}."
            )


def _known(case: Case) -> list[tuple[Option, Kind]]:
    return [name for name, need in case.needs.items() if not math.isnan(need.value)]


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
            f"Its quality was measured on {depth} reranked candidates, what it needs is that of "
            f"{load.candidates}: run it with `depth: {{rerank: {load.candidates}}}` to be sure."
        )


def _cautions(alarms: pd.DataFrame, systems: Sequence[str]) -> Iterator[str]:
    rows = alarms[(alarms["severity"] == "CAUTION") & alarms["system"].isin(systems)]
    for row in rows.itertuples():
        yield f"Caution, {row.alarm} ({row.system} on {row.dataset}): {str(row.evidence).rstrip('.')}."
