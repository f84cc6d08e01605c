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
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.analysis.statistics import intervals

Outcome = Literal["pass", "fail", "inconclusive"]

SAME = 2e-6
"""Values that differ by no more are the same: they are stored with six decimals, and sums of floats
differ in their last digits between processors."""

Values = NDArray[np.float64]


class Changes(NamedTuple):
    """The change of each query, positive where it got better."""

    changes: Values
    margin: float
    noise: float = 0.0
    """By how much two runs of the same code may differ in the mean."""


class ChangeVerdict(NamedTuple):
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


UNCHANGED = ChangeVerdict("pass", 0.0, 0.0, 0.0, math.nan, better=False, seen=0.0, needed=math.nan)


def fewest_queries(tests: int) -> int:
    """With fewer queries no test can pass or fail in a gate of so many: 2^-n is not below the level."""
    return math.ceil(math.log2(tests / intervals.ALPHA))


def verdicts(compared: Sequence[Changes], seed: int) -> list[ChangeVerdict]:
    """One verdict each, in order; those without any change are no part of Holm's family."""
    found = [UNCHANGED] * len(compared)
    changed = [i for i, one in enumerate(compared) if (np.abs(one.changes) > SAME).any()]
    means, p = np.empty((len(compared), 3)), np.empty((3, len(compared)))
    for queries in {len(compared[i].changes) for i in changed}:
        # Changes of as many queries stand side by side: one draw serves all.
        group = [i for i in changed if len(compared[i].changes) == queries]
        changes = np.column_stack([compared[i].changes for i in group])
        means[group] = np.column_stack(intervals.mean_intervals(changes, seed))
        allowed = np.array([compared[i].margin - compared[i].noise for i in group])
        no_such_loss, _ = intervals.one_sided_p(changes + allowed)
        gain, loss = intervals.one_sided_p(changes)
        p[:, group] = no_such_loss, loss, gain
    corrected = [intervals.holm({str(i): row[i] for i in changed}) for row in p.tolist()]
    for i in changed:
        chances = _P(*(family[str(i)] for family in corrected))
        found[i] = _verdict(compared[i], means[i].tolist(), chances, len(changed))
    return found


class _P(NamedTuple):
    """One-sided p values, each corrected by Holm over all that is tested for the same."""

    no_such_loss: float
    """Small: a loss of the margin is ruled out."""
    loss: float
    """Small: there is a loss."""
    gain: float


def _verdict(one: Changes, mean: tuple[float, float, float], p: _P, tests: int) -> ChangeVerdict:
    """`mean` is the mean change with its interval."""
    outcome: Outcome = "inconclusive"
    if p.no_such_loss <= intervals.ALPHA:
        outcome = "pass"
    elif mean[0] < -(one.margin + one.noise) and p.loss <= intervals.ALPHA:
        outcome = "fail"
    # Holm's first step; twice that, because `detectable` is about two-sided tests.
    level = 2 * intervals.ALPHA / tests
    column, room = one.changes[:, None], one.margin - one.noise
    return ChangeVerdict(
        outcome,
        *mean,
        p.no_such_loss,
        better=mean[0] > one.noise and p.gain <= intervals.ALPHA,
        seen=intervals.detectable(column, level).item() + one.noise,
        needed=intervals.queries_needed(column, room, level).item() if room > 0 else math.nan,
    )
