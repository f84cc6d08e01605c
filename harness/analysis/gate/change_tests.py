"""Changes of every query -> pass, fail or inconclusive, for all that one gate tests together.

Old and new values are of the same queries, so their differences are tested: paired, one-sided, by
flipping signs (`intervals.randomisation_p`), at level ALPHA after Holm's correction over the gate.

pass           a mean loss of the margin or more is ruled out (non-inferiority: the differences
               moved up by the margin are shown to be above 0), or no value has changed at all
fail           the mean loss is greater than the margin, and that there is a loss is shown
inconclusive   neither

A rerun of the same code gives the same values, so there is no noise of measurement that a change
must stand out from: what the test of a loss guards against is a few queries that happened to move.
To ask instead that a loss *beyond the margin* be shown would miss most regressions that matter:
with 300 queries and differences of standard deviation 0.15, a mean of -0.024 and not of -0.014
would be the least that fails a margin of 0.01.

Error rates, by simulation in `tests/analysis/gate/test_change_tests.py`: where nothing has changed
in truth, any of a gate's verdicts is fail in at most 5 % of gates; where the true loss is the
margin, a verdict is pass in 5 %, for differences that are symmetrical or like those between real
systems. Where losses are rare and large it is more (one query in 20 loses 0.2, margin 0.01: 11 % of
100 queries, 8 % of 300): what happens to no query of a sample cannot be seen in it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.analysis.statistics import intervals

Outcome = Literal["pass", "fail", "inconclusive"]

SAME = 2e-6
"""Values that differ by no more are the same: they are stored with six decimals, and sums of floats
differ in their last digits between processors."""

Values = NDArray[np.float64]


class Compared(NamedTuple):
    """The change of each query, positive where it got better."""

    changes: Values
    margin: float
    noise: float = 0.0
    """By how much two runs of the same code may differ in the mean."""


class Verdict(NamedTuple):
    """What the changes show."""

    outcome: Outcome
    change: float
    low: float
    high: float
    """Mean change with its interval; NaN bounds below `intervals.FEWEST` queries."""
    p: float
    """That no loss of the margin or more is ruled out by chance, after Holm; NaN if nothing changed."""
    better: bool
    """Whether a gain is shown."""
    seen: float
    """The smallest margin at which a gate of this size passes what has not changed in truth with
    probability `intervals.POWER`, in the normal approximation; 0 if nothing changed, NaN if
    unknown."""
    needed: float
    """Queries like these with which that would be the margin that was asked for."""

    @property
    def unchanged(self) -> bool:
        """Whether every value is as it was, so that nothing was tested."""
        return math.isnan(self.p)


UNCHANGED = Verdict("pass", 0.0, 0.0, 0.0, math.nan, better=False, seen=0.0, needed=math.nan)


def fewest_queries(tests: int) -> int:
    """With fewer queries no test can pass or fail in a gate of so many: 2^-n is not below the level."""
    return math.ceil(math.log2(tests / intervals.ALPHA))


def verdicts(compared: Sequence[Compared], seed: int) -> list[Verdict]:
    """One verdict each, in order; those without any change are no part of Holm's family."""
    found = [UNCHANGED] * len(compared)
    changed = [i for i, one in enumerate(compared) if (np.abs(one.changes) > SAME).any()]
    means, p = _means(compared, changed, seed), _p_values(compared, changed)
    for i in changed:
        found[i] = _verdict(compared[i], means[i], p[i], len(changed))
    return found


class _Mean(NamedTuple):
    """A mean change with its interval."""

    change: float
    low: float
    high: float


class _P(NamedTuple):
    """One-sided p values, each corrected by Holm over all that is tested for the same."""

    kept: float
    """Small: a loss of the margin is ruled out."""
    lost: float
    """Small: there is a loss."""
    gained: float


def _columns(
    compared: Sequence[Compared], chosen: Sequence[int]
) -> Iterator[tuple[list[int], Values]]:
    """Changes side by side where they are of as many queries: the same draws serve all."""
    alike: defaultdict[int, list[int]] = defaultdict(list)
    for i in chosen:
        alike[len(compared[i].changes)].append(i)
    for group in alike.values():
        yield group, np.column_stack([compared[i].changes for i in group])


def _means(compared: Sequence[Compared], changed: Sequence[int], seed: int) -> dict[int, _Mean]:
    found: dict[int, _Mean] = {}
    for group, changes in _columns(compared, changed):
        bounds = zip(
            *(part.tolist() for part in intervals.mean_intervals(changes, seed)), strict=True
        )
        found.update(zip(group, (_Mean(*values) for values in bounds), strict=True))
    return found


def _p_values(compared: Sequence[Compared], changed: Sequence[int]) -> dict[int, _P]:
    families: tuple[dict[str, float], ...] = ({}, {}, {})
    for group, changes in _columns(compared, changed):
        allowed = np.array([compared[i].margin - compared[i].noise for i in group])
        columns = np.hstack([changes + allowed, -changes, changes])
        found = intervals.randomisation_p(columns, one_sided=True).reshape(3, -1)
        for family, row in zip(families, found.tolist(), strict=True):
            family.update(zip(map(str, group), row, strict=True))
    kept, lost, gained = map(intervals.holm, families)
    return {i: _P(kept[str(i)], lost[str(i)], gained[str(i)]) for i in changed}


def _verdict(one: Compared, mean: _Mean, p: _P, tests: int) -> Verdict:
    outcome: Outcome = "inconclusive"
    if p.kept <= intervals.ALPHA:
        outcome = "pass"
    elif mean.change < -(one.margin + one.noise) and p.lost <= intervals.ALPHA:
        outcome = "fail"
    # Holm's first step; twice that, for `detectable` is about two-sided tests.
    level = 2 * intervals.ALPHA / tests
    column, room = one.changes[:, None], one.margin - one.noise
    return Verdict(
        outcome,
        *mean,
        p.kept,
        better=mean.change > one.noise and p.gained <= intervals.ALPHA,
        seen=intervals.detectable(column, level).item() + one.noise,
        needed=intervals.queries_needed(column, room, level).item() if room > 0 else math.nan,
    )
