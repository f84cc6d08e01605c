"""How far judges agree on the documents that both judged: kappa, weighted kappa, who is stricter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.analysis.statistics import intervals
from harness.page.blocks import Block, tabled
from harness.page.tables import Table
from harness.page.text import interval, number, percent

Grades = Mapping[tuple[str, str], int]
"""By query and document a grade, 0 or more."""

Counts = NDArray[np.float64]
"""Of shape (tables, grades, grades): how many pairs the first judge gave one grade, the second another."""

WITHOUT = f"[no interval: fewer than {intervals.FEWEST} queries]"

CAPTION = (
    "Documents that two judges judged. Kappa is their agreement beyond chance: 1 is all, 0 is what "
    "chance gives (Cohen 1960). Weighted: a grade that is 2 off counts twice as much as one that is "
    "1 off (Cohen 1968, linear weights). The last column is how much lower the first judge grades."
)


class Estimate(NamedTuple):
    """A figure with its 95 % interval, whose bounds are NaN where there is none."""

    value: float
    low: float
    high: float

    def text(self, form: str = ".2f") -> str:
        """Both, as a table shows them."""
        return f"{number(self.value, form)} {interval(self.low, self.high, form, WITHOUT)}"


class Agreement(NamedTuple):
    """Of two judges."""

    first: str
    second: str
    pairs: int
    """Documents of a query that both judged."""
    queries: int
    same: Estimate
    """The share of pairs with the same grade."""
    kappa: Estimate
    """Cohen's; NaN where both always give the same one grade, so that chance alone agrees."""
    weighted: Estimate
    """Linearly weighted kappa."""
    stricter: Estimate
    """The mean of the second judge's grades minus the first's: above 0 the first is stricter."""


def agreement(first: tuple[str, Grades], second: tuple[str, Grades], seed: int) -> Agreement | None:
    """How far two judges, each a name with grades, agree; None where they judged no pair both.

    Documents of one query resemble each other: the intervals are percentiles over resamples of whole
    queries (bootstrap, `intervals.drawn`). A resample without a kappa counts as beyond both bounds.
    """
    (name, ours), (other, theirs) = first, second
    both = sorted(ours.keys() & theirs.keys())
    if not both:
        return None
    found, places = np.unique([query_id for query_id, _ in both], return_inverse=True)
    most = 1 + max(max(ours[pair], theirs[pair]) for pair in both)
    cells = [most * ours[pair] + theirs[pair] for pair in both] + places * most**2
    counts = np.bincount(cells, minlength=len(found) * most**2).astype(np.float64)
    tables = counts.reshape(len(found), most, most)
    values = _figures(tables.sum(axis=0, keepdims=True))[0].tolist()
    low = high = [float("nan")] * len(values)
    if len(found) >= intervals.FEWEST:
        weights = intervals.drawn(len(found), intervals.RESAMPLES, seed).astype(np.float64)
        drawn = (weights @ tables.reshape(len(found), -1)).reshape(-1, most, most)
        low, high = (bound.tolist() for bound in intervals.bounds(_figures(drawn)))
    figures = map(Estimate, values, low, high)
    return Agreement(name, other, len(both), len(found), *figures)


def _figures(tables: Counts) -> Counts:
    """Columns `same`, `kappa`, `weighted` and `stricter` of Agreement, a row a table."""
    grades = np.arange(tables.shape[1])
    total = tables.sum(axis=(1, 2))
    given = tables.sum(axis=2)[:, :, np.newaxis] * tables.sum(axis=1)[:, np.newaxis, :]
    by_chance = given / total[:, np.newaxis, np.newaxis]
    higher = grades[np.newaxis, :] - grades[:, np.newaxis]

    def kappa(weights: NDArray[np.int64]) -> Counts:
        with np.errstate(invalid="ignore"):  # 0 / 0 where chance alone agrees
            found: Counts = 1 - (tables * weights).sum(axis=(1, 2)) / (by_chance * weights).sum(
                axis=(1, 2)
            )
        return found

    same = np.trace(tables, axis1=1, axis2=2) / total
    stricter = (tables * higher).sum(axis=(1, 2)) / total
    apart = (higher != 0).astype(np.int64)
    return np.column_stack([same, kappa(apart), kappa(np.abs(higher)), stricter])


def agreements(judged: Mapping[str, Grades], seed: int) -> Iterator[Agreement]:
    """Of every two judges, by name, who judged some documents both."""
    for first, second in combinations(judged.items(), 2):
        found = agreement(first, second, seed)
        if found:
            yield found


def agreement_block(judged: Mapping[str, Grades], seed: int) -> Block | None:
    """A part of the report: the agreement of all judges; None where no two judged the same."""
    found = list(agreements(judged, seed))
    if not found:
        return None
    rows = [
        (
            f"{one.first}, {one.second}",
            f"{one.pairs:,}",
            f"{one.queries:,}",
            percent(one.same.value),
            one.kappa.text(),
            one.weighted.text(),
            one.stricter.text("+.2f"),
        )
        for one in found
    ]
    columns = (
        "judges",
        "documents",
        "queries",
        "same grade",
        "kappa",
        "weighted kappa",
        "lower by",
    )
    return tabled("Agreement of judges", CAPTION, Table(columns, rows), "", list(map(_said, found)))


def _said(one: Agreement) -> str:
    """Who is stricter, as far as that is seen."""
    shift, low, high = one.stricter
    if low > 0 or high < 0:
        strict, lax = (one.first, one.second) if shift > 0 else (one.second, one.first)
        return f"{strict} is stricter than {lax}, by {abs(shift):.2f} grades on average."
    return f"Neither {one.first} nor {one.second} is seen to be stricter than the other."
