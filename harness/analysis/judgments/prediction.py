"""Which decision the full judgments would give, predicted from some of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.analysis.judgments.estimate import Estimate
from harness.analysis.statistics.intervals import ALPHA, Columns

LEVEL = 0.99
"""The probability of the same decision from which on it is settled; `tests/benchmarks/judging.py`
shows how often it is wrong then."""

SIMULATED = 2_000
"""Outcomes of judging the rest that are drawn; each has 0.05 % of the weight."""


class Outcome(NamedTuple):
    """A decision by quality alone."""

    answer: str
    """`adopt`, `assess` or `keep`."""
    system: int
    """Which contender is adopted; -1 where none is."""


class Prediction(NamedTuple):
    """What the decision would be, were everything judged."""

    likely: Sequence[tuple[Outcome, float]]
    """Outcomes with their probabilities, the most likely first."""
    share: float
    """Of what is unjudged, how much must be left at most for the most likely outcome to be as likely
    as asked, if the gains are as large as they look: a factor of the variance; 1 or more where it is."""


def outcomes(gains: Columns, errors: Columns, smallest: float) -> NDArray[np.int64]:
    """The decision of each row of gains over the baseline, as `named`; `errors` are their standard errors.

    As `decision.choose` without requirements: a gain is shown where its interval, corrected for the
    number of contenders (Holm), lies above the smallest that matters. Shapes (rows, contenders) and
    (contenders,).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        far = (gains - smallest) / errors
    order = np.argsort(-far, axis=1, kind="stable")
    least = [_normal(ALPHA / max(left, 1)) for left in range(gains.shape[1], 0, -1)]
    passed = np.logical_and.accumulate(np.take_along_axis(far, order, axis=1) >= least, axis=1)
    shown = np.zeros_like(passed)
    np.put_along_axis(shown, order, passed, axis=1)
    best = np.where(shown, gains - _normal(ALPHA) * errors, -np.inf).argmax(axis=1)
    worth = ((gains >= smallest) & (gains > 0)).any(axis=1)
    count = gains.shape[1]
    found: NDArray[np.int64] = np.where(shown.any(axis=1), best, np.where(worth, count, count + 1))
    return found


def named(code: int, contenders: int) -> Outcome:
    """The decision that a number of `outcomes` stands for."""
    if code < contenders:
        return Outcome("adopt", code)
    return Outcome("assess" if code == contenders else "keep", -1)


def _normal(alpha: float) -> float:
    """How many standard errors a two-sided interval at `alpha` reaches."""
    return NormalDist().inv_cdf(1 - alpha / 2)


def predict(found: Estimate, smallest: float, level: float, seed: int) -> Prediction:
    """What judging the rest may give, and how far it must go to be known with probability `level`."""
    errors = np.sqrt(np.diag(found.spread) / found.queries)
    drawn = found.of_these_drawn(SIMULATED, seed)
    likely = _likely(found.value + drawn, errors, smallest)
    share = 1.0
    while likely[0][1] < level and share > 1 / 64:
        share *= 0.7
        now = _likely(found.value + math.sqrt(share) * drawn, errors, smallest)
        if now[0][1] >= level:
            break
    return Prediction(likely, share)


def _likely(gains: Columns, errors: Columns, smallest: float) -> list[tuple[Outcome, float]]:
    contenders = gains.shape[1]
    counts = np.bincount(outcomes(gains, errors, smallest), minlength=contenders + 2) / len(gains)
    order = np.argsort(-counts, kind="stable")
    return [(named(code, contenders), float(counts[code])) for code in order.tolist()]
