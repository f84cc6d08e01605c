"""A judging model tried on what people judged: whether its grades may count, and what they are like."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from harness.analysis.judgments.agreement import Agreement, Grades, agreement
from harness.data import Hit
from harness.page.text import counted, number
from harness.results import metrics

FEWEST = 30
"""Documents that people and the model both judged; fewer show no agreement."""

RELEVANT = 2
"""The model's grade from which a document counts as relevant where people said only yes or no."""

DECIMALS = 9
"""Of a metric's mean; further ones are rounding."""

PEOPLE = "people"

OUT = "Its labels do not count."

Rankings = Mapping[str, Mapping[str, Sequence[str]]]
"""By system and query the ids of its first documents, best first."""


class Trial(NamedTuple):
    """How a model's grades compare with people's."""

    model: str
    agreement: Agreement | None
    """People first, the model second; None where they judged nothing both."""
    tau: float
    """Kendall's, of the order of the systems by people's grades and by the model's; NaN where one of
    the two gives no order."""
    systems: int
    least: float
    """The weighted kappa that the experiment asks for."""
    yes_or_no: bool
    """Whether people said only yes or no, so that the model's grades from RELEVANT count as yes."""

    @property
    def counts(self) -> bool:
        """Whether the model's labels may count."""
        found = self.agreement
        return bool(found and found.pairs >= FEWEST and found.weighted.value >= self.least)


def tried(
    model: str,
    people: Grades,
    labels: Grades,
    rankings: Rankings,
    metric: str,
    least: float,
    seed: int,
) -> Trial:
    """The model's `labels` against people's grades, over the documents that both judged.

    The systems are compared by `metric` over these documents alone, which the others are taken out
    for.
    """
    both = sorted(people.keys() & labels.keys())
    ours = {pair: min(max(people[pair], 0), 3) for pair in both}
    yes_or_no = bool(ours) and max(ours.values()) <= 1
    theirs = {pair: int(labels[pair] >= RELEVANT) if yes_or_no else labels[pair] for pair in both}
    first, second = (_means(grades, rankings, metric) for grades in (ours, theirs))
    return Trial(
        model,
        agreement((PEOPLE, ours), (model, theirs), seed),
        kendall(first, second),
        len(rankings),
        least,
        yes_or_no,
    )


def kendall(first: Sequence[float], second: Sequence[float]) -> float:
    """Kendall's tau-b of two orders: 1 is the same order, -1 the reverse; ties count for neither.

    Values that differ by rounding alone are ties. NaN where one of them gives no order at all.
    """
    from scipy.stats import kendalltau

    if len(first) < 2:
        return math.nan
    return float(kendalltau(np.round(first, DECIMALS), np.round(second, DECIMALS)).statistic)


def sentences(trial: Trial) -> list[str]:
    """What a reader must know of the model's labels; the first says whether they count."""
    found, name = trial.agreement, f"The judging model {trial.model}"
    if found is None:
        return [
            f"{name}: agreement not measured, because people judged nothing that it judged. {OUT}"
        ]
    kappa = f"weighted kappa {found.weighted.text()} over {counted(found.pairs, 'document')}"
    asked = f"the file asks for at least {trial.least:g}"
    if found.pairs < FEWEST:
        first = (
            f"{name} was tried on {counted(found.pairs, 'document')}; {FEWEST} are needed. {OUT}"
        )
    elif math.isnan(found.weighted.value):
        first = f"{name}: agreement not measured, because all gave one grade. {OUT}"
    elif trial.counts:
        first = (
            f"{name} agrees with people: {kappa}; {asked}. Its labels count, marked as a model's."
        )
    else:
        first = f"{name} does not agree with people enough: {kappa}; {asked}. {OUT}"
    lines = [first, _bias(trial.model, found), _order(trial)]
    if trial.yes_or_no:
        lines.append(
            f"People said only yes or no: the model's grades from {RELEVANT} count as yes."
        )
    return lines


def _bias(model: str, found: Agreement) -> str:
    shift, low, high = found.stricter
    if not (low > 0 or high < 0):
        return f"{model} is not seen to be stricter or laxer than people."
    how = "laxer" if shift > 0 else "stricter"
    return f"{model} is {how} than people, by {abs(shift):.2f} grades on average."


def _order(trial: Trial) -> str:
    what = f"the order of {counted(trial.systems, 'system')} by its grades and by people's"
    if math.isnan(trial.tau):
        return f"Kendall's tau of {what}: not measured, because one of the two is no order."
    return f"Kendall's tau of {what} is {number(trial.tau, '.2f')}."


def _means(grades: Grades, rankings: Rankings, metric: str) -> list[float]:
    """Of each system the mean over the queries with grades, of its documents that have one."""
    qrels: dict[str, dict[str, int]] = {}
    for (query_id, doc_id), grade in grades.items():
        qrels.setdefault(query_id, {})[doc_id] = grade
    if not qrels:
        return [0.0 for _ in rankings]
    found = []
    for ranked in rankings.values():
        run = {
            query_id: [
                Hit(doc_id, -place)
                for place, doc_id in enumerate(ranked.get(query_id, ()))
                if doc_id in judged
            ]
            for query_id, judged in qrels.items()
        }
        found.append(float(metrics.measurements(run, qrels, [metric])[metric].mean()))
    return found
